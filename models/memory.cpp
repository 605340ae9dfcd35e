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

// Buffers of one NCCL communicator: 16 channels x 2 neighbours x (4 MiB of NCCL_BUFFSIZE + about 5 MiB for LL128 and
// LL; NCCL user guide, environment variables; src/include/device.h).
constexpr Bytes communicator_buffers = 288.0_MiB;

// Bytes per parameter of what mixed-precision training keeps (Rajbhandari et al., "ZeRO", arXiv 1910.02054,
// section 3.1; table of docs/source/api-guide/dist_optimizer.md in Megatron-LM: 6 + 12/d with fp32 gradients, 4 + 16/d
// with 16-bit ones).
struct StateBytes {
    double weight;     // as the products read it, with 8- or 4-bit copies
    double gradient;   // accumulated over micro-batches
    double optimizer;  // master copy and moments; a second, fp32 gradient where the accumulated one is 16 bit
};

StateBytes state_bytes(const TrainingSpec& spec, const FrameworkProfile& framework) {
    const double moments = moment_bytes(spec.optimizer, spec.optimizer_settings);
    const double master = master_bytes(spec.optimizer_settings);
    if (spec.precision == DataType::fp32 || spec.precision == DataType::tf32) return {4.0, 4.0, moments};
    // Fully sharded: the shards are the master copy; 16-bit copies exist only while gathered.
    if (spec.parallelism.fsdp) return master > 0.0 ? StateBytes{master, 4.0, moments} : StateBytes{2.0, 2.0, moments};
    // Transformer Engine keeps each weight in the narrow type twice, plain and transposed, between micro-batches.
    const bool narrow = spec.precision == DataType::fp8 || spec.precision == DataType::fp4;
    const double weight = 2.0 + (narrow ? 2.0 * element_bytes(spec.precision) : 0.0);
    if (framework.gradient_bytes < 4.0) return {weight, 2.0, master + moments + 4.0};
    return {weight, 4.0, master + moments};
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

/// True where whole stages stay gathered between passes.
bool keeps_stage_whole(const Parallelism& plan, const FrameworkProfile& framework) {
    return plan.pipeline > 1 && !framework.reshards_in_pipeline;
}

}  // namespace

GatheredUnits gathered_units(const Architecture& architecture, const StepGraph& graph, const Parallelism& plan) {
    GatheredUnits units;
    const double vocabulary_copies = plan.split_vocabulary ? 1.0 : plan.tensor;
    for (const LayerGraph& kind : graph.kinds) {
        if (kind.is_decoder_layer) units.layer = std::max(units.layer, kind.parameters);
        if (kind.name == "head") units.head = vocabulary_copies * kind.parameters;
        if (kind.name != "embedding") continue;
        units.embedding = vocabulary_copies * kind.parameters;
        if (architecture.tied_embeddings) units.head = std::max(units.head, units.embedding);
    }
    return units;
}

/// Whole 16-bit copies that sharded training gathers layer by layer: the layer that runs, the next one ahead of it, and
/// the gradient of one before it is scattered; the head likewise. The embedding of a pipeline's first stage is there
/// until its own backward pass: it belongs to no unit of its own.
GatheredBytes gathered_bytes(const Architecture& architecture, const GatheredUnits& model_units, const Parallelism& plan,
                             const FrameworkProfile& framework, int stage) {
    GatheredBytes gathered;
    if (keeps_stage_whole(plan, framework)) return gathered;
    const auto& [layer, head, embedding] = model_units;
    if (plan.shards_parameters()) {
        const int units = std::min(architecture.stack() / plan.pipeline, 1 + framework.prefetched_units);
        gathered.layer_weights = Bytes::from_si(2.0 * (layer * units + (plan.pipeline > 1 && stage == 0 ? embedding : 0.0)));
        gathered.head_weights = Bytes::from_si(2.0 * head);
    }
    if (plan.shards_parameters() || plan.zero == 2) {
        gathered.layer_gradients = Bytes::from_si(2.0 * layer);
        gathered.head_gradients = Bytes::from_si(2.0 * head);
    }
    return gathered;
}

