// Trainings on nodes of several types: which pipeline stage lies on which of them, and the step's program put together from
// stages that are each priced on their own.
#pragma once

#include "models/framework.hpp"
#include "sim/price.hpp"

#include <optional>
#include <span>
#include <vector>

namespace orrery {

/// What keeps a plan off a mixed machine: a stage lies on devices of one type, so stages meet where types do. Nothing on a
/// machine of one type.
std::optional<Problem> mixed_problem(const Cluster& cluster, const Parallelism& plan);

/// The group of each pipeline rank's devices; all 0 on a machine of one type. Requires a plan without mixed_problem().
std::vector<int> groups_of_stages(const Cluster& cluster, const Parallelism& plan);

/// Messages behind each pipeline rank, by those of each group: the slower of its two sides.
struct StageMessages {
    std::vector<StageMessage> behind;
    StageMessage slowest;
    bool alike = true;
};
StageMessages stage_messages(std::span<const int> groups, std::span<const StageMessage> by_group);

/// price_in_step() of a mixed machine. Stages are priced by their own group's device, node and calibrations; a message between
/// groups, and sums over all stages, take as long as on the slower side. `known`: prices of layers by group, or none.
StepProgram price_mixed_in_step(const Cluster& cluster, const StepGraph& graph, const TrainingSpec& spec,
                                const FrameworkProfile& framework, std::span<const LayerPrices* const> known = {});

}  // namespace orrery
