// Memory of one rank, part by part, at the fullest moment of the fullest pipeline rank.
//
// Activations are played through the rank's own order of passes, so each schedule's micro-batches in flight come out of
// the schedule itself. Bytes per layer: Korthikanti et al., "Reducing Activation Recomputation in Large Transformer
// Models", arXiv 2205.05198, equations 1-4, with flash attention, gated MLPs and grouped queries put in.
#include "models/memory.hpp"

#include "models/activation_memory.hpp"

#include <algorithm>

namespace orrery {
namespace {

// What a process holds before it allocates anything: driver context, loaded kernels, cuBLAS workspaces. PyTorch
// processes on A100 and H100 show 0.4 to 0.8 GB in nvidia-smi.
constexpr Bytes process_context = 0.6_GB;

// Buffers of one NCCL communicator: 16 channels x 2 neighbours x (4 MiB of NCCL_BUFFSIZE + about 5 MiB for LL128 and
// LL; NCCL user guide, environment variables; src/include/device.h).
constexpr Bytes communicator_buffers = 288.0_MiB;

// Share of the activations that the caching allocator holds but cannot use. Assumed: between the 15 % that GMLake
// (arXiv 2401.08156) found on average and the nearly nothing of expandable segments.
constexpr double fragmentation = 0.05;

// Bytes per parameter of what mixed-precision training keeps (Rajbhandari et al., "ZeRO", arXiv 1910.02054,
// section 3.1; table of docs/source/api-guide/dist_optimizer.md in Megatron-LM: 6 + 12/d with fp32 gradients, 4 + 16/d
// with 16-bit ones).
struct StateBytes {
    double weight;     // as the products read it, with 8- or 4-bit copies
    double gradient;   // accumulated over micro-batches
    double optimizer;  // master copy and moments; a second, fp32 gradient where the accumulated one is 16 bit
};

StateBytes state_bytes(const TrainingSpec& spec, const FrameworkProfile& framework) {
    const bool one_moment = spec.optimizer == Optimizer::sgd || spec.optimizer == Optimizer::muon;
    const double moments = one_moment ? 4.0 : 8.0;
    if (spec.precision == DataType::fp32 || spec.precision == DataType::tf32) return {4.0, 4.0, moments};
    if (spec.parallelism.fsdp) return {4.0, 4.0, moments};  // fp32 shards; 16-bit copies exist only while gathered
    // Transformer Engine keeps each weight in the narrow type twice, plain and transposed, between micro-batches.
    const bool narrow = spec.precision == DataType::fp8 || spec.precision == DataType::fp4;
    const double weight = 2.0 + (narrow ? 2.0 * element_bytes(spec.precision) : 0.0);
    if (framework.gradient_bytes < 4.0) return {weight, 2.0, 4.0 + moments + 4.0};
    return {weight, 4.0, 4.0 + moments};
}

/// Ranks that share one copy of each of the three kinds of state.
struct StateShards {
    double weight = 1.0;
    double gradient = 1.0;
    double optimizer = 1.0;
};

StateShards state_shards(const Parallelism& plan, double ranks) {
    const int stage = plan.fsdp ? 3 : plan.zero;
    return {stage >= 3 ? ranks : 1.0, stage >= 2 ? ranks : 1.0, stage >= 1 ? ranks : 1.0};
}

/// Whole 16-bit copies that sharded training gathers layer by layer: the layer that runs, the next one ahead of it, and
/// the gradient of one before it is scattered; the head likewise.
GatheredBytes gathered_bytes(const Architecture& architecture, const StepGraph& graph, const Parallelism& plan) {
    GatheredBytes gathered;
    if (plan.pipeline > 1) return gathered;
    double layer = 0.0;
    double head = 0.0;
    for (const LayerGraph& kind : graph.kinds) {
        if (kind.is_decoder_layer) layer = std::max(layer, kind.parameters);
        if (kind.name == "head") head = kind.parameters;
        if (kind.name == "embedding" && architecture.tied_embeddings) head = std::max(head, kind.parameters);
    }
    if (plan.shards_parameters()) {
        gathered.layer_weights = Bytes::from_si(2.0 * layer * std::min(architecture.stack(), 2));
        gathered.head_weights = Bytes::from_si(2.0 * head);
    }
    if (plan.shards_parameters() || plan.zero == 2) {
        gathered.layer_gradients = Bytes::from_si(2.0 * layer);
        gathered.head_gradients = Bytes::from_si(2.0 * head);
    }
    return gathered;
}

/// With a pipeline every parameter is used by every micro-batch, so a stage keeps all of them gathered (16 bit) and
/// accumulates whole fp32 gradients: 6 bytes a parameter beside the shards.
void add_unsharded_stage(const StageGraph& stage, const Parallelism& plan, MemoryBreakdown& memory) {
    if (plan.pipeline == 1) return;
    if (plan.shards_parameters()) memory.weights += Bytes::from_si(2.0 * stage.parameters);
    if (plan.shards_parameters() || plan.zero == 2) memory.gradients += Bytes::from_si(4.0 * stage.parameters);
}

int communicators(const Parallelism& plan) {
    int groups = 1;  // the world's
    for (const int degree : {plan.tensor, plan.context, plan.pipeline, plan.data, plan.expert, plan.expert_tensor})
        groups += degree > 1 ? 1 : 0;
    return plan.devices() > 1 ? groups : 0;
}

/// Weights, gradients and optimizer states of one pipeline rank.
MemoryBreakdown states_of_stage(const TrainingSpec& spec, const FrameworkProfile& framework, const StepGraph& graph,
                                int index) {
    const StageGraph& stage = graph.stages[static_cast<std::size_t>(index)];
    const Parallelism& plan = spec.parallelism;
    const StateBytes bytes = state_bytes(spec, framework);
    const double dense = stage.parameters - stage.expert_parameters;
    const StateShards shards = state_shards(plan, plan.shard_ranks());
    const StateShards expert_shards = state_shards(plan, plan.expert_shard_ranks());
    const auto part = [&](double per_parameter, double StateShards::*shard) {
        return Bytes::from_si(per_parameter * (dense / shards.*shard + stage.expert_parameters / expert_shards.*shard));
    };
    // Adapters leave the rest frozen: it has neither gradients nor optimizer states.
    const double experts_frozen = stage.frozen_expert_parameters;
    const double dense_frozen = stage.frozen_parameters - experts_frozen;
    const auto frozen = [&](double per_parameter, double StateShards::*shard) {
        return Bytes::from_si(per_parameter * (dense_frozen / shards.*shard + experts_frozen / expert_shards.*shard));
    };
    MemoryBreakdown memory;
    memory.stage = index;
    memory.weights = part(bytes.weight, &StateShards::weight);
    memory.gradients = part(bytes.gradient, &StateShards::gradient) - frozen(bytes.gradient, &StateShards::gradient);
    memory.optimizer =
        part(bytes.optimizer, &StateShards::optimizer) - frozen(bytes.optimizer, &StateShards::optimizer);
    add_unsharded_stage(stage, plan, memory);
    return memory;
}

/// Adds what does not belong to a tensor of the model.
void add_other(const Parallelism& plan, MemoryBreakdown& memory) {
    memory.fragmentation = fragmentation * memory.activations;
    memory.other =
        process_context + static_cast<double>(communicators(plan)) * communicator_buffers + memory.fragmentation;
}

/// Takes off the device what the plan keeps elsewhere. With the optimizer go the gradients that its step reads; of them
/// the device holds those of two layers on their way (Ren et al., "ZeRO-Offload", arXiv 2101.06840, section 4.1).
/// Drives are read and written through buffers in the host's memory, which gradients stay in.
void move_states(const Offload& offload, const StepGraph& graph, MemoryBreakdown& memory) {
    const auto move = [&](OffloadTarget target, Bytes& from) {
        if (target == OffloadTarget::none) return;
        (target == OffloadTarget::host ? memory.host : memory.drives) += from;
        from = Bytes{};
    };
    move(offload.parameters, memory.weights);
    move(offload.optimizer, memory.optimizer);
    if (offload.optimizer == OffloadTarget::none) return;
    double layer = 0.0;
    for (const LayerGraph& kind : graph.kinds) layer = std::max(layer, kind.parameters - kind.frozen_parameters);
    memory.host += memory.gradients;
    memory.gradients = std::min(memory.gradients, Bytes::from_si(2.0 * 2.0 * layer));
}

}  // namespace

MemoryBreakdown memory_of_stage(const Architecture& architecture, const TrainingSpec& spec,
                                const FrameworkProfile& framework, const StepGraph& graph, int index) {
    MemoryBreakdown memory = states_of_stage(spec, framework, graph, index);
    const ActivationPeak peak =
        activation_peak(architecture, spec, framework, graph, index, gathered_bytes(architecture, graph, spec.parallelism));
    move_states(spec.offload, graph, memory);
    memory.host += peak.offloaded;
    memory.weights += peak.weights;
    memory.gradients += peak.gradients;
    memory.activations = peak.activations;
    add_other(spec.parallelism, memory);
    return memory;
}

MemoryBreakdown memory_of_layered(const LayeredModel& model, const TrainingSpec& spec,
                                  const FrameworkProfile& framework, const StepGraph& graph) {
    MemoryBreakdown memory = states_of_stage(spec, framework, graph, 0);
    const Parallelism& plan = spec.parallelism;
    double largest = 0.0;
    for (const LayerGraph& kind : graph.kinds) largest = std::max(largest, kind.parameters);
    if (plan.shards_parameters()) memory.weights += Bytes::from_si(2.0 * 2.0 * largest);  // this block and the next
    if (plan.shards_parameters() || plan.zero == 2) memory.gradients += Bytes::from_si(2.0 * largest);
    memory.activations = layered_activations(model, spec);
    add_other(plan, memory);
    return memory;
}

MemoryBreakdown memory_of(const Architecture& architecture, const TrainingSpec& spec, const FrameworkProfile& framework,
                          const StepGraph& graph) {
    MemoryBreakdown fullest;
    for (int stage = 0; stage < static_cast<int>(graph.stages.size()); ++stage) {
        const MemoryBreakdown memory = memory_of_stage(architecture, spec, framework, graph, stage);
        if (stage == 0 || memory.total() > fullest.total()) fullest = memory;
    }
    return fullest;
}

}  // namespace orrery
