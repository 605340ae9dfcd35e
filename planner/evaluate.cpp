// Graph, memory, price and closed form of a plan, with what its neighbours in the space share.
#include "planner/evaluate.hpp"

#include "sim/block_time.hpp"
#include "sim/group_answers.hpp"

#include <algorithm>

namespace orrery {
namespace {

struct MicroBatchTime {
    Seconds slowest;      // one micro-batch on the slowest stage
    Seconds kernels;      // of the model, all stages together, each by its weight
    double weight = 0.0;  // of all stages
};

/// `weights`: stage_weights(); none where all count the same.
MicroBatchTime micro_batch_time(const StepProgram& program, const std::vector<double>& weights) {
    std::vector<Seconds> totals;
    std::vector<Seconds> kernels;
    for (const Block& block : program.blocks) {
        totals.push_back(block_time(program, block.code).total);
        kernels.push_back(kernel_time_of(block.code));
    }
    MicroBatchTime time;
    for (std::size_t s = 0; s < program.stages.size(); ++s) {
        const double weight = weights.empty() ? 1.0 : weights[s];
        time.weight += weight;
        Seconds own{};
        for (const PassProgram& pass : program.stages[s].passes) {
            if (pass.pass.micro_batch != 0) continue;
            own += totals[static_cast<std::size_t>(pass.block)];
            time.kernels += kernels[static_cast<std::size_t>(pass.block)] * weight;
        }
        time.slowest = std::max(time.slowest, own);
    }
    return time;
}

}  // namespace

bool PlanEvaluator::lay_out(const TrainingSpec& spec) {
    TrainingSpec key = spec;
    key.parallelism.zero = key.parallelism.shard = 0;
    key.overlap.gradients = key.overlap.parameters = key.overlap.pipeline = {};
    run_.spec = spec;
    micro_batches_ = spec.micro_batches();
    const int laid_out = representative_micro_batches(spec.parallelism, micro_batches_);
    run_.spec.global_batch = spec.parallelism.data * spec.micro_batch * laid_out;
    run_.framework = spec.parallelism.fsdp ? base_.sharded_framework : base_.run.framework;
    if (graph_spec_ == key) return graph_.has_value();
    graph_spec_ = std::move(key);
    graph_.reset();
    current_.clear();
    Result<StepGraph> graph = training_graph(run_);
    if (graph) graph_ = std::move(graph).value();
    return graph.ok();
}

const std::vector<const LayerPrices*>& PlanEvaluator::layer_prices() {
    if (!current_.empty()) return current_;
    const TrainingSpec& spec = run_.spec;
    PriceKey key{0, static_cast<std::int32_t>(spec.parallelism.schedule), spec.parallelism.fsdp ? 1 : 0, spec.micro_batch,
                 static_cast<std::int32_t>(spec.recompute), axis_value(PlanAxis::overlap_tensor, spec),
                 axis_value(PlanAxis::overlap_experts, spec)};
    for (const LayerGraph& kind : graph_->kinds) {   // which kinds there are, in which order
        for (const char letter : kind.name) key.push_back(letter);
        key.push_back(static_cast<std::int32_t>(kind.part) * 8 + (kind.is_encoder ? 4 : 0) + (kind.is_recomputed ? 2 : 0) +
                      (kind.has_experts ? 1 : 0));
    }
    const std::size_t groups = std::max<std::size_t>(base_.cluster.groups.size(), 1);
    for (std::size_t group = 0; group < groups; ++group) {
        key.front() = static_cast<std::int32_t>(group);
        std::shared_ptr<const LayerPrices>& known = prices_[key];
        const Cluster& cluster = mixed_ ? *base_.cluster.groups[group].alike : base_.cluster;
        if (!known) known = price_kinds(cluster, *graph_, spec, run_.framework);
        current_.push_back(known.get());
    }
    return current_;
}

StepProgram PlanEvaluator::price() {
    const std::vector<const LayerPrices*>& layers = layer_prices();
    if (mixed_) return price_mixed_in_step(base_.cluster, *graph_, run_.spec, run_.framework, layers);
    return price_in_step(base_.cluster, *graph_, run_.spec, run_.framework, *layers.front());
}

Bytes PlanEvaluator::memory_of_plan() const {
    if (!mixed_) return training_memory(run_, *graph_).total();
    Bytes fullest{};
    for (const StageMemory& stage : stage_memories(base_.cluster, run_, *graph_)) {
        fullest = std::max(fullest, memory_of_first(base_, stage.memory.total(), stage.capacity));
    }
    return fullest;
}

void PlanEvaluator::begin_branch() {
    prices_.clear();
    graph_spec_.reset();
    graph_.reset();
    current_.clear();
    costs_.forget();
    if (mixed_) mixed_->forget();
}

std::optional<TrainingSpec> PlanEvaluator::with_layers(const TrainingSpec& spec) {
    TrainingSpec cut = spec;
    if (!spec.parallelism.balance) return cut;
    if (adds_up_) {
        cut.parallelism.stage_layers = mixed_->layers(spec);
    } else {
        TrainingRun run = base_.run;
        run.spec = spec;
        if (spec.parallelism.fsdp) run.framework = base_.sharded_framework;
        Result<std::vector<int>> layers = balanced_stage_layers(base_.cluster, run);
        if (!layers) return std::nullopt;
        cut.parallelism.stage_layers = std::move(layers).value();
    }
    cut.parallelism.balance = false;
    return cut;
}

std::optional<PlanEstimate> PlanEvaluator::evaluate_mixed(const TrainingSpec& spec, Bytes capacity) {
    const std::optional<TrainingSpec> cut = with_layers(spec);
    if (!cut) return std::nullopt;
    if (!adds_up_ || !covers_plan(*cut)) return evaluate_program(*cut, capacity);
    if (adds_up(cut->parallelism)) return mixed_->estimate(*cut, capacity);
    const Bytes memory = mixed_->memory(*cut);
    if (memory > capacity) return PlanEstimate{{}, memory};
    return evaluate_program(*cut, capacity, memory);
}

std::optional<PlanEstimate> PlanEvaluator::evaluate(const TrainingSpec& spec, Bytes capacity) {
    if (mixed_) return evaluate_mixed(spec, capacity);
    if (!adds_up_ || !covers_plan(spec)) return evaluate_program(spec, capacity);
    if (adds_up(spec.parallelism)) return costs_.estimate(spec, capacity);
    const Bytes memory = costs_.memory(spec);
    if (memory > capacity) return PlanEstimate{{}, memory};
    return evaluate_program(spec, capacity, memory);
}

std::optional<PlanEstimate> PlanEvaluator::bound(const TrainingSpec& spec, Bytes capacity) {
    if (!adds_up_ || !covers_plan(spec) || !is_bounded(spec.parallelism)) return std::nullopt;
    if (!mixed_) return costs_.bound(spec, capacity);
    const std::optional<TrainingSpec> cut = with_layers(spec);
    return cut ? std::optional(mixed_->bound(*cut, capacity)) : std::nullopt;
}

std::optional<PlanEstimate> PlanEvaluator::evaluate_program(const TrainingSpec& spec, Bytes capacity,
                                                             std::optional<Bytes> memory) {
    if (!lay_out(spec)) return std::nullopt;
    PlanEstimate result;
    result.memory = memory ? *memory : memory_of_plan();
    if (result.memory > capacity) return result;
    const int laid_out = run_.spec.micro_batches();
    const int repeats = graph_->micro_batches / laid_out;   // rounds
    const bool is_straight = !run_.spec.parallelism.splits_backward();
    if (is_straight) graph_->micro_batches = micro_batches_ * repeats;
    const StepProgram program = price();
    graph_->micro_batches = laid_out * repeats;
    result.step = estimate(program).step;
    const std::vector<double> weights = stage_weights(base_.cluster, program.parallelism);
    const MicroBatchTime one = micro_batch_time(program, weights);
    if (!is_straight) {
        const Seconds sent = program.boundary_idle * (2.0 * program.boundary_exposed);
        result.step += (one.slowest + sent) * static_cast<double>((micro_batches_ - laid_out) * repeats);
    }
    result.step += lost_to_the_slowest(run_.spec.parallelism.devices(), result.step);
    if (run_.spec.parallelism.schedule == PipelineSchedule::dualpipe) {
        result.busy = busy_share(base_.cluster, program, result.step);   // half of the micro-batches pass each way
    } else {
        const double batches = static_cast<double>(micro_batches_) * repeats;
        result.busy = std::min(1.0, one.kernels * batches / (result.step * one.weight));
    }
    return result;
}

}  // namespace orrery
