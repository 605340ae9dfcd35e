// The designs that answer a goal, as the simulation plays their plans.
#pragma once

#include "planner/goal.hpp"
#include "planner/replay.hpp"

#include <cstddef>

namespace orrery {

/// answer_goal() with simulated steps in place of estimates for the best `top` designs: plays them, judges them anew, and
/// goes on as long as others come before them, `rounds_max` times. Plans that cannot be played keep their estimates.
GoalAnswer answer_goal_played(const GoalQuestion& question, const SearchSpace& space, const std::vector<GoalBase>& judged,
                              std::vector<FoundPlan> plans, ReplayCrew& crew, std::size_t top);

}  // namespace orrery
