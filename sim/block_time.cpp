// Two clocks, one for each stream, walked through straight-line code.
#include "sim/block_time.hpp"

#include <algorithm>
#include <array>

namespace orrery {
namespace {

Seconds& part_of(BlockTime& time, TimePart part) { return time.parts[static_cast<std::size_t>(part)]; }

// Of sharded parameters, met where they are needed: what does not hold compute up moves on beside it.
bool may_leave_rest(const Exchange& exchange) { return exchange.part == TimePart::data_comm; }

// Work `duration` begun at `now` while the communication stream is busy until `busy_until`.
Seconds beside(Seconds now, Seconds duration, Seconds busy_until, double contention) {
    if (contention <= 0.0 || busy_until <= now) return duration;
    const Seconds slow_work = (busy_until - now) / (1.0 + contention);
    if (duration <= slow_work) return duration * (1.0 + contention);
    return (busy_until - now) + (duration - slow_work);
}

}  // namespace

BlockTime block_time(const StepProgram& program, std::span<const Instruction> code) {
    BlockTime time;
    std::array<Seconds, axis_count> stream_free{};  // when each axis's communication stream is done with what was started
    Seconds all_free{};                             // and the last of them
    Seconds port_free{};                            // when the network port is
    std::array<bool, axis_count> on_port{};
    const bool has_started = std::any_of(code.begin(), code.end(), [](const Instruction& one) { return one.op == Op::start; });
    std::vector<Seconds> done(has_started ? program.exchanges.size() : 0);
    for (const Instruction& one : code) {
        Seconds spent{};
        switch (one.op) {
            case Op::compute: spent = beside(time.total, one.duration, all_free, program.contention); break;
            case Op::exchange: {
                const Exchange& exchange = program.exchanges[static_cast<std::size_t>(one.exchange)];
                spent = exchange.idle * exchange.exposed;
                if (!exchange.fills_port()) break;
                const Seconds now = time.total;
                if (may_leave_rest(exchange)) {   // its group's earlier rests wait meanwhile
                    port_free = std::max(port_free, now) + spent + exchange.rest_port_time();
                    break;
                }
                if (port_free <= now) break;
                const Seconds held = exchange.held_port_time();
                const auto meet = [&](Seconds& until) { until += std::clamp(until - now, Seconds{}, held); };
                spent += std::min(held, port_free - now);
                meet(port_free);
                for (std::size_t i = 0; i < done.size(); ++i) {
                    if (program.exchanges[i].fills_port()) meet(done[i]);
                }
                for (std::size_t axis = 0; axis < axis_count; ++axis) {
                    if (on_port[axis]) meet(stream_free[axis]);
                    all_free = std::max(all_free, stream_free[axis]);
                }
                break;
            }
            case Op::start: {
                const auto index = static_cast<std::size_t>(one.exchange);
                const Exchange& exchange = program.exchanges[index];
                const auto axis = static_cast<std::size_t>(exchange.axis);
                Seconds& stream = stream_free[axis];
                stream = std::max({stream, time.total, exchange.fills_port() ? port_free : Seconds{}}) + exchange.idle;
                if (exchange.fills_port()) {
                    port_free = stream;
                    on_port[axis] = true;
                }
                all_free = std::max(all_free, stream);
                done[index] = stream;
                break;
            }
            case Op::wait:
                if (!has_started) break;   // nothing of this block: it was done before
                spent = std::max(done[static_cast<std::size_t>(one.exchange)] - time.total, Seconds{});
                break;
        }
        part_of(time, one.part) += spent;
        time.total += spent;
    }
    return time;
}

Seconds kernel_time_of(std::span<const Instruction> code) {
    Seconds sum{};
    for (const Instruction& one : code) {
        if (one.op == Op::compute && one.part == TimePart::compute) sum += one.duration;
    }
    return sum;
}

}  // namespace orrery