namespace {

/// With a pipeline every parameter is used by every micro-batch, so a stage keeps all of them gathered (16 bit) and
/// accumulates whole fp32 gradients: 6 bytes a parameter beside the shards.
void add_unsharded_stage(double parameters, const Parallelism& plan, const FrameworkProfile& framework,
                         MemoryBreakdown& memory) {
    if (!keeps_stage_whole(plan, framework)) return;
    if (plan.shards_parameters()) memory.weights += Bytes::from_si(2.0 * parameters);
    if (plan.shards_parameters() || plan.zero == 2) memory.gradients += Bytes::from_si(4.0 * parameters);
}

/// The world's, one for each degree, and tensor x pipeline, over which the gradients' norm is summed (Megatron-LM's
/// model-parallel group; a communicator takes its buffers at its first exchange).
int communicators(const Parallelism& plan) {
    int groups = 1;
    for (const int degree : {plan.tensor, plan.context, plan.pipeline, plan.data, plan.expert, plan.expert_tensor})
        groups += degree > 1 ? 1 : 0;
    if (plan.tensor > 1 && plan.pipeline > 1) ++groups;
    return plan.devices() > 1 ? groups : 0;
}

/// What one rank owns and holds of a stage, by who has copies of it.
class StageStates {
  public:
    StageStates(const Parallelism& plan, const StageParameters& stage)
        : dense_(stage.all - stage.experts),
          experts_(stage.experts),
          frozen_experts_(stage.frozen_experts),
          frozen_dense_(stage.frozen - stage.frozen_experts),
          shards_(state_shards(plan, plan.shard_ranks())),
          expert_shards_(state_shards(plan, plan.expert_shard_ranks())) {}

    [[nodiscard]] Bytes all(double per_parameter, double StateShards::*shard) const {
        return Bytes::from_si(per_parameter * (dense_ / shards_.*shard + experts_ / expert_shards_.*shard));
    }
    /// Frozen parts have neither gradients nor optimizer states.
    [[nodiscard]] Bytes trained(double per_parameter, double StateShards::*shard) const {
        return all(per_parameter, shard) -
               Bytes::from_si(per_parameter * (frozen_dense_ / shards_.*shard + frozen_experts_ / expert_shards_.*shard));
    }
    [[nodiscard]] double trained_here() const { return dense_ - frozen_dense_ + experts_ - frozen_experts_; }
    /// Preconditioners and factored moments: whole matrices are dealt out to those who share the states.
    [[nodiscard]] Bytes of_matrices(const TrainingSpec& spec, const std::vector<MatrixShape>& matrices) const {
        Bytes sum;
        for (const bool experts : {false, true}) {
            std::vector<MatrixShape> some;
            for (const MatrixShape& one : matrices) {
                if (one.is_expert == experts) some.push_back(one);
            }
            const MatrixCost cost = matrix_cost(spec.optimizer, spec.optimizer_settings, some);
            sum += cost.bytes / (experts ? expert_shards_ : shards_).optimizer;
        }
        return sum;
    }

