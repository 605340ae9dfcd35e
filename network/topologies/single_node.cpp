// No network between nodes: all devices in one scale-up domain.
#include "network/topology.hpp"

namespace orrery {

Result<Fabric> build_single_node(const FabricSpec& spec, const Node& node, int nodes, BytesPerSecond scale_up) {
    Result<Fabric> fabric = bare_fabric(spec, node, nodes, scale_up);
    if (!fabric || fabric->domain >= fabric->devices || nodes == 1) return fabric;
    return Problem{"/cluster/nodes",
                   std::to_string(nodes) + " nodes of \"" + node.name + "\" are more than one scale-up domain of " +
                       std::to_string(fabric->domain) + " devices, which is all that \"single-node\" holds",
                   "use 1 node, or another topology such as \"rail-optimized\""};
}

/// Every node on the scale-up switch.
std::vector<Cable> cables_single_node(const FabricSpec&, const Node&, const Fabric& built) {
    std::vector<Cable> cables;
    const int nodes = built.devices / built.devices_per_node;
    for (int i = 0; i < nodes; ++i) cables.push_back({i, nodes, built.devices_per_node * built.scale_up});
    return cables;
}

}  // namespace orrery
