// A training as its user describes it: model, batch, precision, optimizer, and how it is spread over devices.
#pragma once

#include "hardware/data_type.hpp"
#include "hardware/fields.hpp"
#include "hardware/result.hpp"
#include "models/optimizer.hpp"
#include "models/training_options.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace orrery {

enum class PipelineSchedule : std::uint8_t { gpipe, one_f_one_b, interleaved, breadth_first, zb_h1, zb_v, dualpipe };
template <>
struct EnumTable<PipelineSchedule> {
    static constexpr std::array<EnumName<PipelineSchedule>, 7> names{{
        {PipelineSchedule::gpipe, "gpipe", "all forward, then all backward (Huang et al., arXiv 1811.06965)"},
        {PipelineSchedule::one_f_one_b, "1f1b", "one forward, one backward (Narayanan et al., arXiv 2104.04473)"},
        {PipelineSchedule::interleaved, "1f1b-interleaved", "1F1B over virtual stages (Narayanan et al., arXiv 2104.04473)"},
        {PipelineSchedule::breadth_first, "breadth-first",
         "virtual stages, every micro-batch through one before the next (Lamy-Poirier, arXiv 2211.05953)"},
        {PipelineSchedule::zb_h1, "zb-h1", "weight gradients fill the 1F1B bubble (Qi et al., arXiv 2401.10241)"},
        {PipelineSchedule::zb_v, "zb-v", "two chunks per rank in a V, weight gradients deferred (Qi et al., arXiv 2401.10241)"},
        {PipelineSchedule::dualpipe, "dualpipe",
         "micro-batches from both ends, two copies of the parameters (DeepSeek-V3, arXiv 2412.19437)"},
    }};
};

enum class Recompute : std::uint8_t { none, selective, full, block };
template <>
struct EnumTable<Recompute> {
    static constexpr std::array<EnumName<Recompute>, 4> names{{
        {Recompute::none, "none", "keep every activation"},
        {Recompute::selective, "selective", "redo the attention core (Korthikanti et al., arXiv 2205.05198)"},
        {Recompute::full, "full", "keep each layer's input, redo the rest"},
        {Recompute::block, "block", "full recomputation of `recompute_layers` layers of each stage, none of the others"},
    }};
};

/// Parts of a layer whose results are dropped after forward and made again in backward (Megatron-Core's
/// --recompute-modules).
struct RecomputeModules {
    bool attention_core = false;
    bool norms = false;
    bool latent_up = false;
    bool mlp = false;
    bool expert_activation = false;
    bool experts = false;
    bool operator==(const RecomputeModules&) const = default;

    [[nodiscard]] bool any() const { return *this != RecomputeModules{}; }
    [[nodiscard]] bool meets(const RecomputeModules& other) const {
        return (attention_core && other.attention_core) || (norms && other.norms) || (latent_up && other.latent_up) ||
               (mlp && other.mlp) || (expert_activation && other.expert_activation) || (experts && other.experts);
    }

    static constexpr auto fields() {
        using M = RecomputeModules;
        return std::tuple{
            field("attention_core", &M::attention_core, any_value, "Scores, softmax and their product with the values."),
            field("norms", &M::norms, any_value, "Both norms of a layer."),
            field("latent_up", &M::latent_up, any_value, "Up-projections of latent attention."),
            field("mlp", &M::mlp, any_value, "The MLP of dense layers."),
            field("expert_activation", &M::expert_activation, any_value, "The activation between an expert's products."),
            field("experts", &M::experts, any_value, "Whole mixture blocks, token exchange included."),
        };
    }
};

/// How much of an iteration is launched as recorded graphs (CUDA graphs) instead of kernel by kernel.
enum class LaunchGraphs : std::uint8_t { none, partial, full_iteration };
template <>
struct EnumTable<LaunchGraphs> {
    static constexpr std::array<EnumName<LaunchGraphs>, 3> names{{
        {LaunchGraphs::none, "none", "every kernel is launched by the host"},
        {LaunchGraphs::partial, "partial", "attention, router and other fixed parts of a layer are graphs"},
        {LaunchGraphs::full_iteration, "full-iteration", "one graph holds the whole step: no host time between kernels"},
    }};
};

