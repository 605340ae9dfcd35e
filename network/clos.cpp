// Sizes and cables of folded Clos networks: how many leaves, spines and cores a number of ports takes.
#include "network/link_rates.hpp"
#include "network/topology.hpp"

#include <algorithm>
#include <cmath>

namespace orrery {

ClosPlan clos_plan(const FabricSpec& spec, const Node& node, long long end_ports) {
    ClosPlan plan;
    plan.switch_ports = switch_ports(node.nic_kind, port_bandwidth(spec, node));
    const double down_share = spec.oversubscription / (1.0 + spec.oversubscription);
    plan.leaf_down =
        std::clamp(static_cast<int>(std::floor(plan.switch_ports * down_share + 1e-9)), 1, plan.switch_ports - 1);
    plan.leaf_up = plan.switch_ports - plan.leaf_down;
    const long long leaves = (end_ports + plan.leaf_down - 1) / plan.leaf_down;
    plan.ports_max = static_cast<long long>(plan.switch_ports / 2) * plan.switch_ports * plan.leaf_down;
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

void add_upper_tiers(const ClosPlan& plan, int first_leaf, int leaves, BytesPerSecond uplink,
                     std::vector<Cable>& cables) {
    if (leaves < 2) return;
    const int spines = plan.leaf_up;
    const int first_spine = first_leaf + leaves;
    const int group = plan.tiers == 3 ? plan.switch_ports / 2 : leaves;  // leaves that share their spines
    const int groups = (leaves + group - 1) / group;
    for (int leaf = 0; leaf < leaves; ++leaf) {
        for (int spine = 0; spine < spines; ++spine) {
            cables.push_back({first_leaf + leaf, first_spine + leaf / group * spines + spine, uplink / spines});
        }
    }
    if (groups < 2) return;
    const int first_core = first_spine + groups * spines;
    for (int g = 0; g < groups; ++g) {
        for (int spine = 0; spine < spines; ++spine) {
            cables.push_back({first_spine + g * spines + spine, first_core + spine, group * uplink / spines});
        }
    }
}

}  // namespace orrery
