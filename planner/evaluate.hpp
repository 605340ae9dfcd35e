// The closed-form answer about one plan: its step, its memory, how busy its devices are.
#pragma once

#include "planner/search_space.hpp"

namespace orrery {

/// What a search keeps of a plan; the rest follows from it and the base.
struct PlanEstimate {
    Seconds step;
    Bytes memory;        // of the fullest rank
    double busy = 0.0;   // share of the step in kernels of the model, mean over stages
    bool operator==(const PlanEstimate&) const = default;
};

/// Memory of the fullest rank and the step of `run` (its plan has no problems), by the functions of run_training().
PlanEstimate evaluate_plan(const Cluster& cluster, const TrainingRun& run);

}  // namespace orrery
