// Prices a step graph: kernels on the device, exchanges on the idle fabric, and what the framework hides or adds.
#include "sim/price.hpp"

#include "hardware/training_time.hpp"
#include "sim/block_time.hpp"
#include "sim/price_experts.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

namespace orrery {
namespace {

// Norm that joins GPU and host time of a layer: launches run ahead of kernels, so the slower one rules, softly.
// Fitted on published trainings that are launch-bound (vTrain's small models), 2026-11.
constexpr double host_norm = 4.0;
// Megatron-Core's gradient buckets: 40 M parameters, or 1 M per data-parallel rank if that is more
// (DistributedDataParallelConfig.bucket_size, Megatron-Core 0.6).
constexpr double bucket_parameters = 40e6;
constexpr double bucket_parameters_per_rank = 1e6;
// Ring attention: exchange of keys and values hides behind this share of the attention that runs meanwhile, and costs
// this share of itself even so. Fitted on published long-context trainings, 2026-11.
constexpr double ring_hidden_share = 0.7;
constexpr double ring_residue = 0.05;
constexpr Seconds ring_step_latency = 20.0_us;
// Synchronous steps wait for the slowest of n devices: 0.00066 per doubling beyond 8, from published weak scaling, 2026-11.
constexpr double scale_penalty = 0.00066;
// Square-ish bf16 products of a few thousand rows reach about this share of the datasheet's peak.
constexpr double muon_efficiency = 0.6;
constexpr double weight_bytes = 2.0;  // 16-bit weights are what is gathered

/// What a rank holds, by who has copies of it: all of data x context, or 1 in `expert` of a stage's ranks.
struct Holding {
    double dense = 0.0;
    double experts = 0.0;
    [[nodiscard]] double total() const { return dense + experts; }
};

/// One kind of layer, priced: its instructions each way and what a rank holds of it.
struct PricedLayer {
    std::vector<Instruction> forward;
    std::vector<Instruction> backward;
    Holding held;
    Holding trained;
};

Holding trained_part(double parameters, double experts, double frozen, double frozen_experts) {
    const double trained_experts = experts - frozen_experts;
    return {parameters - frozen - trained_experts, trained_experts};
}

class Pricer {
  public:
    Pricer(const Cluster& cluster, const StepGraph& graph, const TrainingSpec& spec, const FrameworkProfile& framework)
        : cluster_(cluster), graph_(graph), spec_(spec), framework_(framework) {
        kernels_.matrix_slowdown = framework.matrix_slowdown;
        kernels_.attention_slowdown = framework.attention_slowdown;
        kernels_.streaming_efficiency = framework.streaming_efficiency;
        if (framework.library_year - cluster.device.year < 2) {
            kernels_.matrix_slowdown *= framework.immature_matrix_slowdown;
            kernels_.attention_slowdown *= framework.immature_attention_slowdown;
        }
    }

    StepProgram price() {
        program_.parallelism = spec_.parallelism;
        program_.micro_batches = graph_.micro_batches;
        dispatcher_ = dispatcher_of(spec_, cluster_.fabric.domain, cluster_.node.devices);
        if (framework_.contention > 0.0) program_.contention = framework_.contention / (1.0 - framework_.contention);
        price_boundary();
        for (const LayerGraph& kind : graph_.kinds) layers_.push_back(price_layer(kind));
        for (std::size_t stage = 0; stage < graph_.stages.size(); ++stage) price_stage(stage);
        add_scale_penalty();
        return std::move(program_);
    }

  private:
    const Cluster& cluster_;
    const StepGraph& graph_;
    const TrainingSpec& spec_;
    const FrameworkProfile& framework_;
    TrainingKernels kernels_;
    TokenDispatcher dispatcher_ = TokenDispatcher::all_to_all;
    StepProgram program_;
    std::vector<PricedLayer> layers_;
    std::map<std::pair<bool, std::vector<std::pair<int, int>>>, std::int32_t> block_of_chunk_;

