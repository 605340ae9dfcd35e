// A training on nodes of several types, type by type: which layers each holds, whether they fit, how busy its devices are, what
// they draw and cost.
#pragma once

#include "sim/training.hpp"

#include <vector>

namespace orrery {

/// Watts of a busy device's kernels, by pipeline rank: what weighs stages where busy shares are averaged. Empty on a machine of
/// one type.
std::vector<double> stage_weights(const Cluster& cluster, const Parallelism& plan);

/// Memory of every pipeline rank of a decoder's plan, and what its device has.
struct StageMemory {
    MemoryBreakdown memory;
    Bytes capacity;
    [[nodiscard]] double share() const { return memory.total() / capacity; }
};
std::vector<StageMemory> stage_memories(const Cluster& cluster, const TrainingRun& run, const StepGraph& graph);

/// By pipeline rank: whether its memory holds it.
std::vector<char> stages_fit(const Cluster& cluster, const TrainingRun& run, const StepGraph& graph);

/// The groups of a mixed machine that a plan uses.
std::vector<GroupAnswer> group_answers(const Cluster& cluster, const TrainingRun& run, const StepGraph& graph, const StepProgram& program,
                                       Seconds step);

}  // namespace orrery
