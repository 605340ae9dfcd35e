// Which one change of a plan would help most, found by pricing its neighbours in closed form.
#pragma once

#include "scenarios/result_json.hpp"

#include <vector>

namespace orrery {

struct Advice {
    Seconds estimated_step;              // closed form of the plan as it is
    std::vector<ChangedPlan> changes;    // fastest first
};

/// Estimates of the neighbours of a plan. For a plan that fits: neighbours that are valid and fit. For one that does
/// not: the single changes that make it fit, or else pairs of them. `Problems` only if the plan itself is not valid.
Result<Advice> advise(const Scenario& scenario, const ResolvedScenario& resolved, bool fits);

}  // namespace orrery
