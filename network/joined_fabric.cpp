// Rates of links by the node they belong to.
#include "network/joined_fabric.hpp"

#include <algorithm>

namespace orrery {
namespace {

std::string counted(int count, const char* what) { return std::to_string(count) + " " + what + (count == 1 ? "" : "s"); }

Problem unlike(const FabricPart& first, const FabricPart& other, const std::string& of_first, const std::string& of_other,
               const std::string& remedy) {
    return {"/cluster/groups", other.name + " has " + of_other + " where " + first.name + " has " + of_first, remedy};
}

/// What keeps two types of nodes off one network.
Problems joining_problems(const FabricPart& first, const FabricPart& other) {
    const Fabric& a = *first.whole;
    const Fabric& b = *other.whole;
    if (a.devices_per_node != b.devices_per_node) {
        return {unlike(first, other, counted(a.devices_per_node, "device") + " a node", std::to_string(b.devices_per_node),
                       "group nodes with as many devices each")};
    }
    if (a.domain != b.domain) {
        return {unlike(first, other, "a scale-up domain of " + counted(a.domain, "device"), "one of " + std::to_string(b.domain),
                       "group nodes whose scale-up domains are as large")};
    }
    const bool same_network = (a.network == nullptr) == (b.network == nullptr) &&
                              (a.network == nullptr || (a.network->links.size() == b.network->links.size() &&
                                                        a.network->graph.ports_per_node == b.network->graph.ports_per_node));
    const bool same_ports = a.nic_tx.size() == b.nic_tx.size() && a.scale_up_tx.size() == b.scale_up_tx.size();
    if (!same_network || !same_ports || a.leaf_up.size() != b.leaf_up.size() || a.links.size() != b.links.size()) {
        return {{"/cluster/groups", other.name + " has other numbers of network ports than " + first.name + ", and their ways differ",
                 "group nodes with as many ports, or leave routing and oversubscription of cluster.fabric out"}};
    }
    return {};
}

/// The part that each node belongs to.
std::vector<std::size_t> part_of_nodes(std::span<const FabricPart> parts) {
    std::vector<std::size_t> part_of;
    for (std::size_t i = 0; i < parts.size(); ++i) part_of.insert(part_of.end(), static_cast<std::size_t>(parts[i].nodes), i);
    return part_of;
}

/// Of a trunk, the mean over the nodes on its leaf.
void join_trunks(std::span<const FabricPart> parts, const std::vector<std::size_t>& part_of, Fabric& joined) {
    std::vector<double> sum(joined.leaf_up.size());
    std::vector<double> ranks(sum.size());
    for (RankId rank = 0; rank < joined.devices; ++rank) {
        const auto leaf = static_cast<std::size_t>(joined.leaf_of[rank]);
        if (leaf >= sum.size()) continue;
        const Fabric& own = *parts[part_of[static_cast<std::size_t>(rank / joined.devices_per_node)]].whole;
        sum[leaf] += own.links[own.leaf_up[leaf]].bandwidth.si();
        ranks[leaf] += 1.0;
    }
    for (std::size_t leaf = 0; leaf < sum.size(); ++leaf) {
        if (ranks[leaf] == 0.0) continue;
        for (const auto* ids : {&joined.leaf_up, &joined.leaf_down}) {
            joined.links[(*ids)[leaf]].bandwidth = BytesPerSecond::from_si(sum[leaf] / ranks[leaf]);
        }
    }
}

/// Cables to a node as its type has them, those between switches as the fastest type.
void join_cables(std::span<const FabricPart> parts, const std::vector<std::size_t>& part_of, Fabric& joined) {
    RoutedNetwork network = *joined.network;
    const int ports = network.graph.ports_per_node;
    for (std::size_t i = 0; i < network.links.size(); ++i) {
        DirectedLink& link = network.links[i];
        const auto at = static_cast<std::size_t>(joined.first_network_link) + i;
        const int end = std::min(link.from, link.to);
        std::size_t part = 0;
        if (end < network.graph.end_points) {
            part = part_of[static_cast<std::size_t>(end / ports)];
        } else {
            for (std::size_t p = 1; p < parts.size(); ++p) {
                if (parts[p].whole->network->links[i].bandwidth > parts[part].whole->network->links[i].bandwidth) part = p;
            }
        }
        link.bandwidth = parts[part].whole->network->links[i].bandwidth;
        joined.links[at].bandwidth = parts[part].whole->links[at].bandwidth;
    }
    joined.network = std::make_shared<const RoutedNetwork>(std::move(network));
}

}  // namespace

Result<Fabric> join_fabrics(std::span<const FabricPart> parts) {
    ORRERY_CHECK(!parts.empty());
    Problems problems;
    for (const FabricPart& part : parts.subspan(1)) {
        const Problems own = joining_problems(parts.front(), part);
        problems.insert(problems.end(), own.begin(), own.end());
    }
    if (!problems.empty()) return problems;
    const std::vector<std::size_t> part_of = part_of_nodes(parts);
    Fabric joined = *parts.front().whole;
    ORRERY_CHECK(static_cast<int>(part_of.size()) * joined.devices_per_node == joined.devices);
    bool has_slow_ports = false;
    for (const FabricPart& part : parts) has_slow_ports = has_slow_ports || !part.whole->port_left.empty();
    if (has_slow_ports) joined.port_left.assign(static_cast<std::size_t>(joined.devices), 1.0);
    for (RankId rank = 0; rank < joined.devices; ++rank) {
        const Fabric& own = *parts[part_of[static_cast<std::size_t>(rank / joined.devices_per_node)]].whole;
        for (const auto* ids : {&joined.scale_up_tx, &joined.scale_up_rx, &joined.nic_tx, &joined.nic_rx}) {
            if (!ids->empty()) joined.links[(*ids)[rank]].bandwidth = own.links[(*ids)[rank]].bandwidth;
        }
        if (!own.port_left.empty()) joined.port_left[rank] = own.port_left[rank];
    }
    if (!joined.leaf_up.empty()) join_trunks(parts, part_of, joined);
    if (joined.network != nullptr) join_cables(parts, part_of, joined);
    return joined;
}

}  // namespace orrery
