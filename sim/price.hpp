// From a device-free step graph to seconds: every operator priced on the device, every exchange on the idle fabric.
#pragma once

#include "models/framework.hpp"
#include "models/step_graph.hpp"
#include "sim/cluster.hpp"
#include "sim/simulate.hpp"
#include "sim/step_program.hpp"

namespace orrery {

/// How the groups of an axis lie on scale-up domains of `domain` devices, ranks in the plan's order. The pipeline
/// "group" is a pair of neighbouring stages. `per_node_peers` counts the groups that leave one domain together.
GroupShape shape_along(const Parallelism& parallelism, Axis axis, int domain);

/// Time of one micro-batch through each kind of layer, forward and backward, exchanges as far as they are seen.
std::vector<Seconds> layer_times(const Cluster& cluster, const StepGraph& graph, const TrainingSpec& spec,
                                 const FrameworkProfile& framework);

/// Prices `graph` on `cluster` as `framework` would run it. Pure.
StepProgram price_step(const Cluster& cluster, const StepGraph& graph, const TrainingSpec& spec,
                       const FrameworkProfile& framework);

}  // namespace orrery
