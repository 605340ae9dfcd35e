// Sizes and cables of folded Clos networks: how many leaves, spines and cores a number of ports takes.
#include "network/link_rates.hpp"
#include "network/topology.hpp"

#include <algorithm>
#include <cmath>

namespace orrery {

namespace {

/// Ports towards the nodes of a switch with `ports`, `oversubscription` times as many as up.
int ports_down(int ports, double oversubscription) {
    const double share = oversubscription / (1.0 + oversubscription);
    return std::clamp(static_cast<int>(std::floor(ports * share + 1e-9)), 1, ports - 1);
}

/// The fewest switches of `ports` that take `up` cables from each of `below` switches, as many to each of them.
int fewest_above(int below, int up, int ports) {
    int switches = 1;
    while (up % switches != 0 || static_cast<long long>(switches) * ports < static_cast<long long>(below) * up) ++switches;
    return switches;
}

}  // namespace

int switch_ports_of(const FabricSpec& spec, const Node& node) {
    return spec.switch_ports > 0 ? spec.switch_ports : switch_ports(node.nic_kind, port_bandwidth(spec, node));
}

int ports_per_node(const Node& node) { return std::max(1, std::min(node.nics, node.devices)); }

ClosPlan clos_plan(const FabricSpec& spec, const Node& node, long long end_ports) {
    ClosPlan plan;
    plan.switch_ports = switch_ports_of(spec, node);
    plan.leaf_down = ports_down(plan.switch_ports, spec.oversubscription);
    plan.leaf_up = plan.switch_ports - plan.leaf_down;
    plan.spine_down = ports_down(plan.switch_ports, spec.spine_oversubscription);
    const long long leaves = (end_ports + plan.leaf_down - 1) / plan.leaf_down;
    plan.ports_max = static_cast<long long>(plan.spine_down) * plan.switch_ports * plan.leaf_down;
    plan.fits = end_ports <= plan.ports_max;
    plan.leaves = static_cast<int>(std::min<long long>(leaves, 1 << 28));
    plan.tiers = leaves <= 1 ? 1 : (leaves <= plan.switch_ports ? 2 : 3);
    return plan;
}

Problem too_many_ports(const FabricSpec& spec, const Node& node, int nodes, const ClosPlan& plan) {
    return {
        "/cluster/nodes",
        std::to_string(nodes) + " nodes have " + std::to_string(static_cast<long long>(nodes) * node.nics) +
            " ports; three tiers of " + std::to_string(plan.switch_ports) + "-port switches hold " +
            std::to_string(plan.ports_max) + " in \"" + spec.topology + "\"",
        "use at most " + std::to_string(plan.ports_max / std::max(1, node.nics)) + " nodes, or more oversubscription"};
}

std::vector<int> add_upper_tiers(NetworkGraph& graph, const ClosPlan& plan, std::span<const int> leaves,
                                 BytesPerSecond port, int group) {
    const int count_leaves = static_cast<int>(leaves.size());
    if (count_leaves < 2) return {leaves.begin(), leaves.end()};
    const bool has_cores = count_leaves > plan.switch_ports;
    const int pod = has_cores ? plan.spine_down : count_leaves;  // leaves that share their spines
    const int pods = (count_leaves + pod - 1) / pod;
    const int spines = has_cores ? plan.leaf_up : fewest_above(count_leaves, plan.leaf_up, plan.switch_ports);
    const int first_spine = static_cast<int>(graph.vertices.size());
    for (int i = 0; i < pods * spines; ++i) add_switch(graph, "spine", 2, group);
    for (int leaf = 0; leaf < count_leaves; ++leaf) {
        for (int spine = 0; spine < spines; ++spine) {
            connect(graph, leaves[leaf], first_spine + leaf / pod * spines + spine, port, plan.leaf_up / spines);
        }
    }
    std::vector<int> top;
    if (!has_cores) {
        for (int i = 0; i < spines; ++i) top.push_back(first_spine + i);
        return top;
    }
    const int up = plan.switch_ports - plan.spine_down;
    const int cores = fewest_above(pods, up, plan.switch_ports);  // that the spines of one place in their pods share
    for (int i = 0; i < spines * cores; ++i) top.push_back(add_switch(graph, "core", 3, group));
    for (int spine = 0; spine < pods * spines; ++spine) {
        for (int core = 0; core < cores; ++core) {
            connect(graph, first_spine + spine, top[spine % spines * cores + core], port, up / cores);
        }
    }
    return top;
}

std::vector<int> add_tree(NetworkGraph& graph, const ClosPlan& plan, int per_leaf, std::span<const int> end_points,
                          BytesPerSecond port, int cables, int group) {
    std::vector<int> leaves;
    for (std::size_t i = 0; i < end_points.size(); ++i) {
        if (i % static_cast<std::size_t>(per_leaf) == 0) leaves.push_back(add_switch(graph, "leaf", 1, group));
        connect(graph, end_points[i], leaves.back(), port, cables);
    }
    return add_upper_tiers(graph, plan, leaves, port, group);
}

}  // namespace orrery
