// All-reduce inside the switch (NVLink SHARP): switches add up what the devices hold and write the sum back to all.
// Klenk, Jiang, Thorson & Dennison, "An in-network architecture for accelerating shared-memory multiprocessor
// collectives", ISCA 2020.
#include "network/algorithms/algorithms.hpp"
#include "network/exchange.hpp"

namespace orrery {

namespace {

/// NCCL's own figures for choosing it: 25 us, 0.85 of the bus, twice that for all-reduce (src/graph/tuning.cc:139-176).
constexpr double nvls_tuning_latency = 25e-6;
constexpr double nvls_tuning_efficiency = 0.85;

bool adds_in_switch(DataType type) { return type != DataType::int8 && type != DataType::int4 && type != DataType::fp4; }

}  // namespace

void offer_nvls(const CollectiveCase& c, OfferList& list) {
    const CollectiveParameters& p = c.parameters;
    const double n = c.shape.ranks;
    if (c.collective.kind != CollectiveKind::all_reduce || c.shape.domains > 1 || p.nvls_efficiency <= 0.0 ||
        c.shape.ranks < p.nvls_ranks_min || !adds_in_switch(c.collective.type) ||
        c.fabric.wiring != ScaleUp::switched) {
        return;
    }
    CollectivePrice price;
    price.algorithm = "nvls";
    price.latency = p.nvls_latency.si() + p.nvls_fill.si() * c.bytes / (c.bytes + p.simple_fill_half.si());
    price.size = c.bytes;
    price.rate_max = p.nvls_efficiency * c.link_rate;
    price.scale_up_load = (n + 1.0) / n;  // its buffer to the switch, and its share of the sum out to all
    const double ranked_rate = nvls_tuning_efficiency * p.tuning_bus_share * c.link_rate * n / (n - 1.0);
    list.add(price, nvls_tuning_latency + c.bytes / ranked_rate);
}

void lay_nvls(const GroupOnFabric& group, const CollectivePrice& price, std::vector<LinkLoad>& loads) {
    lay_scale_up(group, price.scale_up_load, loads);
}

namespace {

/// Through the switch of one domain, all in flow: `up` and `down` bytes of each member.
void add_through_switch(const ExchangeCase& c, std::size_t domain, double up, double down, Exchange& exchange) {
    const int center = c.ranks + static_cast<int>(domain);
    for (const int member : c.domains[domain]) {
        exchange.send(member, center, up, 0);
        exchange.send(center, member, down, 0).lead_steps = 1;
    }
}

}  // namespace

bool schedule_nvls(const ExchangeCase& c, Exchange& exchange) {
    if (c.domains.size() != 1 || c.ranks < 2 || !c.torus.empty()) return false;
    const double n = c.ranks;
    switch (c.kind) {
        case CollectiveKind::all_reduce:  // its buffer up and its share of the sum down; that share up and all of it down
            add_through_switch(c, 0, c.bytes * (n + 1.0) / n, c.bytes * (n + 1.0) / n, exchange);
            return true;
        case CollectiveKind::all_gather:  // its shard up once, copied by the switch
            add_through_switch(c, 0, c.bytes / n, c.bytes, exchange);
            return true;
        case CollectiveKind::reduce_scatter:
            add_through_switch(c, 0, c.bytes, c.bytes / n, exchange);
            return true;
        default:
            return false;
    }
}

}  // namespace orrery
