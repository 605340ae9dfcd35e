// Graph, memory, price and closed form of a plan, with what its neighbours in the space share.
#include "planner/evaluate.hpp"

#include "sim/block_time.hpp"

#include <algorithm>

namespace orrery {
namespace {

struct MicroBatchTime {
    Seconds slowest;   // one micro-batch on the slowest stage
    Seconds kernels;   // of the model, all stages together
};

MicroBatchTime micro_batch_time(const StepProgram& program) {
    std::vector<Seconds> totals;
    std::vector<Seconds> kernels;
    for (const Block& block : program.blocks) {
        totals.push_back(block_time(program, block.code).total);
        kernels.push_back(kernel_time_of(block.code));
    }
    MicroBatchTime time;
    for (const StageProgram& stage : program.stages) {
        Seconds own{};
        for (const PassProgram& pass : stage.passes) {
            if (pass.pass.micro_batch != 0) continue;
            own += totals[static_cast<std::size_t>(pass.block)];
            time.kernels += kernels[static_cast<std::size_t>(pass.block)];
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
    current_.reset();
    Result<StepGraph> graph = training_graph(run_);
    if (graph) graph_ = std::move(graph).value();
    return graph.ok();
}

const LayerPrices& PlanEvaluator::layer_prices() {
    if (current_) return *current_;
    const TrainingSpec& spec = run_.spec;
    PriceKey key{static_cast<std::int32_t>(spec.parallelism.schedule), spec.parallelism.fsdp ? 1 : 0, spec.micro_batch,
                 static_cast<std::int32_t>(spec.recompute), axis_value(PlanAxis::overlap_tensor, spec),
                 axis_value(PlanAxis::overlap_experts, spec)};
    for (const LayerGraph& kind : graph_->kinds) {   // which kinds there are, in which order
        for (const char letter : kind.name) key.push_back(letter);
        key.push_back(static_cast<std::int32_t>(kind.part) * 8 + (kind.is_encoder ? 4 : 0) + (kind.is_recomputed ? 2 : 0) +
                      (kind.has_experts ? 1 : 0));
    }
    std::shared_ptr<const LayerPrices>& known = prices_[key];
    if (!known) known = price_kinds(base_.cluster, *graph_, spec, run_.framework);
    current_ = known;
    return *current_;
}

void PlanEvaluator::begin_branch() {
    prices_.clear();
    graph_spec_.reset();
    graph_.reset();
    current_.reset();
    costs_.forget();
}

std::optional<PlanEstimate> PlanEvaluator::evaluate(const TrainingSpec& spec, Bytes capacity) {
    if (!adds_up_ || !covers_plan(spec)) return evaluate_program(spec, capacity);
    if (adds_up(spec.parallelism)) return costs_.estimate(spec, capacity);
    const Bytes memory = costs_.memory(spec);
    if (memory > capacity) return PlanEstimate{{}, memory};
    return evaluate_program(spec, capacity, memory);
}

std::optional<PlanEstimate> PlanEvaluator::bound(const TrainingSpec& spec, Bytes capacity) {
    if (!adds_up_ || !covers_plan(spec) || !is_bounded(spec.parallelism)) return std::nullopt;
    return costs_.bound(spec, capacity);
}

std::optional<PlanEstimate> PlanEvaluator::evaluate_program(const TrainingSpec& spec, Bytes capacity,
                                                             std::optional<Bytes> memory) {
    if (!lay_out(spec)) return std::nullopt;
    PlanEstimate result;
    result.memory = memory ? *memory : training_memory(run_, *graph_).total();
    if (result.memory > capacity) return result;
    const int laid_out = run_.spec.micro_batches();
    const int repeats = graph_->micro_batches / laid_out;   // rounds
    const bool is_straight = !run_.spec.parallelism.splits_backward();
    if (is_straight) graph_->micro_batches = micro_batches_ * repeats;
    const StepProgram program = price_in_step(base_.cluster, *graph_, run_.spec, run_.framework, layer_prices());
    graph_->micro_batches = laid_out * repeats;
    result.step = estimate(program).step;
    const MicroBatchTime one = micro_batch_time(program);
    if (!is_straight) {
        const Seconds sent = program.boundary_idle * (2.0 * program.boundary_exposed);
        result.step += (one.slowest + sent) * static_cast<double>((micro_batches_ - laid_out) * repeats);
    }
    result.step += lost_to_the_slowest(base_.cluster, *graph_, run_.spec, run_.framework, result.step);
    if (run_.spec.parallelism.schedule == PipelineSchedule::dualpipe) {
        result.busy = busy_share(program, result.step);   // half of the micro-batches pass each way
    } else {
        const double batches = static_cast<double>(micro_batches_) * repeats;
        result.busy = std::min(1.0, one.kernels * batches / (result.step * static_cast<double>(program.stages.size())));
    }
    return result;
}

}  // namespace orrery
