// HyperX: switches on a grid, each joined to all others of every line through it, some nodes on each.
// Ahn, Binkert, Davis, McLaren & Schreiber, "HyperX: topology, routing, and packaging of efficient large-scale
// networks", SC 2009.
#include "network/topology.hpp"

#include <algorithm>
#include <numeric>

namespace orrery {

namespace {

struct HyperxPlan {
    std::vector<int> dimensions;
    int per_switch = 1;   // end ports
    int ports_used = 0;   // of the fullest switch
};

long long product_of(const std::vector<int>& sizes) {
    return std::accumulate(sizes.begin(), sizes.end(), 1LL, [](long long a, int b) { return a * b; });
}

/// The given grid; else the smallest square whose switches have the ports.
HyperxPlan hyperx_plan(const FabricSpec& spec, const Node& node, int nodes) {
    const int ports = switch_ports_of(spec, node);
    const long long ends = static_cast<long long>(nodes) * node.nics;
    HyperxPlan plan;
    plan.dimensions = spec.dimensions;
    if (plan.dimensions.empty()) {
        int side = 1;
        while (2 * (side - 1) < ports - 1 && static_cast<long long>(side) * side * (ports - 2 * (side - 1)) < ends) ++side;
        plan.dimensions = {side, side};
    }
    const long long switches = std::max(1LL, product_of(plan.dimensions));
    plan.per_switch = static_cast<int>((ends + switches - 1) / switches);
    plan.ports_used = plan.per_switch;
    for (const int size : plan.dimensions) plan.ports_used += size - 1;
    return plan;
}

}  // namespace

Result<Fabric> build_hyperx(const FabricSpec& spec, const Node& node, int nodes, BytesPerSecond scale_up) {
    Result<Fabric> fabric = bare_fabric(spec, node, nodes, scale_up);
    if (!fabric || node.nics < 1) return fabric;
    const HyperxPlan plan = hyperx_plan(spec, node, nodes);
    const int ports = switch_ports_of(spec, node);
    if (plan.ports_used <= ports) return fabric;
    return Problem{"/cluster/fabric/dimensions",
                   "make switches of " + std::to_string(plan.ports_used) + " ports (" + std::to_string(plan.per_switch) +
                       " to nodes), and they have " + std::to_string(ports),
                   "give other dimensions, more switch_ports or fewer nodes"};
}

NetworkGraph graph_hyperx(const FabricSpec& spec, const Node& node, const Fabric& built) {
    const int nodes = built.devices / built.devices_per_node;
    const int ports = ports_per_node(node);
    const int cables = std::max(1, node.nics / ports);
    const HyperxPlan plan = hyperx_plan(spec, node, nodes);
    const BytesPerSecond port = built.node_nic / (ports * cables);
    NetworkGraph graph = unwired("node", nodes, ports);
    const int per_switch = std::max(1, plan.per_switch / cables);
    const auto switches = static_cast<int>(product_of(plan.dimensions));
    const int first = graph.end_points;
    for (int s = 0; s < switches; ++s) add_switch(graph, "router", 1);
    for (int e = 0; e < graph.end_points; ++e) connect(graph, e, first + std::min(e / per_switch, switches - 1), port, cables);
    int stride = 1;
    for (std::size_t d = 0; d < plan.dimensions.size(); ++d) {
        const int size = plan.dimensions[d];
        for (int s = 0; s < switches; ++s) {
            const int along = s / stride % size;
            for (int other = along + 1; other < size; ++other) {
                connect(graph, first + s, first + s + (other - along) * stride, port, 1, CableMedium::optic, static_cast<int>(d) + 1);
            }
        }
        stride *= size;
    }
    return graph;
}

}  // namespace orrery
