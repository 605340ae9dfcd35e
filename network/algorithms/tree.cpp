// The double binary tree over domains, with a chain inside each: log2 deep, for all-reduce between domains.
// Sanders, Speck & Traff, "Two-tree algorithms for full bandwidth broadcast, reduction and scan", Parallel Computing
// 35(12), 2009; as NCCL uses it (src/graph/tuning.cc:289-450).
#include "network/algorithms/algorithms.hpp"
#include "network/exchange.hpp"
#include "network/link_rates.hpp"

#include <algorithm>
#include <cmath>

namespace orrery {

namespace {

struct TreeProtocol {
    double start;  // s
    double step;   // s, per hop of the chain inside a domain
    double share;  // of Simple's rate
    double hop_ratio;
    bool present;
    NcclProtocol protocol;
};

CollectivePrice tree_price(const CollectiveCase& c, const TreeProtocol& protocol) {
    const double depth = std::log2(static_cast<double>(c.shape.domains));
    const double per_domain = c.shape.per_domain;
    CollectivePrice price;
    price.algorithm = "tree";
    price.latency = c.parameters.base.si() + protocol.start +
                    2.0 * ((per_domain - 1.0) * protocol.step + depth * protocol.hop_ratio * c.net_hop) + c.parameters.across_start.si();
    price.size = c.bytes;
    price.scale_up_load = 2.0 * (per_domain - 1.0) / per_domain;
    price.port_load = tree_port_load(c.shape.domains) * c.port_overhead / protocol.share;
    // Half of the bus rate as algorithm rate, and NCCL's factor for the tree pattern, 0.85.
    price.rate_max =
        limit_across(c, 0.5 * 0.85 * protocol.share * c.parameters.simple_efficiency * c.link_rate / c.reduce_slowdown,
                     price.port_load);
    return price;
}

/// Parent of domain `i` > 0 in the in-order binary tree that NCCL builds (src/graph/trees.cc): clear the lowest set bit
/// and set the next, or, where that lies outside, only clear it.
std::size_t tree_parent(std::size_t i, std::size_t domains) {
    std::size_t bit = 1;
    while ((i & bit) == 0) bit <<= 1;
    const std::size_t up = (i ^ bit) | (bit << 1);
    return up >= domains ? i ^ bit : up;
}

}  // namespace

double tree_port_load(int domains) { return domains == 2 ? 1.0 : 2.0; }

void offer_tree(const CollectiveCase& c, OfferList& list) {
    const CollectiveKind kind = c.collective.kind;
    if (c.shape.domains < 2 || (kind != CollectiveKind::all_reduce && kind != CollectiveKind::barrier)) return;
    const CollectiveParameters& p = c.parameters;
    const TreeProtocol protocols[] = {
        {0.0, p.ll_step.si(), 0.5, 1.0, p.ll_efficiency > 0.0, NcclProtocol::ll},
        {p.ll128_start.si(), p.ll128_step.si(), 0.92, ll128_hop_ratio, p.ll128_efficiency > 0.0, NcclProtocol::ll128},
        {p.simple_start.si(), p.simple_step.si(), 1.0, simple_hop_ratio, true, NcclProtocol::simple},
    };
    for (const TreeProtocol& protocol : protocols) {
        if (!protocol.present) continue;
        list.add(tree_price(c, protocol),
                 nccl_time(nccl_group(c), CollectiveKind::all_reduce, c.bytes, NcclAlgorithm::tree, protocol.protocol));
    }
}

void lay_tree(const GroupOnFabric& group, const CollectivePrice& price, std::vector<LinkLoad>& loads) {
    lay_scale_up(group, price.scale_up_load, loads);
    lay_ports(group, price.port_load, loads);
    if (!crosses_trunks(group)) return;
    TrunkLoads trunks;
    const std::size_t domains = group.domains.size();
    const double edge = price.port_load / tree_port_load(static_cast<int>(domains));
    for (std::size_t i = 1; i < domains; ++i) {
        const std::size_t parent = tree_parent(i, domains);
        load_trunks(group, i, parent, edge, trunks);  // the sum goes up
        load_trunks(group, parent, i, edge, trunks);  // and comes down
    }
    add_trunks(group.fabric, trunks, loads);
}

void add_domain_trees(const ExchangeCase& c, int inside_depth, Exchange& exchange) {
    const std::size_t domains = c.domains.size();
    const double part = c.bytes / c.channels / 2.0;
    const auto depth_max = static_cast<int>(std::ceil(std::log2(static_cast<double>(domains))));
    for (int channel = 0; channel < c.channels; ++channel) {
        const auto head = [&](std::size_t d) {
            const std::vector<int>& members = c.domains[d];
            return members[static_cast<std::size_t>(channel) % members.size()];
        };
        // Both trees by the same ports. The second is the first with every domain one further on: leaves become inner nodes.
        for (const std::size_t shift : {std::size_t{0}, std::size_t{1}}) {
            const auto placed = [&](std::size_t i) { return (i + shift) % domains; };
            for (std::size_t i = 1; i < domains; ++i) {
                const std::size_t parent = tree_parent(i, domains);
                int depth = 1;
                for (std::size_t at = parent; at != 0; at = tree_parent(at, domains)) ++depth;
                ExchangeStream& up = exchange.send(head(placed(i)), head(placed(parent)), part, 0);
                up.lead_steps = inside_depth;
                up.lead_hops = std::max(0, depth_max - depth);
                ExchangeStream& down = exchange.send(head(placed(parent)), head(placed(i)), part, 0);
                down.lead_steps = inside_depth;
                down.lead_hops = depth_max + std::min(depth, depth_max) - 1;
            }
        }
    }
}

bool schedule_tree(const ExchangeCase& c, Exchange& exchange) {
    const bool all_reduce = c.kind == CollectiveKind::all_reduce || c.kind == CollectiveKind::barrier;
    if (!all_reduce || c.domains.size() < 2) return false;
    std::size_t longest = 1;
    for (const std::vector<int>& domain : c.domains) longest = std::max(longest, domain.size());
    const int chain = static_cast<int>(longest) - 1;
    const double part = c.bytes / c.channels;
    const auto depth = static_cast<int>(std::ceil(std::log2(static_cast<double>(c.domains.size()))));
    for (int channel = 0; channel < c.channels; ++channel) {
        for (const std::vector<int>& domain : c.domains) {
            const std::size_t g = domain.size();
            for (std::size_t i = 0; i + 1 < g; ++i) {  // place 0 is the head: sums come up to it, the total goes down
                const int near = domain[(static_cast<std::size_t>(channel) + i) % g];
                const int far = domain[(static_cast<std::size_t>(channel) + i + 1) % g];
                exchange.send(far, near, part, 0).lead_steps = chain - static_cast<int>(i) - 1;
                ExchangeStream& down = exchange.send(near, far, part, 0);
                down.lead_steps = chain + static_cast<int>(i);
                down.lead_hops = 2 * depth;
            }
        }
    }
    add_domain_trees(c, chain, exchange);
    return true;
}

}  // namespace orrery
