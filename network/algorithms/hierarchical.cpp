// In-switch reduction inside each domain and a double binary tree between them (NVLSTree): all-reduce where the domain
// can add up by itself.
#include "network/algorithms/algorithms.hpp"
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
    const double hop = 20.9 / 14.0 * simple_hop_ratio * c.fabric.net_hop.si();
    CollectivePrice price;
    price.algorithm = "hierarchical";
    price.latency = p.nvls_latency.si() + 2.0 * std::log2(static_cast<double>(c.shape.domains)) * hop;
    price.size = c.bytes;
    price.rate_max = p.nvls_efficiency * c.link_rate;
    price.scale_up_load = (g + 1.0) / g;
    price.port_load = tree_port_load(c.shape.domains);
    list.add_fastest(c, price);
}

}  // namespace orrery
