// The report drawn as a page: cards for the headlines, SVG for the bars.
#include "ui/report_html.hpp"

#include "scenarios/quantity.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace orrery {
namespace {

constexpr std::string_view page_style = R"css(
:root { color-scheme: light dark; --back: #fbfbfa; --card: #ffffff; --text: #1d2127; --soft: #667085; --line: #e3e5e8;
  --use: #2f6fde; --loss: #e07a3f; --good: #1a7f4b; --bad: #c2362b; --track: #eef0f3; }
@media (prefers-color-scheme: dark) { :root { --back: #14161a; --card: #1c1f25; --text: #e7e9ec; --soft: #9aa3af;
  --line: #2d323a; --use: #6ea2ff; --loss: #f0965e; --good: #57c98a; --bad: #ff7b6e; --track: #262a31; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 62rem; padding: 2rem 1.25rem 4rem; background: var(--back); color: var(--text);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
h1 { margin: 0 0 .25rem; font-size: 1.7rem; line-height: 1.2; } h2 { margin: 2.25rem 0 .75rem; font-size: 1.1rem; }
.soft { color: var(--soft); } p { margin: .4rem 0; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(15rem, 1fr)); gap: .75rem; margin-top: 1.5rem; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: .8rem 1rem; }
.card b { display: block; font-size: 1.35rem; font-variant-numeric: tabular-nums; } .card span { font-size: .85rem; }
.good { color: var(--good); } .bad { color: var(--bad); }
table { border-collapse: collapse; width: 100%; } td { padding: .3rem .75rem .3rem 0; vertical-align: top; }
td.n { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
tr + tr td { border-top: 1px solid var(--line); }
td.bar { width: 45%; padding-right: 0; } svg { display: block; width: 100%; height: 1.1rem; }
code { font: .82rem/1.5 ui-monospace, "SF Mono", Menlo, Consolas, monospace; color: var(--soft); overflow-wrap: anywhere; }
.facts td:first-child { color: var(--soft); white-space: nowrap; } .facts td { overflow-wrap: anywhere; font-size: .9rem; }
.stack { height: 1.6rem; border-radius: 6px; overflow: hidden; margin: .5rem 0 1rem; }
)css";

std::string_view verdict_class(Verdict verdict) {
    switch (verdict) {
        case Verdict::neutral: return "";
        case Verdict::good: return "good";
        case Verdict::bad: return "bad";
    }
    return "";
}

std::string card(const ReportFigure& figure) {
    return fmt::format("<div class=\"card\"><span class=\"soft\">{}</span><b class=\"{}\">{}</b><span class=\"soft\">{}</span></div>\n",
                       html_text(figure.label), verdict_class(figure.verdict), html_text(figure.value), html_text(figure.note));
}

std::string svg_bar(const ReportBar& bar) {
    return fmt::format("<svg viewBox=\"0 0 100 10\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"{}\">"
                       "<rect width=\"100\" height=\"10\" rx=\"1\" fill=\"var(--track)\"/>"
                       "<rect width=\"{:.3f}\" height=\"10\" rx=\"1\" fill=\"var(--{})\"/></svg>",
                       html_text(bar.label + " " + format_ratio(bar.share)), 100.0 * std::clamp(bar.share, 0.0, 1.0),
                       bar.is_useful ? "use" : "loss");
}

std::string bar_table(const std::vector<ReportBar>& bars) {
    std::string rows;
    for (const ReportBar& bar : bars) {
        rows += fmt::format("<tr><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"bar\">{}</td></tr>\n",
                            html_text(bar.label), format_ratio(bar.share), html_text(bar.amount), svg_bar(bar));
    }
    return "<table>\n" + rows + "</table>\n";
}

/// All parts side by side in one bar.
std::string stacked_bar(const std::vector<ReportBar>& bars) {
    std::string parts;
    double at = 0.0;
    for (std::size_t i = 0; i < bars.size(); ++i) {
        const double width = 100.0 * std::clamp(bars[i].share, 0.0, 1.0);
        parts += fmt::format("<rect x=\"{:.3f}\" width=\"{:.3f}\" height=\"10\" fill=\"var(--{})\" fill-opacity=\"{:.2f}\">"
                             "<title>{}</title></rect>",
                             at, width, bars[i].is_useful ? "use" : "loss", i % 2 == 0 ? 1.0 : 0.7,
                             html_text(bars[i].label + ": " + bars[i].amount + ", " + format_ratio(bars[i].share)));
        at += width;
    }
    return fmt::format("<svg class=\"stack\" viewBox=\"0 0 {:.3f} 10\" preserveAspectRatio=\"none\">"
                       "<rect width=\"1000\" height=\"10\" fill=\"var(--track)\"/>{}</svg>\n",
                       std::max(100.0, at), parts);
}

std::string change_table(const std::vector<ReportChange>& changes) {
    std::string rows;
    for (const ReportChange& one : changes) {
        std::string settings;
        for (const std::string& option : one.settings) settings += (settings.empty() ? "" : " ") + option;
        rows += fmt::format("<tr><td class=\"n {}\">{}</td><td class=\"n\">{}</td><td>{}<br><code>{}</code></td></tr>\n",
                            verdict_class(one.verdict), html_text(one.effect), html_text(one.step_time),
                            html_text(one.change), html_text(settings));
    }
    return rows.empty() ? "" : "<table>\n" + rows + "</table>\n";
}

std::string fact_table(const std::vector<ReportFact>& facts) {
    std::string rows;
    for (const ReportFact& one : facts) {
        rows += fmt::format("<tr><td>{}</td><td>{}</td></tr>\n", html_text(one.label), html_text(one.text));
    }
    return "<table class=\"facts\">\n" + rows + "</table>\n";
}

std::string section(std::string_view heading, const std::string& content) {
    return fmt::format("<section><h2>{}</h2>\n{}</section>\n", html_text(heading), content);
}

}  // namespace

std::string html_text(std::string_view text) {
    std::string result;
    for (const char c : text) {
        switch (c) {
            case '&': result += "&amp;"; break;
            case '<': result += "&lt;"; break;
            case '>': result += "&gt;"; break;
            case '"': result += "&quot;"; break;
            case '\'': result += "&#39;"; break;
            default: result += c;
        }
    }
    return result;
}

std::string report_html(const ReportView& view) {
    std::string cards;
    for (const ReportFigure& figure : view.figures) cards += card(figure);
    std::string limits;
    for (const std::string& sentence : view.limits) limits += "<p>" + html_text(sentence) + "</p>\n";
    std::string page = fmt::format(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{}</title>\n<style>{}</style>\n"
        "</head>\n<body>\n<h1>{}</h1>\n<p class=\"soft\">{}</p>\n<div class=\"cards\">\n{}</div>\n",
        html_text(view.title), page_style, html_text(view.title), html_text(view.subtitle), cards);
    page += section("Where the time goes", stacked_bar(view.time) + bar_table(view.time));
    page += section(view.memory_heading, stacked_bar(view.memory) + bar_table(view.memory));
    page += section("What limits it", limits);
    page += section(view.changes_heading, change_table(view.changes));
    if (!view.basis.empty()) page += section("What the prices rest on", fact_table(view.basis));
    page += section("Provenance", fact_table(view.provenance));
    if (!view.sources.empty()) {
        page += fmt::format("<details><summary>Sources of the catalogue's numbers</summary>\n{}</details>\n", fact_table(view.sources));
    }
    return page + "</body>\n</html>\n";
}

}  // namespace orrery
