// From "so many bytes per port" to loads on the links of one group, in time linear in its ranks.
#include "network/collective_case.hpp"

#include <algorithm>
#include <cmath>

namespace orrery {

GroupOnFabric open_group(const Fabric& fabric, std::span<const RankId> members) {
    GroupOnFabric group{fabric, members, {members.begin(), members.end()}, {}};
    if (!std::is_sorted(group.sorted.begin(), group.sorted.end())) {
        std::sort(group.sorted.begin(), group.sorted.end());
    }
    for (std::size_t i = 0; i < group.sorted.size();) {
        std::size_t end = i + 1;
        const int domain = group.sorted[i] / fabric.domain;
        while (end < group.sorted.size() && group.sorted[end] / fabric.domain == domain) ++end;
        group.domains.push_back({i, end});
        i = end;
    }
    return group;
}

void lay_scale_up(const GroupOnFabric& group, double load, std::vector<LinkLoad>& loads) {
    if (load <= 0.0) return;
    for (const auto* links : {&group.fabric.scale_up_tx, &group.fabric.scale_up_rx}) {
        for (const DomainRun& domain : group.domains) {
            if (domain.ranks() < 2) continue;
            for (std::size_t i = domain.begin; i < domain.end; ++i) {
                loads.push_back({(*links)[group.sorted[i]], load});
            }
        }
    }
}

void lay_ports(const GroupOnFabric& group, double port_load, std::vector<LinkLoad>& loads) {
    if (port_load <= 0.0) return;
    for (const auto* links : {&group.fabric.nic_tx, &group.fabric.nic_rx}) {
        ORRERY_CHECK(!links->empty());
        for (const DomainRun& domain : group.domains) {
            const double load = port_load / static_cast<double>(domain.ranks());
            for (std::size_t i = domain.begin; i < domain.end; ++i) {
                loads.push_back({(*links)[group.sorted[i]], load});
            }
        }
    }
}

namespace {

/// Every rank of the larger side sends or receives one part, so that equal places of both sides are partners.
void route_domains(const GroupOnFabric& group, const DomainRun& from, const DomainRun& to, double bytes,
                   TrunkLoads& trunks) {
    const std::size_t streams = std::max(from.ranks(), to.ranks());
    double distance = 0.0;
    for (std::size_t i = 0; i < streams; ++i) {
        const RankId sender = group.sorted[from.begin + i % from.ranks()];
        const RankId receiver = group.sorted[to.begin + i % to.ranks()];
        distance = std::max(distance, route_bytes(group, sender, receiver, bytes / static_cast<double>(streams), trunks));
    }
    if (group.log == nullptr) return;
    RouteLog& log = *group.log;
    log.distance_min = log.messages == 0 ? distance : std::min(log.distance_min, distance);
    log.distance_max = std::max(log.distance_max, distance);
    log.distance_sum += distance;
    ++log.messages;
}

/// Entries beyond this many are added up before more come.
constexpr std::size_t routed_entries_max = 1 << 20;

}  // namespace

double route_bytes(const GroupOnFabric& group, RankId from, RankId to, double bytes, TrunkLoads& trunks) {
    const Fabric& fabric = group.fabric;
    const RoutedNetwork& network = *fabric.network;
    int sender = end_point_of(fabric, from);
    const int receiver = end_point_of(fabric, to);
    const int ports = network.graph.ports_per_node;
    // NCCL's PXN (2.12 and later): to another rail by the neighbour that is on it.
    if (fabric.changes_rails) {
        sender = sender / ports * ports + receiver % ports;
    }
    if (sender == receiver) return 0.0;
    const std::size_t before = trunks.routed.size();
    const std::uint64_t flow = static_cast<std::uint64_t>(from) << 32U | static_cast<std::uint64_t>(to);
    RouteMemory* memory = group.log != nullptr ? group.log->memory : nullptr;
    const RouteLatency way = add_route(network, sender, receiver, flow, bytes, memory, trunks.routed);
    // The only cable of a port is what the port's own links stand for.
    const auto is_port = [&](int v) {
        return v < network.graph.end_points && network.first_out[v + 1] - network.first_out[v] == 1;
    };
    std::size_t kept = before;
    for (std::size_t i = before; i < trunks.routed.size(); ++i) {
        const LinkLoad load = trunks.routed[i];
        const DirectedLink& link = network.links[load.link];
        if (is_port(link.from) || is_port(link.to)) continue;
        trunks.routed[kept++] = {load.link, load.bytes_per_byte * bytes};
    }
    trunks.routed.resize(kept);
    if (trunks.routed.size() > routed_entries_max) merge_loads(trunks.routed);
    if (group.log != nullptr) group.log->distance_max = std::max(group.log->distance_max, way.distance.si());
    return way.distance.si();
}

bool crosses_trunks(const GroupOnFabric& group) {
    const Fabric& fabric = group.fabric;
    if (fabric.network != nullptr) return group.domains.size() > 1;
    if (fabric.leaf_up.empty() || group.domains.size() < 2) return false;
    const auto reach = [&](RankId rank) { return rank / fabric.devices_per_node / fabric.nodes_per_leaf; };
    return reach(group.sorted.front()) != reach(group.sorted.back());
}

void load_trunks(const GroupOnFabric& group, std::size_t from, std::size_t to, double bytes, TrunkLoads& trunks) {
    const Fabric& fabric = group.fabric;
    if (fabric.network != nullptr) {
        route_domains(group, group.domains[from], group.domains[to], bytes, trunks);
        return;
    }
    const auto spread = [&](const DomainRun& domain, const DomainRun& other, std::vector<double>& leaves) {
        const int far = group.sorted[other.begin] / fabric.devices_per_node / fabric.nodes_per_leaf;
        for (std::size_t i = domain.begin; i < domain.end; ++i) {
            const RankId rank = group.sorted[i];
            if (rank / fabric.devices_per_node / fabric.nodes_per_leaf == far) continue;
            leaves[fabric.leaf_of[rank]] += bytes / static_cast<double>(domain.ranks());
        }
    };
    if (trunks.up.empty()) {
        trunks.up.resize(fabric.leaf_up.size());
        trunks.down.resize(fabric.leaf_down.size());
    }
    spread(group.domains[from], group.domains[to], trunks.up);
    spread(group.domains[to], group.domains[from], trunks.down);
}

void add_trunks(const Fabric& fabric, TrunkLoads& trunks, std::vector<LinkLoad>& loads) {
    merge_loads(trunks.routed);
    for (const LinkLoad& load : trunks.routed) {
        if (load.bytes_per_byte > 0.0) loads.push_back({fabric.first_network_link + load.link, load.bytes_per_byte});
    }
    for (std::size_t leaf = 0; leaf < trunks.up.size(); ++leaf) {
        if (trunks.up[leaf] > 0.0) loads.push_back({fabric.leaf_up[leaf], trunks.up[leaf]});
    }
    for (std::size_t leaf = 0; leaf < trunks.down.size(); ++leaf) {
        if (trunks.down[leaf] > 0.0) loads.push_back({fabric.leaf_down[leaf], trunks.down[leaf]});
    }
}

CollectivePrice smooth_minimum(const CollectivePrice& a, const CollectivePrice& b) {
    const double faster = std::min(a.time(), b.time());
    const double slower = std::max(a.time(), b.time());
    // The twelfth power, written so that nothing overflows: faster * (1 + (faster / slower)^12)^(-1/12).
    const double ratio = std::pow(1.0 + std::pow(faster / slower, 12.0), -1.0 / 12.0);
    CollectivePrice price = a.time() <= b.time() ? a : b;
    price.latency *= ratio;
    price.size *= ratio;
    return price;
}

}  // namespace orrery
