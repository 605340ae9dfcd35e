// All-reduce inside the switch (NVLink SHARP): switches add up what the devices hold and write the sum back to all.
// Klenk, Jiang, Thorson & Dennison, "An in-network architecture for accelerating shared-memory multiprocessor
// collectives", ISCA 2020.
#include "network/algorithms/algorithms.hpp"

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

}  // namespace orrery
