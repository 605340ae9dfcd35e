// The answer to a goal and the explanation of a plan, for people.
#pragma once

#include "scenarios/search_block.hpp"
#include "ui/terminal.hpp"

#include <string>
#include <vector>

namespace orrery {

/// The best design with time, money, energy and carbon; what binds and what more of it buys, or what is missing; other
/// designs and tenures; what all that takes for granted.
std::string goal_text(const LoadedSearch& search, const GoalAnswer& answer, const std::vector<TenureCost>& tenures, const Style& style);

/// "tensor 4 -> 8: -1.2 s (compute -1.5 s, tensor_comm +0.3 s)", a line each.
std::string effects_text(const std::vector<ChangeEffect>& effects);

/// Where the plan's step goes, what leads from it to others, and what the machine's rates are worth to it.
std::string explanation_text(const LoadedSearch& search, const PlanExplanation& explanation, const Style& style);

}  // namespace orrery