enum class TokenDispatcher : std::uint8_t { all_to_all, deep_ep, hybrid };
template <>
struct EnumTable<TokenDispatcher> {
    static constexpr std::array<EnumName<TokenDispatcher>, 3> names{{
        {TokenDispatcher::all_to_all, "all-to-all", "a library all-to-all per direction; its sizes wait for the host"},
        {TokenDispatcher::deep_ep, "deep-ep", "kernels that send a token once per receiving rank (DeepEP, arXiv 2412.19437)"},
        {TokenDispatcher::hybrid, "hybrid", "one copy per scale-up domain, handed out inside it (Hybrid-EP)"},
    }};
};

/// How attention works across the ranks that share one sequence.
enum class ContextKind : std::uint8_t { ring, all_gather, ulysses };
template <>
struct EnumTable<ContextKind> {
    static constexpr std::array<EnumName<ContextKind>, 3> names{{
        {ContextKind::ring, "ring", "keys and values go around while attention runs (Liu et al., arXiv 2310.01889)"},
        {ContextKind::all_gather, "all-gather", "keys and values are gathered before attention (Llama 3, arXiv 2407.21783)"},
        {ContextKind::ulysses, "ulysses", "an all-to-all trades the sequence for heads and back (arXiv 2309.14509)"},
    }};
};

/// What varies along ranks. `expert` stands where the expert degree is counted among a mixture's ranks.
enum class RankAxis : std::uint8_t { tensor, context, expert, data, pipeline };
template <>
struct EnumTable<RankAxis> {
    static constexpr std::array<EnumName<RankAxis>, 5> names{{
        {RankAxis::tensor, "tensor", "tensor parallelism; expert_tensor among the experts' ranks"},
        {RankAxis::context, "context", "context parallelism"},
        {RankAxis::expert, "expert", "expert parallelism; no part of the dense ranks' order"},
        {RankAxis::data, "data", "data parallelism; the copies of an expert among the experts' ranks"},
        {RankAxis::pipeline, "pipeline", "pipeline stages"},
    }};
};

/// Degrees of parallelism. tensor * context * pipeline * data = devices. Ranks are numbered along `order`, its first
/// axis fastest; absent, Megatron's: tensor, context, expert, data, pipeline. The ranks of a stage are divided once more
/// for experts: expert_tensor * expert * (copies of an expert).
struct Parallelism {
    int tensor = 1;
    std::optional<bool> sequence_parallel;   // absent: on when tensor > 1
    int context = 1;
    int pipeline = 1;
    int data = 1;
    int expert = 1;
    int virtual_stages = 1;                  // model chunks per pipeline rank
    PipelineSchedule schedule = PipelineSchedule::one_f_one_b;
    int zero = 0;                            // ZeRO stage: 1 shards states, 2 gradients too, 3 parameters too
    bool fsdp = false;                       // PyTorch fully sharded data parallel (ZeRO-3 with per-layer gathers)
    bool split_vocabulary = true;            // embedding and head are split over the tensor group
    int shard = 0;                           // ranks that one copy is sharded over (HSDP); 0: all of `data`
    int expert_tensor = 1;                   // ranks that each expert's matrices are split over
    ContextKind context_kind = ContextKind::ring;
    std::vector<RankAxis> order;             // fastest first; empty: Megatron's
    std::vector<int> stage_layers;           // of each (virtual) stage in model order; empty: shared out evenly
    int first_stage_layers = 0;              // of the first pipeline rank's stage; 0: as the others
    int last_stage_layers = 0;
    bool count_embedding = false;            // the embedding takes the place of a layer
    bool count_head = false;
    bool balance = false;                    // layers shared out so that the slowest stage is as fast as it can be
    bool operator==(const Parallelism&) const = default;

