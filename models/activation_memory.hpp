// Bytes of activations: what one layer keeps for its backward pass, and how much of it is held at once.
#pragma once

#include "models/layer_shape.hpp"
#include "models/step_graph.hpp"

#include <algorithm>
#include <span>
#include <vector>

namespace orrery {

/// What one decoder layer keeps of one micro-batch when nothing is recomputed, on one rank. Korthikanti et al.,
/// arXiv 2205.05198, equations 1 to 4: s b h (34 + 5 a s / h) for a GPT without flash attention on one device.
/// `expert_layer`: a mixture instead of the MLP.
Bytes layer_activations(const Architecture& architecture, const LayerShape& shape, const FrameworkProfile& framework,
                        bool expert_layer);

/// Bytes that sharded training gathers for a while: for one decoder layer, and for the head.
struct GatheredBytes {
    Bytes layer_weights;
    Bytes layer_gradients;
    Bytes head_weights;
    Bytes head_gradients;
};

/// The moment at which activations and gathered copies together are most.
struct ActivationPeak {
    Bytes activations;
    Bytes weights;  // of GatheredBytes, those that are there at that moment
    Bytes gradients;
    Bytes offloaded;  // most that is in the host's memory at any time
};

/// What one pass of a chunk keeps, and what it needs besides while it runs.
struct ChunkActivations {
    double layers = 0.0;      // kept by decoder layers
    double head = 0.0;        // kept by the head
    double for_weights = 0.0; // of a backward pass in two halves: kept from the first to the second
    double recomputed = 0.0;  // one whole layer while it is done again
    double output = 0.0;      // sent on and still held
    double offloaded = 0.0;   // of the layers': on the host from the end of forward to backward
    int layer_count = 0;
    bool has_layers = false;
    bool has_head = false;
    void add(const ChunkActivations& one, int layers_alike);
    [[nodiscard]] double kept() const { return layers + head + output; }
    /// Of the offloaded part, what is on the device while the pass runs: the layer that goes and the next one.
    [[nodiscard]] double passing() const { return layer_count == 0 ? 0.0 : std::min(offloaded, 2.0 * layers / layer_count); }
};

/// The same of one layer of each of a graph's kinds.
struct KindActivations {
    std::vector<ChunkActivations> kinds;
    double input = 0.0;    // bytes of the residual stream of one micro-batch on one rank
    double logits = 0.0;   // count
};
KindActivations kind_activations(const Architecture& architecture, const TrainingSpec& spec,
                                 const FrameworkProfile& framework, const StepGraph& graph);

/// While a pass of `chunk` runs: micro-batches of each chunk whose activations are held, this pass's included; after
/// them those of each chunk that wait for their weights' gradients alone.
struct FullMoment {
    std::vector<int> held;
    int micro_batches = 0;   // of all chunks whose activations are held
    int chunk = 0;
    bool backward = false;
};

/// The moments of a schedule at which memory can be at its fullest, whatever the chunks keep.
struct FullMoments {
    std::vector<FullMoment> all;
    bool splits_backward = false;
    int most_forward = 0;    // micro-batches held in all chunks together, during a forward pass
    int most_backward = 0;
};
FullMoments fullest_moments(std::span<const SchedulePass> passes, int chunks);

/// The most that is held while a pass of chunks of one kind runs.
struct FullPass {
    double held = 0.0;
    std::size_t chunk = 0;   // one of them
    bool backward = false;
};
/// Those of a stage with such chunks, in place of what `passes` held; nothing is offloaded.
void keep_full_passes(const FullMoments& moments, std::span<const ChunkActivations> chunks, std::vector<FullPass>& passes);

/// The peak over them.
ActivationPeak peak_of_passes(std::span<const FullPass> passes, std::span<const ChunkActivations> chunks, double logits,
                              const GatheredBytes& gathered);

/// Buffers beside what is kept: of gathers, of messages between stages.
Bytes passing_buffers(const LayerShape& shape, Bytes boundary_message);

/// By chunk of `stage`: what of one micro-batch's kept activations goes to the host, `offload.activation_layers` of the
/// rank's layers shared out over its chunks.
std::vector<Bytes> offloaded_activations(const Architecture& architecture, const TrainingSpec& spec,
                                         const FrameworkProfile& framework, const StepGraph& graph,
                                         const StageGraph& stage);

/// Walks the passes of pipeline rank `stage`: what is held, and the working set of the pass that runs (logits,
/// recomputed layer, gathered sequence, message buffers). The head's backward and the layers' are two moments: logits
/// are gone when the layers run.
ActivationPeak activation_peak(const Architecture& architecture, const TrainingSpec& spec,
                               const FrameworkProfile& framework, const StepGraph& graph, int stage,
                               const GatheredBytes& gathered);

}  // namespace orrery
