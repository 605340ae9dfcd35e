// The report drawn with characters.
#include "ui/report_text.hpp"

#include "scenarios/quantity.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace orrery {
namespace {

constexpr std::size_t report_columns = 100;
constexpr std::size_t bar_columns = 40;
constexpr std::size_t change_indent = 30;

Tone tone_of(Verdict verdict) {
    switch (verdict) {
        case Verdict::neutral: return Tone::bold;
        case Verdict::good: return Tone::good;
        case Verdict::bad: return Tone::bad;
    }
    return Tone::plain;
}

std::string heading(const std::string& text, const Style& style) {
    return "\n" + painted(style, Tone::bold, wrapped(text, report_columns, 2)) + "\n";
}

std::string figure_lines(const std::vector<ReportFigure>& figures, const Style& style) {
    std::size_t width = 0;
    for (const ReportFigure& one : figures) width = std::max(width, columns_of(one.value));
    std::string text;
    for (const ReportFigure& one : figures) {
        text += fmt::format("  {}{}  {}\n", padded(one.label, 12), painted(style, tone_of(one.verdict), padded(one.value, width)),
                            wrapped(one.note, report_columns - 16 - width, 16 + width));
    }
    return text;
}

std::string bar_lines(const std::vector<ReportBar>& bars, const Style& style) {
    std::string text;
    for (const ReportBar& one : bars) {
        const Tone tone = one.is_useful ? Tone::accent : Tone::bad;
        text += fmt::format("  {}{}{}  {}\n", padded(one.label, 20), padded(format_ratio(one.share), 8, true),
                            padded(one.amount, 12, true), painted(style, tone, text_bar(one.share, bar_columns, style)));
    }
    return text;
}

/// Options of a change, several on a line where they fit; none is broken.
std::string setting_lines(const std::vector<std::string>& settings, const Style& style) {
    std::string text;
    std::string line;
    for (const std::string& one : settings) {
        if (!line.empty() && change_indent + columns_of(line) + 1 + columns_of(one) > report_columns) {
            text += std::string(change_indent, ' ') + painted(style, Tone::dim, line) + "\n";
            line.clear();
        }
        line += (line.empty() ? "" : " ") + one;
    }
    return line.empty() ? text : text + std::string(change_indent, ' ') + painted(style, Tone::dim, line) + "\n";
}

std::string change_lines(const std::vector<ReportChange>& changes, const Style& style) {
    std::string text;
    for (const ReportChange& one : changes) {
        text += fmt::format("  {}{}  {}\n", painted(style, tone_of(one.verdict), padded(one.effect, 16)),
                            padded(one.step_time, 10, true), wrapped(one.change, report_columns - change_indent, change_indent));
        text += setting_lines(one.settings, style);
    }
    return text;
}

std::string fact_lines(const std::vector<ReportFact>& facts) {
    std::string text;
    std::string label_before;
    for (const ReportFact& one : facts) {
        const std::string label = one.label == label_before ? "" : one.label;
        label_before = one.label;
        text += fmt::format("  {}{}\n", padded(label, 12), wrapped(one.text, report_columns - 14, 14));
    }
    return text;
}

}  // namespace

std::size_t columns_of(std::string_view text) {
    return static_cast<std::size_t>(
        std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

std::string padded(std::string_view text, std::size_t width, bool at_left) {
    const std::size_t columns = columns_of(text);
    const std::string blanks(columns < width ? width - columns : 0, ' ');
    return at_left ? blanks + std::string(text) : std::string(text) + blanks;
}

std::string wrapped(std::string_view text, std::size_t width, std::size_t indent) {
    std::string result;
    std::size_t column = 0;
    while (!text.empty()) {
        const std::size_t space = text.find(' ');
        const std::string_view word = text.substr(0, space);
        text = space == std::string_view::npos ? std::string_view{} : text.substr(space + 1);
        const std::size_t columns = columns_of(word);
        if (column > 0 && column + 1 + columns > width) {
            result += "\n" + std::string(indent, ' ');
            column = 0;
        } else if (column > 0) {
            result += ' ';
            ++column;
        }
        result += word;
        column += columns;
    }
    return result;
}

std::string text_bar(double share, std::size_t width, const Style& style) {
    static constexpr std::array<std::string_view, 8> eighths{"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    const double filled = std::clamp(share, 0.0, 1.0) * static_cast<double>(width);
    if (!style.unicode) return std::string(static_cast<std::size_t>(std::lround(filled)), '#');
    const auto cells = static_cast<std::size_t>(std::lround(filled * 8.0));
    std::string bar;
    for (std::size_t i = 0; i < cells / 8; ++i) bar += "█";
    return bar + std::string(eighths[cells % 8]);
}

std::string report_text(const ReportView& view, const Style& style) {
    std::string text = painted(style, Tone::bold, view.title) + "\n";
    text += wrapped(view.subtitle, report_columns, 0) + "\n\n";
    text += figure_lines(view.figures, style);
    text += heading("Where the time goes", style) + bar_lines(view.time, style);
    text += heading(view.memory_heading, style) + bar_lines(view.memory, style);
    text += heading("What limits it", style);
    for (const std::string& sentence : view.limits) text += "  " + wrapped(sentence, report_columns - 2, 2) + "\n";
    text += heading(view.changes_heading, style) + change_lines(view.changes, style);
    if (!view.basis.empty()) text += heading("What the prices rest on", style) + fact_lines(view.basis);
    text += heading("Provenance", style) + fact_lines(view.provenance);
    if (!view.sources_hint.empty()) text += fact_lines({{"sources", view.sources_hint}});
    return text;
}

}  // namespace orrery
