// Sentences about a whole training and tables of its designs.
#include "ui/goal_text.hpp"

#include "scenarios/goal_json.hpp"
#include "scenarios/quantity.hpp"
#include "sim/expected_error.hpp"
#include "ui/plan_table.hpp"
#include "ui/report_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace orrery {
namespace {

std::string tonnes_text(double tonnes) { return fmt::format("{:.4g} t CO2e", tonnes); }

std::string limit_text(GoalLimit limit, double value) {
    switch (limit) {
        case GoalLimit::time: return format_seconds(Seconds::from_si(value));
        case GoalLimit::money: return format_usd(Usd::from_si(value));
        case GoalLimit::power: return format_watts(Watts::from_si(value));
        case GoalLimit::carbon: return tonnes_text(value);
    }
    return "";
}

std::string objective_text(Objective objective, double value) {
    if (objective == Objective::cost) return format_usd(Usd::from_si(value));
    if (objective == Objective::energy) return format_joules(Joules::from_si(value));
    return format_seconds(Seconds::from_si(value));
}

/// A day of a deadline of days, else the power of ten that goes ten to a hundred times into the limit.
double shadow_unit(GoalLimit limit, double at) {
    if (limit == GoalLimit::time) return at >= 2 * 86400.0 ? 86400.0 : 3600.0;
    return std::pow(10.0, std::floor(std::log10(at / 10.0)));
}

std::string unit_name(GoalLimit limit, double at) {
    const double unit = shadow_unit(limit, at);
    if (limit == GoalLimit::time) return unit > 3600.0 ? "day" : "hour";
    return limit_text(limit, unit);
}

std::string asked_text(const GoalSpec& goal) {
    std::string text;
    const auto add = [&text](const std::string& part) { text += (text.empty() ? "" : ", ") + part; };
    if (goal.tokens > 0.0) add(format_count(goal.tokens) + " tokens");
    if (goal.loss > 0.0) add(fmt::format("a loss of {:.4g}", goal.loss));
    const GoalValues limits = limits_of(goal);
    for (const auto& limit : EnumTable<GoalLimit>::names) {
        const double value = limits[static_cast<std::size_t>(limit.value)];
        if (value > 0.0) add((limit.value == GoalLimit::time ? "within " : "at most ") + limit_text(limit.value, value));
    }
    return text;
}

std::string set_text(const LoadedSearch& search, const FoundPlan& plan) {
    std::string set;
    for (const Setting& one : plan_settings(search.space.bases[plan.base], plan)) {
        set += (set.empty() ? "" : ", ") + last_part(one.path) + " " + one.value;
    }
    return set;
}

std::string line_of(const std::string& name, const std::string& text) {
    return "  " + padded(name, 15) + wrapped(text, 83, 17) + "\n";
}

std::string interval_text(const ExpectedError& expected, const GoalDesign& design) {
    const TokenNeed& need = design.need;
    const Seconds low = design.time * (expected.low * need.low / need.tokens);
    const std::string high = std::isfinite(need.high) ? format_seconds(design.time * (expected.high * need.high / need.tokens)) : "never, by the other fit";
    return fmt::format("{} to {} with 90 % of such runs{}", format_seconds(low), high,
                       need.low < need.high ? " and both published fits of the scaling law" : "");
}

std::string design_text(const LoadedSearch& search, const GoalDesign& design) {
    const SearchBase& base = search.space.bases[design.plan.base];
    const GoalBase& judged = search.judged[design.plan.base];
    const TokenNeed& need = design.need;
    const ExpectedError expected = expected_error(base.cluster, run_at(base, design.plan.point));
    std::string text = line_of("Design", set_text(search, design.plan));
    text += line_of("Time", format_seconds(design.time) + "; " + interval_text(expected, design));
    const Seconds step = design.plan.estimate.step;
    text += line_of("Step", design.estimated > Seconds{}
                                ? fmt::format("{} simulated, {} in closed form", format_seconds(step), format_seconds(design.estimated))
                                : format_seconds(step) + " in closed form");
    text += line_of("Cost", fmt::format("{}; {}, {} a device and hour{}", format_usd(design.cost), name_of(judged.prices.tenure),
                                        format_usd(base.run.economics.device_hour),
                                        base.energy_paid > UsdPerJoule{} ? " and electricity" : ""));
    std::string energy = fmt::format("{}, {} at PUE {}", format_joules(design.energy), format_usd(design.energy * judged.prices.energy_price),
                                     judged.prices.pue);
    energy += design.carbon > 0.0 ? fmt::format("; {} at {:.4g} g/kWh", tonnes_text(design.carbon), judged.prices.carbon_intensity)
                                  : "; carbon is told once economics.carbon_intensity is given";
    text += line_of("Energy", energy);
    const bool is_capped = design.step.frequency < 1.0;
    text += line_of("Power", format_watts(design.step.power) + " on average" +
                                 (is_capped ? fmt::format("; the cap leaves {} of the clock, steps take {} longer", format_ratio(design.step.frequency),
                                                          format_ratio(design.step.step / design.plan.estimate.step - 1.0))
                                            : ""));
    text += line_of("Tokens", fmt::format("{} in {} steps; loss {:.3f} ({:.3f} by the other fit) if the data is as the law's",
                                          format_count(need.tokens), format_count(design.steps), need.loss, need.loss_other));
    text += line_of("", fmt::format("the batch needs {:.3f} times the tokens of the reference; critical batch {} tokens", need.batch_factor,
                                    format_count(need.critical_batch)));
    text += line_of("Goodput", fmt::format("{}; a failure every {}, checkpoints of {} every {}", format_ratio(design.goodput.share),
                                           format_seconds(design.goodput.mtbf), format_seconds(design.goodput.checkpoint),
                                           format_seconds(design.goodput.interval)));
    return text;
}

std::string shadow_text(const LoadedSearch& search, const GoalAnswer& answer, const ShadowPrice& price) {
    const std::string name(name_of(price.limit));
    if (!price.binds) {
        return line_of(name, fmt::format("does not bind: {} of {} used, and ten times as much buys nothing among the designs searched",
                                         limit_text(price.limit, price.used), limit_text(price.limit, price.at)));
    }
    const double unit = shadow_unit(price.limit, price.at);
    return line_of(name, fmt::format("binds at {}: one more {} saves {}; the next design needs {}: {} ({})", limit_text(price.limit, price.at),
                                     unit_name(price.limit, price.at), objective_text(answer.objective, price.per_unit() * unit),
                                     limit_text(price.limit, price.next),
                                     objective_text(answer.objective, goal_score(answer.objective, *price.design)),
                                     set_text(search, price.design->plan)));
}

std::string missed_text(const GoalAnswer& answer, const Style& style) {
    std::string text = painted(style, Tone::bold, "What is missing") + "\n";
    for (const MissedLimit& one : answer.missed) {
        std::string line = fmt::format("{} is asked, the closest design needs {}, {} too much", limit_text(one.limit, one.at),
                                       limit_text(one.limit, one.needed), limit_text(one.limit, one.needed - one.at));
        line += one.others_kept ? "; the other limits can be kept with " + limit_text(one.limit, *one.others_kept)
                                : "; no design keeps the other limits either";
        text += line_of(std::string(name_of(one.limit)), line);
    }
    return text;
}

std::string designs_table(const LoadedSearch& search, const GoalAnswer& answer, const Style& style) {
    std::vector<FoundPlan> plans;
    for (const GoalDesign& one : answer.designs) {
        if (plans.size() < static_cast<std::size_t>(search.block.top)) plans.push_back(one.plan);
    }
    const auto sets = sets_of(search, plans);
    std::string shared;
    const std::vector<std::string> paths = differing_paths(sets, shared);
    std::vector<PlanCells> rows(1, PlanCells{"", "time", "cost", "energy", "power", "clock", "goodput", "limits"});
    for (const std::string& path : paths) rows.front().push_back(last_part(path));
    for (std::size_t i = 0; i < plans.size(); ++i) {
        const GoalDesign& one = answer.designs[i];
        PlanCells row{fmt::format("{}", i + 1), format_seconds(one.time), format_usd(one.cost), format_joules(one.energy),
                      format_watts(one.step.power), format_ratio(one.step.frequency), format_ratio(one.goodput.share),
                      i < answer.feasible ? "kept" : "broken"};
        for (const std::string& path : paths) {
            const auto found = sets[i].find(path);
            row.push_back(found == sets[i].end() ? "" : cell_of(found->second));
        }
        rows.push_back(std::move(row));
    }
    std::string text = table_of(rows, style);
    if (!shared.empty()) text += "  " + wrapped("all with " + shared, 98, 4) + "\n";
    return text;
}

std::string tenures_text(const std::vector<TenureCost>& tenures, const Style& style) {
    std::vector<PlanCells> rows(1, PlanCells{"", "a device and hour", "cost", "time", "buying pays after"});
    for (const TenureCost& one : tenures) {
        std::string pays = one.tenure == Tenure::owned ? "" : "never";
        if (one.owning_pays) pays = fmt::format("{:.3g} months", *one.owning_pays / (calendar_year / 12.0));
        rows.push_back({std::string(name_of(one.tenure)), format_usd(one.device_hour), format_usd(one.design.cost),
                        format_seconds(one.design.time), pays});
    }
    const bool is_priced = !tenures.empty() && tenures.back().tenure == Tenure::owned;
    return painted(style, Tone::bold, "Paid for in other ways") + "\n" + table_of(rows, style) +
           (is_priced ? "" : "  buying is told once economics.own.node_price is given\n");
}

std::string assumptions_text(const LoadedSearch& search, const GoalAnswer& answer, const Style& style) {
    std::string text = painted(style, Tone::bold, "Taken for granted, each to be set with --set PATH=VALUE") + "\n";
    for (const Assumption& one : goal_assumptions(search, answer)) {
        text += "  " + wrapped(fmt::format("{} {}: {}", one.path, one.value, one.source), 98, 4) + "\n";
    }
    return text;
}

std::string moved_text(const Breakdown& moved) {
    std::vector<std::pair<Seconds, std::string>> parts;
    for (std::size_t i = 0; i < time_part_count; ++i) parts.emplace_back(moved[i], std::string(EnumTable<TimePart>::names[i].name));
    std::stable_sort(parts.begin(), parts.end(), [](const auto& a, const auto& b) { return std::abs(a.first.si()) > std::abs(b.first.si()); });
    std::string text;
    for (const auto& [seconds, part] : parts) {
        if (std::abs(seconds.si()) < 1e-3 * std::abs(parts.front().first.si()) || seconds == Seconds{}) continue;
        text += fmt::format("{}{} {}{}", text.empty() ? "" : ", ", part, seconds.si() < 0 ? "-" : "+", format_seconds(Seconds::from_si(std::abs(seconds.si()))));
    }
    return text.empty() ? "nothing" : text;
}

std::string other_text(const PlanExplanation& explanation, const PlanExplanation::Other& other, const Style& style) {
    const double change = other.difference.to / other.difference.from - 1.0;
    std::string text = painted(style, Tone::bold, fmt::format("From it to plan {}", other.rank)) +
                       fmt::format(": {} to {}, {}{}\n", format_seconds(explanation.step), format_seconds(other.difference.to),
                                   change < 0 ? "-" : "+", format_ratio(std::abs(change)));
    text += effects_text(other.difference.effects);
    if (other.difference.effects.empty()) text += "  the same step\n";
    return text;
}

std::string sensitivity_text(const PlanExplanation& explanation, const Style& style) {
    std::vector<PlanCells> rows(1, PlanCells{"what if", "-20 %", "+20 %", "elasticity"});
    for (const Sensitivity& one : explanation.sensitivities) {
        const auto change = [&](Seconds step) {
            return fmt::format("{} ({:+.2f} %)", format_seconds(step), 100.0 * (step / explanation.step - 1.0));
        };
        rows.push_back({std::string(name_of(one.part)), change(one.less), change(one.more), fmt::format("{:+.3f}", one.elasticity)});
    }
    return painted(style, Tone::bold, "What the machine's rates are worth to it") + "\n" + table_of(rows, style) +
           "  elasticity: per cent of the step for one per cent of the rate\n";
}

}  // namespace

