// Prices a step graph: kernels on the device, exchanges on the idle fabric, and what the framework hides or adds.
#include "sim/price.hpp"

#include "sim/block_time.hpp"
#include "sim/mixed.hpp"
#include "sim/price_experts.hpp"
#include "sim/pricer.hpp"

#include <algorithm>
#include <array>
#include <cmath>

namespace orrery {
namespace {

// Norm that joins GPU and host time of a layer: launches run ahead of kernels, so the slower one rules, softly.
// Fitted on published trainings that are launch-bound (vTrain's small models), 2026-11.
constexpr double host_norm = 8.0;
// Ring attention: exchange of keys and values hides behind this share of the attention that runs meanwhile, and costs
// this share of itself even so. Fitted on published long-context trainings, 2026-11.
constexpr double ring_hidden_share = 0.7;
constexpr double ring_residue = 0.05;
constexpr Seconds ring_step_latency = 20.0_us;
// Synchronous steps wait for the slowest of n devices: 0.00066 per doubling beyond 8, from published weak scaling,
// 2026-11.
constexpr double scale_penalty = 0.00066;

}  // namespace

Holding trained_part(double parameters, double experts, double frozen, double frozen_experts) {
    const double trained_experts = experts - frozen_experts;
    return {parameters - frozen - trained_experts, trained_experts};
}

Pricer::Pricer(const Cluster& cluster, const StepGraph& graph, const TrainingSpec& spec,
               const FrameworkProfile& framework, PriceMemo* memo)
    : cluster_(cluster), graph_(graph), spec_(spec), framework_(framework), memo_(memo) {
    kernels_.matrix_slowdown = framework.matrix_slowdown;
    kernels_.attention_slowdown = framework.attention_slowdown;
    kernels_.convolution_slowdown = framework.convolution_slowdown;
    kernels_.streaming_efficiency = framework.streaming_efficiency;
    if (framework.library_year - cluster.device.year < 2) {
        kernels_.matrix_slowdown *= framework.immature_matrix_slowdown;
        kernels_.attention_slowdown *= framework.immature_attention_slowdown;
    }
}

void Pricer::prepare() {
    program_.parallelism = spec_.parallelism;
    program_.micro_batches = graph_.micro_batches;
    program_.rounds = graph_.rounds;
    dispatcher_ = dispatcher_of(spec_, cluster_.fabric.domain, cluster_.node.devices);
    program_.contention = contention();
    if (spec_.parallelism.pipeline < 2) return;
    const Boundary message = boundary();
    program_.boundary_message = graph_.boundary_message;
    program_.boundary_idle = message.idle;
    program_.boundary_overhead = message.overhead;
    program_.boundary_port = message.port;
    program_.boundary_exposed = message.exposed;
}

StepProgram Pricer::price() {
    StepProgram program = price_in_step(nullptr);
    add_scale_penalty(program);
    return program;
}

StepProgram Pricer::price_in_step(const LayerPrices* known) {
    prepare();
    if (known != nullptr) {
        priced_ = known->layers;
        program_.exchanges = known->exchanges;
    } else {
        for (const LayerGraph& kind : graph_.kinds) layers_.push_back(price_layer(kind));
        priced_ = layers_;
    }
    for (std::size_t stage = 0; stage < graph_.stages.size(); ++stage) price_stage(stage);
    return std::move(program_);
}

LayerPrices Pricer::price_kinds() {
    prepare();
    for (const LayerGraph& kind : graph_.kinds) layers_.push_back(price_layer(kind));
    return {std::move(layers_), std::move(program_.exchanges)};
}

std::vector<Seconds> Pricer::price_layers() {
    dispatcher_ = dispatcher_of(spec_, cluster_.fabric.domain, cluster_.node.devices);
    std::vector<Seconds> times;
    for (const LayerGraph& kind : graph_.kinds) {
        const PricedLayer layer = price_both_ways(kind);
        times.push_back(own_time(layer.forward) + own_time(layer.backward));
    }
    return times;
}

GroupShape Pricer::shape(Axis axis) const {
    const int domain = cluster_.fabric.domain;
    return memo_ != nullptr ? memo_->shape(spec_.parallelism, axis, domain) : shape_along(spec_.parallelism, axis, domain);
}

PortedTime Pricer::idle_time(const Collective& collective, const GroupShape& group) const {
    return memo_ != nullptr ? memo_->time(cluster_.fabric, collective, group) : ported_time(cluster_.fabric, collective, group);
}

Seconds Pricer::idle_price(const Collective& collective, Axis axis) const {
    return idle_time(collective, shape(axis)).time;
}

Seconds Pricer::stages_price(const Collective& collective, std::span<const Fabric* const> crossed) const {
    if (crossed.empty()) return idle_price(collective, Axis::pipeline);
    Seconds slowest{};
    for (const Fabric* fabric : crossed) {
        slowest = std::max(slowest, ported_time(*fabric, collective, shape_along(spec_.parallelism, Axis::pipeline, fabric->domain)).time);
    }
    return slowest;
}

std::int32_t Pricer::add_exchange(const Exchange& exchange) {
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

std::int32_t Pricer::add_block(std::string_view name, std::vector<Instruction> code) {
    program_.blocks.push_back({name, std::move(code)});
    return static_cast<std::int32_t>(program_.blocks.size() - 1);
}

void Pricer::append_compute(std::vector<Instruction>& code, Seconds duration, TimePart part) {
    if (duration <= Seconds{}) return;
    if (!code.empty() && code.back().op == Op::compute && code.back().part == part) {
        code.back().duration += duration;
    } else {
        code.push_back({Op::compute, part, -1, duration});
    }
}

void Pricer::append_compute(OnceCode& code, Seconds duration, TimePart part) {
    if (!code.is_timed) append_compute(code.code, duration, part);
    else code.total += std::max(duration, Seconds{});
}

void Pricer::append_exchange(OnceCode& code, const Exchange& exchange) {
    if (!code.is_timed) code.code.push_back({Op::exchange, TimePart::data_comm, add_exchange(exchange), {}});
    else code.total += exchange.idle * exchange.exposed;
}

Boundary Pricer::boundary() const {
    Boundary boundary;
    if (spec_.parallelism.pipeline < 2) return boundary;
    const PortedTime message =
        idle_time({CollectiveKind::send_recv, graph_.boundary_message, spec_.precision}, shape(Axis::pipeline));
    boundary.idle = message.time;
    boundary.port = message.time * (message.moving * message.port);
    const int tensor = spec_.parallelism.tensor;
    if (framework_.pipeline_scatter_gather && tensor > 1) {
        const Bytes whole = graph_.boundary_message * static_cast<double>(tensor);
        boundary.overhead = idle_price({CollectiveKind::all_gather, whole, spec_.precision}, Axis::tensor);
        boundary.idle += boundary.overhead;
    }
    const bool interleaved = spec_.parallelism.chunks_per_rank() > 1;
    boundary.exposed = interleaved ? framework_.pipeline_exposed_interleaved : framework_.pipeline_exposed;
    if (spec_.overlap.pipeline == std::optional(false)) boundary.exposed = 1.0;
    return boundary;
}

bool Pricer::hides_experts() const { return joins_passes_ || spec_.overlap.experts == std::optional(true); }

Exchange Pricer::price_exchange(const ExchangeTask& task, Seconds attention) {
    Exchange exchange{task.collective, task.axis, 1.0, TimePart::tensor_comm, {}};
    PortedTime price = idle_time(task.collective, shape(task.axis));
    exchange.idle = price.time;
    switch (task.axis) {
        case Axis::tensor:
            exchange.exposed = spec_.overlap.tensor.value_or(true) ? framework_.tensor_exposed : 1.0;
            break;
        case Axis::context: {
            exchange.part = TimePart::context_comm;
            if (spec_.parallelism.context_kind != ContextKind::ring) break;  // attention waits for all of it
            exchange.idle = static_cast<double>(spec_.parallelism.context - 1) * ring_step_latency + exchange.idle;
            const Seconds shown =
                std::max(exchange.idle - ring_hidden_share * attention, Seconds{}) + ring_residue * exchange.idle;
            exchange.exposed = std::min(shown / exchange.idle, 1.0);
            break;
        }
        case Axis::expert:
            exchange.part = TimePart::expert_comm;
            exchange.collective.size = task.collective.size * sent_share(graph_.experts_per_token, shape(task.axis));
            price = idle_time(exchange.collective, shape(task.axis));
            exchange.idle = price.time * framework_.expert_exchange_slowdown;
            if (hides_experts()) exchange.exposed = framework_.expert_exposed_overlapped;
            break;
        case Axis::expert_tensor:
            exchange.part = TimePart::expert_comm;
            if (hides_experts()) exchange.exposed = framework_.expert_exposed_overlapped;
            break;
        case Axis::data:
        case Axis::data_context:
        case Axis::expert_data:
        case Axis::shard:
        case Axis::shard_peers:
        case Axis::self:
        case Axis::world:
            exchange.part = TimePart::data_comm;
            break;
        case Axis::pipeline:
            exchange.part = TimePart::pipeline_comm;
            break;
    }
    exchange.moving = price.moving;
    exchange.port = price.port;
    return exchange;
}

Seconds Pricer::kernel_time(const Work& work, const TrainingKernels& kernels) const {
    if (memo_ != nullptr && !std::holds_alternative<Streaming>(work)) {   // streaming is a division
        return memo_->work_time(work, kernels, [&] { return own_kernel_time(work, kernels); });
    }
    return own_kernel_time(work, kernels);
}

Seconds Pricer::own_kernel_time(const Work& work, const TrainingKernels& kernels) const {
    const auto* attention = std::get_if<Attention>(&work);
    if (attention == nullptr || attention->window <= 0) return training_time(cluster_.device, work, kernels);
    Attention full = *attention;
    full.window = 0;
    full.causal_imbalance = 1.0;
    const double share = execution_time(cluster_.device, work) / execution_time(cluster_.device, full);
    return std::max(training_time(cluster_.device, work, kernels),
                    training_time(cluster_.device, full, kernels) * std::min(share, 1.0));
}

std::vector<Instruction> Pricer::price_tasks(std::span<const GraphTask> tasks, bool backward) {
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
            if (std::holds_alternative<GroupedMatrixMultiply>(compute->work))
                time = time * grouped_slowdown(spec_, framework_);
            append_compute(code, time, part);
        } else {
            const Exchange exchange = price_exchange(std::get<ExchangeTask>(task.action), attention);
            if (exchange.idle > Seconds{}) code.push_back({Op::exchange, exchange.part, add_exchange(exchange), {}});
        }
    }
    return code;
}

