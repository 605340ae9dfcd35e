// From a loaded scenario to the report that every form of the answer is drawn from.
#pragma once

#include "scenarios/result_json.hpp"
#include "ui/command_inputs.hpp"

namespace orrery {

/// Simulates and collects provenance. `with_changes`: also prices the neighbours of the plan.
Result<TrainingReport> make_training_report(const LoadedScenario& loaded, const SimulateOptions& options,
                                            bool with_changes);

}  // namespace orrery
