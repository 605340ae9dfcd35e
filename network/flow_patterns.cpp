// The exchanges that networks are judged by, as sets of flows.
#include "network/flow_patterns.hpp"

#include <bit>
#include <numeric>
#include <utility>

namespace orrery {

namespace {

constexpr std::size_t ways_usual = 8;  // links of a route, to save growing

StreamId add_flow(FlowSet& flows, int from, int to, Bytes message, const FindWay& find_way) {
    std::vector<LinkId> way;
    way.reserve(ways_usual);
    find_way(from, to, way);
    return flows.add(from, to, message, way);
}

}  // namespace

FlowSet all_to_all_flows(int hosts, Bytes message, const FindWay& find_way) {
    FlowSet flows;
    for (int from = 0; from < hosts; ++from) {
        for (int to = 0; to < hosts; ++to) {
            if (to != from) add_flow(flows, from, to, message, find_way);
        }
    }
    return flows;
}

FlowSet permutation_flows(const std::vector<int>& to, Bytes message, const FindWay& find_way) {
    FlowSet flows;
    for (std::size_t from = 0; from < to.size(); ++from) {
        add_flow(flows, static_cast<int>(from), to[from], message, find_way);
    }
    return flows;
}

std::vector<int> random_cycle(int hosts, Rng& rng) {
    std::vector<int> to(static_cast<std::size_t>(hosts));
    std::iota(to.begin(), to.end(), 0);
    for (std::size_t i = to.size(); i > 1; --i) std::swap(to[i - 1], to[rng.below(i - 1)]);
    return to;
}

FlowSet incast_flows(int senders, Bytes message, const FindWay& find_way) {
    FlowSet flows;
    for (int from = 1; from <= senders; ++from) add_flow(flows, from, 0, message, find_way);
    return flows;
}

FlowSet ring_flows(int hosts, Bytes message, int rounds, int chains, StepRule rule, const FindWay& find_way) {
    FlowSet flows;
    for (int chain = 0; chain < chains; ++chain) {
        const StreamId first = chain * hosts;
        for (int host = 0; host < hosts; ++host) {
            const StreamId own = add_flow(flows, host, (host + 1) % hosts, message, find_way);
            flows.wait_for(first + (host + hosts - 1) % hosts, 1);
            if (rule == StepRule::arrival_and_own_send) flows.wait_for(own, 1);
        }
    }
    flows.rounds.assign(flows.streams(), rounds);
    return flows;
}

FlowSet grid_ring_flows(int rows, int columns, Bytes message, int chains, StepRule rule, const FindWay& find_way) {
    FlowSet flows;
    const int hosts = rows * columns;
    const auto left_of = [&](int host) { return host / columns * columns + (host + columns - 1) % columns; };
    const auto above = [&](int host) { return (host + hosts - columns) % hosts; };
    for (int chain = 0; chain < chains; ++chain) {
        for (int phase = 0; phase < 4; ++phase) {
            const bool in_row = phase == 0 || phase == 3;
            const StreamId first = (chain * 4 + phase) * hosts;
            for (int host = 0; host < hosts; ++host) {
                const int next = in_row ? host / columns * columns + (host + 1) % columns : (host + columns) % hosts;
                const int before = in_row ? left_of(host) : above(host);
                const Bytes size = in_row ? message : message / static_cast<double>(rows);
                const StreamId own = add_flow(flows, host, next, size, find_way);
                flows.wait_for(first + before, 1);
                if (rule == StepRule::arrival_and_own_send) flows.wait_for(own, 1);
                flows.rounds.push_back((in_row ? columns : rows) - 1);
                if (phase == 0) continue;
                const int giver = phase == 1 ? left_of(host) : above(host);  // in the phase before
                flows.wait_for(first - hosts + giver, all_rounds);
                if (rule == StepRule::arrival_and_own_send) flows.wait_for(own - hosts, all_rounds);
            }
        }
    }
    return flows;
}

FlowSet doubling_flows(int hosts, Bytes message, StepRule rule, const FindWay& find_way) {
    ORRERY_CHECK(std::has_single_bit(static_cast<unsigned>(hosts)));
    FlowSet flows;
    for (int bit = 1; bit < hosts; bit *= 2) {
        for (int host = 0; host < hosts; ++host) {
            const StreamId own = add_flow(flows, host, host ^ bit, message, find_way);
            if (bit == 1) continue;
            flows.wait_for(own - hosts - host + (host ^ (bit / 2)), 0);
            if (rule == StepRule::arrival_and_own_send) flows.wait_for(own - hosts, 0);
        }
    }
    return flows;
}

FlowSet ring_phase_flows(int hosts, Bytes buffer, Seconds hop, const FindWay& find_way) {
    FlowSet flows;
    const double passes = 2.0 * (hosts - 1);
    for (int host = 0; host < hosts; ++host) {
        add_flow(flows, host, (host + 1) % hosts, buffer * (passes / hosts), find_way);
        flows.start.push_back((passes - 1.0) * hop);  // the route itself adds the last hop
    }
    return flows;
}

}  // namespace orrery