    [[nodiscard]] int devices() const { return tensor * context * pipeline * data; }
    [[nodiscard]] bool has_sequence_parallel() const { return sequence_parallel.value_or(tensor > 1) && tensor > 1; }
    [[nodiscard]] bool shards_parameters() const { return fsdp || zero == 3; }
    /// Ranks that a stage's parameters exist on: DualPipe keeps a second copy on the rank that mirrors it.
    [[nodiscard]] int copies() const { return schedule == PipelineSchedule::dualpipe ? 2 : 1; }
    [[nodiscard]] int replicas() const { return data * context * copies(); }
    [[nodiscard]] int expert_ranks() const { return expert * expert_tensor; }  // that one copy of all experts takes
    [[nodiscard]] int shard_ranks() const { return shard > 0 ? shard : replicas(); }
    [[nodiscard]] int expert_replicas() const { return tensor * replicas() / expert_ranks(); }
    [[nodiscard]] int expert_shard_ranks() const {
        return shard_ranks() * tensor > expert_ranks() ? shard_ranks() * tensor / expert_ranks() : 1;
    }
    [[nodiscard]] bool interleaves() const {
        return schedule == PipelineSchedule::interleaved || schedule == PipelineSchedule::breadth_first;
    }
    /// Whether backward is two passes, one for the inputs' gradients and one for the weights'.
    [[nodiscard]] bool splits_backward() const {
        return schedule == PipelineSchedule::zb_h1 || schedule == PipelineSchedule::zb_v ||
               schedule == PipelineSchedule::dualpipe;
    }
    /// Model chunks of one pipeline rank, and pieces that the whole model is cut into.
    [[nodiscard]] int chunks_per_rank() const {
        return schedule == PipelineSchedule::zb_v || schedule == PipelineSchedule::dualpipe ? 2 : virtual_stages;
    }
    [[nodiscard]] int model_stages() const { return pipeline * chunks_per_rank() / copies(); }
    /// First and last piece of the model on one pipeline rank.
    [[nodiscard]] bool joins_ends() const { return pipeline == 1 || (chunks_per_rank() == 2 && !interleaves()); }

    static constexpr auto fields() {
        using P = Parallelism;
        return std::tuple{
            field("tensor", &P::tensor, count, "Tensor parallel degree: each matrix is split over this many devices."),
            field("sequence_parallel", &P::sequence_parallel, any_value,
                  "Norms and residuals split along the sequence too; absent: on when tensor > 1."),
            field("context", &P::context, count, "Context parallel degree: the sequence is split; see context_kind."),
            field("pipeline", &P::pipeline, count, "Pipeline stages."),
            field("data", &P::data, count, "Data parallel replicas."),
            field("expert", &P::expert, count, "Expert parallel degree, taken out of tensor x context x data."),
            field("virtual_stages", &P::virtual_stages, count,
                  "Model chunks per pipeline rank (1f1b-interleaved, breadth-first)."),
            field("schedule", &P::schedule, any_value, "Pipeline schedule; see `orrery list schedules`."),
            field("zero", &P::zero, {0.0, 3.0}, "ZeRO stage (Rajbhandari et al., arXiv 1910.02054)."),
            field("fsdp", &P::fsdp, any_value, "Fully sharded data parallel: parameters gathered layer by layer."),
            field("split_vocabulary", &P::split_vocabulary, any_value,
                  "Embedding and head split over the tensor group; false: whole when gathered (fsdp or zero 3 only)."),
            field("shard", &P::shard, non_negative, "Devices that share one sharded copy (HSDP); 0: all replicas."),
            field("expert_tensor", &P::expert_tensor, count,
                  "Devices that each expert's matrices are split over (Megatron's expert-tensor-parallel-size)."),
            field("context_kind", &P::context_kind, any_value, "How attention works across context-parallel ranks."),
            field("order", &P::order, any_value,
                  "Axes that ranks are numbered along, fastest first; absent: tensor, context, expert, data, pipeline."),
            field("stage_layers", &P::stage_layers, non_negative,
                  "Layers of each (virtual) pipeline stage in model order; absent: shared out evenly."),
            field("first_stage_layers", &P::first_stage_layers, non_negative,
                  "Layers of the first pipeline rank where it has fewer or more; 0: as the others."),
            field("last_stage_layers", &P::last_stage_layers, non_negative,
                  "Layers of the last pipeline rank where it has fewer or more; 0: as the others."),
            field("count_embedding", &P::count_embedding, any_value, "The embedding takes a layer's place when layers are shared out."),
            field("count_head", &P::count_head, any_value, "The head takes a layer's place when layers are shared out."),
            field("balance", &P::balance, any_value,
                  "Share layers out by their priced time, so that the slowest stage is as fast as it can be."),
        };
    }
};

