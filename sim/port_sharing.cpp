// Shares of a port as sums over code, and what they make of a pass.
#include "sim/port_sharing.hpp"

#include <algorithm>

namespace orrery {
namespace {

/// Messages that a rank sends a micro-batch: one each way for every chunk, but for the ends of the model.
double messages_sent(const Parallelism& plan, bool is_end) { return 2.0 * plan.virtual_stages - (is_end ? 1.0 : 0.0); }

}  // namespace

void PortLoad::add(const PortLoad& one, double times) {
    held += one.held * times;
    busy += one.busy * times;
    delay += one.delay * times;
    beside += one.beside * times;
    rests += one.rests * times;
    started += one.started * times;
}

PortLoad held_load(const Exchange& exchange, double exposed) {
    PortLoad load;
    if (exchange.port <= 0.0) return load;
    const Seconds moving = exchange.idle * exchange.moving;
    const double slow = std::max(1.0, 2.0 * exchange.port);   // with half of the port, if it needs more
    load.held = moving * exposed;
    load.busy = load.held * exchange.port;
    load.delay = load.held * (slow - 1.0);
    load.beside = load.held * (slow * std::max(0.5, 1.0 - exchange.port));
    load.rests = (moving - load.held) * exchange.port;
    return load;
}

PortLoad port_load(std::span<const Exchange> exchanges, std::span<const Instruction> code) {
    PortLoad load;
    for (const Instruction& one : code) {
        if (one.op != Op::exchange && one.op != Op::start) continue;
        const Exchange& exchange = exchanges[static_cast<std::size_t>(one.exchange)];
        if (one.op == Op::exchange) load.add(held_load(exchange, exchange.exposed), 1.0);
        else load.started += exchange.idle * (exchange.moving * exchange.port);
    }
    return load;
}

SharedPass share_port(const Parallelism& plan, const PassOnPort& stage, const MessageOnPort& message, double contention) {
    const PortLoad& load = stage.load;
    SharedPass shared{stage.own, {}, {}};
    if (plan.pipeline < 2) return shared;
    const Seconds alone = stage.forward + stage.backward;
    const double messages = messages_sent(plan, message.is_end);
    const Seconds sent = message.port * messages;
    Seconds arrival = message.idle;
    if (sent > Seconds{}) {
        const Seconds window = alone - load.held;   // without exchanges that hold compute up
        const Seconds through = std::max(window - load.rests - load.started, window * 0.5) + load.beside;
        const double moving = sent < through ? sent / through : 1.0;   // share of the time in which a message comes in
        const double busy = 1.0 - (1.0 - moving) * (1.0 - moving * (1.0 - message.exposed));
        const Seconds computing = std::min(stage.own, alone * (1.0 + contention)) + load.delay * busy;
        shared.pass = std::max({stage.own, computing, load.busy + load.started + sent});
        if (alone + load.delay > through) arrival += message.port * ((alone + load.delay) / through - 1.0);
    }
    shared.held = arrival * (messages * message.exposed);
    Seconds cycle{};
    if (plan.schedule == PipelineSchedule::one_f_one_b || (plan.schedule == PipelineSchedule::interleaved && plan.virtual_stages == 1)) {
        cycle = shared.pass + arrival * (1.0 + 0.5 * message.exposed);
    } else if (plan.schedule == PipelineSchedule::interleaved) {
        cycle = shared.pass * (stage.backward / alone) + arrival * static_cast<double>(plan.virtual_stages);
    }
    shared.late = std::max(cycle - shared.turn(), Seconds{});
    return shared;
}

Seconds step_of_passes(const Parallelism& plan, int micro_batches, const SharedPass& slowest, Seconds all) {
    return slowest.turn() * static_cast<double>(micro_batches) + (all - slowest.pass) * (1.0 / plan.virtual_stages) +
           slowest.late * steady_micro_batches(plan, micro_batches);
}

double steady_micro_batches(const Parallelism& plan, int micro_batches) {
    const double stages = plan.pipeline;
    const double chunks = plan.virtual_stages;
    const double before = chunks > 1.0 ? (2.0 * (stages - 1.0) + (chunks - 1.0) * stages) / chunks : stages - 1.0;
    return std::max(micro_batches - before, 0.0);
}

}  // namespace orrery
