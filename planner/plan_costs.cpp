// The sums: a stage's pass from its layers, a step from its slowest stage, memory from the fullest moment.
#include "planner/plan_costs.hpp"

#include "models/optimizer.hpp"
#include "models/stage_placement.hpp"
#include "sim/mixed.hpp"

#include <algorithm>

namespace orrery {
namespace {

std::size_t gathered_kind(const Parallelism& plan) { return plan.shards_parameters() ? 2 : plan.zero == 2 ? 1 : 0; }

/// Layers of the first and the last stage of a plan that lists them, and one more: the others follow from them.
std::pair<std::int32_t, std::int32_t> ends_of(const Parallelism& plan) {
    if (plan.stage_layers.empty()) return {0, 0};
    return {plan.stage_layers.front() + 1, plan.stage_layers.back() + 1};
}

}  // namespace

namespace {

/// The group of a stage, and which of its neighbours, around the ends, lie on others.
void place_in_group(const std::vector<int>& groups, int stage, int& group, int& edges) {
    const std::size_t count = groups.size();
    const auto at = static_cast<std::size_t>(stage);
    group = groups[at];
    edges = (groups[(at + count - 1) % count] != group ? 1 : 0) + (groups[(at + 1) % count] != group ? 2 : 0);
}

}  // namespace

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

/// On a mixed machine stages can differ everywhere: a split is known by its number there.
std::pair<std::int32_t, std::int32_t> PlanCosts::split_code(const Parallelism& plan) {
    if (whole_ == nullptr) return ends_of(plan);
    const auto known = std::find(splits_.begin(), splits_.end(), plan.stage_layers);
    const auto number = static_cast<std::int32_t>(known - splits_.begin());
    if (known == splits_.end()) splits_.push_back(plan.stage_layers);
    return {number, 0};
}

const PlanCosts::Layout& PlanCosts::layout_of(const TrainingSpec& spec) {
    const Parallelism& plan = spec.parallelism;
    const std::uint64_t remade = spec.recompute == Recompute::full ? 1 : spec.recompute == Recompute::block ? 2 : 0;
    const auto word = [](int high, int low) { return static_cast<std::uint64_t>(high) << 32U | static_cast<std::uint64_t>(low); };
    const auto [first, last] = split_code(plan);
    const CostKey key{{word(plan.pipeline, plan.chunks_per_rank()), word(spec.recompute_layers, split_of(plan)), remade | word(first, last) << 2U}};
    const auto [place, is_new] = layouts_.try_emplace(key);
    if (is_new) place->second = lay_out(spec);
    return place->second;
}

PlanCosts::Layout PlanCosts::lay_out(const TrainingSpec& spec) {
    const StageLayout stages = stage_layout(base_.run.architecture, spec);
    Layout layout;
    for (const LayerRole& role : stages.roles) layout.roles.push_back(costs_.number_of(role));
    const auto known = std::find(role_sets_.begin(), role_sets_.end(), layout.roles);
    layout.role_set = static_cast<std::size_t>(known - role_sets_.begin());
    if (known == role_sets_.end()) role_sets_.push_back(layout.roles);
    const std::vector<int> groups = whole_ != nullptr ? groups_of_stages(*whole_, spec.parallelism) : std::vector<int>{};
    for (int i = 0; i < spec.parallelism.pipeline; ++i) {
        AlikeStages stage{i, 1, i == 0 || i + 1 == spec.parallelism.pipeline, 0, 0, {}, {}};
        if (!groups.empty()) place_in_group(groups, stage.first, stage.group, stage.edges);
        for (const Chunk& chunk : stages.stages[static_cast<std::size_t>(i)]) {
            const auto same = std::find(layout.chunks.begin(), layout.chunks.end(), chunk);
            stage.chunks.push_back(static_cast<std::size_t>(same - layout.chunks.begin()));
            if (same == layout.chunks.end()) layout.chunks.push_back(chunk);
            for (const LayerRun& run : chunk) {
                const auto kind = std::find_if(stage.layers.begin(), stage.layers.end(), [&](const LayerRun& one) { return one.kind == run.kind; });
                if (kind == stage.layers.end()) stage.layers.push_back(run);
                else kind->count += run.count;
            }
        }
        const auto alike = std::find_if(layout.alike.begin(), layout.alike.end(), [&](const AlikeStages& one) {
            return one.is_end == stage.is_end && one.group == stage.group && one.edges == stage.edges && one.chunks == stage.chunks;
        });
        layout.alike_of.push_back(static_cast<std::size_t>(alike - layout.alike.begin()));
        if (alike == layout.alike.end()) layout.alike.push_back(std::move(stage));
        else ++alike->count;
    }
    return layout;
}

PlanCosts::PricedKinds PlanCosts::price(const TrainingSpec& spec, const Layout& layout) {
    const Architecture& a = base_.run.architecture;
    const FrameworkProfile& framework = framework_of(spec);
    PricedKinds priced;
    for (const std::size_t role : layout.roles) {
        const LayerCost& cost = costs_.cost(spec, role);
        priced.layers.push_back(&cost);
        priced.sharded.push_back(&cost.sharded);
        priced.graph.kinds.push_back(cost.kind);
    }
    const LayerShape shape = layer_shape(a, spec, framework);
    add_messages(a, shape, spec.parallelism, framework, priced.graph);
    priced.units = gathered_units(a, priced.graph, spec.parallelism);
    priced.buffers = passing_buffers(shape, priced.graph.boundary_message);
    return priced;
}

const PlanCosts::PricedKinds& PlanCosts::kinds_of(const TrainingSpec& spec, const Layout& layout, bool same_degrees) {
    const PricedUnder& under = costs_.under(spec, same_degrees);
    const bool sends = spec.parallelism.pipeline > 1;
    const CostKey key{{under.experts, under.micro_batch << 32U | layout.role_set << 1U | (sends ? 1U : 0U), under.expert_flags | under.ends}};
    const auto [place, is_new] = priced_.try_emplace(key);
    if (is_new) place->second = price(spec, layout);
    return place->second;
}

const FullMoments& PlanCosts::moments_of(const TrainingSpec& spec, int stage) {
    const Parallelism& plan = spec.parallelism;
    const int micro_batches = representative_micro_batches(plan, spec.micro_batches());
    const auto word = [](int high, int low) { return static_cast<std::uint64_t>(high) << 32U | static_cast<std::uint64_t>(low); };
    const auto [place, is_new] = moments_.try_emplace(
        CostKey{{word(static_cast<int>(plan.schedule), plan.pipeline), word(plan.virtual_stages, micro_batches), static_cast<std::uint64_t>(stage)}});
    if (!is_new) return place->second;
    for (const Schedule& schedule : schedules()) {
        if (schedule.kind != plan.schedule) continue;
        place->second = fullest_moments(schedule.passes(stage, plan.pipeline, plan.virtual_stages, micro_batches), plan.chunks_per_rank());
    }
    return place->second;
}

void PlanCosts::forget() {
    constexpr std::size_t layers_most = 16384;   // some twenty megabytes
    if (costs_.size() < layers_most) return;
    priced_.clear();
    costs_.forget();
    kinds_ = nullptr;
}

/// Everything about the stages that neither the sharding of states nor data exchanges change.
void PlanCosts::compose(const TrainingSpec& spec) {
    const Parallelism& plan = spec.parallelism;
    const Degrees degrees{plan.tensor, plan.has_sequence_parallel() ? 1 : 0, plan.context, plan.pipeline, plan.data, plan.expert,
                          plan.expert_tensor, order_code(plan.order)};
    const auto [first, last] = split_code(plan);
    const Choices choices{first, last, static_cast<std::int32_t>(spec.precision), static_cast<std::int32_t>(plan.schedule), plan.virtual_stages,
                          plan.fsdp ? 1 : 0, spec.micro_batch, spec.global_batch, static_cast<std::int32_t>(spec.recompute),
                          spec.recompute_layers, axis_value(PlanAxis::overlap_tensor, spec),
                          axis_value(PlanAxis::overlap_experts, spec), plan.copies()};
    const bool same_degrees = kinds_ != nullptr && degrees == degrees_;
    if (same_degrees && choices == choices_) return;
    if (!same_degrees) exchanges_.clear();
    for (ShardedUnder& one : exchanges_) one.forward.clear();
    degrees_ = degrees;
    choices_ = choices;
    layout_ = &layout_of(spec);
    kinds_ = &kinds_of(spec, *layout_, same_degrees);
    if (stages_.size() < layout_->alike.size()) stages_.resize(layout_->alike.size());
    for (std::size_t i = 0; i < layout_->alike.size(); ++i) compose_stage(layout_->alike[i], stages_[i]);
    activations_.clear();
}

void PlanCosts::compose_stage(const AlikeStages& alike, StageCost& stage) const {
    std::vector<FullPass> room = std::move(stage.full);
    stage = {};
    stage.stages = &alike;
    stage.full = std::move(room);
    stage.full.clear();
    for (const LayerRun& run : alike.layers) {
        const LayerCost& cost = *kinds_->layers[static_cast<std::size_t>(run.kind)];
        const double layers = run.count;
        stage.pass.forward += cost.forward * layers;
        stage.pass.backward += cost.backward * layers;
        stage.pass.load.add(cost.load, layers);
        stage.kernels += cost.kernels * layers;
        stage.holds.parameters += cost.kind.parameters * layers;
        stage.holds.expert_parameters += cost.kind.expert_parameters * layers;
    }
}

/// What the chunks keep, once for all stages.
void PlanCosts::keep_activations(const TrainingSpec& spec) {
    const bool holds_outputs = framework_of(spec).keeps_stage_outputs && spec.parallelism.pipeline > 1;
    for (const Chunk& chunk : layout_->chunks) {
        ChunkActivations& kept = activations_.emplace_back();
        for (const LayerRun& run : chunk) kept.add(kinds_->layers[static_cast<std::size_t>(run.kind)]->activations, run.count);
        if (holds_outputs && !kept.has_head) kept.output = kinds_->layers.front()->input;
    }
}

const ActivationPeak& PlanCosts::peak_of(const TrainingSpec& spec, StageCost& stage) {
    std::optional<ActivationPeak>& peak = stage.peaks[gathered_kind(spec.parallelism)];
    if (peak) return *peak;
    if (activations_.empty()) keep_activations(spec);
    stage_activations_.clear();
    for (const std::size_t chunk : stage.stages->chunks) stage_activations_.push_back(activations_[chunk]);
    if (stage.full.empty()) keep_full_passes(moments_of(spec, stage.stages->first), stage_activations_, stage.full);
    const GatheredBytes gathered =
        gathered_bytes(base_.run.architecture, kinds_->units, spec.parallelism, framework_of(spec), stage.stages->first);
    peak = peak_of_passes(stage.full, stage_activations_, kinds_->layers.front()->logits, gathered);
    peak->activations += kinds_->buffers;
    return *peak;
}

Bytes PlanCosts::memory_of(const TrainingSpec& spec, StageCost& stage) {
    const StageParameters held{stage.holds.parameters, stage.holds.expert_parameters, 0.0, 0.0};
    return plain_stage_memory(spec, framework_of(spec), held, peak_of(spec, stage));
}

Bytes PlanCosts::memory_of_fullest(const TrainingSpec& spec) {
    Bytes fullest{};
    for (StageCost& stage : stages()) fullest = std::max(fullest, memory_of(spec, stage));
    return fullest;
}

PlanCosts::ShardedUnder& PlanCosts::sharded_under(const Parallelism& plan) {
    for (ShardedUnder& one : exchanges_) {
        if (one.fsdp == plan.fsdp && one.shard == plan.shard) return one;
    }
    return exchanges_.emplace_back(ShardedUnder{plan.fsdp, plan.shard, {}, {}});
}

void PlanCosts::time_sharded_passes(const Pricer& pricer, const Parallelism& plan) {
    chunk_passes_.clear();
    if (!plan.shards_parameters()) return;
    ShardedUnder& under = sharded_under(plan);
    ShardedPasses passes(pricer, kinds_->sharded, under.known);
    if (under.forward.empty()) {
        for (const Chunk& chunk : layout_->chunks) under.forward.push_back(passes.forward(chunk));
    }
    for (std::size_t i = 0; i < layout_->chunks.size(); ++i) {
        chunk_passes_.push_back({under.forward[i], passes.backward(layout_->chunks[i])});
    }
}

/// Passes with the gathers and scatters of sharded layers, and with what shares the port with their exchanges.
void PlanCosts::time_passes(const Pricer& pricer, const Parallelism& plan, const Boundary& boundary) {
    time_sharded_passes(pricer, plan);
    passes_.clear();
    for (const StageCost& stage : stages()) {
        const MessageOnPort message{boundary.idle, boundary.port, boundary.exposed, stage.stages->is_end};
        passes_.push_back(share_port(plan, on_port(stage), message, pricer.contention()));
    }
}

PassOnPort PlanCosts::on_port(const StageCost& stage) const {
    PassOnPort pass = stage.pass;
    pass.own = pass.forward + pass.backward;
    if (chunk_passes_.empty()) return pass;
    pass.own = {};
    for (const std::size_t chunk : stage.stages->chunks) {
        const auto& [forward, backward] = chunk_passes_[chunk];
        pass.own += forward.all + backward.all;
        pass.forward += forward.held;
        pass.backward += backward.held;
        pass.load.add(forward.load, 1.0);
        pass.load.add(backward.load, 1.0);
    }
    return pass;
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
    Pricer pricer(base_.cluster, kinds_->graph, spec, framework_of(spec), &costs_.memo());
    const Boundary boundary = pricer.boundary();
    time_passes(pricer, plan, boundary);
    const std::span<const StageCost> all_stages = stages();
    std::size_t slowest = 0;
    Seconds all{};
    Seconds kernels{};
    for (std::size_t i = 0; i < all_stages.size(); ++i) {
        if (passes_[i].turn() > passes_[slowest].turn()) slowest = i;
        all += passes_[i].pass * static_cast<double>(all_stages[i].stages->count);
        kernels += all_stages[i].kernels * static_cast<double>(all_stages[i].stages->count);
    }
    const double batches = spec.micro_batches();
    const StageCost& slow = all_stages[slowest];
    const Seconds step = step_of_passes(plan, spec.micro_batches(), passes_[slowest], all) +
                         pricer.once_time(slow.holds, slow.pass.forward, slow.pass.backward, slow.stages->is_end) +
                         boundary_messages(plan, 1, boundary.idle, boundary.exposed);
    result.step = step + lost_to_the_slowest(plan.devices(), step);
    result.busy = std::min(1.0, kernels * batches / (result.step * static_cast<double>(plan.pipeline)));
    return result;
}

void PlanCosts::add_stages(const TrainingSpec& spec, int group, bool timed, std::vector<GroupStages>& all) {
    compose(spec);
    if (timed) time_sharded_passes(Pricer(base_.cluster, kinds_->graph, spec, framework_of(spec), &costs_.memo()), spec.parallelism);
    for (std::size_t i = 0; i < stages().size(); ++i) {
        StageCost& stage = stages()[i];
        if (stage.stages->group != group) continue;
        GroupStages& own = all.emplace_back();
        own.first = stage.stages->first;
        own.count = stage.stages->count;
        own.number = i;
        own.is_end = stage.stages->is_end;
        own.kernels = stage.kernels;
        if (timed) own.pass = on_port(stage);
        own.memory = memory_of(spec, stage);
    }
}

Seconds PlanCosts::once_time(const TrainingSpec& spec, const GroupStages& which, std::span<const Fabric* const> crossed,
                             std::span<const Fabric* const> ends) {
    const StageCost& stage = stages()[which.number];
    Pricer pricer(base_.cluster, kinds_->graph, spec, framework_of(spec), &costs_.memo());
    pricer.sum_across(crossed, ends);
    return pricer.once_time(stage.holds, stage.pass.forward, stage.pass.backward, which.is_end);
}

Boundary PlanCosts::boundary(const TrainingSpec& spec) {
    compose(spec);
    return Pricer(base_.cluster, kinds_->graph, spec, framework_of(spec), &costs_.memo()).boundary();
}

LayersOnDevice PlanCosts::layer_times(const TrainingSpec& spec) {
    compose(spec);
    const Architecture& a = base_.run.architecture;
    const StageLayout layout = stage_layout(a, spec);
    LayersOnDevice times;
    for (int piece = 0; piece < spec.parallelism.model_stages(); ++piece) {
        const VirtualStage place = places_of(spec.parallelism, piece).front();
        for (const LayerRun& run : layout.stages[static_cast<std::size_t>(place.stage)][static_cast<std::size_t>(place.chunk)]) {
            const LayerCost& cost = *kinds_->layers[static_cast<std::size_t>(run.kind)];
            const Seconds both = cost.sharded.alone[0] + cost.sharded.alone[1];
            for (int i = 0; i < run.count; ++i) {
                const bool is_layer = cost.kind.is_decoder_layer && static_cast<int>(times.layers.size()) < a.layers;
                if (is_layer) times.layers.push_back(both);
                else (times.layers.empty() ? times.before : times.after) += both;
            }
        }
    }
    return times;
}

PlanEstimate PlanCosts::bound(const TrainingSpec& spec, Bytes capacity) {
    compose(spec);
    PlanEstimate result;
    result.memory = memory_of_fullest(spec);
    if (result.memory > capacity) return result;
    Pricer pricer(base_.cluster, kinds_->graph, spec, framework_of(spec), &costs_.memo());
    const double batches = spec.micro_batches();
    Seconds kernels{};
    for (const StageCost& stage : stages()) {
        const Seconds once = pricer.once_time(stage.holds, stage.pass.forward, stage.pass.backward, stage.stages->is_end);
        result.step = std::max(result.step, (stage.pass.forward + stage.pass.backward) * batches + once);
        kernels += stage.kernels * static_cast<double>(stage.stages->count);
    }
    result.step += lost_to_the_slowest(spec.parallelism.devices(), result.step);
    result.busy = std::min(1.0, kernels * batches / (result.step * static_cast<double>(spec.parallelism.pipeline)));
    return result;
}

}  // namespace orrery
