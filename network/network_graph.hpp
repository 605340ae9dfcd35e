// The switches and cables of a network as a graph, for questions that no hot path asks: is it connected, how far, how
// much.
#pragma once

#include "network/fabric.hpp"

#include <vector>

namespace orrery {

struct NetworkFigures {
    int end_points = 0;  // nodes, or devices of a torus
    int switches = 0;
    int cables = 0;  // bundles count as one
    bool connected = false;
    int hops_max = 0;          // cables between the two end points that lie farthest apart; 0 if not connected
    BytesPerSecond bisection;  // what the first half of the end points can send to the second, one direction
};

/// Figures of any set of cables whose vertices 0 .. end_points - 1 are end points.
NetworkFigures graph_figures(std::span<const Cable> cables, int end_points);

/// Builds the graph of `spec` on demand and measures it. Problems as build_fabric's.
Result<NetworkFigures> network_graph(const FabricSpec& spec, const Node& node, int nodes, BytesPerSecond scale_up);

}  // namespace orrery