Seconds Pricer::own_time(const std::vector<Instruction>& code) const { return block_time(program_, code).total; }

void Pricer::add_host_time(const LayerGraph& kind, PricedLayer& layer) const {
    if (!kind.is_decoder_layer) return;
    const double left = host_share(spec_, framework_) * kind.host_share;
    const Seconds tensor = spec_.parallelism.tensor > 1 ? framework_.host_tensor_parallel : Seconds{};
    const bool by_launches = kind.launches_forward > 0.0;
    const Seconds own_forward = by_launches ? kind.launches_forward * framework_.host_launch : framework_.host_forward;
    const Seconds own_backward = by_launches ? kind.launches_backward * framework_.host_launch : framework_.host_backward;
    const Seconds forward = left * (own_forward + tensor);
    Seconds backward = left * (own_backward + tensor);
    if (kind.is_recomputed && !by_launches) backward += forward * framework_.host_recompute_factor;
    const Seconds host = forward + backward;
    const Seconds gpu = own_time(layer.forward) + own_time(layer.backward);
    Seconds time = gpu;
    if (host > Seconds{}) time = host * std::pow(1.0 + std::pow(gpu / host, host_norm), 1.0 / host_norm);
    if (kind.has_experts) time = with_expert_waits(time, host, spec_, framework_, dispatcher_);
    const double share = host > Seconds{} ? forward / host : 0.5;
    append_compute(layer.forward, (time - gpu) * share, TimePart::other);
    append_compute(layer.backward, (time - gpu) * (1.0 - share), TimePart::other);
}

