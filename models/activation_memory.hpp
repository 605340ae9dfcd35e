// Bytes of activations: what one layer keeps for its backward pass, and how much of it is held at once.
#pragma once

#include "models/layer_shape.hpp"
#include "models/step_graph.hpp"

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