/// Switches that a framework profile sets and a user may override.
struct OverlapSwitches {
    std::optional<bool> tensor;     // tensor-parallel exchanges hidden behind the products they feed
    std::optional<bool> gradients;  // data-parallel reduction behind the last backward passes
    std::optional<bool> parameters; // gathers behind the first forward passes
    std::optional<bool> pipeline;   // sends and receives behind compute
    std::optional<bool> experts;    // token exchanges of experts behind another micro-batch's compute
    bool operator==(const OverlapSwitches&) const = default;
    static constexpr auto fields() {
        using O = OverlapSwitches;
        return std::tuple{
            field("tensor", &O::tensor, any_value, "Hide tensor-parallel exchanges behind products; absent: as the framework."),
            field("gradients", &O::gradients, any_value, "Hide the gradient reduction behind backward; absent: as the framework."),
            field("parameters", &O::parameters, any_value, "Hide parameter gathers behind forward; absent: as the framework."),
            field("pipeline", &O::pipeline, any_value, "Hide stage-to-stage messages; absent: as the framework."),
            field("experts", &O::experts, any_value, "Hide the experts' token exchanges behind other compute; absent: no."),
        };
    }
};

/// Where something is kept that is not in the device's memory.
enum class OffloadTarget : std::uint8_t { none, host, nvme };
template <>
struct EnumTable<OffloadTarget> {
    static constexpr std::array<EnumName<OffloadTarget>, 3> names{{
        {OffloadTarget::none, "none", "it stays on the device"},
        {OffloadTarget::host, "host", "in the host's memory (ZeRO-Offload, arXiv 2101.06840)"},
        {OffloadTarget::nvme, "nvme", "on the node's drives (ZeRO-Infinity, arXiv 2104.07857)"},
    }};
};

/// What leaves the device's memory for the host's or for drives, and comes back when it is needed.
struct Offload {
    OffloadTarget optimizer = OffloadTarget::none;   // states, accumulated gradients, and the step itself
    OffloadTarget parameters = OffloadTarget::none;  // of full sharding: the shards
    int activation_layers = 0;                       // of each pipeline rank
    bool operator==(const Offload&) const = default;

    [[nodiscard]] bool any() const { return *this != Offload{}; }

    static constexpr auto fields() {
        using O = Offload;
        return std::tuple{
            field("optimizer", &O::optimizer, any_value,
                  "Optimizer states and their step: none, host (computed there) or nvme."),
            field("parameters", &O::parameters, any_value, "Parameters, with fsdp or zero 3: none, host or nvme."),
            field("activation_layers", &O::activation_layers, non_negative,
                  "Layers of each pipeline rank whose activations wait in the host's memory."),
        };
    }
};

struct TrainingSpec {
    std::string model;                       // catalogue name or path of a Hugging Face config.json
    int sequence = 2048;
    int mean_sequence = 0;                   // tokens of a sequence that are computed, padding left out; 0: all
    int encoder_sequence = 0;                // of an encoder-decoder: tokens of the encoder's input; 0: as sequence
    int global_batch = 1;                    // sequences
    int micro_batch = 1;                     // sequences per data-parallel replica and pass
    DataType precision = DataType::bf16;
    bool flash_attention = true;
    Optimizer optimizer = Optimizer::adamw;
    OptimizerSettings optimizer_settings;
    Regularization regularization;
    GradientCompression gradient_compression;
    Packing packing;
    Frozen frozen;
    int vocabulary_multiple = 128;           // the vocabulary is padded to this times tensor
    Recompute recompute = Recompute::none;
    int recompute_layers = 0;
    RecomputeModules recompute_modules;      // of `selective`; none named: the attention core, unless it is fused
    LaunchGraphs launch_graphs = LaunchGraphs::none;
    std::optional<TokenDispatcher> token_dispatcher;  // absent: hybrid in scale-up domains beyond a node, else all-to-all
    bool token_drop = false;                 // experts have a fixed capacity; what exceeds it is dropped
    int adapter_rank = 0;                    // low-rank adapters (LoRA) are trained, the model is frozen; 0: all is trained
    std::string framework;                   // profile; empty: megatron-core, or pytorch-fsdp when fsdp is set
    Parallelism parallelism;
    OverlapSwitches overlap;
    Offload offload;
    bool operator==(const TrainingSpec&) const = default;

