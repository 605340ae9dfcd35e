// No network between nodes: all devices in one scale-up domain, wired as the node says.
#include "network/topology.hpp"

#include <algorithm>
#include <array>

namespace orrery {

namespace {

/// NVLinks between two GPUs of DGX-1 with V100, as its `nvidia-smi topo -m` shows them: six a GPU.
struct CubeMeshEdge {
    int from, to, links;
};
constexpr std::array<CubeMeshEdge, 16> cube_mesh_edges{{{0, 1, 1}, {0, 2, 1}, {0, 3, 2}, {0, 4, 2}, {1, 2, 2}, {1, 3, 1},
                                                       {1, 5, 2}, {2, 3, 2}, {2, 6, 1}, {3, 7, 1}, {4, 5, 1}, {4, 6, 1},
                                                       {4, 7, 2}, {5, 6, 2}, {5, 7, 1}, {6, 7, 2}}};

void wire_switched(const Node& node, const Fabric& built, NetworkGraph& graph) {
    const int switches = std::max(1, node.scale_up_switches);
    const int links = std::max(1, node.scale_up_links / switches);
    for (int s = 0; s < switches; ++s) {
        const int vertex = add_switch(graph, "scale-up switch", 1);
        for (int device = 0; device < built.devices; ++device) {
            connect(graph, device, vertex, built.scale_up / (switches * links), links, CableMedium::copper);
        }
    }
}

/// Two devices a PCIe switch, half of the switches at each of two sockets, and a link between those as fast as one
/// root: the usual tree of a dual-socket server.
void wire_pcie(const Fabric& built, NetworkGraph& graph) {
    const int sockets = built.devices > 4 ? 2 : 1;
    std::vector<int> roots;
    for (int s = 0; s < sockets; ++s) roots.push_back(add_switch(graph, "socket", 2));
    int vertex = 0;
    for (int device = 0; device < built.devices; ++device) {
        if (device % 2 == 0) {
            vertex = add_switch(graph, "pcie switch", 1);
            connect(graph, vertex, roots[device * sockets / built.devices], built.scale_up, 1, CableMedium::copper);
        }
        connect(graph, device, vertex, built.scale_up, 1, CableMedium::copper);
    }
    if (sockets == 2) connect(graph, roots[0], roots[1], built.scale_up, 1, CableMedium::copper);
}

}  // namespace

Result<Fabric> build_single_node(const FabricSpec& spec, const Node& node, int nodes, BytesPerSecond scale_up) {
    Result<Fabric> fabric = bare_fabric(spec, node, nodes, scale_up);
    if (!fabric || fabric->domain >= fabric->devices || nodes == 1) return fabric;
    return Problem{"/cluster/nodes",
                   std::to_string(nodes) + " nodes of \"" + node.name + "\" are more than one scale-up domain of " +
                       std::to_string(fabric->domain) + " devices, which is all that \"single-node\" holds",
                   "use 1 node, or another topology such as \"rail-optimized\""};
}

NetworkGraph graph_single_node(const FabricSpec&, const Node& node, const Fabric& built) {
    NetworkGraph graph = unwired("device", built.devices, 1);
    switch (built.wiring) {
        case ScaleUp::switched:
        case ScaleUp::torus:
            wire_switched(node, built, graph);
            break;
        case ScaleUp::pcie:
            wire_pcie(built, graph);
            break;
        case ScaleUp::mesh:
            graph.end_points_forward = true;
            for (int a = 0; a < built.devices; ++a) {
                for (int b = a + 1; b < built.devices; ++b) {
                    connect(graph, a, b, built.scale_up / std::max(1, built.domain - 1), 1, CableMedium::copper);
                }
            }
            break;
        case ScaleUp::cube_mesh:
            graph.end_points_forward = true;
            for (const CubeMeshEdge& edge : cube_mesh_edges) {
                if (std::max(edge.from, edge.to) < built.devices) connect(graph, edge.from, edge.to, built.scale_up / 6.0, edge.links, CableMedium::copper);
            }
            break;
    }
    return graph;
}

}  // namespace orrery
