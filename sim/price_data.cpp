// What data parallelism costs: gathers and scatters of sharded layers, the reduction of gradients.
#include "sim/price_offload.hpp"
#include "sim/pricer.hpp"

#include <algorithm>

namespace orrery {
namespace {

// Megatron-Core's gradient buckets: 40 M parameters, or 1 M per data-parallel rank if that is more
// (DistributedDataParallelConfig.bucket_size, Megatron-Core 0.6).
constexpr double bucket_parameters = 40e6;
constexpr double bucket_parameters_per_rank = 1e6;
constexpr double weight_bytes = 2.0;  // 16-bit weights are what is gathered

}  // namespace

Exchange Pricer::limited(const Collective& collective, Axis axis, GroupShape group) const {
    const PortedTime price = idle_time(collective, group);
    Seconds idle = price.time;
    if (framework_.group_bandwidth > BytesPerSecond{})
        idle = std::max(idle, collective.size / framework_.group_bandwidth);
    return {collective, axis, 1.0, TimePart::data_comm, idle, price.moving, price.port};
}

Exchange Pricer::data_exchange(CollectiveKind kind, Bytes size, DataType type, bool experts) const {
    GroupShape group = shape(experts ? Axis::expert_data : Axis::data_context);
    const int shards = shard_ranks(experts);
    const bool is_part = shards < group.ranks;
    if (is_part) {  // HSDP: a run of consecutive replicas holds one copy
        group.domains = std::max(1, group.domains * shards / group.ranks);
        group.ranks = shards;
        group.per_domain = std::min(group.per_domain, shards);
    }
    // Fully sharded experts travel on the stream of the dense parameters, one after the other.
    const bool streams = spec_.parallelism.shards_parameters();
    const Axis axis = experts && !streams ? Axis::expert_data : is_part ? Axis::shard : Axis::data_context;
    return limited({kind, size, type}, axis, group);
}

int Pricer::shard_ranks(bool experts) const {
    return experts ? spec_.parallelism.expert_shard_ranks() : spec_.parallelism.shard_ranks();
}

Pricer::ShardedChunk Pricer::take_apart(const Chunk& chunk, bool backward) const {
    ShardedChunk parts;
    for (const LayerRun& run : chunk) {
        const auto kind = static_cast<std::size_t>(run.kind);
        for (int n = 0; n < run.count; ++n) {
            if (graph_.kinds[kind].is_decoder_layer) {
                parts.units.push_back(run.kind);
                continue;
            }
            parts.root.dense += priced_[kind].held.dense;
            parts.root_trained.dense += priced_[kind].trained.dense;
            append(parts.units.empty() ? parts.before : parts.after,
                   backward ? priced_[kind].backward : priced_[kind].forward);
        }
    }
    if (backward) {
        std::reverse(parts.units.begin(), parts.units.end());
        std::swap(parts.before, parts.after);
    }
    return parts;
}

std::optional<Exchange> Pricer::sharded_exchange(CollectiveKind kind, double parameters, bool experts) const {
    const double bytes = kind == CollectiveKind::all_gather ? weight_bytes : framework_.gradient_bytes;
    const bool fetches = kind == CollectiveKind::all_gather && spec_.offload.parameters != OffloadTarget::none;
    if (parameters <= 0.0 || (shard_ranks(experts) == 1 && !fetches)) return std::nullopt;
    Exchange exchange = data_exchange(kind, Bytes::from_si(parameters * bytes), DataType::bf16, experts);
    if (fetches) fetch_first(exchange, Bytes::from_si(parameters * bytes / shard_ranks(experts)));
    return exchange;
}

void Pricer::add_sharded(std::vector<Instruction>& code, Op op, CollectiveKind kind, const Holding& holding,
                         double exposed) {
    each_sharded(kind, holding, [&](Exchange exchange) {
        exchange.exposed = exposed;
        code.push_back({op, TimePart::data_comm, add_exchange(exchange), {}});
    });
}

bool Pricer::sums_copies(bool experts) const {
    const Parallelism& p = spec_.parallelism;
    return shard_ranks(experts) < (experts ? p.expert_replicas() : p.replicas());
}

/// Each rank's shard of the summed gradient, among the ranks that hold the same shard of another copy.
Exchange Pricer::copies_exchange(const Collective& reduce, bool experts) const {
    const Parallelism& p = spec_.parallelism;
    const Collective sum{CollectiveKind::all_reduce, reduce.size * (1.0 / shard_ranks(experts)), reduce.type};
    GroupShape group = shape(Axis::shard_peers);
    if (experts) {  // copies of an expert lie as far apart as those of its neighbours' dense parameters
        group.ranks = p.expert_replicas() / shard_ranks(true);
        group.domains = std::min(group.domains, group.ranks);
    }
    return limited(sum, Axis::shard_peers, group);
}

/// A shard comes from drive to host to device to its peers piece by piece: the slowest link sets the pace ("ZeRO-
/// Infinity", arXiv 2104.07857, section 6.2).
void Pricer::fetch_first(Exchange& gather, Bytes shard) const {
    const int devices = spec_.parallelism.devices();
    gather.idle = std::max(gather.idle, shard / host_copy_rate(cluster_.node, devices));
    if (spec_.offload.parameters == OffloadTarget::nvme) {
        gather.idle = std::max(gather.idle, shard / drive_rate(cluster_.node, devices));
    }
}

void Pricer::gather(std::vector<Instruction>& code, Op op, const Holding& holding, double exposed) {
    add_sharded(code, op, CollectiveKind::all_gather, holding, exposed);
}

void Pricer::scatter(std::vector<Instruction>& code, Op op, const Holding& holding, double exposed) {
    add_sharded(code, op, CollectiveKind::reduce_scatter, holding, exposed);
}

std::vector<Instruction> Pricer::sharded_code(const Chunk& chunk, bool backward) {
    const ShardedChunk parts = take_apart(chunk, backward);
    const bool gathers = !backward || gathers_again();
    std::vector<Instruction> code;
    if (!backward) gather(code, Op::exchange, parts.root);
    if (prefetches()) {
        append_prefetched(code, parts, backward, gathers);
    } else {
        append_unhidden(code, parts, backward, gathers);
    }
    if (backward) scatter(code, Op::exchange, parts.root_trained);
    return code;
}

void Pricer::append_prefetched(std::vector<Instruction>& code, const ShardedChunk& parts, bool backward, bool gathers) {
    const auto unit = [&](std::size_t i) -> const PricedLayer& {
        return priced_[static_cast<std::size_t>(parts.units[i])];
    };
    if (gathers && !parts.units.empty()) gather(code, Op::start, unit(0).held);
    append(code, parts.before);
    for (std::size_t i = 0; i < parts.units.size(); ++i) {
        if (gathers) gather(code, Op::wait, unit(i).held);
        if (gathers && i + 1 < parts.units.size()) gather(code, Op::start, unit(i + 1).held);
        append(code, backward ? unit(i).backward : unit(i).forward);
        if (backward) scatter(code, Op::start, unit(i).trained);
    }
    append(code, parts.after);
    // The stream is serial: when the last scatter is done, all are.
    if (backward && !parts.units.empty()) scatter(code, Op::wait, unit(parts.units.size() - 1).trained);
}

void Pricer::append_unhidden(std::vector<Instruction>& code, const ShardedChunk& parts, bool backward, bool gathers) {
    const double exposed = sharded_exposed();
    append(code, parts.before);
    for (const int kind : parts.units) {
        const PricedLayer& layer = priced_[static_cast<std::size_t>(kind)];
        if (gathers) gather(code, Op::exchange, layer.held, exposed);
        append(code, backward ? layer.backward : layer.forward);
        if (backward) scatter(code, Op::exchange, layer.trained, exposed);
    }
    append(code, parts.after);
}

double Pricer::exposed_share(Seconds idle, Seconds beside, double parameters, int ranks) const {
    const double bucket = framework_.gradient_bucket_parameters > 0.0
                              ? framework_.gradient_bucket_parameters
                              : std::max(bucket_parameters, bucket_parameters_per_rank * ranks);
    const double smallest = std::min(1.0, bucket / std::max(parameters, 1.0));
    return std::clamp((idle - beside) / idle, smallest, 1.0);
}

void Pricer::add_data_exchanges(const StageGraph& stage, const Holding& trained, Seconds forward, Seconds backward,
                                OnceCode& prologue, OnceCode& epilogue) {
    const Parallelism& plan = spec_.parallelism;
    if (plan.shards_parameters()) return;
    const bool sharded = plan.zero >= 1 && !framework_.reduces_by_all_reduce;
    const bool hide_gradients = spec_.overlap.gradients.value_or(true);
    const bool hide_parameters = spec_.overlap.parameters.value_or(true);
    const DataType gradient_type = framework_.gradient_bytes > 2.0 ? DataType::fp32 : DataType::bf16;
    for (const bool experts : {false, true}) {
        const double parameters = experts ? trained.experts : trained.dense;
        const int replicas = experts ? plan.expert_replicas() : plan.data * plan.context;
        if (replicas == 1 || parameters <= 0.0) continue;
        const double share = parameters / trained.total();  // of the passes, that hides this part
        if (spec_.gradient_compression.kind == Compression::none) {
            Exchange reduce =
                data_exchange(sharded ? CollectiveKind::reduce_scatter : CollectiveKind::all_reduce,
                              Bytes::from_si(parameters * framework_.gradient_bytes), gradient_type, experts);
            reduce.exposed =
                exposed_share(reduce.idle, hide_gradients ? share * framework_.gradient_overlap * backward : Seconds{},
                              parameters, replicas);
            append_exchange(epilogue, reduce);
            if (sharded && sums_copies(experts)) {
                Exchange sum = copies_exchange(reduce.collective, experts);
                sum.exposed = reduce.exposed;
                append_exchange(epilogue, sum);
            }
        } else {
            add_compressed_reduction(stage, parameters, experts, replicas, epilogue);
        }
        append_compute(epilogue, 0.5 * framework_.reduction_cycle, TimePart::data_comm);
        if (!sharded) continue;
        Exchange gather = data_exchange(CollectiveKind::all_gather, Bytes::from_si(parameters * weight_bytes),
                                        DataType::bf16, experts);
        gather.exposed =
            exposed_share(gather.idle, hide_parameters ? share * framework_.parameter_overlap * forward : Seconds{},
                          parameters, replicas);
        append_exchange(prologue, gather);
    }
}

}  // namespace orrery
