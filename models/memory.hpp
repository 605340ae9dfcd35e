// Memory of one rank by part: what must fit before anything can run.
#pragma once

#include "models/activation_memory.hpp"
#include "models/layered_model.hpp"
#include "models/step_graph.hpp"

#include <string_view>
#include <vector>

namespace orrery {

/// One share of a part, named where the sum alone would not say what it is made of.
struct MemoryDetail {
    std::string_view part;    // "optimizer"
    std::string_view name;    // "average of the weights"
    Bytes size;
    std::string_view source;  // why it is there, and where its size comes from
    bool operator==(const MemoryDetail&) const = default;
};

/// Peak of the fullest pipeline rank.
struct MemoryBreakdown {
    Bytes weights;
    Bytes gradients;
    Bytes optimizer;
    Bytes activations;     // at the moment of the peak, all micro-batches in flight
    Bytes other;           // context, communicators, buffers, fragmentation
    int stage = 0;         // the pipeline rank that needs most
    Bytes fragmentation;   // of `other`: held by the allocator, unusable
    Bytes host;            // not on the device: what this rank keeps in the host's memory
    Bytes drives;          // and on the node's drives
    Bytes cached;          // beside the total: freed, kept by the allocator, given back where memory is short
    std::vector<MemoryDetail> details;
    /// What tools of the device show at most: what is needed, and what the allocator keeps of freed memory.
    [[nodiscard]] Bytes shown() const { return total() + cached; }
    [[nodiscard]] Bytes total() const { return weights + gradients + optimizer + activations + other; }
    bool operator==(const MemoryBreakdown&) const = default;
};

MemoryBreakdown memory_of(const Architecture& architecture, const TrainingSpec& spec,
                          const FrameworkProfile& framework, const StepGraph& graph);

/// The same for a model that is no decoder: its states by the graph, its activations by the model.
MemoryBreakdown memory_of_layered(const LayeredModel& model, const TrainingSpec& spec,
                                  const FrameworkProfile& framework, const StepGraph& graph);

/// The same of pipeline rank `stage` of the graph.
MemoryBreakdown memory_of_stage(const Architecture& architecture, const TrainingSpec& spec,
                                const FrameworkProfile& framework, const StepGraph& graph, int stage);

/// Parameters that one rank holds of a stage, before data sharding.
struct StageParameters {
    double all = 0.0;
    double experts = 0.0;          // of these, routed experts
    double frozen = 0.0;           // of these, not trained
    double frozen_experts = 0.0;   // both
};

/// Parameters of the largest units that sharded training gathers whole.
struct GatheredUnits {
    double layer = 0.0;
    double head = 0.0;
    double embedding = 0.0;
};
GatheredUnits gathered_units(const Architecture& architecture, const StepGraph& graph, const Parallelism& plan);

/// What is gathered on pipeline rank `stage` while it runs.
GatheredBytes gathered_bytes(const Architecture& architecture, const GatheredUnits& units, const Parallelism& plan,
                                const FrameworkProfile& framework, int stage);

/// memory_of_stage().total() of a plan whose optimizer keeps nothing but moments, without offload, regularisers' copies
/// or compression, from what its stages share: parameters and the peak of activations, buffers included.
Bytes plain_stage_memory(const TrainingSpec& spec, const FrameworkProfile& framework, const StageParameters& stage,
                         const ActivationPeak& peak);

}  // namespace orrery
