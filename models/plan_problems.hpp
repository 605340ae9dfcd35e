// What stands in the way of a training plan: everything that does not divide or does not go together, with remedies.
#pragma once

#include "models/architecture.hpp"
#include "models/training.hpp"

namespace orrery {

/// All mistakes of a plan at once, as JSON pointers into a scenario; empty: the plan can be built.
Problems plan_problems(const Architecture& architecture, const TrainingSpec& spec);

}  // namespace orrery
