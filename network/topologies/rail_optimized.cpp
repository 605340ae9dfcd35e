// Rail-optimized network: port i of every node of a pod on leaf i, so that equal ranks of all nodes are one hop apart.
// NVIDIA DGX SuperPOD reference architecture (DGX H100), RA-11333-001: scalable units of 32 nodes, eight rails.
#include "network/topology.hpp"

#include <algorithm>

namespace orrery {

Result<Fabric> build_rail_optimized(const FabricSpec& spec, const Node& node, int nodes, BytesPerSecond scale_up) {
    Result<Fabric> fabric = bare_fabric(spec, node, nodes, scale_up);
    if (!fabric || node.nics < 1) return fabric;
    const ClosPlan plan = clos_plan(spec, node, static_cast<long long>(nodes) * node.nics);
    if (!plan.fits) return too_many_ports(spec, node, nodes, plan);
    add_leaves(spec, node, plan.leaf_down, ports_per_node(node), *fabric);
    return fabric;
}

NetworkGraph graph_rail_optimized(const FabricSpec& spec, const Node& node, const Fabric& built) {
    const int nodes = built.devices / built.devices_per_node;
    const int rails = ports_per_node(node);
    const ClosPlan plan = clos_plan(spec, node, static_cast<long long>(nodes) * node.nics);
    const int cables = std::max(1, node.nics / rails);
    const int per_leaf = std::max(1, plan.leaf_down / cables);
    const BytesPerSecond port = built.node_nic / (rails * cables);
    NetworkGraph graph = unwired("node", nodes, rails);
    std::vector<int> leaves;
    for (int first = 0; first < nodes; first += per_leaf) {
        for (int rail = 0; rail < rails; ++rail) {
            leaves.push_back(add_switch(graph, "leaf", 1));
            for (int i = first; i < std::min(nodes, first + per_leaf); ++i) {
                connect(graph, i * rails + rail, leaves.back(), port, cables);
            }
        }
    }
    add_upper_tiers(graph, plan, leaves, port);
    return graph;
}

}  // namespace orrery
