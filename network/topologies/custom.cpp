// A network as its user drew it: nodes, switches and links of a file.
#include "network/topology.hpp"

namespace orrery {

Result<Fabric> build_custom(const FabricSpec& spec, const Node& node, int nodes, BytesPerSecond scale_up) {
    if (spec.custom == nullptr) {
        return Problem{"/cluster/fabric/graph", "is missing, and the topology is \"custom\"",
                       "name a file with nodes, switches and links"};
    }
    const int drawn = spec.custom->end_points / spec.custom->ports_per_node;
    if (drawn != nodes) {
        return Problem{"/cluster/fabric/graph",
                       "draws " + std::to_string(drawn) + " nodes, and the cluster has " + std::to_string(nodes),
                       "draw as many nodes as /cluster/nodes says"};
    }
    return bare_fabric(spec, node, nodes, scale_up);
}

NetworkGraph graph_custom(const FabricSpec& spec, const Node&, const Fabric&) { return *spec.custom; }

}  // namespace orrery