    [[nodiscard]] GroupShape shape(Axis axis) const { return shape_along(spec_.parallelism, axis, cluster_.fabric.domain); }

    [[nodiscard]] Seconds idle_price(const Collective& collective, Axis axis) const {
        return collective_time(cluster_.fabric, collective, shape(axis));
    }

    std::int32_t add_exchange(const Exchange& exchange) {
        for (std::size_t i = 0; i < program_.exchanges.size(); ++i) {
            const Exchange& known = program_.exchanges[i];
            if (known.collective == exchange.collective && known.axis == exchange.axis &&
                known.exposed == exchange.exposed && known.part == exchange.part && known.idle == exchange.idle) {
                return static_cast<std::int32_t>(i);
            }
        }
        program_.exchanges.push_back(exchange);
        return static_cast<std::int32_t>(program_.exchanges.size() - 1);
    }

    std::int32_t add_block(std::string_view name, std::vector<Instruction> code) {
        program_.blocks.push_back({name, std::move(code)});
        return static_cast<std::int32_t>(program_.blocks.size() - 1);
    }

    static void append_compute(std::vector<Instruction>& code, Seconds duration, TimePart part) {
        if (duration <= Seconds{}) return;
        if (!code.empty() && code.back().op == Op::compute && code.back().part == part) {
            code.back().duration += duration;
        } else {
            code.push_back({Op::compute, part, -1, duration});
        }
    }

    void price_boundary() {
        if (graph_.stages.size() < 2) return;
        program_.boundary_message = graph_.boundary_message;
        program_.boundary_idle = idle_price({CollectiveKind::send_recv, graph_.boundary_message, spec_.precision}, Axis::pipeline);
        const int tensor = spec_.parallelism.tensor;
        if (framework_.pipeline_scatter_gather && tensor > 1) {
            const Bytes whole = graph_.boundary_message * static_cast<double>(tensor);
            program_.boundary_overhead = idle_price({CollectiveKind::all_gather, whole, spec_.precision}, Axis::tensor);
            program_.boundary_idle += program_.boundary_overhead;
        }
        const bool interleaved = spec_.parallelism.virtual_stages > 1;
        program_.boundary_exposed = interleaved ? framework_.pipeline_exposed_interleaved : framework_.pipeline_exposed;
        if (spec_.overlap.pipeline == std::optional(false)) program_.boundary_exposed = 1.0;
    }

    /// The exchange as the compute stream meets it; `attention` is what runs beside a ring of keys.
    Exchange price_exchange(const ExchangeTask& task, Seconds attention) {
        Exchange exchange{task.collective, task.axis, 1.0, TimePart::tensor_comm, {}};
        exchange.idle = idle_price(task.collective, task.axis);
        switch (task.axis) {
            case Axis::tensor:
                exchange.exposed = spec_.overlap.tensor.value_or(true) ? framework_.tensor_exposed : 1.0;
                break;
            case Axis::context: {
                exchange.part = TimePart::context_comm;
                exchange.idle = static_cast<double>(spec_.parallelism.context - 1) * ring_step_latency + exchange.idle;
                const Seconds shown = std::max(exchange.idle - ring_hidden_share * attention, Seconds{}) + ring_residue * exchange.idle;
                exchange.exposed = std::min(shown / exchange.idle, 1.0);
                break;
            }
            case Axis::expert:
                exchange.part = TimePart::expert_comm;
                exchange.collective.size = task.collective.size * sent_share(graph_.experts_per_token, shape(task.axis));
                exchange.idle = idle_price(exchange.collective, task.axis) * framework_.expert_exchange_slowdown;
                if (spec_.overlap.experts == std::optional(true)) exchange.exposed = framework_.expert_exposed_overlapped;
                break;
            case Axis::data:
            case Axis::data_context:
            case Axis::world: exchange.part = TimePart::data_comm; break;
            case Axis::pipeline: exchange.part = TimePart::pipeline_comm; break;
        }
        return exchange;
    }

