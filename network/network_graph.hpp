// The switches and cables of a network counted and measured: is it connected, how far, how much, what it takes.
#pragma once

#include "network/fabric.hpp"

#include <vector>

namespace orrery {

/// Switches of one kind.
struct SwitchCount {
    std::string kind;
    int count = 0;
};

struct NetworkFigures {
    int end_points = 0;  // nodes; devices where the network is inside a domain
    int switches = 0;
    int cables = 0;
    int switch_ports = 0;          // of switches that have a cable in them
    int optic_ends = 0;            // of optical cables, each with a transceiver
    int optic_cables = 0;
    std::vector<SwitchCount> kinds;
    bool connected = false;
    int hops_max = 0;          // cables between the two end points that lie farthest apart; 0 if not connected
    BytesPerSecond bisection;  // what the first half of the end points can send to the second, one direction
};

/// Counts alone: quick at any size.
NetworkFigures count_network(const NetworkGraph& graph);

/// Counts, distances and cut.
NetworkFigures measure_network(const NetworkGraph& graph);

/// Draws the graph of `spec` and measures it. Problems as build_fabric's.
Result<NetworkFigures> network_graph(const FabricSpec& spec, const Node& node, int nodes, BytesPerSecond scale_up);

}  // namespace orrery
