// Fat tree (folded Clos) with all ports of a node on one leaf; two tiers, or three where two do not reach.
// Leiserson, "Fat-trees: universal networks for hardware-efficient supercomputing", IEEE Trans. Computers C-34(10),
// 1985.
#include "network/topology.hpp"

#include <algorithm>
#include <numeric>

namespace orrery {

namespace {

int nodes_per_fat_leaf(const ClosPlan& plan, const Node& node) { return std::max(1, plan.leaf_down / node.nics); }

}  // namespace

Result<Fabric> build_fat_tree(const FabricSpec& spec, const Node& node, int nodes, BytesPerSecond scale_up) {
    Result<Fabric> fabric = bare_fabric(spec, node, nodes, scale_up);
    if (!fabric || node.nics < 1) return fabric;
    const ClosPlan plan = clos_plan(spec, node, static_cast<long long>(nodes) * node.nics);
    if (!plan.fits) return too_many_ports(spec, node, nodes, plan);
    add_leaves(spec, node, nodes_per_fat_leaf(plan, node), 1, *fabric);
    return fabric;
}

NetworkGraph graph_fat_tree(const FabricSpec& spec, const Node& node, const Fabric& built) {
    const int nodes = built.devices / built.devices_per_node;
    const int ports = ports_per_node(node);
    const ClosPlan plan = clos_plan(spec, node, static_cast<long long>(nodes) * node.nics);
    NetworkGraph graph = unwired("node", nodes, ports);
    std::vector<int> all(static_cast<std::size_t>(graph.end_points));
    std::iota(all.begin(), all.end(), 0);
    const int cables = std::max(1, node.nics / ports);
    add_tree(graph, plan, nodes_per_fat_leaf(plan, node) * ports, all, built.node_nic / (ports * cables), cables);
    return graph;
}

}  // namespace orrery