PricedLayer Pricer::price_both_ways(const LayerGraph& kind) {
    PricedLayer layer;
    layer.forward = price_tasks(kind.forward, false);
    layer.backward = price_tasks(kind.backward, true);
    layer.trained = trained_part(kind.parameters, kind.expert_parameters, kind.frozen_parameters,
                                 kind.frozen_parameters > 0.0 ? kind.expert_parameters : 0.0);
    if (framework_.accumulation_bytes > 0.0) {
        const Bytes moved = Bytes::from_si(framework_.accumulation_bytes * layer.trained.total());
        append_compute(layer.backward, moved / (cluster_.device.memory_bandwidth * framework_.streaming_efficiency),
                       TimePart::compute);
    }
    add_host_time(kind, layer);
    return layer;
}

PricedLayer Pricer::price_layer(const LayerGraph& kind) {
    PricedLayer layer = price_both_ways(kind);
    layer.held = {kind.parameters - kind.expert_parameters, kind.expert_parameters};
    if (spec_.parallelism.splits_backward()) split_backward(kind, layer);
    if (spec_.parallelism.schedule == PipelineSchedule::dualpipe) {
        joins_passes_ = true;
        PricedLayer joined = price_both_ways(kind);
        joins_passes_ = false;
        layer.joined_forward = std::move(joined.forward);
        layer.joined_backward = std::move(joined.backward);
    }
    if (kind.is_decoder_layer && spec_.regularization.layer_drop > 0.0) {
        for (auto* code : {&layer.forward, &layer.backward, &layer.input, &layer.weight, &layer.joined_forward,
                           &layer.joined_backward}) {
            thin_out(*code);
        }
    }
    return layer;
}