    /// A windowed kernel does whole tiles and loads what it barely uses: it costs the share of full attention that the
    /// isolated kernels show, not the share of its pairs.
    [[nodiscard]] Seconds kernel_time(const Work& work, const TrainingKernels& kernels) const {
        const auto* attention = std::get_if<Attention>(&work);
        if (attention == nullptr || attention->window <= 0) return training_time(cluster_.device, work, kernels);
        Attention full = *attention;
        full.window = 0;
        full.causal_imbalance = 1.0;
        const double share = execution_time(cluster_.device, work) / execution_time(cluster_.device, full);
        return std::max(training_time(cluster_.device, work, kernels), training_time(cluster_.device, full, kernels) * std::min(share, 1.0));
    }

    std::vector<Instruction> price_tasks(const std::vector<GraphTask>& tasks, bool backward) {
        TrainingKernels kernels = kernels_;
        kernels.backward = backward;
        std::vector<Instruction> code;
        Seconds attention{};
        for (const GraphTask& task : tasks) {  // a ring runs beside the attention it feeds, whichever is listed first
            const auto* compute = std::get_if<ComputeTask>(&task.action);
            if (compute != nullptr && compute->part == OperatorClass::attention) {
                attention += kernel_time(compute->work, kernels);
            }
        }
        for (const GraphTask& task : tasks) {
            if (const auto* compute = std::get_if<ComputeTask>(&task.action)) {
                const TimePart part = compute->part == OperatorClass::optimizer ? TimePart::optimizer : TimePart::compute;
                kernels.streaming_efficiency = compute->part == OperatorClass::cast ? 1.0 : framework_.streaming_efficiency;
                Seconds time = kernel_time(compute->work, kernels);
                if (std::holds_alternative<GroupedMatrixMultiply>(compute->work)) time = time * grouped_slowdown(spec_, framework_);
                append_compute(code, time, part);
            } else {
                const Exchange exchange = price_exchange(std::get<ExchangeTask>(task.action), attention);
                if (exchange.idle > Seconds{}) code.push_back({Op::exchange, exchange.part, add_exchange(exchange), {}});
            }
        }
        return code;
    }

    [[nodiscard]] Seconds own_time(const std::vector<Instruction>& code) const {
        return block_time(program_, code).total;
    }

    /// Adds what the host costs: launches where kernels are too short to hide them, waits for the experts' sizes.
    void add_host_time(const LayerGraph& kind, PricedLayer& layer) const {
        if (!kind.is_decoder_layer) return;
        const double left = host_share(spec_, framework_);
        const Seconds tensor = spec_.parallelism.tensor > 1 ? framework_.host_tensor_parallel : Seconds{};
        const Seconds forward = left * (framework_.host_forward + tensor);
        Seconds backward = left * (framework_.host_backward + tensor);
        if (kind.is_recomputed) backward += forward * framework_.host_recompute_factor;
        const Seconds host = forward + backward;
        const Seconds gpu = own_time(layer.forward) + own_time(layer.backward);
        Seconds time = gpu;
        if (host > Seconds{}) time = host * std::pow(1.0 + std::pow(gpu / host, host_norm), 1.0 / host_norm);
        if (kind.has_experts) time = with_expert_waits(time, host, spec_, framework_, dispatcher_);
        const double share = host > Seconds{} ? forward / host : 0.5;
        append_compute(layer.forward, (time - gpu) * share, TimePart::other);
        append_compute(layer.backward, (time - gpu) * (1.0 - share), TimePart::other);
    }

    PricedLayer price_layer(const LayerGraph& kind) {
        PricedLayer layer;
        layer.forward = price_tasks(kind.forward, false);
        layer.backward = price_tasks(kind.backward, true);
        layer.held = {kind.parameters - kind.expert_parameters, kind.expert_parameters};
        layer.trained = trained_part(kind.parameters, kind.expert_parameters, kind.frozen_parameters,
                                     kind.frozen_parameters > 0.0 ? kind.expert_parameters : 0.0);
        add_host_time(kind, layer);
        return layer;
    }

