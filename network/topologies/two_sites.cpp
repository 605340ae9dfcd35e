// Two data centres, a fat tree each, and fibres over the distance between their border routers.
#include "network/topology.hpp"

#include "network/link_rates.hpp"

#include <algorithm>

namespace orrery {

namespace {

int first_site_nodes(int nodes) { return (nodes + 1) / 2; }

}  // namespace

Result<Fabric> build_two_sites(const FabricSpec& spec, const Node& node, int nodes, BytesPerSecond scale_up) {
    Result<Fabric> fabric = bare_fabric(spec, node, nodes, scale_up);
    if (!fabric) return fabric;
    if (nodes < 2 || node.nics < 1) {
        return Problem{"/cluster/nodes", "is " + std::to_string(nodes) + ", which cannot be at two sites",
                       "use at least 2 nodes with network ports, or another topology"};
    }
    const ClosPlan plan = clos_plan(spec, node, static_cast<long long>(first_site_nodes(nodes)) * node.nics);
    if (!plan.fits) return too_many_ports(spec, node, nodes, plan);
    return fabric;
}

/// The border routers take a cable of the whole long-haul rate from each topmost switch: only the fibres can be short.
NetworkGraph graph_two_sites(const FabricSpec& spec, const Node& node, const Fabric& built) {
    const int nodes = built.devices / built.devices_per_node;
    const int ports = ports_per_node(node);
    const int cables = std::max(1, node.nics / ports);
    const int first_site = first_site_nodes(nodes);
    const ClosPlan plan = clos_plan(spec, node, static_cast<long long>(first_site) * node.nics);
    const BytesPerSecond far =
        spec.long_haul_bandwidth.si() > 0.0 ? spec.long_haul_bandwidth : first_site * built.node_nic / 8.0;
    NetworkGraph graph = unwired("node", nodes, ports);
    int border[2] = {};
    for (int site = 0; site < 2; ++site) {
        std::vector<int> here;
        for (int e = site == 0 ? 0 : first_site * ports; e < (site == 0 ? first_site : nodes) * ports; ++e) {
            graph.vertices[e].group = site;
            here.push_back(e);
        }
        const int per_leaf = std::max(1, plan.leaf_down / node.nics) * ports;
        const std::vector<int> top = add_tree(graph, plan, per_leaf, here, built.node_nic / (ports * cables), cables, site);
        border[site] = add_switch(graph, "border", 4, site);
        for (const int one : top) connect(graph, one, border[site], far);
    }
    connect(graph, border[0], border[1], far, 1, CableMedium::fibre);
    graph.cables.back().latency = spec.distance_km * fibre_latency_per_km;
    return graph;
}

}  // namespace orrery
