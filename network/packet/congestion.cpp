// Windows and rates that react to marks.
#include "network/packet/congestion.hpp"

#include <algorithm>

namespace orrery {

namespace {

constexpr double dctcp_gain = 1.0 / 16.0;  // g of the paper

std::int64_t whole_periods(Seconds period, std::int64_t now_ps, std::int64_t& since_ps) {
    const auto period_ps = static_cast<std::int64_t>(period.si() * 1e12);
    const std::int64_t periods = (now_ps - since_ps) / period_ps;
    since_ps += periods * period_ps;
    return periods;
}

void dcqcn_increase(const DcqcnParameters& p, double port_rate, DcqcnState& state) {
    const int least = std::min(state.timer_steps, state.byte_steps);
    const int most = std::max(state.timer_steps, state.byte_steps);
    if (most > p.fast_steps) {
        state.target += port_rate * (least > p.fast_steps ? p.hyper_share : p.additive_share);
        state.target = std::min(state.target, port_rate);
    }
    state.rate = 0.5 * (state.rate + state.target);
}

}  // namespace

void dcqcn_cut(const DcqcnParameters& p, double port_rate, std::int64_t now_ps, DcqcnState& state) {
    dcqcn_advance(p, port_rate, now_ps, 0.0, state);
    state.target = state.rate;
    state.rate = std::max(state.rate * (1.0 - 0.5 * state.alpha), p.rate_share_min * port_rate);
    state.alpha = (1.0 - p.gain) * state.alpha + p.gain;
    state.alpha_at_ps = state.timer_at_ps = now_ps;
    state.bytes = 0.0;
    state.timer_steps = state.byte_steps = 0;
    state.cut = true;
}

void dcqcn_advance(const DcqcnParameters& p, double port_rate, std::int64_t now_ps, double sent, DcqcnState& state) {
    if (!state.cut) return;
    for (std::int64_t n = whole_periods(p.alpha_period, now_ps, state.alpha_at_ps); n > 0; --n) {
        state.alpha *= 1.0 - p.gain;
    }
    for (std::int64_t n = whole_periods(p.increase_period, now_ps, state.timer_at_ps); n > 0; --n) {
        ++state.timer_steps;
        dcqcn_increase(p, port_rate, state);
    }
    for (state.bytes += sent; state.bytes >= p.increase_bytes.si(); state.bytes -= p.increase_bytes.si()) {
        ++state.byte_steps;
        dcqcn_increase(p, port_rate, state);
    }
}

void dctcp_acknowledge(double bytes, bool was_marked, double packet, double window_max, DctcpState& state) {
    state.acknowledged += bytes;
    if (was_marked) state.marked += bytes;
    if (state.acknowledged < state.window) return;
    state.alpha += dctcp_gain * (state.marked / state.acknowledged - state.alpha);
    state.window = state.marked > 0.0 ? state.window * (1.0 - 0.5 * state.alpha) : state.window + packet;
    state.window = std::clamp(state.window, packet, window_max);
    state.acknowledged = state.marked = 0.0;
}

}  // namespace orrery