    [[nodiscard]] int computed_sequence() const { return mean_sequence > 0 ? mean_sequence : sequence; }
    [[nodiscard]] int encoder_length() const { return encoder_sequence > 0 ? encoder_sequence : computed_sequence(); }
    [[nodiscard]] int micro_batches() const { return global_batch / (parallelism.data * micro_batch); }

    static constexpr auto fields() {
        using T = TrainingSpec;
        return std::tuple{
            required_field("model", &T::model, any_value, "Catalogue model, or path of a Hugging Face config.json or of a file with a family of layers."),
            field("sequence", &T::sequence, count, "Tokens of one sequence; required but for models of images."),
            field("mean_sequence", &T::mean_sequence, non_negative,
                  "Tokens of a sequence that are computed where padding is left out (packed or unpadded); 0: all."),
            field("encoder_sequence", &T::encoder_sequence, non_negative,
                  "Tokens of an encoder-decoder's input, whose output has `sequence`; 0: as many."),
            required_field("global_batch", &T::global_batch, count, "Sequences per optimizer step, all devices together."),
            field("micro_batch", &T::micro_batch, count, "Sequences per pass of one replica."),
            field("precision", &T::precision, any_value, "Number format of the matrix products."),
            field("flash_attention", &T::flash_attention, any_value, "Fused attention that never writes the scores."),
            field("optimizer", &T::optimizer, any_value, "Optimizer: sets state bytes and the cost of its step."),
            field("optimizer_settings", &T::optimizer_settings, any_value, "Formats of its states, and how it is run."),
            field("regularization", &T::regularization, any_value, "What is added against overfitting, and its cost."),
            field("gradient_compression", &T::gradient_compression, any_value,
                  "What the gradient reduction sends instead of whole gradients."),
            field("packing", &T::packing, any_value, "Several documents in one sequence, none seeing another."),
            field("frozen", &T::frozen, any_value, "Parts of the model that are not trained."),
            field("vocabulary_multiple", &T::vocabulary_multiple, count,
                  "The vocabulary is padded to a multiple of this times tensor (Megatron-LM: 128).", "Megatron-LM's --make-vocab-size-divisible-by"),
            field("recompute", &T::recompute, any_value, "Activation recomputation."),
            field("recompute_layers", &T::recompute_layers, non_negative, "Layers per stage to recompute, with `block`."),
            field("recompute_modules", &T::recompute_modules, any_value,
                  "With `selective`: which parts of a layer; none: the attention core, where it is not fused."),
            field("launch_graphs", &T::launch_graphs, any_value, "What is launched as recorded graphs."),
            field("token_dispatcher", &T::token_dispatcher, any_value,
                  "How tokens reach their experts; absent: hybrid in a rack-scale domain, else all-to-all."),
            field("token_drop", &T::token_drop, any_value, "Experts have a fixed capacity, so sizes are known ahead."),
            field("adapter_rank", &T::adapter_rank, non_negative,
                  "Rank of LoRA adapters (Hu et al., arXiv 2106.09685); the model itself is frozen. 0: all is trained."),
            field("framework", &T::framework, any_value, "Software profile; see `orrery list frameworks`."),
            field("parallelism", &T::parallelism, any_value, "How the work is spread over devices."),
            field("overlap", &T::overlap, any_value, "What is hidden behind what, where not as the framework does."),
            field("offload", &T::offload, any_value, "What is kept in the host's memory or on its drives."),
        };
    }
};

}  // namespace orrery
