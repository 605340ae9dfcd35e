// The checks of a plan in the order in which a search sets its axes.
#include "planner/refusal.hpp"

#include "models/pipeline_split.hpp"
#include "models/plan_problems.hpp"
#include "models/rank_layout.hpp"
#include "sim/mixed.hpp"

#include <algorithm>

namespace orrery {
namespace {

using Reason = std::optional<Refusal>;

bool has_value(const SearchBase& base, PlanAxis axis, std::int32_t value) {
    const auto& values = base.values[static_cast<std::size_t>(axis)];
    return std::find(values.begin(), values.end(), value) != values.end();
}

template <class Enum>
bool has_choice(const SearchBase& base, PlanAxis axis, Enum value) {
    return has_value(base, axis, static_cast<std::int32_t>(value));
}

/// Whether ranks are numbered as in Megatron's order: only axes of more than one rank count.
bool numbers_as_usual(const Parallelism& plan) {
    const auto degree = [&](RankAxis axis) {
        switch (axis) {
            case RankAxis::tensor: return plan.tensor;
            case RankAxis::context: return plan.context;
            case RankAxis::expert: return 1;
            case RankAxis::data: return plan.data;
            case RankAxis::pipeline: return plan.pipeline;
        }
        return 1;
    };
    std::vector<RankAxis> own = plan.order;
    std::vector<RankAxis> usual = axis_order(Parallelism{});
    const auto is_single = [&](RankAxis axis) { return degree(axis) == 1; };
    std::erase_if(own, is_single);
    std::erase_if(usual, is_single);
    return own == usual;
}

Reason refused_tensor(const Architecture& a, const TrainingSpec& spec, int devices) {
    const int tensor = spec.parallelism.tensor;
    if (tensor < 1) return Refusal::tensor;
    const auto has = [&](char block) { return a.pattern.empty() || a.pattern.find(block) != std::string::npos; };
    if (has('A') && (a.heads % tensor != 0 || (a.kv_heads % tensor != 0 && tensor % a.kv_heads != 0))) return Refusal::tensor;
    const bool plain_mlp = a.pattern.empty() ? a.experts == 0 || a.dense_layers > 0 : has('F');
    if (a.hidden % tensor != 0 || (plain_mlp && a.ffn % tensor != 0)) return Refusal::tensor;
    if (a.pattern.find('M') != std::string::npos) {
        if (a.state_space.rank == 0 && a.state_space.heads % tensor != 0) return Refusal::tensor;
        if (a.state_space.inner % tensor != 0) return Refusal::tensor;
    }
    return devices % tensor != 0 ? Reason(Refusal::devices) : std::nullopt;
}

Reason refused_context(const Architecture& a, const TrainingSpec& spec, int devices) {
    const Parallelism& plan = spec.parallelism;
    if (plan.context < 1) return Refusal::context;
    const bool trades = plan.context_kind == ContextKind::ulysses;
    const std::int64_t unit = plan.context > 1 && !trades ? std::int64_t{2} * plan.context : plan.context;
    if (spec.sequence % unit != 0) return Refusal::context;
    if (plan.context > 1 && (a.encoder_layers > 0 || a.pattern.find('M') != std::string::npos)) return Refusal::context;
    if (plan.has_sequence_parallel() && spec.sequence / plan.context % plan.tensor != 0) return Refusal::sequence;
    if (plan.context > 1 && trades) {
        const int heads = a.heads / plan.tensor;
        const int keys = std::max(a.kv_heads / plan.tensor, 1);
        if (heads % plan.context != 0 || (keys % plan.context != 0 && plan.context % keys != 0)) return Refusal::context;
    }
    return devices % (std::int64_t{plan.tensor} * plan.context) != 0 ? Reason(Refusal::devices) : std::nullopt;
}

/// The plan while its schedule is not known.
Parallelism spread_out(Parallelism plan) {
    plan.schedule = PipelineSchedule::one_f_one_b;
    return plan;
}

Reason refused_pipeline(const SearchBase& base, TrainingSpec& spec) {
    const Architecture& a = base.run.architecture;
    const int devices = base.cluster.devices();
    Parallelism& plan = spec.parallelism;
    if (plan.pipeline < 1) return Refusal::pipeline;
    const std::int64_t replica = std::int64_t{plan.tensor} * plan.context * plan.pipeline;
    if (devices % replica != 0) return Refusal::devices;
    plan.data = static_cast<int>(devices / replica);
    if (a.encoder_layers > 0 && plan.pipeline > 1) return Refusal::pipeline;
    if (plan.pipeline > a.stack() + 2) return Refusal::pipeline;
    if (base.cluster.is_mixed() && mixed_problem(base.cluster, spread_out(plan))) return Refusal::groups;
    const bool says_same = !plan.order.empty() && a.experts == 0 && has_value(base, PlanAxis::order, 0) && numbers_as_usual(plan);
    return says_same ? Reason(Refusal::same) : std::nullopt;
}

Reason refused_expert(const Architecture& a, const Parallelism& plan) {
    if (plan.expert < 1 || (a.experts == 0 && plan.expert != 1)) return Refusal::expert;
    if (a.experts == 0) return std::nullopt;
    const std::int64_t ranks = std::int64_t{plan.data} * plan.context * plan.tensor;
    return a.experts % plan.expert != 0 || ranks % plan.expert != 0 ? Reason(Refusal::expert) : std::nullopt;
}

Reason refused_expert_tensor(const Architecture& a, const Parallelism& plan) {
    if (plan.expert_tensor < 1 || (a.experts == 0 && plan.expert_tensor != 1)) return Refusal::expert_tensor;
    if (a.experts == 0) return std::nullopt;
    const std::int64_t ranks = std::int64_t{plan.data} * plan.context * plan.tensor;
    if (ranks % plan.expert_ranks() != 0 || a.expert_ffn % plan.expert_tensor != 0) return Refusal::expert_tensor;
    const bool is_ordered = !plan.order.empty() && plan.pipeline > 1;
    return is_ordered && rank_strides(plan).pipeline != expert_strides(plan).pipeline ? Reason(Refusal::order) : std::nullopt;
}

Reason refused_schedule(const SearchBase& base, const Parallelism& plan) {
    if (plan.pipeline == 1 && plan.splits_backward()) return Refusal::schedule;
    const bool is_plain = plan.schedule == PipelineSchedule::one_f_one_b;
    if (plan.pipeline == 1 && !is_plain && has_choice(base, PlanAxis::schedule, PipelineSchedule::one_f_one_b)) return Refusal::same;
    if (plan.schedule == PipelineSchedule::dualpipe && plan.pipeline % 2 != 0) return Refusal::schedule;
    if (base.cluster.is_mixed() && mixed_problem(base.cluster, plan)) return Refusal::groups;
    return std::nullopt;
}

Reason refused_virtual_stages(const SearchBase& base, const Parallelism& plan) {
    const Architecture& a = base.run.architecture;
    if (plan.virtual_stages < 1) return Refusal::virtual_stages;
    if (plan.virtual_stages > 1 && (!plan.interleaves() || plan.pipeline == 1)) return Refusal::virtual_stages;
    const bool says_same = plan.schedule == PipelineSchedule::interleaved && plan.virtual_stages == 1;
    if (says_same && has_choice(base, PlanAxis::schedule, PipelineSchedule::one_f_one_b)) return Refusal::same;
    const std::int64_t stages = plan.model_stages();
    if (!plan.stage_layers.empty()) {
        return static_cast<std::int64_t>(plan.stage_layers.size()) == stages ? Reason() : Reason(Refusal::pipeline);
    }
    if (stages > a.stack() + std::int64_t{2}) return Refusal::pipeline;
    return stage_layers(a, plan).empty() ? Reason(Refusal::pipeline) : std::nullopt;
}

Reason refused_sharding(const SearchBase& base, const Parallelism& plan) {
    if (plan.zero < 0 || plan.zero > 3 || (plan.fsdp && plan.zero == 1)) return Refusal::sharding;
    if (plan.fsdp && plan.zero == 3 && has_value(base, PlanAxis::zero, 0)) return Refusal::same;
    return plan.splits_backward() && plan.shards_parameters() ? Reason(Refusal::schedule) : std::nullopt;
}

Reason refused_shard(const SearchBase& base, const Parallelism& plan) {
    const bool shards = plan.fsdp || plan.zero > 0;
    if (plan.shard < 0 || (plan.shard > 1 && !shards)) return Refusal::shard;
    if (plan.shard > 0 && plan.replicas() % plan.shard != 0) return Refusal::shard;
    const bool is_whole = plan.shard > 0 && (plan.shard == plan.replicas() || !shards);
    return is_whole && has_value(base, PlanAxis::shard, 0) ? Reason(Refusal::same) : std::nullopt;
}

Reason refused_batch(const TrainingSpec& spec) {
    const Parallelism& plan = spec.parallelism;
    const std::int64_t pass = std::int64_t{plan.data} * spec.micro_batch;
    if (spec.micro_batch < 1 || spec.global_batch < 1 || spec.global_batch % pass != 0) return Refusal::batch;
    const std::int64_t batches = spec.global_batch / pass;
    if (plan.schedule == PipelineSchedule::dualpipe && (batches % 2 != 0 || batches < std::int64_t{2} * plan.pipeline)) {
        return Refusal::dualpipe;
    }
    const bool rounds = plan.schedule == PipelineSchedule::interleaved && plan.virtual_stages > 1;
    return rounds && batches % plan.pipeline != 0 ? Reason(Refusal::interleaving) : std::nullopt;
}

/// Fused attention keeps no scores: there is nothing to recompute of it alone.
Reason refused_recompute(const SearchBase& base, const TrainingSpec& spec) {
    const bool is_selective = spec.recompute == Recompute::selective;
    if (spec.recompute_modules.any()) return is_selective ? Reason() : Reason(Refusal::recompute);
    const bool says_same = is_selective && spec.flash_attention && has_choice(base, PlanAxis::recompute, Recompute::none);
    return says_same ? Reason(Refusal::same) : std::nullopt;
}

Reason refused_recompute_layers(const SearchBase& base, const TrainingSpec& spec) {
    const bool is_block = spec.recompute == Recompute::block;
    if (is_block != (spec.recompute_layers > 0)) return Refusal::recompute;
    // As many layers as the fullest stage has are full recomputation.
    const int stages = spec.parallelism.pipeline;
    const bool is_full = is_block && spec.recompute_layers > (base.run.architecture.stack() + stages - 1) / stages;
    const bool says_same = is_full && has_choice(base, PlanAxis::recompute, Recompute::full) && has_value(base, PlanAxis::recompute_layers, 0);
    return says_same ? Reason(Refusal::same) : std::nullopt;
}

/// A split that is the even one, or another of the search's, says nothing new.
Reason refused_stage_layers(const SearchBase& base, std::int32_t value, Parallelism& plan) {
    if (!share_out_layers(base, value, plan)) return Refusal::pipeline;
    if (value == 0 || value == balanced_layers_code) return std::nullopt;
    for (const std::int32_t other : base.values[static_cast<std::size_t>(PlanAxis::stage_layers)]) {
        if (other == value) break;
        Parallelism before = plan;
        if (!share_out_layers(base, other, before)) continue;
        if ((other == 0 ? stage_layers(base.run.architecture, before) : before.stage_layers) == plan.stage_layers) return Refusal::same;
    }
    return std::nullopt;
}

/// What no axis decides alone: offloading and stages of unequal size that the scenario asks for.
Reason refused_at_last(const SearchBase& base, const TrainingSpec& spec) {
    const Architecture& a = base.run.architecture;
    const Parallelism& plan = base.run.spec.parallelism;
    const bool is_uneven = !plan.stage_layers.empty() || plan.first_stage_layers > 0 || plan.last_stage_layers > 0 ||
                           plan.count_embedding || plan.count_head;
    if (!is_uneven && !spec.offload.any()) return std::nullopt;
    return plan_problems(a, spec).empty() ? Reason() : Reason(Refusal::unsupported);
}

}  // namespace

std::optional<Refusal> refusal_after(PlanAxis axis, const SearchBase& base, TrainingSpec& spec, std::int32_t value) {
    const Architecture& a = base.run.architecture;
    const Cluster& cluster = base.cluster;
    const Parallelism& plan = spec.parallelism;
    switch (axis) {
        case PlanAxis::precision: {
            const bool is_trained = spec.precision != DataType::fp64 && spec.precision != DataType::int8 &&
                                    spec.precision != DataType::int4 && spec.precision != DataType::int32;
            bool has_rate = cluster.device.peak(spec.precision) > FlopPerSecond{};
            for (const DeviceGroup& group : cluster.groups) has_rate = has_rate && group.alike->device.peak(spec.precision) > FlopPerSecond{};
            return is_trained && has_rate ? Reason() : Reason(Refusal::precision);
        }
        case PlanAxis::tensor: return refused_tensor(a, spec, cluster.devices());
        case PlanAxis::sequence_parallel:
            return plan.tensor == 1 && plan.sequence_parallel == std::optional(true) && has_value(base, axis, 0) ? Reason(Refusal::same) : std::nullopt;
        case PlanAxis::context: return refused_context(a, spec, cluster.devices());
        case PlanAxis::pipeline: return refused_pipeline(base, spec);
        case PlanAxis::data: {
            const std::int64_t ranks = std::int64_t{plan.tensor} * plan.context * plan.pipeline * plan.data;
            return value > 0 && ranks != cluster.devices() ? Reason(Refusal::data) : std::nullopt;
        }
        case PlanAxis::expert: return refused_expert(a, plan);
        case PlanAxis::expert_tensor: return refused_expert_tensor(a, plan);
        case PlanAxis::schedule: return refused_schedule(base, plan);
        case PlanAxis::virtual_stages:
            spec.parallelism.stage_layers = base.run.spec.parallelism.stage_layers;
            return refused_virtual_stages(base, plan);
        case PlanAxis::stage_layers: return refused_stage_layers(base, value, spec.parallelism);
        case PlanAxis::zero: return refused_sharding(base, plan);
        case PlanAxis::shard: return refused_shard(base, plan);
        case PlanAxis::global_batch: return refused_batch(spec);
        case PlanAxis::recompute_layers: return refused_recompute_layers(base, spec);
        case PlanAxis::recompute: return refused_recompute(base, spec);
        case PlanAxis::overlap_experts: return spec.overlap.experts && a.experts == 0 ? Reason(Refusal::overlap) : std::nullopt;
        case PlanAxis::overlap_pipeline: return refused_at_last(base, spec);
        case PlanAxis::optimizer:
        case PlanAxis::order:
        case PlanAxis::fsdp:
        case PlanAxis::micro_batch:
        case PlanAxis::overlap_tensor:
        case PlanAxis::overlap_gradients:
        case PlanAxis::overlap_parameters: return std::nullopt;
    }
    return std::nullopt;
}

DrawnPlan draw_plan(const SearchBase& base, Rng& rng) {
    DrawnPlan plan;
    TrainingSpec spec = base.run.spec;
    for (const PlanAxisInfo& one : plan_axes()) {
        const auto& values = base.values[static_cast<std::size_t>(one.axis)];
        std::int32_t& value = at(plan.point, one.axis);
        value = values[static_cast<std::size_t>(rng.below(values.size()))];
        apply_axis(one.axis, value, spec);
        if (refusal_after(one.axis, base, spec, value)) return plan;
    }
    plan.spec = std::move(spec);
    return plan;
}

}  // namespace orrery
