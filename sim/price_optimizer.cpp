// The end of a step: the optimizer's pass over its states, its products, its norms, and the copies that options keep.
#include "sim/price_offload.hpp"
#include "sim/pricer.hpp"

#include <algorithm>

namespace orrery {
namespace {

// Square-ish bf16 products of a few thousand rows reach about this share of the datasheet's peak.
constexpr double product_efficiency = 0.6;

// Read the average and the weights, write the average: fp32.
constexpr double average_bytes = 12.0;

// Sharpness-aware steps, beside the second pass: read gradient (4) for its norm and again to perturb, read and write the
// 16-bit weight, copy it, and put the copy back.
constexpr double perturbation_bytes = 4.0 + 4.0 + 2.0 + 2.0 + 2.0 + 4.0;

/// Matrix products of preconditioners run in fp32 storage: tf32 where the device has it.
FlopPerSecond wide_product_rate(const Device& device) {
    return std::max(device.peak(DataType::tf32), device.peak(DataType::fp32)) * product_efficiency;
}

std::vector<MatrixShape> matrices_of(const std::vector<MatrixShape>& all, bool experts) {
    std::vector<MatrixShape> some;
    for (const MatrixShape& one : all) {
        if (one.is_expert == experts) some.push_back(one);
    }
    return some;
}

}  // namespace

Seconds Pricer::stream_time(double bytes) const {
    return Bytes::from_si(bytes) / (cluster_.device.memory_bandwidth * framework_.streaming_efficiency);
}

void Pricer::add_optimizer(const StageGraph& stage, const Holding& trained, OnceCode& epilogue) {
    const Parallelism& p = spec_.parallelism;
    const bool sharded = p.zero >= 1 || p.fsdp;
    Holding owned = trained;
    if (sharded) owned = {trained.dense / shard_ranks(false), trained.experts / shard_ranks(true)};
    double per_owned = framework_.optimizer_bytes + moved_beyond_adamw(spec_.optimizer, spec_.optimizer_settings);
    if (spec_.regularization.weight_average) per_owned += average_bytes;
    double bytes = owned.total() * std::max(per_owned, 0.0);
    if (!p.shards_parameters()) bytes += 8.0 * trained.total();  // gradient norm and cast of the local copy
    if (spec_.regularization.sharpness_aware) {
        bytes += perturbation_bytes * (p.shards_parameters() ? owned.total() : trained.total());
    }
    add_norms(stage, epilogue);
    if (spec_.offload.optimizer != OffloadTarget::none) {
        bytes = 0.0;
        append_compute(epilogue,
                       away_step_time(cluster_.node, p.devices(), spec_.offload, owned.total(), !p.shards_parameters()),
                       TimePart::optimizer);
    }
    append_compute(epilogue, stream_time(bytes), TimePart::optimizer);
    add_matrix_work(stage, owned, trained, epilogue);
    append_compute(epilogue, framework_.fixed, TimePart::other);
}

/// Sums across whoever holds shards: the global norm of the gradients before the step, two norms a tensor within it.
void Pricer::add_norms(const StageGraph& stage, OnceCode& epilogue) const {
    const Parallelism& p = spec_.parallelism;
    const bool sharded = p.zero >= 1 || p.fsdp;
    const auto sum = [&](double values, Axis axis, bool is_spread) {
        if (!is_spread) return;
        const Collective norms{CollectiveKind::all_reduce, Bytes::from_si(4.0 * values), DataType::fp32};
        const Seconds price = axis == Axis::pipeline ? stages_price(norms, crossed_) : idle_price(norms, axis);
        append_compute(epilogue, price, TimePart::data_comm);
    };
    const bool sam = spec_.regularization.sharpness_aware;
    for (int i = (spec_.optimizer_settings.gradient_clipping ? 1 : 0) + (sam ? 1 : 0); i > 0; --i) {
        sum(1.0, Axis::tensor, p.tensor > 1);
        sum(1.0, Axis::pipeline, p.pipeline > 1);
        sum(1.0, Axis::data_context, sharded && p.data * p.context > 1);
    }
    if (!optimizer_rule(spec_.optimizer).has_tensor_norms) return;
    double tensors = 0.0;
    for (const MatrixShape& one : stage_matrices(graph_, stage)) tensors += one.count;
    sum(2.0 * tensors, Axis::tensor, p.tensor > 1);
    sum(2.0 * tensors, Axis::data_context, sharded && p.data * p.context > 1);
}

/// Products on whole matrices. Where states are flat shards, a rank first gathers what it lacks of its matrices, one of
/// them at most (arXiv 2502.16982, section 2.3); fully sharded ranks deal whole matrices out and their updates back.
void Pricer::add_matrix_work(const StageGraph& stage, const Holding& owned, const Holding& trained,
                             OnceCode& epilogue) {
    const OptimizerRule& rule = optimizer_rule(spec_.optimizer);
    if (rule.preconditioning == Preconditioning::none) return;
    if (rule.preconditioning == Preconditioning::orthogonal) {
        const Flop flop = owned.total() * graph_.muon_flop_per_parameter;
        append_compute(epilogue, flop / (cluster_.device.peak(DataType::bf16) * product_efficiency), TimePart::optimizer);
    }
    const std::vector<MatrixShape> all = stage_matrices(graph_, stage);
    for (const bool experts : {false, true}) {
        const MatrixCost cost = matrix_cost(spec_.optimizer, spec_.optimizer_settings, matrices_of(all, experts));
        const double part = experts ? trained.experts : trained.dense;
        const double own = experts ? owned.experts : owned.dense;
        if (part <= 0.0) continue;
        const double share = own / part;
        append_compute(epilogue, (cost.products + cost.refresh) * share / wide_product_rate(cluster_.device),
                       TimePart::optimizer);
        append_compute(epilogue, stream_time((cost.bytes + cost.refresh_traffic).si() * share), TimePart::optimizer);
        if (share >= 1.0) continue;
        const auto exchange = [&](CollectiveKind kind, double elements) {
            const Exchange one = data_exchange(kind, Bytes::from_si(2.0 * elements), DataType::bf16, experts);
            append_exchange(epilogue, one);
        };
        if (spec_.parallelism.shards_parameters()) {
            exchange(CollectiveKind::all_to_all, own);
            exchange(CollectiveKind::all_to_all, own);
        } else {
            exchange(CollectiveKind::all_gather, std::min(part, cost.largest));
        }
    }
}

void Pricer::thin_out(std::vector<Instruction>& code) {
    const double kept = 1.0 - spec_.regularization.layer_drop;
    for (Instruction& one : code) {
        one.duration = one.duration * kept;
        if (one.op == Op::compute) continue;
        Exchange exchange = program_.exchanges[static_cast<std::size_t>(one.exchange)];
        exchange.collective.size = exchange.collective.size * kept;
        exchange.idle = exchange.idle * kept;
        one.exchange = add_exchange(exchange);
    }
}

}  // namespace orrery
