// The exchanges that networks are judged by, as sets of flows: all-to-all, permutation, incast, rings, doubling.
#pragma once

#include "hardware/rng.hpp"
#include "network/flow_set.hpp"

#include <cstdint>
#include <functional>
#include <vector>

namespace orrery {

/// Appends the links from one end point to another; nothing where they are the same.
using FindWay = std::function<void(int from, int to, std::vector<LinkId>& way)>;

/// Everyone sends `message` to everyone else, all at once.
FlowSet all_to_all_flows(int hosts, Bytes message, const FindWay& find_way);
/// Host i sends `message` to to[i].
FlowSet permutation_flows(const std::vector<int>& to, Bytes message, const FindWay& find_way);
/// A permutation without fixed points: one cycle through all hosts in random order (Sattolo's algorithm, Information
/// Processing Letters 22(6), 1986).
std::vector<int> random_cycle(int hosts, Rng& rng);
/// Hosts 1 .. senders send `message` to host 0.
FlowSet incast_flows(int senders, Bytes message, const FindWay& find_way);
/// `rounds` messages from each host to the next, each handed on when it came; `chains` such rings side by side.
FlowSet ring_flows(int hosts, Bytes message, int rounds, int chains, StepRule rule, const FindWay& find_way);
/// Rings in both dimensions of a grid, one after the other, out and back: `rows` * `columns` hosts, row by row; the first
/// rounds within rows of messages `message`, then within columns of 1 / rows of that, columns again, rows again
/// (all-reduce over two dimensions).
FlowSet grid_ring_flows(int rows, int columns, Bytes message, int chains, StepRule rule, const FindWay& find_way);
/// log2(hosts) exchanges of `message` with the host whose number differs in one bit, lowest first. Hosts: a power of two.
FlowSet doubling_flows(int hosts, Bytes message, StepRule rule, const FindWay& find_way);
/// Ring all-reduce of `buffer` as one set of concurrent flows for its whole length plus its chain of latencies
/// (Patarasuk & Yuan, JPDC 69(2), 2009): 2 (n - 1) / n of the buffer from each host to the next.
FlowSet ring_phase_flows(int hosts, Bytes buffer, Seconds hop, const FindWay& find_way);

}  // namespace orrery
