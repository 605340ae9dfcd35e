// Flows between end points of a routed network, played to their ends at max-min fair rates, with links that fail and
// come back on the way.
#pragma once

#include "network/routing.hpp"

#include <span>
#include <vector>

namespace orrery {

struct NetworkFlow {
    int from = 0;  // end points
    int to = 0;
    Bytes size;
    Seconds start;
};

/// From `at` on the network is as `faults` say (empty: whole again). Traffic that met what failed stands still until it
/// is sent another way, `faults.reroute` later; what comes back is used at once by flows that start, and by those in
/// flight after the same time.
struct NetworkChange {
    Seconds at;
    NetworkFaults faults;
};

struct FlowRunOptions {
    RouteOptions route;
    Seconds link_latency;                 // of every link, beside its own
    std::span<const NetworkChange> changes;  // ascending in time
};

struct FlowRun {
    std::vector<Seconds> end;             // by flow: its last byte is there
    Seconds last;
    Bytes sent, arrived;                  // of all flows; equal, or the run is our own mistake
    int rerouted = 0;                     // flows that were sent another way
};

/// Plays them. Problems: routing that does not fit, faults that the graph does not have, flows whose ends no way joins.
Result<FlowRun> run_flows(const NetworkGraph& graph, std::span<const NetworkFlow> flows, const FlowRunOptions& options);

/// A permutation without fixed points: every end point sends `size` to another and receives from one (Sattolo, IPL
/// 22(6), 1986).
std::vector<NetworkFlow> permutation_flows(int end_points, Bytes size, std::uint64_t seed);

}  // namespace orrery
