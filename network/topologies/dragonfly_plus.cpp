// Dragonfly+: groups of leaves and spines, every spine's other half of ports to spines of other groups.
// Shpiner et al., "Dragonfly+: low cost topology for scaling datacenters", HiPINEB 2017.
#include "network/topology.hpp"

#include <algorithm>

namespace orrery {

namespace {

struct DragonflyPlan {
    int half = 32;        // ports of every switch to each side; leaves and spines of a group
    int groups = 1;
    long long per_group = 0;  // end ports of a group, and its global cables
    int between = 0;      // cables between two groups
};

DragonflyPlan dragonfly_plan(const FabricSpec& spec, const Node& node, int nodes) {
    DragonflyPlan plan;
    plan.half = std::max(1, switch_ports_of(spec, node) / 2);
    plan.per_group = static_cast<long long>(plan.half) * plan.half;
    const long long ends = static_cast<long long>(nodes) * node.nics;
    plan.groups = static_cast<int>((ends + plan.per_group - 1) / plan.per_group);
    plan.between = plan.groups > 1 ? static_cast<int>(plan.per_group / (plan.groups - 1)) : 0;
    return plan;
}

/// Cables of two groups: each has them on its spines in turn, in the order of the groups after it.
void join_groups(NetworkGraph& graph, const DragonflyPlan& plan, const std::vector<int>& first_spine,
                 BytesPerSecond port) {
    for (int a = 0; a < plan.groups; ++a) {
        for (int b = a + 1; b < plan.groups; ++b) {
            for (int i = 0; i < plan.between; ++i) {
                const int slot_a = (b - a - 1) * plan.between + i;
                const int slot_b = (a - b + plan.groups - 1) * plan.between + i;
                connect(graph, first_spine[a] + slot_a % plan.half, first_spine[b] + slot_b % plan.half, port);
            }
        }
    }
}

}  // namespace

Result<Fabric> build_dragonfly_plus(const FabricSpec& spec, const Node& node, int nodes, BytesPerSecond scale_up) {
    Result<Fabric> fabric = bare_fabric(spec, node, nodes, scale_up);
    if (!fabric || node.nics < 1) return fabric;
    const DragonflyPlan plan = dragonfly_plan(spec, node, nodes);
    if (plan.groups <= plan.per_group + 1) return fabric;
    return Problem{"/cluster/nodes",
                   std::to_string(nodes) + " nodes need " + std::to_string(plan.groups) + " groups, and " +
                       std::to_string(2 * plan.half) + "-port switches join " + std::to_string(plan.per_group + 1) +
                       " in \"dragonfly-plus\"",
                   "use fewer nodes or switches of more ports"};
}

NetworkGraph graph_dragonfly_plus(const FabricSpec& spec, const Node& node, const Fabric& built) {
    const int nodes = built.devices / built.devices_per_node;
    const int ports = ports_per_node(node);
    const int cables = std::max(1, node.nics / ports);
    const DragonflyPlan plan = dragonfly_plan(spec, node, nodes);
    const BytesPerSecond port = built.node_nic / (ports * cables);
    NetworkGraph graph = unwired("node", nodes, ports);
    const int per_leaf = std::max(1, plan.half / cables);
    std::vector<int> first_spine;
    int next = 0;  // end point
    for (int g = 0; g < plan.groups; ++g) {
        std::vector<int> leaves;
        for (int leaf = 0; leaf < plan.half; ++leaf) {
            leaves.push_back(add_switch(graph, "leaf", 1, g));
            for (int i = 0; i < per_leaf && next < graph.end_points; ++i, ++next) {
                graph.vertices[next].group = g;
                connect(graph, next, leaves.back(), port, cables);
            }
        }
        first_spine.push_back(static_cast<int>(graph.vertices.size()));
        for (int spine = 0; spine < plan.half; ++spine) {
            const int vertex = add_switch(graph, "spine", 2, g);
            for (const int leaf : leaves) connect(graph, leaf, vertex, port);
        }
    }
    join_groups(graph, plan, first_spine, port);
    return graph;
}

}  // namespace orrery
