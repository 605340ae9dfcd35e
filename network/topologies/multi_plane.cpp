// Multi-plane network: every port divides into lanes, one in each of several fat trees that have nothing in common.
// Zhao et al., "Insights into DeepSeek-V3: scaling challenges and reflections on hardware for AI architectures", ISCA
// 2025 (multi-plane fat tree); Qian et al., "Alibaba HPN", SIGCOMM 2024 (dual plane).
#include "network/topology.hpp"

#include <algorithm>
#include <numeric>

namespace orrery {

namespace {

/// Lanes are a port of each plane's switches.
ClosPlan plane_plan(const FabricSpec& spec, const Node& node, int nodes) {
    return clos_plan(spec, node, static_cast<long long>(nodes) * node.nics);
}

}  // namespace

Result<Fabric> build_multi_plane(const FabricSpec& spec, const Node& node, int nodes, BytesPerSecond scale_up) {
    Result<Fabric> fabric = bare_fabric(spec, node, nodes, scale_up);
    if (!fabric || node.nics < 1) return fabric;
    const ClosPlan plan = plane_plan(spec, node, nodes);
    if (!plan.fits) return too_many_ports(spec, node, nodes, plan);
    return fabric;
}

NetworkGraph graph_multi_plane(const FabricSpec& spec, const Node& node, const Fabric& built) {
    const int nodes = built.devices / built.devices_per_node;
    const int ports = ports_per_node(node);
    const int cables = std::max(1, node.nics / ports);
    const ClosPlan plan = plane_plan(spec, node, nodes);
    NetworkGraph graph = unwired("node", nodes, ports);
    std::vector<int> all(static_cast<std::size_t>(graph.end_points));
    std::iota(all.begin(), all.end(), 0);
    const int per_leaf = std::max(1, plan.leaf_down / cables);
    for (int plane = 0; plane < spec.planes; ++plane) {
        add_tree(graph, plan, per_leaf, all, built.node_nic / (ports * cables * spec.planes), cables);
    }
    return graph;
}

}  // namespace orrery
