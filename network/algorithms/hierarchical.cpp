// In-switch reduction inside each domain and a double binary tree between them (NVLSTree): all-reduce where the domain
// can add up by itself.
#include "network/algorithms/algorithms.hpp"
#include "network/exchange.hpp"
#include "network/link_rates.hpp"

#include <cmath>

namespace orrery {

void offer_hierarchical(const CollectiveCase& c, OfferList& list) {
    const CollectiveParameters& p = c.parameters;
    const double g = c.shape.per_domain;
    if (c.collective.kind != CollectiveKind::all_reduce || c.shape.domains < 2 || p.nvls_efficiency <= 0.0 ||
        c.shape.per_domain < p.nvls_ranks_min || c.collective.type == DataType::int8 ||
        c.fabric.wiring != ScaleUp::switched) {
        return;
    }
    // Its network hop is 20.9 us where Simple's is 14 (NCCL 2.30.7 src/graph/tuning.cc:156-176).
    const double hop = 20.9 / 14.0 * simple_hop_ratio * c.net_hop;
    CollectivePrice price;
    price.algorithm = "hierarchical";
    price.latency = p.nvls_latency.si() + p.across_start.si() + 2.0 * std::log2(static_cast<double>(c.shape.domains)) * hop;
    price.size = c.bytes;
    price.rate_max = p.nvls_efficiency * c.link_rate;
    price.scale_up_load = (g + 1.0) / g;
    price.port_load = tree_port_load(c.shape.domains) * c.port_overhead;
    list.add(price, nccl_time(nccl_group(c), CollectiveKind::all_reduce, c.bytes, NcclAlgorithm::nvls_tree,
                              NcclProtocol::simple));
}

bool schedule_hierarchical(const ExchangeCase& c, Exchange& exchange) {
    if (c.kind != CollectiveKind::all_reduce || c.domains.size() < 2) return false;
    const auto depth = static_cast<int>(std::ceil(std::log2(static_cast<double>(c.domains.size()))));
    for (std::size_t d = 0; d < c.domains.size(); ++d) {
        const double g = static_cast<double>(c.domains[d].size());
        if (g < 2.0) continue;
        const int center = c.ranks + static_cast<int>(d);
        for (const int member : c.domains[d]) {
            exchange.send(member, center, c.bytes, 0);
            exchange.send(center, member, c.bytes / g, 0).lead_steps = 1;
            ExchangeStream& up = exchange.send(member, center, c.bytes / g, 0);
            up.lead_steps = 1;
            up.lead_hops = 2 * depth;
            ExchangeStream& down = exchange.send(center, member, c.bytes, 0);
            down.lead_steps = 1;
            down.lead_hops = 2 * depth;
        }
    }
    add_domain_trees(c, 1, exchange);
    return true;
}

}  // namespace orrery