std::string effects_text(const std::vector<ChangeEffect>& effects) {
    std::string text;
    for (const ChangeEffect& effect : effects) {
        std::string changes;
        for (const ChangedAxis& one : effect.changes) {
            changes += (changes.empty() ? "" : ", ") + last_part(one.path) + " " + one.from + " -> " + one.to;
        }
        const Seconds total = effect.total();
        text += "  " + wrapped(fmt::format("{}: {}{} ({})", changes, total.si() < 0 ? "-" : "+",
                                           format_seconds(Seconds::from_si(std::abs(total.si()))), moved_text(effect.moved)), 98, 6) + "\n";
    }
    return text;
}

std::string goal_text(const LoadedSearch& search, const GoalAnswer& answer, const std::vector<TenureCost>& tenures, const Style& style) {
    const bool is_met = answer.feasible > 0;
    std::string text = painted(style, Tone::bold, "Asked") + fmt::format(": {}, best by {}\n", asked_text(*search.block.goal), name_of(answer.objective));
    text += is_met ? fmt::format("{} of {} clusters and batches can do it. The best:\n", answer.feasible, answer.designs.size())
                   : fmt::format("No design of {} clusters and batches can do it. The closest:\n", answer.designs.size());
    const GoalDesign& best = answer.designs.front();
    text += design_text(search, best) + "\n";
    if (is_met && !answer.shadows.empty()) {
        text += painted(style, Tone::bold, "Limits") + "\n";
        for (const ShadowPrice& one : answer.shadows) text += shadow_text(search, answer, one);
        text += "\n";
    }
    if (!is_met) text += missed_text(answer, style) + "\n";
    text += painted(style, Tone::bold, "Designs") + "\n" + designs_table(search, answer, style) + "\n";
    if (!tenures.empty()) text += tenures_text(tenures, style) + "\n";
    return text + assumptions_text(search, answer, style);
}

std::string explanation_text(const LoadedSearch& search, const PlanExplanation& explanation, const Style& style) {
    const std::string rank = explanation.rank > 0 ? fmt::format("plan {}", explanation.rank) : fmt::format("the plan of index {}", explanation.plan.index);
    std::string text = painted(style, Tone::bold, "Why " + rank) + "\n  " + wrapped(set_text(search, explanation.plan), 98, 4) + "\n";
    text += fmt::format("  a step of {}:\n", format_seconds(explanation.step));
    for (std::size_t i = 0; i < time_part_count; ++i) {
        const double share = explanation.breakdown[i] / explanation.step;
        if (share <= 0.0) continue;
        text += fmt::format("  {}{}  {} {}\n", padded(EnumTable<TimePart>::names[i].name, 18), padded(format_seconds(explanation.breakdown[i]), 12, true),
                            padded(format_ratio(share), 8, true), text_bar(share, 30, style));
    }
    for (const PlanExplanation::Other& other : explanation.others) text += "\n" + other_text(explanation, other, style);
    if (!explanation.sensitivities.empty()) text += "\n" + sensitivity_text(explanation, style);
    return text;
}

}  // namespace orrery
