// What each key in which two scenarios differ moves in the step.
#pragma once

#include "planner/plan_difference.hpp"
#include "scenarios/scenario.hpp"

#include <string>
#include <vector>

namespace orrery {

/// A scenario as a command is given it.
struct GivenScenario {
    std::string file;
    std::vector<Setting> settings;
};

/// From one training to the other key by key, in the order of their paths, by the closed form; keys that only go
/// together make one effect. Names, prices and searches move nothing and are left out. The effects add up to the
/// difference of the two steps. Problems: those of either side; an empty list where no key differs.
Result<std::vector<ChangeEffect>> setting_effects(const GivenScenario& before, const GivenScenario& after);

}  // namespace orrery