    static void append(std::vector<Instruction>& code, const std::vector<Instruction>& more) {
        for (const Instruction& one : more) {
            if (one.op == Op::compute) {
                append_compute(code, one.duration, one.part);
            } else {
                code.push_back(one);
            }
        }
    }

    /// A block per distinct chunk and direction.
    std::int32_t chunk_block(const Chunk& chunk, bool backward) {
        std::vector<std::pair<int, int>> key;
        for (const LayerRun& run : chunk) key.emplace_back(run.kind, run.count);
        const auto [place, is_new] = block_of_chunk_.try_emplace({backward, key}, -1);
        if (is_new) {
            std::vector<Instruction> code = spec_.parallelism.shards_parameters() ? sharded_code(chunk, backward)
                                                                                   : plain_code(chunk, backward);
            place->second = add_block(backward ? "backward" : "forward", std::move(code));
        }
        return place->second;
    }

    std::vector<Instruction> plain_code(const Chunk& chunk, bool backward) const {
        std::vector<Instruction> code;
        for (std::size_t i = 0; i < chunk.size(); ++i) {
            const LayerRun& run = backward ? chunk[chunk.size() - 1 - i] : chunk[i];
            const PricedLayer& layer = layers_[static_cast<std::size_t>(run.kind)];
            for (int n = 0; n < run.count; ++n) append(code, backward ? layer.backward : layer.forward);
        }
        return code;
    }

    /// An exchange among the ranks that hold copies of the same parameters, or the shards of one copy.
    Exchange data_exchange(CollectiveKind kind, Bytes size, DataType type, bool experts) {
        GroupShape group = experts ? expert_replica_shape(spec_.parallelism, cluster_.fabric.domain) : shape(Axis::data_context);
        const int shards = shard_ranks(experts);
        if (shards < group.ranks) {  // HSDP: a run of consecutive replicas holds one copy
            group.domains = std::max(1, group.domains * shards / group.ranks);
            group.ranks = shards;
            group.per_domain = std::min(group.per_domain, shards);
        }
        Seconds idle = collective_time(cluster_.fabric, {kind, size, type}, group);
        if (framework_.group_bandwidth > BytesPerSecond{}) idle = std::max(idle, size / framework_.group_bandwidth);
        return {{kind, size, type}, Axis::data_context, 1.0, TimePart::data_comm, idle};
    }

    [[nodiscard]] int shard_ranks(bool experts) const {
        return experts ? spec_.parallelism.expert_shard_ranks() : spec_.parallelism.shard_ranks();
    }

    /// A sharded chunk in the order its compute runs: decoder layers are units of their own, embedding and head the root.
    struct ShardedChunk {
        std::vector<Instruction> before;   // of the root, ahead of the units
        std::vector<int> units;
        std::vector<Instruction> after;
        Holding root;
        Holding root_trained;
    };

    ShardedChunk take_apart(const Chunk& chunk, bool backward) const {
        ShardedChunk parts;
        for (const LayerRun& run : chunk) {
            const auto kind = static_cast<std::size_t>(run.kind);
            for (int n = 0; n < run.count; ++n) {
                if (graph_.kinds[kind].is_decoder_layer) {
                    parts.units.push_back(run.kind);
                    continue;
                }
                parts.root.dense += layers_[kind].held.dense;
                parts.root_trained.dense += layers_[kind].trained.dense;
                append(parts.units.empty() ? parts.before : parts.after, backward ? layers_[kind].backward : layers_[kind].forward);
            }
        }
        if (backward) {
            std::reverse(parts.units.begin(), parts.units.end());
            std::swap(parts.before, parts.after);
        }
        return parts;
    }