  private:
    double dense_;
    double experts_;
    double frozen_experts_;
    double frozen_dense_;
    StateShards shards_;
    StateShards expert_shards_;
};

void add_detail(MemoryBreakdown& memory, std::string_view part, std::string_view name, Bytes size,
                std::string_view source) {
    if (size > Bytes{}) memory.details.push_back({part, name, size, source});
}

/// Copies that an optimizer or an option keeps beside weights, gradients and moments.
void add_copies(const TrainingSpec& spec, const StageStates& states, const std::vector<MatrixShape>& shapes,
                MemoryBreakdown& memory) {
    const Bytes matrices = states.of_matrices(spec, shapes);
    memory.optimizer += matrices;
    add_detail(memory, "optimizer", "factors and preconditioners of matrices", matrices,
               name_of(spec.optimizer));
    if (spec.regularization.weight_average) {
        const Bytes average = states.trained(4.0, &StateShards::optimizer);
        memory.optimizer += average;
        add_detail(memory, "optimizer", "average of the weights", average, "an fp32 copy, sharded as the optimizer");
    }
    if (spec.regularization.sharpness_aware) {
        const Bytes kept = states.trained(2.0, &StateShards::weight);
        memory.weights += kept;
        add_detail(memory, "weights", "weights before the perturbation", kept, "arXiv 2010.01412: both are needed");
    }
    const Compression compression = spec.gradient_compression.kind;
    if (compression != Compression::none && compression != Compression::fp8) {
        const Bytes error = states.trained(4.0, &StateShards::gradient);
        memory.gradients += error;
        add_detail(memory, "gradients", "error of compressed gradients", error,
                   "fp32 error feedback of every entry (arXiv 1901.09847)");
    }
}

/// Context, communicators and fragmentation, and what the allocator keeps cached.
void add_base(const Parallelism& plan, const FrameworkProfile& framework, MemoryBreakdown& memory) {
    const Bytes buffers = static_cast<double>(communicators(plan)) * communicator_buffers;
    memory.fragmentation = framework.fragmentation * memory.activations;
    memory.other = framework.process_context + buffers + memory.fragmentation;
    add_detail(memory, "other", "driver context and kernels", framework.process_context,
               "process_context of the framework profile");
    add_detail(memory, "other", "buffers of communicators", buffers,
               "288 MiB each: 16 channels, two neighbours, three protocols (NCCL)");
    add_detail(memory, "other", "fragmentation", memory.fragmentation, "fragmentation of the framework profile");
    add_detail(memory, "cached", "flat copy of gradients at the step", memory.cached,
               "given back where memory is short: it does not stop a run");
}

StageParameters stage_parameters(const StageGraph& stage) {
    return {stage.parameters, stage.expert_parameters, stage.frozen_parameters, stage.frozen_expert_parameters};
}

/// Weights, gradients and moments of one pipeline rank.
void add_states(const TrainingSpec& spec, const FrameworkProfile& framework, const StageStates& states, double parameters,
                MemoryBreakdown& memory) {
    const StateBytes bytes = state_bytes(spec, framework);
    memory.weights = states.all(bytes.weight, &StateShards::weight);
    memory.gradients = states.trained(bytes.gradient, &StateShards::gradient);
    memory.optimizer = states.trained(bytes.optimizer, &StateShards::optimizer);
    add_unsharded_stage(parameters, spec.parallelism, framework, memory);
}

/// The same with what an optimizer or an option keeps besides.
MemoryBreakdown states_of_stage(const TrainingSpec& spec, const FrameworkProfile& framework, const StepGraph& graph,
                                int index) {
    const StageGraph& stage = graph.stages[static_cast<std::size_t>(index)];
    const StageStates states(spec.parallelism, stage_parameters(stage));
    MemoryBreakdown memory;
    memory.stage = index;
    add_states(spec, framework, states, stage.parameters, memory);
    add_copies(spec, states, stage_matrices(graph, stage), memory);
    memory.cached = Bytes::from_si(framework.step_copy_bytes * states.trained_here());
    return memory;
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
        activation_peak(architecture, spec, framework, graph, index,
                        gathered_bytes(architecture, gathered_units(architecture, graph, spec.parallelism), spec.parallelism,
                                       framework, index));
    move_states(spec.offload, graph, memory);
    memory.host += peak.offloaded;
    memory.weights += peak.weights;
    memory.gradients += peak.gradients;
    memory.activations = peak.activations;
    add_base(spec.parallelism, framework, memory);
    return memory;
}

Bytes plain_stage_memory(const TrainingSpec& spec, const FrameworkProfile& framework, const StageParameters& stage,
                         const ActivationPeak& peak) {
    MemoryBreakdown memory;
    add_states(spec, framework, StageStates(spec.parallelism, stage), stage.all, memory);
    const Bytes buffers = static_cast<double>(communicators(spec.parallelism)) * communicator_buffers;
    return memory.weights + peak.weights + (memory.gradients + peak.gradients) + memory.optimizer + peak.activations +
           (framework.process_context + buffers + framework.fragmentation * peak.activations);
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
    add_base(plan, framework, memory);
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
