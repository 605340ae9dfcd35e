// Memory of one rank by part: what must fit before anything can run.
#pragma once

#include "models/layered_model.hpp"
#include "models/step_graph.hpp"

namespace orrery {

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

}  // namespace orrery