    /// One exchange per kind of copy, dense first.
    void add_sharded(std::vector<Instruction>& code, Op op, CollectiveKind kind, const Holding& holding, double exposed = 1.0) {
        const double bytes = kind == CollectiveKind::all_gather ? weight_bytes : framework_.gradient_bytes;
        for (const bool experts : {false, true}) {
            const double parameters = experts ? holding.experts : holding.dense;
            if (parameters <= 0.0 || shard_ranks(experts) == 1) continue;
            Exchange exchange = data_exchange(kind, Bytes::from_si(parameters * bytes), DataType::bf16, experts);
            exchange.exposed = exposed;
            code.push_back({op, TimePart::data_comm, add_exchange(exchange), {}});
        }
    }

    void gather(std::vector<Instruction>& code, Op op, const Holding& holding, double exposed = 1.0) {
        add_sharded(code, op, CollectiveKind::all_gather, holding, exposed);
    }

    void scatter(std::vector<Instruction>& code, Op op, const Holding& holding, double exposed = 1.0) {
        add_sharded(code, op, CollectiveKind::reduce_scatter, holding, exposed);
    }

    /// Fully sharded, by what the framework can hide: with full overlap gathers run one unit ahead of compute and scatters
    /// follow it, both beside it on the communication stream, and only the root's own are seen; with less, each exchange
    /// shows its unhidden share where it stands (ZeRO-3 of 2021).
    std::vector<Instruction> sharded_code(const Chunk& chunk, bool backward) {
        const ShardedChunk parts = take_apart(chunk, backward);
        const bool gathers = !backward || spec_.parallelism.zero != 2;  // ZeRO-2 keeps what the forward pass gathered
        std::vector<Instruction> code;
        if (!backward) gather(code, Op::exchange, parts.root);
        if (framework_.gradient_overlap >= 1.0) {
            append_prefetched(code, parts, backward, gathers);
        } else {
            append_unhidden(code, parts, backward, gathers);
        }
        if (backward) scatter(code, Op::exchange, parts.root_trained);
        return code;
    }

    void append_prefetched(std::vector<Instruction>& code, const ShardedChunk& parts, bool backward, bool gathers) {
        const auto unit = [&](std::size_t i) -> const PricedLayer& { return layers_[static_cast<std::size_t>(parts.units[i])]; };
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

    void append_unhidden(std::vector<Instruction>& code, const ShardedChunk& parts, bool backward, bool gathers) {
        const double exposed = 1.0 - framework_.gradient_overlap;
        append(code, parts.before);
        for (const int kind : parts.units) {
            const PricedLayer& layer = layers_[static_cast<std::size_t>(kind)];
            if (gathers) gather(code, Op::exchange, layer.held, exposed);
            append(code, backward ? layer.backward : layer.forward);
            if (backward) scatter(code, Op::exchange, layer.trained, exposed);
        }
        append(code, parts.after);
    }

    /// Share of an exchange that `beside` (times the framework's overlap) cannot hide; never less than one bucket.
    [[nodiscard]] double exposed_share(Seconds idle, Seconds beside, double parameters, int ranks) const {
        const double bucket = std::max(bucket_parameters, bucket_parameters_per_rank * ranks);
        const double smallest = std::min(1.0, bucket / std::max(parameters, 1.0));
        return std::clamp((idle - beside) / idle, smallest, 1.0);
    }

    void add_data_exchanges(const Holding& trained, Seconds forward, Seconds backward, std::vector<Instruction>& prologue,
                            std::vector<Instruction>& epilogue) {
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
            Exchange reduce = data_exchange(sharded ? CollectiveKind::reduce_scatter : CollectiveKind::all_reduce,
                                            Bytes::from_si(parameters * framework_.gradient_bytes), gradient_type, experts);
            reduce.exposed = exposed_share(reduce.idle, hide_gradients ? share * framework_.gradient_overlap * backward : Seconds{},
                                           parameters, replicas);
            epilogue.push_back({Op::exchange, TimePart::data_comm, add_exchange(reduce), {}});
            if (!sharded) continue;
            Exchange gather = data_exchange(CollectiveKind::all_gather, Bytes::from_si(parameters * weight_bytes), DataType::bf16, experts);
            gather.exposed = exposed_share(gather.idle, hide_parameters ? share * framework_.parameter_overlap * forward : Seconds{},
                                           parameters, replicas);
            prologue.push_back({Op::exchange, TimePart::data_comm, add_exchange(gather), {}});
        }
    }

