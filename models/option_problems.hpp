// What does not go together among a training's options (optimizer settings, compression, packing, frozen parts).
#pragma once

#include "models/architecture.hpp"
#include "models/training.hpp"

namespace orrery {

/// As plan_problems(), which includes these.
Problems option_problems(const Architecture& architecture, const TrainingSpec& spec);

/// The same for models that are not decoder transformers, which have fewer options.
Problems layered_option_problems(const TrainingSpec& spec);

}  // namespace orrery
