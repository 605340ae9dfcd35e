// The answer to a goal and the explanation of a plan as JSON: SI numbers under keys that carry the unit.
#include "scenarios/goal_json.hpp"

#include "scenarios/bind.hpp"
#include "sim/expected_error.hpp"

#include <cmath>

namespace orrery {
namespace {

/// The unit of a limit's numbers, as keys end in it.
std::string limit_unit(GoalLimit limit) {
    switch (limit) {
        case GoalLimit::time: return "_s";
        case GoalLimit::money: return "_usd";
        case GoalLimit::power: return "_w";
        case GoalLimit::carbon: return "_tonnes";
    }
    return "";
}

std::string objective_key(Objective objective) {
    if (objective == Objective::cost) return "cost_usd";
    return objective == Objective::energy ? "energy_j" : "time_s";
}

Json set_object(const LoadedSearch& search, const FoundPlan& plan) {
    Json object = Json::object();
    for (const Setting& one : plan_settings(search.space.bases[plan.base], plan)) object[one.path] = one.value;
    return object;
}

Json number_or_null(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

Json design_object(const LoadedSearch& search, const GoalDesign& design) {
    const SearchBase& base = search.space.bases[design.plan.base];
    const ExpectedError expected = expected_error(base.cluster, run_at(base, design.plan.point));
    const TokenNeed& need = design.need;
    return {{"index", design.plan.index},
            {"set", set_object(search, design.plan)},
            {"devices", base.cluster.devices()},
            {"time_s", design.time.si()},
            {"time_low_s", design.time.si() * expected.low * need.low / need.tokens},
            {"time_high_s", number_or_null(design.time.si() * expected.high * need.high / need.tokens)},
            {"cost_usd", design.cost.si()},
            {"energy_j", design.energy.si()},
            {"average_w", design.step.power.si()},
            {"carbon_tonnes", design.carbon > 0.0 ? Json(design.carbon) : Json(nullptr)},
            {"clock", design.step.frequency},
            {"clock_share", design.clock_share},
            {"step_time_s", design.step.step.si()},
            {"estimated_step_time_s", design.estimated > Seconds{} ? Json(design.estimated.si()) : Json(nullptr)},
            {"steps", design.steps},
            {"tokens",
             {{"trained", need.tokens},
              {"low", need.low},
              {"high", number_or_null(need.high)},
              {"loss", need.loss},
              {"loss_by_other_fit", need.loss_other},
              {"critical_batch", need.critical_batch},
              {"batch_factor", need.batch_factor}}},
            {"goodput",
             {{"share", design.goodput.share},
              {"mtbf_s", design.goodput.mtbf.si()},
              {"checkpoint_s", design.goodput.checkpoint.si()},
              {"interval_s", design.goodput.interval.si()}}}};
}

Json shadow_object(const LoadedSearch& search, const GoalAnswer& answer, const ShadowPrice& price) {
    const std::string unit = limit_unit(price.limit);
    Json object = {{"limit", std::string(name_of(price.limit))}, {"at" + unit, price.at}, {"used" + unit, price.used}, {"binds", price.binds}};
    if (!price.binds) return object;
    object["next" + unit] = price.next;
    object["saves_" + objective_key(answer.objective)] = price.saved;
    object["saves_per_unit"] = price.per_unit();
    object["next_set"] = set_object(search, price.design->plan);
    return object;
}

Json parts_object(const Breakdown& parts) {
    Json object = Json::object();
    for (std::size_t i = 0; i < time_part_count; ++i) object[std::string(EnumTable<TimePart>::names[i].name)] = parts[i].si();
    return object;
}

}  // namespace

std::vector<Assumption> goal_assumptions(const LoadedSearch& search, const GoalAnswer& answer) {
    std::vector<Assumption> list;
    const std::size_t base = answer.designs.empty() ? 0 : answer.designs.front().plan.base;
    const GoalBase& judged = search.judged[base];
    add_assumptions(judged.prices, "economics", judged.prices.source, list);
    for (Assumption& one : list) {
        const bool is_catalogue = one.path == "economics.usd_per_device_hour" && search.scenario.economics.device_hour <= Usd{};
        if (is_catalogue) one.source = "median of the catalogue's offers; see `orrery show " + search.space.bases[base].cluster.device.name + "`";
    }
    if (judged.machine.node_price > Usd{} && judged.prices.own.node_price <= Usd{}) {
        list.push_back({"economics.own.node_price", assumed_text(judged.machine.node_price.si(), dimension_of(Usd{}), ""),
                        "catalogue; see `orrery show " + search.space.bases[base].cluster.node.name + "`"});
    }
    if (judged.machine.network_price > Usd{} && judged.prices.own.network_price <= Usd{}) {
        list.push_back({"economics.own.network_price", assumed_text(judged.machine.network_price.si(), dimension_of(Usd{}), ""),
                        "switches and cables of this fabric at the catalogue's prices"});
    }
    add_assumptions(search.block.failures, "search.failures", "", list);
    add_assumptions(search.block.power_model, "search.power_model", "", list);
    add_assumptions(search.block.scaling, "search.scaling", "", list);
    return list;
}

Json goal_object(const LoadedSearch& search, const GoalAnswer& answer, const std::vector<TenureCost>& tenures) {
    Json designs = Json::array();
    for (std::size_t i = 0; i < answer.designs.size() && i < static_cast<std::size_t>(search.block.top); ++i) {
        designs.push_back(design_object(search, answer.designs[i]));
        designs.back()["keeps_limits"] = i < answer.feasible;
    }
    Json shadows = Json::array();
    for (const ShadowPrice& one : answer.shadows) shadows.push_back(shadow_object(search, answer, one));
    Json missed = Json::array();
    for (const MissedLimit& one : answer.missed) {
        const std::string unit = limit_unit(one.limit);
        missed.push_back({{"limit", std::string(name_of(one.limit))},
                          {"at" + unit, one.at},
                          {"needed" + unit, one.needed},
                          {"least_with_others_kept" + unit, one.others_kept ? Json(*one.others_kept) : Json(nullptr)}});
    }
    Json paid = Json::array();
    for (const TenureCost& one : tenures) {
        paid.push_back({{"tenure", std::string(name_of(one.tenure))},
                        {"usd_per_device_hour", one.device_hour.si()},
                        {"cost_usd", one.design.cost.si()},
                        {"time_s", one.design.time.si()},
                        {"break_even_s", one.owning_pays ? Json(one.owning_pays->si()) : Json(nullptr)}});
    }
    Json assumptions = Json::array();
    for (const Assumption& one : goal_assumptions(search, answer)) {
        assumptions.push_back({{"path", one.path}, {"value", one.value}, {"source", one.source}});
    }
    return {{"asked", write_fields(*search.block.goal)}, {"objective", std::string(name_of(answer.objective))},
            {"designs", designs},                        {"designs_judged", answer.designs.size()},
            {"designs_within_limits", answer.feasible},  {"limits", shadows},
            {"missed", missed},                          {"tenures", paid},
            {"assumptions", assumptions}};
}

Json effects_array(const std::vector<ChangeEffect>& effects) {
    Json list = Json::array();
    for (const ChangeEffect& effect : effects) {
        Json changes = Json::array();
        for (const ChangedAxis& one : effect.changes) changes.push_back({{"path", one.path}, {"from", one.from}, {"to", one.to}});
        list.push_back({{"changes", changes}, {"moved_s", parts_object(effect.moved)}, {"step_time_s", effect.step.si()},
                        {"peak_bytes", effect.memory.si()}});
    }
    return list;
}

Json explanation_object(const LoadedSearch& search, const PlanExplanation& explanation) {
    Json others = Json::array();
    for (const PlanExplanation::Other& other : explanation.others) {
        others.push_back({{"rank", other.rank}, {"set", set_object(search, other.plan)}, {"step_time_s", other.difference.to.si()},
                          {"effects", effects_array(other.difference.effects)}});
    }
    Json rows = Json::array();
    for (const Sensitivity& one : explanation.sensitivities) {
        rows.push_back({{"part", std::string(name_of(one.part))}, {"step_time_at_minus_20_percent_s", one.less.si()},
                        {"step_time_at_plus_20_percent_s", one.more.si()}, {"elasticity", one.elasticity}});
    }
    return {{"rank", explanation.rank == 0 ? Json(nullptr) : Json(explanation.rank)}, {"index", explanation.plan.index},
            {"set", set_object(search, explanation.plan)}, {"step_time_s", explanation.step.si()},
            {"breakdown_s", parts_object(explanation.breakdown)}, {"others", others}, {"sensitivity", rows}};
}

}  // namespace orrery
