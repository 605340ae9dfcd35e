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

bool crosses_trunks(const GroupOnFabric& group) {
    const Fabric& fabric = group.fabric;
    if (fabric.leaf_up.empty() || group.domains.size() < 2) return false;
    const auto reach = [&](RankId rank) { return rank / fabric.devices_per_node / fabric.nodes_per_leaf; };
    return reach(group.sorted.front()) != reach(group.sorted.back());
}

void load_trunks(const GroupOnFabric& group, std::size_t from, std::size_t to, double bytes, TrunkLoads& trunks) {
    const Fabric& fabric = group.fabric;
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

void add_trunks(const Fabric& fabric, const TrunkLoads& trunks, std::vector<LinkLoad>& loads) {
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
