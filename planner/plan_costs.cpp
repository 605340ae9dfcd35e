// The sums: a stage's pass from its layers, a step from its slowest stage, memory from the fullest moment.
#include "planner/plan_costs.hpp"

#include "models/optimizer.hpp"
#include "sim/block_time.hpp"

#include <algorithm>

namespace orrery {
namespace {

/// What its layers are priced by beside the degrees.
std::int32_t split_of(const Parallelism& plan) {
    return plan.schedule == PipelineSchedule::dualpipe ? 2 : plan.splits_backward() ? 1 : 0;
}

std::size_t gathered_kind(const Parallelism& plan) { return plan.shards_parameters() ? 2 : plan.zero == 2 ? 1 : 0; }

}  // namespace

std::size_t PlanCosts::KeyHash::operator()(const Key& key) const {
    std::uint64_t hash = 0;
    for (const std::int32_t one : key) hash = (hash ^ static_cast<std::uint32_t>(one)) * 0x9e3779b97f4a7c15U;   // 2^64 / golden ratio
    return static_cast<std::size_t>(hash ^ (hash >> 32U));
}

bool covers_base(const SearchBase& base) {
    const TrainingSpec& spec = base.run.spec;
    const Regularization& regular = spec.regularization;
    return !base.run.family && !spec.offload.any() && spec.gradient_compression.kind == Compression::none &&
           !regular.sharpness_aware && !regular.weight_average && regular.layer_drop == 0.0 && spec.adapter_rank == 0 &&
           spec.frozen == decltype(spec.frozen){} && !spec.parallelism.balance;
}

bool covers_plan(const TrainingSpec& spec) {
    const OptimizerRule& rule = optimizer_rule(spec.optimizer);
    const bool by_element = rule.preconditioning == Preconditioning::none && !rule.has_tensor_norms && spec.optimizer != Optimizer::adafactor;
    return by_element;
}

bool adds_up(const Parallelism& plan) { return !plan.splits_backward(); }

bool is_bounded(const Parallelism& plan) {
    return plan.schedule == PipelineSchedule::zb_h1 || plan.schedule == PipelineSchedule::zb_v;
}

const FrameworkProfile& PlanCosts::framework_of(const TrainingSpec& spec) const {
    return spec.parallelism.fsdp ? base_.sharded_framework : base_.run.framework;
}

const PlanCosts::Layout& PlanCosts::layout_of(const TrainingSpec& spec) {
    const Parallelism& plan = spec.parallelism;
    const std::int32_t remade = spec.recompute == Recompute::full ? 1 : spec.recompute == Recompute::block ? 2 : 0;
    Key key{plan.pipeline, plan.chunks_per_rank(), split_of(plan), remade, spec.recompute_layers};
    const auto [place, is_new] = layouts_.try_emplace(key);
    Layout& layout = place->second;
    if (!is_new) return layout;
    layout.stages = stage_layout(base_.run.architecture, spec);
    const auto known = std::find(role_sets_.begin(), role_sets_.end(), layout.stages.roles);
    layout.roles = static_cast<std::size_t>(known - role_sets_.begin());
    if (known == role_sets_.end()) role_sets_.push_back(layout.stages.roles);
    for (int stage = 0; stage < plan.pipeline; ++stage) {
        const bool is_end = stage == 0 || stage + 1 == plan.pipeline;
        const auto alike = std::find_if(layout.alike.begin(), layout.alike.end(), [&](const AlikeStages& one) {
            return one.is_end == is_end && layout.stages.stages[static_cast<std::size_t>(one.first)] == layout.stages.stages[static_cast<std::size_t>(stage)];
        });
        if (alike == layout.alike.end()) layout.alike.push_back({stage, 1, is_end});
        else ++alike->count;
    }
    return layout;
}

PlanCosts::PricedKinds PlanCosts::price(const TrainingSpec& spec, const Layout& layout) {
    const Architecture& a = base_.run.architecture;
    const FrameworkProfile& framework = framework_of(spec);
    PricedKinds priced;
    StepGraph& graph = priced.graph;
    const RoleGraphs roles(a, spec, framework);
    for (const LayerRole& role : layout.stages.roles) graph.kinds.push_back(roles.graph_of(role));
    graph.experts_per_token = a.experts > 0 ? a.experts_per_token : 0;
    add_messages(a, roles.shape(), spec.parallelism, framework, graph);
    priced.prices = price_kinds(base_.cluster, graph, spec, framework);
    StepProgram program;   // of block_time(): the exchanges that the codes point to
    program.exchanges = priced.prices->exchanges;
    if (framework.contention > 0.0) program.contention = framework.contention / (1.0 - framework.contention);
    const auto time = [&](const std::vector<Instruction>& code) { return block_time(program, code).total; };
    for (std::size_t i = 0; i < graph.kinds.size(); ++i) {
        const PricedLayer& layer = priced.prices->layers[i];
        const LayerGraph& kind = graph.kinds[i];
        Seconds backward{};
        Seconds kernels = kernel_time_of(layer.forward);
        const bool is_split = spec.parallelism.splits_backward();
        for (const auto* code : {&layer.input, &layer.weight, &layer.backward}) {
            if (is_split == (code == &layer.backward)) continue;   // halves or the whole
            backward += time(*code);
            kernels += kernel_time_of(*code);
        }
        priced.costs.push_back({time(layer.forward), backward, kernels,
                                {kind.parameters, kind.expert_parameters, kind.frozen_parameters, 0.0}});
    }
    priced.activations = kind_activations(a, spec, framework, graph);
    priced.units = gathered_units(a, graph, spec.parallelism);
    priced.buffers = passing_buffers(roles.shape(), graph.boundary_message);
    for (LayerGraph& kind : graph.kinds) {   // their prices are known: of the work nobody asks again
        kind.forward = {};
        kind.backward = {};
        kind.matrices = {};
    }
    return priced;
}

const PlanCosts::PricedKinds& PlanCosts::kinds_of(const TrainingSpec& spec, const Layout& layout) {
    const Parallelism& plan = spec.parallelism;
    Key key{static_cast<std::int32_t>(spec.precision), plan.tensor, plan.has_sequence_parallel() ? 1 : 0, plan.context, plan.expert,
            plan.expert_tensor, (plan.pipeline > 1 ? 2 : 0) + (plan.joins_ends() ? 1 : 0), split_of(plan), plan.fsdp ? 1 : 0, spec.micro_batch,
            static_cast<std::int32_t>(spec.recompute == Recompute::selective), axis_value(PlanAxis::overlap_tensor, spec),
            axis_value(PlanAxis::overlap_experts, spec), static_cast<std::int32_t>(layout.roles)};
    std::size_t used = 14;
    for (const Axis axis : {Axis::tensor, Axis::context, Axis::expert, Axis::expert_tensor}) {
        const GroupShape shape = memo_.shape(plan, axis, base_.cluster.fabric.domain);
        key[used++] = shape.per_domain;
        key[used++] = shape.domains;
        key[used++] = shape.per_node_peers;
    }
    const auto [place, is_new] = priced_.try_emplace(key);
    if (is_new) place->second = price(spec, layout);
    return place->second;
}

const FullMoments& PlanCosts::moments_of(const TrainingSpec& spec, int stage) {
    const Parallelism& plan = spec.parallelism;
    const int micro_batches = representative_micro_batches(plan, spec.micro_batches());
    const auto [place, is_new] = moments_.try_emplace(
        Key{static_cast<std::int32_t>(plan.schedule), plan.pipeline, plan.virtual_stages, micro_batches, stage});
    if (!is_new) return place->second;
    for (const Schedule& schedule : schedules()) {
        if (schedule.kind != plan.schedule) continue;
        place->second = fullest_moments(schedule.passes(stage, plan.pipeline, plan.virtual_stages, micro_batches), plan.chunks_per_rank());
    }
    return place->second;
}

void PlanCosts::forget() {
    constexpr std::size_t kinds_most = 4096;   // some ten megabytes
    if (priced_.size() < kinds_most) return;
    priced_.clear();
    kinds_ = nullptr;
}

/// Everything about the stages that neither the sharding of states nor data exchanges change.
void PlanCosts::compose(const TrainingSpec& spec) {
    const Parallelism& plan = spec.parallelism;
    const Key key{static_cast<std::int32_t>(spec.precision), plan.tensor, plan.has_sequence_parallel() ? 1 : 0, plan.context,
                  plan.pipeline, plan.data, plan.expert, plan.expert_tensor, static_cast<std::int32_t>(plan.schedule),
                  plan.virtual_stages, plan.fsdp ? 1 : 0, spec.micro_batch, spec.global_batch,
                  static_cast<std::int32_t>(spec.recompute), spec.recompute_layers, axis_value(PlanAxis::overlap_tensor, spec),
                  axis_value(PlanAxis::overlap_experts, spec), order_code(plan.order)};
    if (kinds_ != nullptr && key == composed_) return;
    composed_ = key;
    const Layout& layout = layout_of(spec);
    kinds_ = &kinds_of(spec, layout);
    const bool holds_outputs = framework_of(spec).keeps_stage_outputs && plan.pipeline > 1;
    stages_.clear();
    for (const AlikeStages& alike : layout.alike) {
        StageCost& stage = stages_.emplace_back();
        stage.stages = &alike;
        stage.chunks = &layout.stages.stages[static_cast<std::size_t>(alike.first)];
        for (const Chunk& chunk : *stage.chunks) {
            ChunkActivations& kept = stage.activations.emplace_back();
            for (const LayerRun& run : chunk) {
                const auto kind = static_cast<std::size_t>(run.kind);
                const KindCost& cost = kinds_->costs[kind];
                const double layers = run.count;
                stage.forward += cost.forward * layers;
                stage.backward += cost.backward * layers;
                stage.kernels += cost.kernels * layers;
                stage.holds.parameters += cost.parameters.all * layers;
                stage.holds.expert_parameters += cost.parameters.experts * layers;
                kept.add(kinds_->activations.kinds[kind], run.count);
            }
            if (holds_outputs && !kept.has_head) kept.output = kinds_->activations.input;
        }
    }
}

const ActivationPeak& PlanCosts::peak_of(const TrainingSpec& spec, StageCost& stage) {
    std::optional<ActivationPeak>& peak = stage.peaks[gathered_kind(spec.parallelism)];
    if (peak) return *peak;
    if (stage.moments == nullptr) stage.moments = &moments_of(spec, stage.stages->first);
    const GatheredBytes gathered =
        gathered_bytes(base_.run.architecture, kinds_->units, spec.parallelism, framework_of(spec), stage.stages->first);
    peak = peak_of_moments(*stage.moments, stage.activations, kinds_->activations.logits, gathered);
    peak->activations += kinds_->buffers;
    return *peak;
}

Bytes PlanCosts::memory_of_fullest(const TrainingSpec& spec) {
    Bytes fullest{};
    for (StageCost& stage : stages_) {
        const StageParameters held{stage.holds.parameters, stage.holds.expert_parameters, 0.0, 0.0};
        fullest = std::max(fullest, plain_stage_memory(spec, framework_of(spec), held, peak_of(spec, stage)));
    }
    return fullest;
}

/// Passes with the gathers and scatters of sharded layers.
void PlanCosts::gather_passes(Pricer& pricer) {
    sharded_passes_.clear();
    std::vector<std::pair<const Chunk*, Seconds>> known;
    for (const StageCost& stage : stages_) {
        Seconds pass{};
        for (const Chunk& chunk : *stage.chunks) {
            const auto same = std::find_if(known.begin(), known.end(), [&](const auto& one) { return *one.first == chunk; });
            if (same == known.end()) {
                known.emplace_back(&chunk, pricer.sharded_time(chunk, false) + pricer.sharded_time(chunk, true));
                pass += known.back().second;
            } else {
                pass += same->second;
            }
        }
        sharded_passes_.push_back(pass);
    }
}

Bytes PlanCosts::memory(const TrainingSpec& spec) {
    compose(spec);
    return memory_of_fullest(spec);
}

PlanEstimate PlanCosts::estimate(const TrainingSpec& spec, Bytes capacity) {
    compose(spec);
    PlanEstimate result;
    result.memory = memory_of_fullest(spec);
    if (result.memory > capacity) return result;
    const Parallelism& plan = spec.parallelism;
    Pricer pricer(base_.cluster, kinds_->graph, spec, framework_of(spec), &memo_);
    const Boundary boundary = pricer.boundary();
    const bool shards = plan.shards_parameters();
    if (shards) {
        pricer.use_layers(*kinds_->prices);
        gather_passes(pricer);
    }
    std::size_t slowest = 0;
    Seconds all{};
    Seconds kernels{};
    const auto pass_of = [&](std::size_t i) { return shards ? sharded_passes_[i] : stages_[i].pass(); };
    for (std::size_t i = 0; i < stages_.size(); ++i) {
        if (pass_of(i) > pass_of(slowest)) slowest = i;
        all += pass_of(i) * static_cast<double>(stages_[i].stages->count);
        kernels += stages_[i].kernels * static_cast<double>(stages_[i].stages->count);
    }
    const double batches = spec.micro_batches();
    const double virtual_stages = plan.virtual_stages;
    const StageCost& slow = stages_[slowest];
    Seconds step = pass_of(slowest) * batches + pricer.once_time(slow.holds, slow.forward, slow.backward, slow.stages->is_end);
    step += (all - pass_of(slowest)) * (1.0 / virtual_stages);
    step += boundary_messages(plan, spec.micro_batches(), 1, boundary.idle, boundary.exposed);
    result.step = step + pricer.scale_penalty_of(step);
    result.busy = std::min(1.0, kernels * batches / (result.step * static_cast<double>(plan.pipeline)));
    return result;
}

PlanEstimate PlanCosts::bound(const TrainingSpec& spec, Bytes capacity) {
    compose(spec);
    PlanEstimate result;
    result.memory = memory_of_fullest(spec);
    if (result.memory > capacity) return result;
    Pricer pricer(base_.cluster, kinds_->graph, spec, framework_of(spec), &memo_);
    const double batches = spec.micro_batches();
    Seconds kernels{};
    for (const StageCost& stage : stages_) {
        const Seconds once = pricer.once_time(stage.holds, stage.forward, stage.backward, stage.stages->is_end);
        result.step = std::max(result.step, stage.pass() * batches + once);
        kernels += stage.kernels * static_cast<double>(stage.stages->count);
    }
    result.step += pricer.scale_penalty_of(result.step);
    result.busy = std::min(1.0, kernels * batches / (result.step * static_cast<double>(spec.parallelism.pipeline)));
    return result;
}

}  // namespace orrery
