// Fat tree (folded Clos) with all ports of a node on one leaf; two tiers, or three where two do not reach.
// Leiserson, "Fat-trees: universal networks for hardware-efficient supercomputing", IEEE Trans. Computers C-34(10),
// 1985.
#include "network/topology.hpp"

#include <algorithm>

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

std::vector<Cable> cables_fat_tree(const FabricSpec& spec, const Node& node, const Fabric& built) {
    const int nodes = built.devices / built.devices_per_node;
    const ClosPlan plan = clos_plan(spec, node, static_cast<long long>(nodes) * node.nics);
    const int per_leaf = nodes_per_fat_leaf(plan, node);
    std::vector<Cable> cables;
    for (int i = 0; i < nodes; ++i) cables.push_back({i, nodes + i / per_leaf, built.node_nic});
    const BytesPerSecond uplink = std::min(per_leaf, nodes) * built.node_nic / spec.oversubscription;
    add_upper_tiers(plan, nodes, (nodes + per_leaf - 1) / per_leaf, uplink, cables);
    return cables;
}

}  // namespace orrery
