// The step in closed form: every stage's own time, the pipeline around the slowest of them, idle exchanges.
#include "sim/block_time.hpp"
#include "sim/pass_walk.hpp"
#include "sim/port_sharing.hpp"
#include "sim/simulate.hpp"

#include <algorithm>
#include <vector>

namespace orrery {
namespace {

struct StageTime {
    BlockTime pass;          // one micro-batch forward and backward through all chunks
    BlockTime once;          // prologue and epilogue
    PassOnPort on_port;
    SharedPass shared;
};

void add(BlockTime& sum, const BlockTime& more) {
    sum.total += more.total;
    for (std::size_t i = 0; i < time_part_count; ++i) sum.parts[i] += more.parts[i];
}

BlockTime time_of_block(const StepProgram& program, std::int32_t block) {
    if (block < 0) return {};
    return block_time(program, program.blocks[static_cast<std::size_t>(block)].code);
}

/// Without what is started ahead of its need.
Seconds time_beside_started(const StepProgram& program, std::span<const Instruction> code) {
    Seconds time{};
    for (const Instruction& one : code) {
        if (one.op == Op::compute) time += one.duration;
        if (one.op != Op::exchange) continue;
        const Exchange& exchange = program.exchanges[static_cast<std::size_t>(one.exchange)];
        time += exchange.idle * exchange.exposed;
    }
    return time;
}

void add_to_port(const StepProgram& program, const PassProgram& pass, PassOnPort& stage) {
    const std::vector<Instruction>& code = program.blocks[static_cast<std::size_t>(pass.block)].code;
    (pass.pass.backward ? stage.backward : stage.forward) += time_beside_started(program, code);
    stage.load.add(port_load(program.exchanges, code), 1.0);
}

/// What sharing the port adds to a pass is shared out over its exchanges by their time.
void spread_over_exchanges(Seconds more, Breakdown& parts) {
    Seconds sum{};
    for (const TimePart part : {TimePart::tensor_comm, TimePart::context_comm, TimePart::expert_comm, TimePart::data_comm}) {
        sum += parts[static_cast<std::size_t>(part)];
    }
    if (more <= Seconds{}) return;
    if (sum <= Seconds{}) {
        parts[static_cast<std::size_t>(TimePart::pipeline_comm)] += more;
        return;
    }
    for (const TimePart part : {TimePart::tensor_comm, TimePart::context_comm, TimePart::expert_comm, TimePart::data_comm}) {
        Seconds& one = parts[static_cast<std::size_t>(part)];
        one += more * (one / sum);
    }
}

std::vector<StageTime> stage_times(const StepProgram& program) {
    std::vector<BlockTime> blocks;
    for (const Block& block : program.blocks) blocks.push_back(block_time(program, block.code));
    std::vector<StageTime> stages;
    for (const StageProgram& stage : program.stages) {
        const bool is_end = stages.empty() || stages.size() + 1 == program.stages.size();
        StageTime time;
        for (const PassProgram& pass : stage.passes) {
            if (pass.pass.micro_batch != 0) continue;
            add(time.pass, blocks[static_cast<std::size_t>(pass.block)]);
            add_to_port(program, pass, time.on_port);
        }
        time.on_port.own = time.pass.total;
        const StageMessage sent = program.slower_message(static_cast<int>(stages.size()));
        const MessageOnPort message{sent.idle, sent.port, program.boundary_exposed, is_end};
        time.shared = share_port(program.parallelism, time.on_port, message, program.contention);
        spread_over_exchanges(time.shared.pass - time.pass.total, time.pass.parts);
        time.pass.total = time.shared.pass;
        add(time.once, time_of_block(program, stage.prologue));
        add(time.once, time_of_block(program, stage.epilogue));
        stages.push_back(time);
    }
    return stages;
}

StepOutcome estimate_in_closed_form(const StepProgram& program) {
    const std::vector<StageTime> stages = stage_times(program);
    std::size_t slowest = 0;
    Seconds all{};
    for (std::size_t i = 0; i < stages.size(); ++i) {
        if (stages[i].shared.turn() > stages[slowest].shared.turn()) slowest = i;
        all += stages[i].pass.total;
    }
    const double micro_batches = program.micro_batches;
    const double virtual_stages = program.parallelism.virtual_stages;

    StepOutcome outcome;
    const auto part = [&](TimePart which) -> Seconds& { return outcome.breakdown[static_cast<std::size_t>(which)]; };
    for (std::size_t i = 0; i < time_part_count; ++i) {
        outcome.breakdown[i] = stages[slowest].pass.parts[i] * micro_batches + stages[slowest].once.parts[i];
    }
    // Fill and drain: the other stages' passes of one micro-batch, a virtual stage of them at a time
    // (Narayanan et al., arXiv 2104.04473, section 2.2), and a message each way across every boundary.
    const double rounds = program.rounds;
    part(TimePart::pipeline_bubble) += (all - stages[slowest].pass.total) * (rounds / virtual_stages);
    part(TimePart::pipeline_comm) +=
        program.messages.empty()
            ? boundary_messages(program.parallelism, program.rounds, program.boundary_idle, program.boundary_exposed)
            : boundary_messages(program.parallelism, program.rounds, program.messages, program.boundary_exposed);
    part(TimePart::pipeline_comm) += stages[slowest].shared.held * micro_batches +
                                     stages[slowest].shared.late * (rounds * steady_micro_batches(program.parallelism, program.micro_batches / program.rounds));
    outcome.critical_rank = rank_at(program.parallelism, RankPlace{0, 0, 0, static_cast<int>(slowest)});
    return outcome;
}

/// Schedules whose bubble has no closed form at uneven stages and passes: by walking their passes. The rank that is done
/// last tells where the time goes.
StepOutcome estimate_by_walk(const StepProgram& program) {
    const PassWalk walk = walk_passes(program);
    const auto last = static_cast<std::size_t>(std::max_element(walk.end.begin(), walk.end.end()) - walk.end.begin());
    std::vector<BlockTime> blocks;
    for (const Block& block : program.blocks) blocks.push_back(block_time(program, block.code));
    BlockTime sum;
    const StageProgram& stage = program.stages[last];
    for (const PassProgram& pass : stage.passes) add(sum, blocks[static_cast<std::size_t>(pass.block)]);
    for (const std::int32_t block : {stage.prologue, stage.epilogue}) {
        if (block >= 0) add(sum, blocks[static_cast<std::size_t>(block)]);
    }
    StepOutcome outcome;
    outcome.breakdown = sum.parts;
    outcome.breakdown[static_cast<std::size_t>(TimePart::pipeline_bubble)] += walk.bubble[last];
    outcome.breakdown[static_cast<std::size_t>(TimePart::pipeline_comm)] += walk.message[last];
    outcome.critical_rank = rank_at(program.parallelism, RankPlace{0, 0, 0, static_cast<int>(last)});
    return outcome;
}

}  // namespace

Seconds boundary_messages(const Parallelism& plan, int rounds, Seconds idle, double exposed) {
    if (plan.pipeline < 2) return {};
    const double stages = plan.pipeline;
    const double chunks = plan.virtual_stages;
    double messages = 2.0 * (stages - 1.0);
    if (plan.interleaves() && chunks > 1.0) messages += 2.0 * (chunks - 1.0) * stages * (1.0 - exposed);
    return idle * (messages * rounds);
}

Seconds boundary_messages(const Parallelism& plan, int rounds, std::span<const StageMessage> messages, double exposed) {
    if (plan.pipeline < 2) return {};
    Seconds through{};
    for (const StageMessage& one : messages.first(messages.size() - 1)) through += one.idle;
    Seconds sum = through * 2.0;
    if (plan.interleaves() && plan.virtual_stages > 1) {
        sum += (through + messages.back().idle) * (2.0 * (plan.virtual_stages - 1) * (1.0 - exposed));
    }
    return sum * static_cast<double>(rounds);
}

StepOutcome estimate(const StepProgram& program) {
    ORRERY_CHECK(!program.stages.empty());
    StepOutcome outcome =
        program.parallelism.splits_backward() ? estimate_by_walk(program) : estimate_in_closed_form(program);
    for (const Seconds seconds : outcome.breakdown) outcome.step += seconds;
    outcome.statistics.ranks = program.parallelism.devices();
    outcome.statistics.classes = static_cast<int>(program.stages.size());
    outcome.statistics.detail = "estimate";
    return outcome;
}

}  // namespace orrery
