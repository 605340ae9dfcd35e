// From a device-free step graph to seconds: every operator priced on the device, every exchange on the idle fabric.
#pragma once

#include "models/framework.hpp"
#include "models/step_graph.hpp"
#include "sim/cluster.hpp"
#include "sim/simulate.hpp"
#include "sim/step_program.hpp"

#include <memory>
#include <vector>

namespace orrery {

/// How the groups of an axis lie on scale-up domains of `domain` devices, ranks in the plan's order. The pipeline
/// "group" is a pair of neighbouring stages. `per_node_peers` counts the groups that leave one domain together.
GroupShape shape_along(const Parallelism& parallelism, Axis axis, int domain);

/// Time of one micro-batch through each kind of layer, forward and backward, exchanges as far as they are seen.
std::vector<Seconds> layer_times(const Cluster& cluster, const StepGraph& graph, const TrainingSpec& spec,
                                 const FrameworkProfile& framework);

/// Prices of a graph's kinds of layers, to be used again where only what comes after them differs.
struct LayerPrices;

/// The layers' prices alone. They hold for every graph with the same kinds under a plan with the same degrees, precision,
/// micro-batch, recomputation and schedule: batch, sharding of states and overlap of data exchanges may differ.
std::shared_ptr<const LayerPrices> price_kinds(const Cluster& cluster, const StepGraph& graph, const TrainingSpec& spec,
                                               const FrameworkProfile& framework);

/// price_step() with prices of layers that are there already, all devices at one pace.
StepProgram price_in_step(const Cluster& cluster, const StepGraph& graph, const TrainingSpec& spec,
                          const FrameworkProfile& framework, const LayerPrices& layers);
/// Compute runs 1/(1 + this) as fast beside a started exchange.
inline double contention_of(const FrameworkProfile& framework) {
    return framework.contention > 0.0 ? framework.contention / (1.0 - framework.contention) : 0.0;
}
/// What such a step then loses to the slowest of so many devices.
Seconds lost_to_the_slowest(int devices, Seconds step);

/// Prices `graph` on `cluster` as `framework` would run it. Pure.
StepProgram price_step(const Cluster& cluster, const StepGraph& graph, const TrainingSpec& spec,
                       const FrameworkProfile& framework);

}  // namespace orrery
