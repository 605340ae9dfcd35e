// Sizing questions and explanations of plans for scripts, and what they take for granted.
#pragma once

#include "scenarios/assumptions.hpp"
#include "scenarios/json.hpp"
#include "scenarios/search_block.hpp"

#include <vector>

namespace orrery {

/// Prices, failures, power model and scaling law behind the goal's answer, those of its best design's base.
std::vector<Assumption> goal_assumptions(const LoadedSearch& search, const GoalAnswer& answer);

Json goal_object(const LoadedSearch& search, const GoalAnswer& answer, const std::vector<TenureCost>& tenures);

/// [{"changes": [{"path", "from", "to"}], "moved_s": {part: ..}, "step_time_s", "peak_bytes"}, ..]
Json effects_array(const std::vector<ChangeEffect>& effects);

Json explanation_object(const LoadedSearch& search, const PlanExplanation& explanation);

}  // namespace orrery
