// Turns the description of a key into a few aligned lines.
#include "scenarios/explain.hpp"

#include "scenarios/keys.hpp"
#include "scenarios/shown_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace orrery {
namespace {

std::string limit_words(const Key& key) {
    const Range& range = key.range;
    if (key.kind == KeyKind::list || (!std::isfinite(range.min) && !std::isfinite(range.max))) return "";
    if (!std::isfinite(range.max)) return fmt::format("{} {:.10g}", range.open_min ? "above" : "at least", range.min);
    if (!std::isfinite(range.min)) return fmt::format("at most {:.10g}", range.max);
    return fmt::format("{:.10g} to {:.10g}{}", range.min, range.max, range.open_min ? ", the lower end excluded" : "");
}

std::string type_words(const Key& key) {
    switch (key.kind) {
        case KeyKind::object:
            return "object";
        case KeyKind::list:
            return "list";
        case KeyKind::quantity:
            return fmt::format("number in {}, or text with a unit, such as {}", key.bare_words,
                               unit_examples(key.dimension));
        case KeyKind::number:
            return "number";
        case KeyKind::integer:
            return "whole number";
        case KeyKind::boolean:
            return "true or false";
        case KeyKind::text:
            return key.children.empty() ? "text" : "text, or an object of the keys below";
        case KeyKind::choice:
            return "one of the values below";
    }
    return "";
}

std::string default_words(const Key& key) {
    if (key.required) return "none: it must be given";
    if (key.kind == KeyKind::quantity && !key.default_value.is_null()) {
        return fmt::format("{} ({})", quoted(key.default_value),
                           format_quantity(key.default_value.get<double>() / key.divisor, key.dimension));
    }
    if (key.kind == KeyKind::list) return "empty";
    return key.default_value.is_null() ? "" : quoted(key.default_value);
}

void add_line(std::string& text, std::string_view label, const std::string& words) {
    if (!words.empty()) text += fmt::format("  {:<9}{}\n", label, words);
}

void add_table(std::string& text, const std::vector<std::pair<std::string, std::string>>& rows) {
    std::size_t width = 0;
    for (const auto& row : rows) width = std::max(width, row.first.size());
    for (const auto& [name, doc] : rows) text += fmt::format("    {:<{}}  {}\n", name, width, doc);
}

std::string explanation(const Key& key) {
    std::string text = fmt::format("{}\n  {}\n", key.path.empty() ? "scenario" : key.path, key.doc);
    add_line(text, "type", type_words(key));
    add_line(text, "range", limit_words(key));
    if (key.kind != KeyKind::object) add_line(text, "default", default_words(key));
    add_line(text, "source", key.source);
    if (!key.choices.empty()) {
        text += "  values\n";
        add_table(text, key.choices);
    }
    if (!key.children.empty()) {
        std::vector<std::pair<std::string, std::string>> rows;
        const Key& members =
            key.kind == KeyKind::list && !key.children.front().children.empty() ? key.children.front() : key;
        for (const Key& child : members.children) {
            rows.emplace_back(child.name, child.doc + (child.required ? " (required)" : ""));
        }
        text += key.kind == KeyKind::list ? "  keys of each item\n" : "  keys\n";
        add_table(text, rows);
    }
    return text;
}

}  // namespace

Result<std::string> explain(std::string_view path) {
    std::string dotted(path);
    if (!dotted.empty() && dotted.front() == '/') {
        dotted.erase(0, 1);
        std::replace(dotted.begin(), dotted.end(), '/', '.');
    }
    const Key root = scenario_keys();
    const Key* key = find_key(root, dotted);
    if (key == nullptr) return Problem{shown_text(path, 120), "is not a key of scenarios", path_remedy(root, dotted)};
    return explanation(*key);
}

}  // namespace orrery
