// Rail-only network: port i of every node in a network of its own, nothing between rails but the nodes themselves.
// Wang, Ghobadi, Shakeri, Zhang & Hasani, "Rail-only: a low-cost high-performance network for training LLMs with
// trillion parameters", Hot Interconnects 2024.
#include "network/topology.hpp"

#include <algorithm>

namespace orrery {

namespace {

/// One rail: a single switch where it has the ports, else a tree of its own.
ClosPlan rail_plan(const FabricSpec& spec, const Node& node, int nodes) {
    const int ports = std::max(1, node.nics / ports_per_node(node));
    ClosPlan plan = clos_plan(spec, node, static_cast<long long>(nodes) * ports);
    if (static_cast<long long>(nodes) * ports <= plan.switch_ports) plan.leaf_down = plan.switch_ports;
    return plan;
}

}  // namespace

Result<Fabric> build_rail_only(const FabricSpec& spec, const Node& node, int nodes, BytesPerSecond scale_up) {
    Result<Fabric> fabric = bare_fabric(spec, node, nodes, scale_up);
    if (!fabric || node.nics < 1) return fabric;
    if (node.devices > fabric->domain) {
        return Problem{"/cluster/fabric/topology",
                       "\"" + node.name + "\" has scale-up domains of " + std::to_string(fabric->domain) + " among its " +
                           std::to_string(node.devices) + " devices, so rails of one node do not meet inside it",
                       "use \"rail-optimized\", or a node whose devices share one scale-up domain"};
    }
    const ClosPlan plan = rail_plan(spec, node, nodes);
    if (!plan.fits) return too_many_ports(spec, node, nodes, plan);
    return fabric;
}

NetworkGraph graph_rail_only(const FabricSpec& spec, const Node& node, const Fabric& built) {
    const int nodes = built.devices / built.devices_per_node;
    const int rails = ports_per_node(node);
    const int cables = std::max(1, node.nics / rails);
    const ClosPlan plan = rail_plan(spec, node, nodes);
    NetworkGraph graph = unwired("node", nodes, rails);
    for (int rail = 0; rail < rails; ++rail) {
        std::vector<int> ports;
        for (int i = 0; i < nodes; ++i) ports.push_back(i * rails + rail);
        add_tree(graph, plan, std::max(1, plan.leaf_down / cables), ports, built.node_nic / (rails * cables), cables);
    }
    return graph;
}

}  // namespace orrery
