// The catalogue and the tables of the code, printed.
#include "ui/command_list.hpp"

#include "models/step_graph.hpp"
#include "network/collective.hpp"
#include "network/collective_case.hpp"
#include "network/fabric.hpp"
#include "scenarios/catalog.hpp"
#include "scenarios/nearest.hpp"
#include "ui/report_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

namespace orrery {
namespace {

using NamedLines = std::vector<std::pair<std::string, std::string>>;

Result<NamedLines> catalog_lines(std::string_view kind) {
    const auto pages = list_catalog(kind);
    if (!pages) return pages.problems();
    NamedLines lines;
    for (const CatalogPage& page : *pages) lines.emplace_back(page.name, page.line);
    return lines;
}

template <class Table>
NamedLines table_lines(const Table& table) {
    NamedLines lines;
    for (const auto& entry : table) lines.emplace_back(std::string(entry.name), std::string(entry.doc));
    return lines;
}

/// What can be listed, and where its lines come from.
struct Listing {
    std::string_view kind;
    Result<NamedLines> (*lines)(std::string_view kind);
};

constexpr auto listings = std::to_array<Listing>({
    {"devices", catalog_lines},
    {"nodes", catalog_lines},
    {"links", catalog_lines},
    {"models", catalog_lines},
    {"frameworks", catalog_lines},
    {"topologies", [](std::string_view) -> Result<NamedLines> { return table_lines(topologies()); }},
    {"collectives",
     [](std::string_view) -> Result<NamedLines> { return table_lines(EnumTable<CollectiveKind>::names); }},
    {"algorithms", [](std::string_view) -> Result<NamedLines> { return table_lines(collective_algorithms()); }},
    {"schedules", [](std::string_view) -> Result<NamedLines> { return table_lines(schedules()); }},
});

std::string page_text(const CatalogPage& page, const Style& style) {
    constexpr std::size_t columns = 100;
    std::string text = fmt::format("{} ({})\n{}\n", painted(style, Tone::bold, page.name), page.kind, wrapped(page.line, columns, 0));
    std::size_t width = 0;
    std::size_t value_width = 0;
    for (const CatalogFigure& figure : page.figures) {
        width = std::max(width, columns_of(figure.key));
        value_width = std::clamp<std::size_t>(columns_of(figure.value), value_width, 30);
    }
    const std::size_t indent = 2 + width + 2 + value_width + 2;
    for (const CatalogFigure& figure : page.figures) {
        const std::string date = figure.date.empty() ? "" : " (" + figure.date + ")";
        text += fmt::format("  {}  {}  {}\n", padded(figure.key, width), padded(figure.value, value_width),
                            painted(style, Tone::dim, wrapped(figure.source + date, columns - indent, indent)));
        for (const std::string& other : figure.alternatives) {
            text += std::string(indent, ' ') +
                    painted(style, Tone::dim, "not used: " + wrapped(other, columns - indent - 10, indent)) + "\n";
        }
    }
    for (const std::string& note : page.notes) text += "  note: " + wrapped(note, columns - 8, 8) + "\n";
    return text;
}

}  // namespace

ExitStatus command_list(const std::string& kind) {
    std::vector<std::string> kinds;
    for (const Listing& one : listings) kinds.emplace_back(one.kind);
    const auto listing = std::find_if(listings.begin(), listings.end(), [&](const Listing& one) { return one.kind == kind; });
    if (listing == listings.end()) {
        return print_problems({{"list " + kind, "is nothing that can be listed", nearest_remedy(kind, kinds)}});
    }
    const auto lines = listing->lines(kind);
    if (!lines) return print_problems(lines.problems());
    std::size_t width = 0;
    for (const auto& [name, line] : *lines) width = std::max(width, columns_of(name));
    const Style style = style_of_stdout();
    std::string text;
    for (const auto& [name, line] : *lines) text += fmt::format("{}  {}\n", painted(style, Tone::bold, padded(name, width)), line);
    return print_answer(text);
}

ExitStatus command_show(const std::string& name) {
    const auto page = show_catalog(name);
    if (!page) return print_problems(page.problems());
    return print_answer(page_text(*page, style_of_stdout()));
}

}  // namespace orrery
