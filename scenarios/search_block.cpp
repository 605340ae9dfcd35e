// Reads search blocks: keys, ranges and limits; then the bases and the values of every axis.
#include "scenarios/search_block.hpp"

#include "models/plan_problems.hpp"
#include "scenarios/bind.hpp"
#include "scenarios/bought_machine.hpp"
#include "scenarios/keys.hpp"
#include "scenarios/nearest.hpp"
#include "scenarios/overlay.hpp"
#include "scenarios/scenario_checks.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>

namespace orrery {
namespace {

constexpr const char* over_place = "/search/over";
constexpr std::size_t search_values_max = 4096;   // of one key
constexpr const char* values_remedy =
    R"(write a list, "auto", {"from": 1, "to": 8, "step": 1} or {"from": 1, "to": 8, "powers_of": 2})";

std::string value_text(const Json& value) {
    if (value.is_string()) return value.get<std::string>();
    const bool holds_objects = value.is_array() && !value.empty() && value.front().is_object();
    if (!value.is_array() || holds_objects) return value.dump();
    std::string text;
    for (const Json& one : value) text += (text.empty() ? "" : ",") + value_text(one);
    return text;
}

std::optional<double> range_number(const Json& range, const char* key, const std::string& place, Problems& problems) {
    const auto found = range.find(key);
    if (found == range.end()) return std::nullopt;
    if (found->is_number() && std::isfinite(found->get<double>())) return found->get<double>();
    problems.push_back({pointer_to(place, key), "is " + quoted(*found), "write a number"});
    return std::nullopt;
}

void read_range(const Json& range, const std::string& place, SearchKey& key, Problems& problems) {
    const std::size_t before = problems.size();
    refuse_unknown_keys(range, place, {"from", "to", "step", "powers_of"}, problems);
    const double from = range_number(range, "from", place, problems).value_or(1.0);
    const auto to = range_number(range, "to", place, problems);
    const auto factor = range_number(range, "powers_of", place, problems);
    const double step = range_number(range, "step", place, problems).value_or(1.0);
    if (problems.size() > before) return;
    if (!to) {
        problems.push_back({place, "is a range without an end, which makes the space infinite", "give \"to\""});
        return;
    }
    if (*to < from) {
        problems.push_back({place, "has no values: \"to\" is below \"from\"", "exchange them"});
        return;
    }
    if (factor ? *factor <= 1.0 || from <= 0.0 : step <= 0.0) {
        problems.push_back({place, "never comes to its end, which makes the space infinite",
                            factor ? "take \"powers_of\" above 1 and \"from\" above 0" : "take a step above 0"});
        return;
    }
    double value = from;
    if (factor) {   // powers of the factor, from the first that is not below
        value = 1.0;
        while (value < from) value *= *factor;
    }
    for (std::size_t i = 0; value <= *to; ++i) {
        if (key.values.size() == search_values_max) {
            problems.push_back({place, "has more than " + std::to_string(search_values_max) + " values", "take a longer step"});
            return;
        }
        key.values.push_back(Json(value == std::floor(value) ? Json(static_cast<std::int64_t>(value)) : Json(value)).dump());
        value = factor ? value * *factor : from + static_cast<double>(i + 1) * step;
    }
    if (key.values.empty()) problems.push_back({place, "has no values: no power lies between", values_remedy});
}

SearchKey read_key(const std::string& path, const Json& json, Problems& problems) {
    SearchKey key{path, false, {}};
    const std::string place = pointer_to(over_place, path);
    if (json.is_string() && json == "auto") {
        key.automatic = true;
    } else if (json.is_array()) {
        if (json.empty()) problems.push_back({place, "has no values", "give at least one, or leave the key out"});
        for (const Json& one : json) key.values.push_back(value_text(one));
    } else if (json.is_object()) {
        read_range(json, place, key, problems);
    } else {
        problems.push_back({place, "is " + quoted(json), values_remedy});
    }
    return key;
}

void check_key(const SearchKey& key, const Key& root, Problems& problems) {
    const std::string place = pointer_to(over_place, key.path);
    if (key.path.starts_with("search.")) {
        problems.push_back({place, "is a key of the search itself", "vary keys of the cluster, the workload or the economics"});
        return;
    }
    if (key.path == "*") {
        if (!key.automatic) problems.push_back({place, "is not \"auto\"", "write \"auto\""});
        return;
    }
    const auto axis = find_plan_axis(key.path);
    if (!axis) {
        const Key* known = find_key(root, key.path);
        if (known == nullptr) {
            problems.push_back({place, "is no key of scenarios", path_remedy(root, key.path)});
        } else if (key.automatic) {
            problems.push_back({place, "has no automatic values", "list them"});
        }
        return;
    }
    for (const std::string& value : key.values) {
        const auto parsed = parse_axis_value(*axis, value);
        if (parsed) continue;
        problems.push_back({place, "has the value \"" + value + "\"", "see `orrery explain " + key.path + "`"});
    }
}

struct SearchLimitsFields {
    Watts power;
    double memory_share = 1.0;
    static constexpr auto fields() {
        using L = SearchLimitsFields;
        return std::tuple{
            field("power", &L::power, positive, "Most that the job may draw on average, PUE included."),
            field("memory_share", &L::memory_share, {0.0, 1.0, true}, "Share of a device's memory that a plan may use."),
        };
    }
};

void read_goal(const Json& json, SearchBlock& block, Problems& problems) {
    const auto read = [&](const char* name, auto& out) {
        if (const auto found = json.find(name); found != json.end()) read_fields(*found, pointer_to("/search", name), out, problems);
    };
    if (json.contains("goal")) {
        const std::size_t before = problems.size();
        read("goal", block.goal.emplace());
        if (problems.size() == before && *block.goal == GoalSpec{}) {
            problems.push_back({"/search/goal", "asks for nothing", "give finish_within, budget, power, carbon, tokens or loss"});
        }
        if (block.goal->tokens > 0.0 && block.goal->loss > 0.0) {
            problems.push_back({"/search/goal/loss", "and tokens both say how long to train", "give one of them"});
        }
    }
    read("failures", block.failures);
    read("power_model", block.power_model);
    read("scaling", block.scaling);
}

SearchBlock read_block(const Json& json, Problems& problems) {
    SearchBlock block;
    if (!expect_object(json, "/search", problems)) return block;
    refuse_unknown_keys(json, "/search", {"over", "objective", "top", "limits", "goal", "failures", "power_model", "scaling"},
                        problems);
    const auto over = json.find("over");
    if (over == json.end() || *over == "auto") {
        block.keys.push_back({"*", true, {}});
    } else if (expect_object(*over, over_place, problems)) {
        for (const auto& item : over->items()) block.keys.push_back(read_key(item.key(), item.value(), problems));
    }
    if (const auto found = json.find("objective"); found != json.end()) {
        read_value(*found, {"objective", any_value, "/search/objective", {}}, block.objective, problems);
        block.has_objective = true;
    }
    if (const auto found = json.find("top"); found != json.end()) {
        read_value(*found, {"top", {1.0, 10000.0}, "/search/top", {}}, block.top, problems);
    }
    if (const auto found = json.find("limits"); found != json.end()) {
        SearchLimitsFields limits;
        read_fields(*found, "/search/limits", limits, problems);
        block.limits = {limits.power, limits.memory_share};
    }
    read_goal(json, block, problems);
    const Key root = scenario_keys();
    for (const SearchKey& key : block.keys) check_key(key, root, problems);
    return block;
}

/// Every combination of the keys that no axis stands for.
Result<std::vector<std::vector<Setting>>> base_settings(const SearchBlock& block) {
    std::vector<std::vector<Setting>> grid{{}};
    for (const SearchKey& key : block.keys) {
        if (key.path == "*" || find_plan_axis(key.path)) continue;
        if (grid.size() * key.values.size() > search_bases_max) {
            return Problem{pointer_to(over_place, key.path),
                           "makes more than " + std::to_string(search_bases_max) + " combinations of keys that are no part of a plan",
                           "give fewer values"};
        }
        std::vector<std::vector<Setting>> longer;
        for (const auto& point : grid) {
            for (const std::string& value : key.values) {
                longer.push_back(point);
                longer.back().push_back({key.path, value});
            }
        }
        grid = std::move(longer);
    }
    return grid;
}

/// What stands in the way of every plan of a base: the plan with all axes at their simplest.
Problems base_problems(const TrainingRun& run) {
    if (run.family) return {{"/workload/model", "is no transformer, and a search varies how transformers are spread", "use `orrery sweep`"}};
    if (run.spec.parallelism.balance) {
        return {{"/workload/parallelism/balance", "is true, and a search compares plans with equal stages", "leave it out"}};
    }
    TrainingSpec spec = run.spec;
    spec.parallelism = {};
    spec.global_batch = spec.micro_batch = 1;
    spec.recompute = spec.recompute_modules.any() ? Recompute::selective : Recompute::none;
    spec.recompute_layers = 0;
    spec.offload = {};
    spec.overlap.experts = {};
    return plan_problems(run.architecture, spec);
}

AxisValues axis_values(const SearchBlock& block, const Cluster& cluster, const TrainingRun& run) {
    AxisValues values;
    const bool others = std::any_of(block.keys.begin(), block.keys.end(), [](const SearchKey& key) { return key.path == "*"; });
    for (const PlanAxisInfo& one : plan_axes()) {
        auto& list = values[static_cast<std::size_t>(one.axis)];
        const auto given = std::find_if(block.keys.begin(), block.keys.end(), [&](const SearchKey& key) { return key.path == one.path; });
        if (one.axis == PlanAxis::stage_layers && given != block.keys.end() && given->automatic) {
            list = uneven_splits(cluster);
        } else if (given == block.keys.end() ? others : given->automatic) {
            list = automatic_values(one.axis, cluster, run);
        } else if (given != block.keys.end()) {
            for (const std::string& text : given->values) {
                const std::int32_t value = *parse_axis_value(one.axis, text);
                list.push_back(value == balanced_layers_code && one.axis == PlanAxis::stage_layers ? usual_layers(cluster) : value);
            }
        } else {
            const bool is_layers = one.axis == PlanAxis::stage_layers;
            list = {one.axis == PlanAxis::data ? 0 : is_layers ? usual_layers(cluster) : axis_value(one.axis, run.spec)};
        }
        std::vector<std::int32_t> once;   // a value written twice is one value
        for (const std::int32_t value : list) {
            if (std::find(once.begin(), once.end(), value) == once.end()) once.push_back(value);
        }
        list = std::move(once);
    }
    return values;
}

/// Prices and sizes that goals need of a base.
Result<GoalBase> judged_base(const Scenario& scenario, const ResolvedScenario& resolved, const SearchBase& base,
                             const SearchBlock& block) {
    GoalBase judged;
    judged.prices = resolved.prices;
    judged.machine = {base.cluster.nodes, base.cluster.devices(), {}, {}};
    if (auto bought = bought_machine(scenario, base.cluster)) judged.machine = *bought;
    const ParameterCount parameters = count_parameters(base.run.architecture);
    judged.parameters = parameters.total;
    judged.active = parameters.active;
    judged.own_batch = static_cast<double>(base.run.spec.global_batch) * base.run.spec.computed_sequence();
    if (block.goal->carbon > 0.0 && judged.prices.carbon_intensity <= 0.0) {
        return Problem{"/search/goal/carbon", "cannot be told without the grid's carbon",
                       "give economics.carbon_intensity in grams of CO2 equivalent per kWh"};
    }
    if (block.goal->budget > Usd{} && base.run.economics.device_hour <= Usd{}) {
        return Problem{"/search/goal/budget", "cannot be kept to: nobody knows what a " + base.cluster.device.name + " costs",
                       "give economics.usd_per_device_hour"};
    }
    return judged;
}

/// A loss that none of the models comes down to.
Problems loss_problems(const LoadedSearch& search) {
    if (!search.block.goal || search.block.goal->loss <= 0.0) return {};
    const GoalQuestion question = goal_question(search.block);
    const ScalingLaw law = published_law(search.block.scaling.law);
    double lowest = 0.0;
    for (const GoalBase& base : search.judged) {
        if (tokens_needed(question, base, base.own_batch)) return {};
        const double own = loss_of(law, base.active, std::numeric_limits<double>::infinity());
        lowest = lowest == 0.0 ? own : std::min(lowest, own);
    }
    char text[32];
    std::snprintf(text, sizeof text, "%.4f", lowest);
    return {{"/search/goal/loss", std::string("is below ") + text + ", where the scaling law says that this model ends",
             "take a higher loss or a larger model"}};
}

Result<SearchBase> load_base(const std::string& file, const std::vector<Setting>& settings, const SearchBlock& block,
                             const std::vector<Setting>& own, LoadedSearch& search) {
    std::vector<Setting> all = settings;
    all.insert(all.end(), own.begin(), own.end());
    auto scenario = read_scenario(file, all, PlanChecks::left_to_search);
    if (!scenario) return scenario.problems();
    scenario->workload.parallelism.fsdp = false;
    auto resolved = resolve(*scenario);
    if (!resolved) return resolved.problems();
    Problems wrong;
    scenario->workload.parallelism.fsdp = true;   // for the framework of sharded plans
    FrameworkProfile sharded = resolved_framework(*scenario, resolved->run.family.has_value(), wrong);
    scenario->workload.parallelism.fsdp = false;
    if (!wrong.empty()) return wrong;
    if (Problems problems = base_problems(resolved->run); !problems.empty()) return problems;
    SearchBase base;
    base.cluster = std::move(resolved->cluster);
    base.run = std::move(resolved->run);
    base.sharded_framework = std::move(sharded);
    for (const Setting& one : own) base.settings.emplace_back(one.path, one.value);
    base.sha256 = scenario->sha256;
    base.values = axis_values(block, base.cluster, base.run);
    base.energy_paid = resolved->energy_paid;
    if (search.sources.empty()) search.sources = resolved->sources;
    if (block.goal) {
        auto judged = judged_base(*scenario, *resolved, base, block);
        if (!judged) return judged.problems();
        search.judged.push_back(std::move(judged).value());
    }
    return base;
}

}  // namespace

GoalQuestion goal_question(const SearchBlock& block) {
    ORRERY_CHECK(block.goal.has_value());
    GoalQuestion question{*block.goal, block.objective, block.failures, block.power_model, block.scaling};
    if (!block.has_objective) question.objective = block.goal->finish_within > Seconds{} ? Objective::cost : Objective::time;
    return question;
}

Result<LoadedSearch> load_search(const std::string& file, const std::vector<Setting>& settings) {
    const Result<Overlay> overlay = read_overlay(file, settings);
    if (!overlay) return overlay.problems();
    LoadedSearch search;
    Problems problems;
    const auto block = overlay->values.find("search");
    search.block = read_block(block == overlay->values.end() ? Json::object() : *block, problems);
    if (!problems.empty()) {
        for (Problem& one : problems) one.place = place_of(*overlay, one.place);
        return problems;
    }
    auto scenario = read_scenario(file, settings, PlanChecks::left_to_search);
    if (!scenario) return scenario.problems();
    search.scenario = std::move(scenario).value();
    const auto grid = base_settings(search.block);
    if (!grid) return grid.problems();
    for (const std::vector<Setting>& own : *grid) {
        auto base = load_base(file, settings, search.block, own, search);
        if (!base) {
            Problems placed = base.problems();
            for (Problem& one : placed) {
                if (one.place.starts_with("/search")) one.place = place_of(*overlay, one.place);
            }
            return placed;
        }
        search.space.bases.push_back(std::move(base).value());
    }
    if (Problems unreachable = loss_problems(search); !unreachable.empty()) {
        for (Problem& one : unreachable) one.place = place_of(*overlay, one.place);
        return unreachable;
    }
    const auto raw = raw_plans(search.space);
    if (!raw) return raw.problems();
    search.raw = *raw;
    return search;
}

}  // namespace orrery