void Pricer::split_backward(const LayerGraph& kind, PricedLayer& layer) {
    std::vector<GraphTask> halves[2];
    for (const GraphTask& task : kind.backward) halves[task.is_weight_gradient ? 1 : 0].push_back(task);
    layer.input = price_tasks(halves[0], true);
    layer.weight = price_tasks(halves[1], true);
    const Seconds kernels = own_time(layer.input) + own_time(layer.weight);
    const Seconds host = own_time(layer.backward) - kernels;
    if (kernels <= Seconds{} || host <= Seconds{}) return;
    const double share = own_time(layer.weight) / kernels;
    append_compute(layer.input, host * (1.0 - share), TimePart::other);
    append_compute(layer.weight, host * share, TimePart::other);
}

void Pricer::append(std::vector<Instruction>& code, const std::vector<Instruction>& more) {
    for (const Instruction& one : more) {
        if (one.op == Op::compute) {
            append_compute(code, one.duration, one.part);
        } else {
            code.push_back(one);
        }
    }
}

namespace {

std::vector<std::pair<int, int>> runs_of(const Chunk& chunk) {
    std::vector<std::pair<int, int>> runs;
    for (const LayerRun& run : chunk) runs.emplace_back(run.kind, run.count);
    return runs;
}

// Ways through a chunk, as keys of its blocks.
enum ChunkWay : std::uint8_t { way_forward, way_backward, way_input, way_weight };
constexpr std::size_t chunk_ways = 4;

ChunkWay way_of(const SchedulePass& pass) {
    if (pass.part == PassPart::whole) return pass.backward ? way_backward : way_forward;
    return pass.part == PassPart::input ? way_input : way_weight;
}

}  // namespace

std::int32_t Pricer::chunk_block(const Chunk& chunk, bool backward) {
    const auto [place, is_new] =
        block_of_chunk_.try_emplace({backward ? way_backward : way_forward, runs_of(chunk)}, -1);
    if (is_new) {
        std::vector<Instruction> code =
            spec_.parallelism.shards_parameters()
                ? sharded_code(chunk, backward)
                : plain_code(chunk, backward, backward ? &PricedLayer::backward : &PricedLayer::forward);
        place->second = add_block(backward ? "backward" : "forward", std::move(code));
    }
    return place->second;
}

