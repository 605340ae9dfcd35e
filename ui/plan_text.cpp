// Columns for what differs between the plans, one line for what they share, a line per reason of refusal.
#include "ui/plan_text.hpp"

#include "scenarios/quantity.hpp"
#include "ui/goal_text.hpp"
#include "ui/plan_table.hpp"
#include "ui/report_text.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace orrery {
namespace {

PlanCells plan_cells(const SearchBase& base, const FoundPlan& plan) {
    const PlanFigures figures = figures_of(base, plan);
    const double tokens = figures.samples * base.run.spec.computed_sequence();
    return {format_seconds(figures.step), format_count(tokens / figures.step.si()),
            format_usd(figures.cost * (1e6 / tokens)), format_ratio(figures.memory / figures.capacity),
            format_watts(figures.power)};
}

std::string plans_table(const LoadedSearch& search, const std::vector<FoundPlan>& plans,
                        const std::vector<ReplayedPlan>& replayed, const Style& style) {
    const auto sets = sets_of(search, plans);
    std::string shared;
    const std::vector<std::string> paths = differing_paths(sets, shared);
    std::vector<PlanCells> rows(1, PlanCells{"", "step", "tokens/s", "$/M tokens", "memory", "power"});
    if (!replayed.empty()) rows.front().insert(rows.front().begin() + 1, "simulated");
    for (const std::string& path : paths) rows.front().push_back(last_part(path));
    for (std::size_t i = 0; i < plans.size(); ++i) {
        PlanCells row{fmt::format("{}", i + 1)};
        if (!replayed.empty()) row.push_back(replayed[i].step > Seconds{} ? format_seconds(replayed[i].step) : "not played");
        for (std::string& cell : plan_cells(search.space.bases[plans[i].base], plans[i])) row.push_back(std::move(cell));
        for (const std::string& path : paths) {
            const auto found = sets[i].find(path);
            row.push_back(found == sets[i].end() ? "" : cell_of(found->second));
        }
        rows.push_back(std::move(row));
    }
    std::string text = table_of(rows, style);
    for (std::size_t i = 0; i < replayed.size(); ++i) {
        if (!replayed[i].problem.empty()) text += "  " + wrapped(fmt::format("{} was not played: {}", i + 1, replayed[i].problem), 98, 4) + "\n";
    }
    if (!shared.empty()) text += "  " + wrapped("all with " + shared, 98, 4) + "\n";
    return text;
}

/// Of the plans that were found, the one that differs least from what was refused.
const FoundPlan* nearest_plan(const RefusedExample& example, const SearchResult& result) {
    const FoundPlan* nearest = nullptr;
    std::size_t fewest = plan_axis_count + 2;
    for (const std::vector<FoundPlan>* list : {&result.best, &result.pareto}) {
        for (const FoundPlan& plan : *list) {
            std::size_t differing = plan.base == example.base ? 0 : 1;
            for (std::size_t i = 0; i <= static_cast<std::size_t>(example.last); ++i) {
                if (plan.point[i] != example.point[i]) ++differing;
            }
            if (differing >= fewest) continue;
            fewest = differing;
            nearest = &plan;
        }
    }
    return nearest;
}

/// "tensor 3; nearest that goes: tensor 4, pipeline 8".
std::string example_text(const RefusedExample& example, const SearchResult& result) {
    const std::string value = axis_text(example.last, at(example.point, example.last));
    const bool is_whole = example.last == last_plan_axis;
    std::string text = is_whole ? "" : "such as " + last_part(std::string(plan_axes()[static_cast<std::size_t>(example.last)].path)) + " " + value;
    const FoundPlan* nearest = nearest_plan(example, result);
    if (nearest == nullptr) return text;
    std::string changes;
    for (std::size_t i = 0; i <= static_cast<std::size_t>(example.last); ++i) {
        if (nearest->point[i] == example.point[i]) continue;
        const PlanAxisInfo& axis = plan_axes()[i];
        changes += (changes.empty() ? "" : ", ") + last_part(std::string(axis.path)) + " " + axis_text(axis.axis, nearest->point[i]) +
                   " instead of " + axis_text(axis.axis, example.point[i]);
    }
    if (changes.empty()) return text;
    return text + (text.empty() ? "" : "; ") + "nearest that goes: " + changes;
}

std::string refusals_text(const SearchResult& result, const Style& style) {
    std::string text;
    for (const auto& reason : EnumTable<Refusal>::names) {
        const auto i = static_cast<std::size_t>(reason.value);
        if (result.refused[i] == 0) continue;
        text += fmt::format("  {}  {}\n", padded(format_count(static_cast<double>(result.refused[i])), 10, true), reason.doc);
        if (!result.examples[i]) continue;
        const std::string example = example_text(*result.examples[i], result);
        if (!example.empty()) text += painted(style, Tone::dim, "              " + wrapped(example, 86, 14)) + "\n";
    }
    return text.empty() ? text : painted(style, Tone::bold, "Refused") + "\n" + text;
}

std::string run_line(const LoadedSearch& search, const FoundPlan& plan, const std::string& file) {
    std::string text = "orrery run " + file;
    for (const Setting& one : plan_settings(search.space.bases[plan.base], plan)) {
        const bool is_quoted = one.value.find_first_of("[\" ") != std::string::npos;
        text += " --set " + one.path + "=" + (is_quoted ? "'" + one.value + "'" : one.value);
    }
    return text;
}

std::string closest_text(const LoadedSearch& search, const FoundPlan& plan) {
    const SearchBase& base = search.space.bases[plan.base];
    const Bytes capacity = base.cluster.device.memory_capacity * search.block.limits.memory_share;
    std::string text = fmt::format("No plan keeps to memory and limits. The closest needs {} of {}, {} too much:\n",
                                   format_bytes(plan.estimate.memory), format_bytes(capacity),
                                   format_bytes(plan.estimate.memory - capacity));
    std::string set;
    for (const Setting& one : plan_settings(base, plan)) set += (set.empty() ? "" : ", ") + last_part(one.path) + " " + one.value;
    return text + "  " + wrapped(set, 98, 4) + "\n";
}

}  // namespace

std::string plan_text(const LoadedSearch& search, const SearchResult& result, const PlanExtras& extras, const std::string& file,
                      const Style& style) {
    std::string text = painted(style, Tone::bold, search.scenario.name.empty() ? file : search.scenario.name) + "\n\n";
    text += fmt::format("  {} plans, {} estimated, {} fit; best by {}{}\n\n", format_count(static_cast<double>(result.raw)),
                        format_count(static_cast<double>(result.estimated)), format_count(static_cast<double>(result.feasible)),
                        name_of(extras.goal ? extras.goal->objective : search.block.objective), result.complete() ? "" : "; stopped early, not all were looked at");
    const bool by_front = search.block.objective == Objective::pareto && !extras.goal;
    const std::vector<FoundPlan>& plans = by_front ? result.pareto : result.best;
    if (plans.empty()) {
        text += result.closest ? closest_text(search, *result.closest) : "No plan goes: every one is refused before its memory is known.\n";
    } else if (extras.goal) {
        text += goal_text(search, *extras.goal, extras.tenures, style);
    } else {
        text += plans_table(search, plans, by_front ? std::vector<ReplayedPlan>{} : result.replayed, style);
    }
    if (extras.explanation) text += "\n" + explanation_text(search, *extras.explanation, style);
    text += "\n" + refusals_text(result, style);
    if (!plans.empty()) text += "\n" + painted(style, Tone::bold, "Run the best") + "\n  " + run_line(search, plans.front(), file) + "\n";
    return text;
}

}  // namespace orrery
