// One message from one device to another.
// Hockney, "The communication challenge for MPP", Parallel Computing 20(3), 1994: latency + size / rate.
#include "network/algorithms/algorithms.hpp"
#include "network/exchange.hpp"
#include "network/link_rates.hpp"

namespace orrery {

void offer_send_recv(const CollectiveCase& c, OfferList& list) {
    if (c.collective.kind != CollectiveKind::send_recv) return;
    CollectivePrice price;
    price.algorithm = "send-recv";
    price.latency = c.parameters.message_latency.si();
    price.size = c.bytes;
    if (c.shape.domains == 1) {
        price.scale_up_load = 1.0;
        price.rate_max = c.parameters.message_efficiency * c.link_rate;
    } else {
        price.latency += c.fabric.net_hop.si();
        price.port_load = port_payload_share / c.parameters.gather_port_share;
        price.rate_max = limit_across(c, 0.0, price.port_load);
    }
    list.add(price, 0.0);
}

void lay_send_recv(const GroupOnFabric& group, const CollectivePrice& price, std::vector<LinkLoad>& loads) {
    const Fabric& fabric = group.fabric;
    const RankId from = group.members[0];
    const RankId to = group.members[1];
    if (group.domains.size() == 1) {
        loads.push_back({fabric.scale_up_tx[from], price.scale_up_load});
        loads.push_back({fabric.scale_up_rx[to], price.scale_up_load});
        return;
    }
    ORRERY_CHECK(!fabric.nic_tx.empty());
    loads.push_back({fabric.nic_tx[from], price.port_load});
    loads.push_back({fabric.nic_rx[to], price.port_load});
    if (!crosses_trunks(group)) return;
    if (fabric.network != nullptr) {
        TrunkLoads trunks;
        route_bytes(group, from, to, price.port_load, trunks);
        add_trunks(fabric, trunks, loads);
        return;
    }
    loads.push_back({fabric.leaf_up[fabric.leaf_of[from]], price.port_load});
    loads.push_back({fabric.leaf_down[fabric.leaf_of[to]], price.port_load});
}

bool schedule_send_recv(const ExchangeCase& c, Exchange& exchange) {
    if (c.kind != CollectiveKind::send_recv) return false;
    exchange.send(0, 1, c.bytes, 0);
    return true;
}

}  // namespace orrery
