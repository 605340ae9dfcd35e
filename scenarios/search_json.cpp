// Results of a search for scripts, and the schema of what asks for one.
#include "scenarios/search_block.hpp"

#include "scenarios/bind.hpp"
#include "scenarios/goal_json.hpp"
#include "scenarios/json.hpp"
#include "scenarios/result_json.hpp"
#include "sim/balance.hpp"

namespace orrery {
namespace {

/// A value as --set takes it.
std::string setting_text(PlanAxis axis, std::int32_t value) {
    if (axis == PlanAxis::stage_layers && value == 0) return "null";
    if (axis != PlanAxis::order) return axis_text(axis, value);
    Json list = Json::array();
    for (const RankAxis one : order_of_code(value)) list.push_back(std::string(name_of(one)));
    return value == 0 ? "null" : list.dump();
}

Json settings_object(const std::vector<Setting>& settings) {
    Json object = Json::object();
    for (const Setting& one : settings) object[one.path] = one.value;
    return object;
}

Json plan_object(const LoadedSearch& search, const FoundPlan& plan) {
    const SearchBase& base = search.space.bases[plan.base];
    const PlanFigures figures = figures_of(base, plan);
    const double seconds = figures.step.si();
    const double tokens = figures.samples * base.run.spec.computed_sequence();
    return {{"index", plan.index},
            {"set", settings_object(plan_settings(base, plan))},
            {"step_time_s", seconds},
            {"tokens_per_s", tokens / seconds},
            {"devices", figures.devices},
            {"peak_bytes", figures.memory.si()},
            {"capacity_bytes", figures.capacity.si()},
            {"average_w", figures.power.si()},
            {"energy_per_step_j", figures.energy.si()},
            {"usd_per_step", figures.cost.si()},
            {"usd_per_million_tokens", figures.cost.si() / tokens * 1e6}};
}

Json example_object(const LoadedSearch& search, const RefusedExample& example) {
    Json set = Json::object();
    for (const auto& [path, value] : search.space.bases[example.base].settings) set[path] = value;
    for (const PlanAxisInfo& one : plan_axes()) {
        if (one.axis > example.last) break;
        set[std::string(one.path)] = setting_text(one.axis, at(example.point, one.axis));
    }
    return set;
}

}  // namespace

std::vector<Setting> plan_settings(const SearchBase& base, const FoundPlan& plan) {
    std::vector<Setting> settings;
    for (const auto& [path, value] : base.settings) settings.push_back({path, value});
    const TrainingRun run = run_at(base, plan.point);
    for (const PlanAxisInfo& one : plan_axes()) {
        if (one.axis == PlanAxis::stage_layers) {   // as a list: the value means it for one pipeline alone
            std::vector<int> layers = run.spec.parallelism.stage_layers;
            if (run.spec.parallelism.balance) {
                if (const auto balanced = balanced_stage_layers(base.cluster, run)) layers = *balanced;
            }
            if (layers != base.run.spec.parallelism.stage_layers) settings.push_back({std::string(one.path), Json(layers).dump()});
            continue;
        }
        const std::int32_t value = axis_value(one.axis, run.spec);
        const bool is_varied = base.values[static_cast<std::size_t>(one.axis)].size() > 1;
        if (!is_varied && one.axis != PlanAxis::data && value == axis_value(one.axis, base.run.spec)) continue;
        settings.push_back({std::string(one.path), setting_text(one.axis, value)});
    }
    return settings;
}

std::string search_json(const LoadedSearch& search, const SearchResult& result, const PlanExtras& extras) {
    Json refused = Json::object();
    for (const auto& reason : EnumTable<Refusal>::names) {
        const auto i = static_cast<std::size_t>(reason.value);
        if (result.refused[i] == 0) continue;
        Json one = {{"plans", result.refused[i]}, {"meaning", std::string(reason.doc)}};
        if (result.examples[i]) one["example"] = example_object(search, *result.examples[i]);
        refused[std::string(reason.name)] = std::move(one);
    }
    Json plans = Json::array();
    for (std::size_t i = 0; i < result.best.size(); ++i) {
        Json one = plan_object(search, result.best[i]);
        if (!result.replayed.empty()) {
            const ReplayedPlan& played = result.replayed[i];
            if (played.problem.empty()) one["simulated_step_time_s"] = played.step.si();
            else one["not_simulated"] = played.problem;
        }
        plans.push_back(std::move(one));
    }
    Json pareto = Json::array();
    for (const FoundPlan& one : result.pareto) pareto.push_back(plan_object(search, one));
    Json answer = {{"kind", "plan"},
                   {"name", search.scenario.name},
                   {"objective", std::string(name_of(search.block.objective))},
                   {"complete", result.complete()},
                   {"raw_plans", result.raw},
                   {"estimated_plans", result.estimated},
                   {"feasible_plans", result.feasible},
                   {"refused", refused},
                   {"plans", plans},
                   {"pareto", pareto}};
    if (result.best.empty() && result.closest) answer["closest"] = plan_object(search, *result.closest);
    if (extras.goal) answer["goal"] = goal_object(search, *extras.goal, extras.tenures);
    if (extras.explanation) answer["explanation"] = explanation_object(search, *extras.explanation);
    answer["provenance"] = {{"scenario_sha256", search.scenario.sha256},
                            {"seed", search.scenario.seed},
                            {"commit", program_commit()},
                            {"sources", search.sources}};
    return dump(answer);
}

std::string search_schema() {
    Json over = {{"description", "Keys of the scenario and the values they take; \"auto\": every part of a plan."},
                 {"oneOf", Json::array()}};
    const Json range = {{"type", "object"},
                        {"required", Json::array({"to"})},
                        {"properties",
                         {{"from", {{"type", "number"}}},
                          {"to", {{"type", "number"}}},
                          {"step", {{"type", "number"}}},
                          {"powers_of", {{"type", "number"}}}}},
                        {"additionalProperties", false}};
    Json values = {{"oneOf", Json::array({Json{{"type", "array"}, {"minItems", 1}}, Json{{"const", "auto"}}, range})}};
    Json keys = {{"*", {{"const", "auto"}, {"description", "Every axis that is not named takes its automatic values."}}}};
    for (const PlanAxisInfo& one : plan_axes()) {
        Json axis = values;
        axis["description"] = "Automatic values: " + std::string(one.doc) + ".";
        keys[std::string(one.path)] = std::move(axis);
    }
    over["oneOf"].push_back({{"const", "auto"}});
    over["oneOf"].push_back({{"type", "object"}, {"properties", keys}, {"additionalProperties", values}});
    Json objectives = Json::array();
    for (const auto& one : EnumTable<Objective>::names) objectives.push_back(std::string(one.name));
    return Json{{"type", "object"},
                {"description", "What `orrery plan` searches; a single run ignores it."},
                {"additionalProperties", false},
                {"properties",
                 {{"over", over},
                  {"objective", {{"enum", objectives}, {"default", "time"}, {"description", "What the best plan has least of."}}},
                  {"top", {{"type", "integer"}, {"minimum", 1}, {"default", 10}, {"description", "How many plans to keep."}}},
                  {"limits",
                   {{"type", "object"},
                    {"additionalProperties", false},
                    {"properties",
                     {{"power", {{"type", Json::array({"number", "string"})}, {"description", "Most that the job may draw on average, PUE included."}}},
                      {"memory_share", {{"type", "number"}, {"description", "Share of a device's memory that a plan may use."}}}}}}}}}}
        .dump();
}

}  // namespace orrery