    void add_optimizer(const Holding& trained, std::vector<Instruction>& epilogue) const {
        const Parallelism& p = spec_.parallelism;
        const bool sharded = p.zero >= 1 || p.fsdp;
        const double owned = sharded ? trained.dense / shard_ranks(false) + trained.experts / shard_ranks(true) : trained.total();
        double bytes = owned * framework_.optimizer_bytes;
        if (!p.shards_parameters()) bytes += 8.0 * trained.total();  // gradient norm and cast of the local copy
        append_compute(epilogue, Bytes::from_si(bytes) / (cluster_.device.memory_bandwidth * framework_.streaming_efficiency),
                       TimePart::optimizer);
        if (spec_.optimizer == Optimizer::muon) {
            const Flop flop = owned * graph_.muon_flop_per_parameter;
            append_compute(epilogue, flop / (cluster_.device.peak(DataType::bf16) * muon_efficiency), TimePart::optimizer);
        }
        append_compute(epilogue, framework_.fixed, TimePart::other);
    }

    void price_stage(std::size_t index) {
        const StageGraph& stage = graph_.stages[index];
        StageProgram program;
        std::vector<std::array<std::int32_t, 2>> blocks;  // by chunk: forward, backward
        std::array<Seconds, 2> once{};                    // one micro-batch through all chunks
        for (const Chunk& chunk : stage.chunks) {
            blocks.push_back({chunk_block(chunk, false), chunk_block(chunk, true)});
            for (const std::size_t way : {std::size_t{0}, std::size_t{1}}) once[way] += own_time(program_.blocks[static_cast<std::size_t>(blocks.back()[way])].code);
        }
        program.passes.reserve(stage.passes.size());
        for (const SchedulePass& pass : stage.passes) {
            program.passes.push_back({pass, blocks[static_cast<std::size_t>(pass.chunk)][pass.backward ? 1 : 0]});
        }
        std::vector<Instruction> prologue;
        std::vector<Instruction> epilogue;
        const Holding trained = trained_part(stage.parameters, stage.expert_parameters, stage.frozen_parameters,
                                             stage.frozen_expert_parameters);
        add_data_exchanges(trained, once[0], once[1], prologue, epilogue);
        const bool holds_tied = graph_.tied_embedding_exchange && (index == 0 || index + 1 == graph_.stages.size());
        if (holds_tied && graph_.stages.size() > 1) {
            const Collective sum{CollectiveKind::all_reduce, graph_.tied_embedding_bytes, DataType::bf16};
            append_compute(epilogue, idle_price(sum, Axis::pipeline), TimePart::data_comm);
        }
        add_optimizer(trained, epilogue);
        if (!prologue.empty()) program.prologue = add_block("parameter gather", std::move(prologue));
        program.epilogue = add_block("optimizer", std::move(epilogue));
        program_.stages.push_back(std::move(program));
    }

    void add_scale_penalty() {
        const double doublings = std::log2(static_cast<double>(spec_.parallelism.devices()) / 8.0);
        if (doublings <= 0.0) return;
        const Seconds penalty = estimate(program_).step * (scale_penalty * doublings);
        for (StageProgram& stage : program_.stages) {
            append_compute(program_.blocks[static_cast<std::size_t>(stage.epilogue)].code, penalty, TimePart::other);
        }
    }
};

}  // namespace

StepProgram price_step(const Cluster& cluster, const StepGraph& graph, const TrainingSpec& spec,
                       const FrameworkProfile& framework) {
    return Pricer(cluster, graph, spec, framework).price();
}

}  // namespace orrery
