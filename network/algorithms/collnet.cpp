// CollNet: switches of the network add up (SHARP), so that every port carries its bytes once each way, whatever the number
// of nodes; inside a domain every member works on its own part.
// Graham et al., "Scalable Hierarchical Aggregation Protocol (SHARP)", COMHPC 2016.
#include "network/algorithms/algorithms.hpp"
#include "network/exchange.hpp"

#include <algorithm>

namespace orrery {

void offer_collnet(const CollectiveCase& c, OfferList& list) {
    if (c.collective.kind != CollectiveKind::all_reduce || c.shape.domains < 2 || !c.fabric.reduces_in_network) return;
    const NcclGroup group = nccl_group(c);
    const double g = c.shape.per_domain;
    CollectivePrice price;
    price.algorithm = "collnet";
    // Inside: to the member that adds up and back, 3.7 us and 0.4 us a peer; the network 31 us (InfiniBand; others as their
    // hop is longer; NCCL 2.30.7 src/graph/tuning.cc:156-176, 289-450).
    price.latency = c.parameters.across_start.si() + 2.0 * (std::min(1.0, g - 1.0) * 3.7e-6 + (g - 1.0) * 0.4e-6) + 31.0 / 5.0 * c.net_hop;
    price.size = c.bytes;
    price.scale_up_load = 2.0 * (g - 1.0) / g;
    price.port_load = c.port_overhead;
    price.rate_max = limit_across(c, 0.5 * c.parameters.simple_efficiency * c.link_rate / c.reduce_slowdown, price.port_load);
    const auto ranked = [&](NcclAlgorithm algorithm) {
        return nccl_time(group, CollectiveKind::all_reduce, c.bytes, algorithm, NcclProtocol::simple);
    };
    list.add(price, std::min({ranked(NcclAlgorithm::collnet_direct), ranked(NcclAlgorithm::collnet_chain), ranked(NcclAlgorithm::nvls)}));
}

/// Trunks carry one sum for all ports of a leaf, less than any of its ports: they are left out.
void lay_collnet(const GroupOnFabric& group, const CollectivePrice& price, std::vector<LinkLoad>& loads) {
    lay_scale_up(group, price.scale_up_load, loads);
    lay_ports(group, price.port_load, loads);
}

bool schedule_collnet(const ExchangeCase& c, Exchange& exchange) {
    if (c.kind != CollectiveKind::all_reduce || c.domains.size() < 2) return false;
    const int network = c.ranks + static_cast<int>(c.domains.size());
    for (const std::vector<int>& domain : c.domains) {
        const double part = c.bytes / static_cast<double>(domain.size());
        const int inside = domain.size() > 1 ? 1 : 0;
        for (const int from : domain) {
            for (const int to : domain) {
                if (from == to) continue;
                exchange.send(from, to, part, 0);  // to be added up there
                ExchangeStream& back = exchange.send(from, to, part, 0);
                back.lead_steps = 1;
                back.lead_hops = 2;
            }
            exchange.send(from, network, part, 0).lead_steps = inside;
            ExchangeStream& down = exchange.send(network, from, part, 0);
            down.lead_steps = inside;
            down.lead_hops = 1;
        }
    }
    return true;
}

}  // namespace orrery
