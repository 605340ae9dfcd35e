// The `search` block of a scenario: which keys vary over which values, what is best, and what must be kept to.
#pragma once

#include "planner/goal.hpp"
#include "planner/plan_difference.hpp"
#include "planner/search.hpp"
#include "scenarios/scenario.hpp"

#include <optional>
#include <string>
#include <vector>

namespace orrery {

/// One key of "over".
struct SearchKey {
    std::string path;                   // dotted; "*": every axis of plan_axes() that is not named
    bool automatic = false;             // "auto"
    std::vector<std::string> values;    // as scenarios write them
};

struct SearchBlock {
    std::vector<SearchKey> keys;
    Objective objective = Objective::time;
    int top = 10;
    PlanLimits limits;
    std::optional<GoalSpec> goal;
    Reliability failures;
    PowerModel power_model;
    ScalingSpec scaling;
    bool has_objective = false;         // said, not left to its default
};

/// The block's goal; where no objective is said, the cheapest that keeps a deadline, else the soonest. Requires a goal.
GoalQuestion goal_question(const SearchBlock& block);

/// A scenario with its search: bases looked up and every axis with its values.
struct LoadedSearch {
    Scenario scenario;          // as written, its plan not checked
    SearchBlock block;
    SearchSpace space;
    std::uint64_t raw = 0;      // plans of the space
    std::vector<GoalBase> judged;   // by base; of searches with a goal
    std::vector<std::string> sources;
};

/// More combinations of keys that are no axis of plans (clusters, models, prices, ..) than this are refused: each is
/// looked up in the catalogue on its own.
inline constexpr std::size_t search_bases_max = 10'000;

/// Reads FILE with settings and its search block; without one, or with "over": "auto", every axis is automatic. All
/// problems at once: keys that are none, values of a wrong kind, lists without values, ranges without an end.
Result<LoadedSearch> load_search(const std::string& file, const std::vector<Setting>& settings);

/// The settings that make `base` and a plan of it out of the scenario: `orrery run FILE --set ..` plays that plan.
std::vector<Setting> plan_settings(const SearchBase& base, const FoundPlan& plan);

/// JSON Schema of the block.
std::string search_schema();

/// What an answer holds beside the plans.
struct PlanExtras {
    std::optional<GoalAnswer> goal;
    std::vector<TenureCost> tenures;       // of the goal's best design
    std::optional<PlanExplanation> explanation;
};

/// Result of `orrery plan --json`.
std::string search_json(const LoadedSearch& search, const SearchResult& result, const PlanExtras& extras = {});

}  // namespace orrery
