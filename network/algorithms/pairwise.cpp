// All-to-all by direct exchange: every rank sends its part to every other, all pairs at once.
#include "network/algorithms/algorithms.hpp"
#include "network/exchange.hpp"
#include "network/exchange_loads.hpp"
#include "network/link_rates.hpp"
#include "network/wiring.hpp"

#include <algorithm>

namespace orrery {

namespace {

CollectivePrice exchange_simple_inside(const CollectiveCase& c) {
    const CollectiveParameters& p = c.parameters;
    const double n = c.shape.ranks;
    CollectivePrice price;
    price.algorithm = "pairwise";
    price.latency = p.exchange_base.si() + p.exchange_simple_start.si() + p.exchange_step.si() * (n - 1.0) +
                    p.exchange_fill.si() * c.bytes / (c.bytes + p.exchange_fill_half.si());
    price.size = c.bytes;
    price.scale_up_load = exchange_port_load(c.fabric, c.shape.ranks);
    price.rate_max = std::min(p.exchange_efficiency * c.link_rate * n / (n - 1.0 + p.exchange_local_pass),
                              p.exchange_efficiency * c.fabric.scale_up.si() / price.scale_up_load);
    return price;
}

CollectivePrice exchange_quick_inside(const CollectiveCase& c) {
    const CollectiveParameters& p = c.parameters;
    const double n = c.shape.ranks;
    CollectivePrice price;
    price.algorithm = "pairwise";
    price.latency = p.exchange_base.si() + p.exchange_step.si() * (n - 1.0);
    price.size = c.bytes;
    price.rate_max = p.exchange_ll_efficiency * c.link_rate * n;
    price.scale_up_load = exchange_port_load(c.fabric, c.shape.ranks);
    if (c.fabric.wiring == ScaleUp::torus) {  // flows of many pairs share its links: no more than the other protocol gets
        price.rate_max = std::min(price.rate_max, p.exchange_efficiency * c.fabric.scale_up.si() / price.scale_up_load);
    }
    return price;
}

/// Bytes over one leaf's trunk per byte sent by each rank, if the group's domains lie side by side from a leaf's first.
double exchange_trunk_load(const CollectiveCase& c) {
    const Fabric& fabric = c.fabric;
    if (fabric.leaf_up.empty()) return 0.0;
    const int reach_devices = fabric.nodes_per_leaf * fabric.devices_per_node;
    const int reach_domains = std::max(1, reach_devices / fabric.domain);
    if (c.shape.domains <= reach_domains) return 0.0;
    const int reaches = (fabric.devices + reach_devices - 1) / reach_devices;
    const int leaves = static_cast<int>(fabric.leaf_up.size()) / reaches;
    const int node_ranks = std::min(c.shape.per_domain, fabric.devices_per_node);
    const int rails = std::max(1, node_ranks * leaves / fabric.devices_per_node);
    const double n = c.shape.ranks;
    const double in_reach = static_cast<double>(reach_domains) * c.shape.per_domain;
    return in_reach / rails * (n - in_reach) / n;
}

/// Start-up as inside plus one Simple hop; each domain's ports carry what its ranks send beyond it. No measurement of
/// an all-to-all between domains was at hand: the shares are those of gathers.
CollectivePrice exchange_across(const CollectiveCase& c) {
    const CollectiveParameters& p = c.parameters;
    const double n = c.shape.ranks;
    const double g = c.shape.per_domain;
    CollectivePrice price;
    price.algorithm = "pairwise";
    price.latency = p.exchange_base.si() + p.exchange_step.si() * (n - 1.0) + simple_hop_ratio * c.fabric.net_hop.si();
    price.size = c.bytes;
    price.scale_up_load = (g - 1.0) / n;
    const double overhead = port_payload_share / p.gather_port_share;
    price.port_load = c.ranks_fewest * (n - c.ranks_fewest) / n * overhead;
    price.trunk_load = exchange_trunk_load(c) * overhead;
    price.rate_max =
        limit_across(c, p.exchange_efficiency * c.link_rate * n / (g - 1.0 + p.exchange_local_pass), price.port_load);
    return price;
}

}  // namespace

void offer_pairwise(const CollectiveCase& c, OfferList& list) {
    if (c.collective.kind != CollectiveKind::all_to_all) return;
    if (c.shape.domains > 1) {
        list.add(exchange_across(c), 0.0);
        return;
    }
    const CollectivePrice simple = exchange_simple_inside(c);
    list.add(c.parameters.exchange_ll_efficiency > 0.0 ? smooth_minimum(exchange_quick_inside(c), simple) : simple,
             0.0);
}

void lay_pairwise(const GroupOnFabric& group, const CollectivePrice& price, std::vector<LinkLoad>& loads) {
    const Fabric& fabric = group.fabric;
    const double n = static_cast<double>(group.sorted.size());
    if (group.domains.size() == 1) return lay_scale_up(group, price.scale_up_load, loads);
    const double overhead = port_payload_share / fabric.parameters->gather_port_share;
    for (const auto* links : {&fabric.scale_up_tx, &fabric.scale_up_rx}) {
        for (const DomainRun& domain : group.domains) {
            if (domain.ranks() < 2) continue;
            const double load = (static_cast<double>(domain.ranks()) - 1.0) / n;
            for (std::size_t i = domain.begin; i < domain.end; ++i) loads.push_back({(*links)[group.sorted[i]], load});
        }
    }
    for (const auto* links : {&fabric.nic_tx, &fabric.nic_rx}) {
        for (const DomainRun& domain : group.domains) {
            const double load = (n - static_cast<double>(domain.ranks())) / n * overhead;
            for (std::size_t i = domain.begin; i < domain.end; ++i) loads.push_back({(*links)[group.sorted[i]], load});
        }
    }
    if (!crosses_trunks(group)) return;
    if (fabric.network != nullptr) return lay_pairs(group, overhead / n, loads);
    // Each rank's bytes for ranks beyond its own leaf's reach go over its leaf's trunk, and as many come back.
    std::vector<double> in_reach(fabric.devices / fabric.devices_per_node / fabric.nodes_per_leaf + 1);
    const auto reach = [&](RankId rank) { return rank / fabric.devices_per_node / fabric.nodes_per_leaf; };
    for (const RankId rank : group.sorted) in_reach[reach(rank)] += 1.0;
    TrunkLoads trunks{std::vector<double>(fabric.leaf_up.size()), std::vector<double>(fabric.leaf_down.size()), {}};
    for (const RankId rank : group.sorted) {
        const double bytes = (n - in_reach[reach(rank)]) / n * overhead;
        trunks.up[fabric.leaf_of[rank]] += bytes;
        trunks.down[fabric.leaf_of[rank]] += bytes;
    }
    add_trunks(fabric, trunks, loads);
}

bool schedule_pairwise(const ExchangeCase& c, Exchange& exchange) {
    if (c.kind != CollectiveKind::all_to_all) return false;
    const int n = c.ranks;
    exchange.streams.reserve(static_cast<std::size_t>(n) * static_cast<std::size_t>(n));
    for (int away = 1; away < n; ++away) {  // everyone to another one first: no receiver is met by all at once
        for (int from = 0; from < n; ++from) {
            const int to = (from + away) % n;
            const double share = c.shares.empty() ? 1.0 / n : c.shares[static_cast<std::size_t>(to)];
            if (share > 0.0) exchange.send(from, to, c.bytes * share, 0);
        }
    }
    return !exchange.streams.empty();
}

}  // namespace orrery