std::int32_t Pricer::half_block(const Chunk& chunk, PassPart part) {
    const bool is_input = part == PassPart::input;
    const auto [place, is_new] = block_of_chunk_.try_emplace({is_input ? way_input : way_weight, runs_of(chunk)}, -1);
    if (is_new) {
        place->second = add_block(is_input ? "backward (inputs)" : "backward (weights)",
                                  plain_code(chunk, true, is_input ? &PricedLayer::input : &PricedLayer::weight));
    }
    return place->second;
}

std::int32_t Pricer::joined_block(const Chunk& forward, const Chunk& backward) {
    const std::array<std::int32_t, 2> key{chunk_block(forward, false), chunk_block(backward, true)};
    const auto [place, is_new] = block_of_pair_.try_emplace(key, -1);
    if (is_new) {
        std::vector<Instruction> code = plain_code(forward, false, &PricedLayer::joined_forward);
        append(code, plain_code(backward, true, &PricedLayer::joined_backward));
        place->second = add_block("forward and backward", std::move(code));
    }
    return place->second;
}

std::vector<Instruction> Pricer::plain_code(const Chunk& chunk, bool backward, LayerCode part) const {
    std::vector<Instruction> code;
    for (std::size_t i = 0; i < chunk.size(); ++i) {
        const LayerRun& run = backward ? chunk[chunk.size() - 1 - i] : chunk[i];
        const PricedLayer& layer = priced_[static_cast<std::size_t>(run.kind)];
        for (int n = 0; n < run.count; ++n) append(code, layer.*part);
    }
    return code;
}

/// A pass that the one before it has taken along keeps its place with an empty block.
std::vector<PassProgram> Pricer::price_passes(const StageGraph& stage) {
    std::vector<PassProgram> passes;
    passes.reserve(stage.passes.size());
    std::int32_t nothing = -1;
    std::vector<std::int32_t> known(stage.chunks.size() * chunk_ways, -1);   // blocks by chunk and way
    const auto block_of = [&](const SchedulePass& pass) {
        const auto chunk = static_cast<std::size_t>(pass.chunk);
        const ChunkWay way = way_of(pass);
        std::int32_t& block = known[chunk * chunk_ways + way];
        if (block >= 0) return block;
        if (pass.part != PassPart::whole) block = half_block(stage.chunks[chunk], pass.part);
        else if (spec_.offload.any()) block = offloading_block(stage, chunk, pass.backward);
        else block = chunk_block(stage.chunks[chunk], pass.backward);
        return block;
    };
    for (std::size_t i = 0; i < stage.passes.size(); ++i) {
        const SchedulePass& pass = stage.passes[i];
        if (pass.joins_next) {
            const auto& [own, other] = std::pair(pass.chunk, stage.passes[i + 1].chunk);
            passes.push_back({pass, joined_block(stage.chunks[static_cast<std::size_t>(own)], stage.chunks[static_cast<std::size_t>(other)])});
        } else if (i > 0 && stage.passes[i - 1].joins_next) {
            if (nothing < 0) nothing = add_block("joined", {});
            passes.push_back({pass, nothing});
        } else {
            passes.push_back({pass, block_of(pass)});
        }
    }
    return passes;
}

std::array<Seconds, 2> Pricer::once_through(const StageGraph& stage) {
    std::array<Seconds, 2> once{};
    for (const Chunk& chunk : stage.chunks) {
        for (const bool backward : {false, true}) {
            const std::int32_t block = chunk_block(chunk, backward);
            once[backward ? 1 : 0] += own_time(program_.blocks[static_cast<std::size_t>(block)].code);
        }
    }
    return once;
}

