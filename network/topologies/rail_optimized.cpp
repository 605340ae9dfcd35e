// Rail-optimized network: port i of every node of a pod on leaf i, so that equal ranks of all nodes are one hop apart.
// NVIDIA DGX SuperPOD reference architecture (DGX H100), RA-11333-001: scalable units of 32 nodes, eight rails.
#include "network/topology.hpp"

#include <algorithm>

namespace orrery {

namespace {

/// Leaves of one pod as the fabric tells them apart: a device with several ports has them on one bundle of leaves.
int rails_of(const Node& node) { return std::max(1, std::min(node.nics, node.devices)); }

}  // namespace

Result<Fabric> build_rail_optimized(const FabricSpec& spec, const Node& node, int nodes, BytesPerSecond scale_up) {
    Result<Fabric> fabric = bare_fabric(spec, node, nodes, scale_up);
    if (!fabric || node.nics < 1) return fabric;
    const ClosPlan plan = clos_plan(spec, node, static_cast<long long>(nodes) * node.nics);
    if (!plan.fits) return too_many_ports(spec, node, nodes, plan);
    add_leaves(spec, node, plan.leaf_down, rails_of(node), *fabric);
    return fabric;
}

std::vector<Cable> cables_rail_optimized(const FabricSpec& spec, const Node& node, const Fabric& built) {
    const int nodes = built.devices / built.devices_per_node;
    const ClosPlan plan = clos_plan(spec, node, static_cast<long long>(nodes) * node.nics);
    const int rails = rails_of(node);
    const int pods = (nodes + plan.leaf_down - 1) / plan.leaf_down;
    std::vector<Cable> cables;
    for (int i = 0; i < nodes; ++i) {
        for (int rail = 0; rail < rails; ++rail) {
            cables.push_back({i, nodes + i / plan.leaf_down * rails + rail, built.node_nic / rails});
        }
    }
    const BytesPerSecond uplink = std::min(plan.leaf_down, nodes) * (built.node_nic / rails) / spec.oversubscription;
    add_upper_tiers(plan, nodes, pods * rails, uplink, cables);
    return cables;
}

}  // namespace orrery
