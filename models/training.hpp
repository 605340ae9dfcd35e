// A training as its user describes it: model, batch, precision, optimizer, and how it is spread over devices.
#pragma once

#include "hardware/data_type.hpp"
#include "hardware/fields.hpp"
#include "hardware/result.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <string>

namespace orrery {

enum class PipelineSchedule : std::uint8_t { gpipe, one_f_one_b, interleaved };
template <>
struct EnumTable<PipelineSchedule> {
    static constexpr std::array<EnumName<PipelineSchedule>, 3> names{{
        {PipelineSchedule::gpipe, "gpipe", "all forward, then all backward (Huang et al., arXiv 1811.06965)"},
        {PipelineSchedule::one_f_one_b, "1f1b", "one forward, one backward (Narayanan et al., arXiv 2104.04473)"},
        {PipelineSchedule::interleaved, "1f1b-interleaved", "1F1B over virtual stages (Narayanan et al., arXiv 2104.04473)"},
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

enum class Optimizer : std::uint8_t { sgd, adam, adamw };
template <>
struct EnumTable<Optimizer> {
    static constexpr std::array<EnumName<Optimizer>, 3> names{{
        {Optimizer::sgd, "sgd", "stochastic gradient descent with momentum: fp32 master and one moment"},
        {Optimizer::adam, "adam", "Adam (Kingma & Ba, arXiv 1412.6980): fp32 master and two moments"},
        {Optimizer::adamw, "adamw", "Adam with decoupled weight decay (Loshchilov & Hutter, arXiv 1711.05101)"},
    }};
};

/// Degrees of parallelism. Ranks are ordered tensor fastest, then context, expert inside data, data, pipeline slowest
/// (Megatron's order). tensor * context * pipeline * data = devices.
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
    int shard = 0;                           // ranks that one copy is sharded over (HSDP); 0: all of `data`
    bool operator==(const Parallelism&) const = default;

    [[nodiscard]] int devices() const { return tensor * context * pipeline * data; }
    [[nodiscard]] bool has_sequence_parallel() const { return sequence_parallel.value_or(tensor > 1) && tensor > 1; }
    [[nodiscard]] bool shards_parameters() const { return fsdp || zero == 3; }
    [[nodiscard]] int shard_ranks() const { return shard > 0 ? shard : data * context; }

    static constexpr auto fields() {
        using P = Parallelism;
        return std::tuple{
            field("tensor", &P::tensor, count, "Tensor parallel degree: each matrix is split over this many devices."),
            field("sequence_parallel", &P::sequence_parallel, any_value,
                  "Norms and residuals split along the sequence too; absent: on when tensor > 1."),
            field("context", &P::context, count, "Context parallel degree: the sequence is split, keys go around a ring."),
            field("pipeline", &P::pipeline, count, "Pipeline stages."),
            field("data", &P::data, count, "Data parallel replicas."),
            field("expert", &P::expert, count, "Expert parallel degree, taken out of data parallelism."),
            field("virtual_stages", &P::virtual_stages, count, "Model chunks per pipeline rank (interleaved schedule)."),
            field("schedule", &P::schedule, any_value, "Pipeline schedule; see `orrery list schedules`."),
            field("zero", &P::zero, {0.0, 3.0}, "ZeRO stage (Rajbhandari et al., arXiv 1910.02054)."),
            field("fsdp", &P::fsdp, any_value, "Fully sharded data parallel: parameters gathered layer by layer."),
            field("shard", &P::shard, non_negative, "Devices that share one sharded copy (HSDP); 0: all replicas."),
        };
    }
};

/// Switches that a framework profile sets and a user may override.
struct OverlapSwitches {
    std::optional<bool> tensor;     // tensor-parallel exchanges hidden behind the products they feed
    std::optional<bool> gradients;  // data-parallel reduction behind the last backward passes
    std::optional<bool> parameters; // gathers behind the first forward passes
    std::optional<bool> pipeline;   // sends and receives behind compute
    bool operator==(const OverlapSwitches&) const = default;
    static constexpr auto fields() {
        using O = OverlapSwitches;
        return std::tuple{
            field("tensor", &O::tensor, any_value, "Hide tensor-parallel exchanges behind products; absent: as the framework."),
            field("gradients", &O::gradients, any_value, "Hide the gradient reduction behind backward; absent: as the framework."),
            field("parameters", &O::parameters, any_value, "Hide parameter gathers behind forward; absent: as the framework."),
            field("pipeline", &O::pipeline, any_value, "Hide stage-to-stage messages; absent: as the framework."),
        };
    }
};

struct TrainingSpec {
    std::string model;                       // catalogue name or path of a Hugging Face config.json
    int sequence = 2048;
    int global_batch = 1;                    // sequences
    int micro_batch = 1;                     // sequences per data-parallel replica and pass
    DataType precision = DataType::bf16;
    bool flash_attention = true;
    Optimizer optimizer = Optimizer::adamw;
    Recompute recompute = Recompute::none;
    int recompute_layers = 0;
    std::string framework;                   // profile; empty: megatron-core, or pytorch-fsdp when fsdp is set
    Parallelism parallelism;
    OverlapSwitches overlap;
    bool operator==(const TrainingSpec&) const = default;

    [[nodiscard]] int micro_batches() const { return global_batch / (parallelism.data * micro_batch); }

    static constexpr auto fields() {
        using T = TrainingSpec;
        return std::tuple{
            required_field("model", &T::model, any_value, "Catalogue model, or path of a Hugging Face config.json."),
            required_field("sequence", &T::sequence, count, "Tokens of one sequence."),
            required_field("global_batch", &T::global_batch, count, "Sequences per optimizer step, all devices together."),
            field("micro_batch", &T::micro_batch, count, "Sequences per pass of one replica."),
            field("precision", &T::precision, any_value, "Number format of the matrix products."),
            field("flash_attention", &T::flash_attention, any_value, "Fused attention that never writes the scores."),
            field("optimizer", &T::optimizer, any_value, "Optimizer: sets state bytes and the cost of its step."),
            field("recompute", &T::recompute, any_value, "Activation recomputation."),
            field("recompute_layers", &T::recompute_layers, non_negative, "Layers per stage to recompute, with `block`."),
            field("framework", &T::framework, any_value, "Software profile; see `orrery list frameworks`."),
            field("parallelism", &T::parallelism, any_value, "How the work is spread over devices."),
            field("overlap", &T::overlap, any_value, "What is hidden behind what, where not as the framework does."),
        };
    }
};

}  // namespace orrery