void Pricer::add_once(const StageGraph& stage, Seconds forward, Seconds backward, bool is_end, OnceCode& prologue,
                      OnceCode& epilogue) {
    const Holding trained = trained_part(stage.parameters, stage.expert_parameters, stage.frozen_parameters,
                                         stage.frozen_expert_parameters);
    add_data_exchanges(stage, trained, forward, backward, prologue, epilogue);
    if (is_end && graph_.tied_embedding_exchange && spec_.parallelism.pipeline > 1) {
        const Collective sum{CollectiveKind::all_reduce, graph_.tied_embedding_bytes, DataType::bf16};
        append_compute(epilogue, stages_price(sum, crossed_ends_), TimePart::data_comm);
    }
    add_optimizer(stage, trained, epilogue);
}

Seconds Pricer::once_time(const StageGraph& stage, Seconds forward, Seconds backward, bool is_end) {
    OnceCode prologue;
    OnceCode epilogue;
    prologue.is_timed = epilogue.is_timed = true;
    add_once(stage, forward, backward, is_end, prologue, epilogue);
    return prologue.total + epilogue.total;
}

Seconds lost_to_the_slowest(int devices, Seconds step) {
    const double doublings = std::log2(static_cast<double>(devices) / 8.0);
    return doublings <= 0.0 ? Seconds{} : step * (scale_penalty * doublings);
}

void Pricer::price_stage(std::size_t index) {
    const StageGraph& stage = graph_.stages[index];
    StageProgram program;
    const std::array<Seconds, 2> once = once_through(stage);
    program.passes = price_passes(stage);
    const std::size_t mirror = graph_.stages.size() - 1 - index;
    if (spec_.parallelism.copies() > 1 && mirror < index) {  // holds the same, and exchanges it with that stage
        program.prologue = program_.stages[mirror].prologue;
        program.epilogue = program_.stages[mirror].epilogue;
        program_.stages.push_back(std::move(program));
        return;
    }
    OnceCode prologue;
    OnceCode epilogue;
    add_once(stage, once[0], once[1], index == 0 || index + 1 == graph_.stages.size(), prologue, epilogue);
    if (!prologue.code.empty()) program.prologue = add_block("parameter gather", std::move(prologue.code));
    program.epilogue = add_block("optimizer", std::move(epilogue.code));
    program_.stages.push_back(std::move(program));
}

void add_scale_penalty(StepProgram& program) {
    const Seconds penalty = lost_to_the_slowest(program.parallelism.devices(), estimate(program).step);
    if (penalty <= Seconds{}) return;
    std::vector<bool> done(program.blocks.size());
    for (StageProgram& stage : program.stages) {
        if (done[static_cast<std::size_t>(stage.epilogue)]) continue;
        done[static_cast<std::size_t>(stage.epilogue)] = true;
        std::vector<Instruction>& code = program.blocks[static_cast<std::size_t>(stage.epilogue)].code;
        if (!code.empty() && code.back().op == Op::compute && code.back().part == TimePart::other) code.back().duration += penalty;
        else code.push_back({Op::compute, TimePart::other, -1, penalty});
    }
}

std::vector<Seconds> layer_times(const Cluster& cluster, const StepGraph& graph, const TrainingSpec& spec,
                                 const FrameworkProfile& framework) {
    return Pricer(cluster, graph, spec, framework).price_layers();
}

std::shared_ptr<const LayerPrices> price_kinds(const Cluster& cluster, const StepGraph& graph, const TrainingSpec& spec,
                                               const FrameworkProfile& framework) {
    return std::make_shared<const LayerPrices>(Pricer(cluster, graph, spec, framework).price_kinds());
}

StepProgram price_in_step(const Cluster& cluster, const StepGraph& graph, const TrainingSpec& spec,
                          const FrameworkProfile& framework, const LayerPrices& layers) {
    return Pricer(cluster, graph, spec, framework).price_in_step(&layers);
}

StepProgram price_step(const Cluster& cluster, const StepGraph& graph, const TrainingSpec& spec,
                       const FrameworkProfile& framework) {
    if (cluster.is_mixed()) {
        StepProgram program = price_mixed_in_step(cluster, graph, spec, framework);
        add_scale_penalty(program);
        return program;
    }
    return Pricer(cluster, graph, spec, framework).price();
}

}  // namespace orrery
