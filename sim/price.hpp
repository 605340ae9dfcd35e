// From a device-free step graph to seconds: every operator priced on the device, every exchange on the idle fabric.
#pragma once

#include "models/framework.hpp"
#include "models/step_graph.hpp"
#include "sim/cluster.hpp"
#include "sim/step_program.hpp"

namespace orrery {

/// Prices `graph` on `cluster` as `framework` would run it. Pure.
StepProgram price_step(const Cluster& cluster, const StepGraph& graph, const TrainingSpec& spec,
                       const FrameworkProfile& framework);

}  // namespace orrery
