// The ring: every rank hands on to the next, in chunks; bandwidth-optimal and n - 1 steps deep per pass.
// Patarasuk & Yuan, "Bandwidth optimal all-reduce algorithms for clusters of workstations", JPDC 69(2), 2009.
#include "network/algorithms/algorithms.hpp"
#include "network/exchange.hpp"
#include "network/link_rates.hpp"

#include <algorithm>
#include <limits>

namespace orrery {

namespace {

/// One row of the library's tuning table: base and hop latency inside a domain, microseconds (NCCL 2.30.7
/// src/graph/tuning.cc:149-176).
struct RingTuning {
    double base;
    double hop;
};
constexpr RingTuning ring_tuning_ll{6.6e-6, 0.6e-6};
constexpr RingTuning ring_tuning_ll128{14.0e-6, 1.9e-6};
constexpr RingTuning ring_tuning_simple{8.4e-6, 3.4e-6};

struct RingProtocol {
    double start;       // s, beyond the common base
    double step;        // s, per hop inside a domain
    double efficiency;  // of the scale-up link
    double share;       // of Simple's rate, between domains (tuning.cc:289-450: LL half, LL128 0.92)
    double hop_ratio;   // of the network hop latency
    NcclProtocol protocol = NcclProtocol::simple;
};

struct RingVolume {
    double sent;   // bytes through each rank's port per byte of the collective
    double moved;  // the same with the rank's own local pass
};

RingVolume ring_volume(const CollectiveCase& c) {
    const double n = c.shape.ranks;
    // A pipelined broadcast or reduction passes every byte over every edge once.
    if (c.collective.kind == CollectiveKind::broadcast || c.collective.kind == CollectiveKind::reduce)
        return {1.0, 1.0};
    const double steps = c.passes * (n - 1.0);
    return {steps / n, (steps + c.local_pass) / n};
}

CollectivePrice ring_inside(const CollectiveCase& c, const RingProtocol& protocol, double fill) {
    const RingVolume volume = ring_volume(c);
    CollectivePrice price;
    price.algorithm = "ring";
    price.latency = c.parameters.base.si() + protocol.start + c.passes * c.hops * protocol.step + fill;
    price.size = c.bytes;
    price.rate_max = protocol.efficiency * c.link_rate / (volume.moved * c.reduce_slowdown);
    price.scale_up_load = volume.sent;
    return price;
}

double ring_rank(const CollectiveCase& c, const RingTuning& tuning, double rate) {
    return tuning.base + c.passes * c.hops * tuning.hop + c.bytes * ring_volume(c).sent / rate;
}

void ring_offers_inside(const CollectiveCase& c, OfferList& list) {
    const CollectiveParameters& p = c.parameters;
    const double bus = p.tuning_bus_share * c.link_rate;
    const double fill = p.simple_fill.si() * ring_volume(c).sent * c.bytes / (c.bytes + p.simple_fill_half.si());
    list.add(
        ring_inside(c, {p.simple_start.si(), p.simple_step.si(), p.simple_efficiency, 1.0, simple_hop_ratio}, fill),
        ring_rank(c, ring_tuning_simple, bus));
    if (p.ll_efficiency <= 0.0) return;
    CollectivePrice quick = ring_inside(c, {0.0, p.ll_step.si(), p.ll_efficiency, 0.5, 1.0}, 0.0);
    if (p.ll128_efficiency > 0.0) {
        quick = smooth_minimum(
            quick,
            ring_inside(c, {p.ll128_start.si(), p.ll128_step.si(), p.ll128_efficiency, 0.92, ll128_hop_ratio}, 0.0));
    }
    double ranked_by = ring_rank(c, ring_tuning_ll, std::min(p.tuning_ll_share * c.link_rate, 0.5 * bus));
    if (p.tuning_ll128_share > 0.0) {
        ranked_by = std::min(ranked_by, ring_rank(c, ring_tuning_ll128, p.tuning_ll128_share * c.link_rate));
    }
    list.add(quick, ranked_by);
}

/// Loads of a ring that enters and leaves each domain once per pass, over all ports of the group there.
void ring_loads_across(const CollectiveCase& c, double port_overhead, CollectivePrice& price) {
    const double n = c.shape.ranks;
    const double sent = ring_volume(c).sent;
    price.scale_up_load = sent * (1.0 - c.shape.domains / n);
    price.port_load = sent * port_overhead;
}

CollectivePrice ring_across(const CollectiveCase& c, const RingProtocol& protocol) {
    const int net_hops = c.shape.domains - 1;
    const int inner_hops = c.shape.ranks - 1 - net_hops;
    CollectivePrice price;
    price.algorithm = "ring";
    price.latency = c.parameters.base.si() + protocol.start +
                    c.passes * (inner_hops * protocol.step + net_hops * protocol.hop_ratio * c.net_hop) + c.parameters.across_start.si();
    price.size = c.bytes;
    ring_loads_across(c, c.port_overhead / protocol.share, price);
    price.rate_max = limit_across(
        c, protocol.share * c.parameters.simple_efficiency * c.link_rate / (ring_volume(c).moved * c.reduce_slowdown),
        price.port_load);
    return price;
}

/// All-gather and reduce-scatter between domains, as trainings were found to pay for them: 14 us, 1.9 us a hop inside
/// and 4 us (InfiniBand) across, 0.8 of the link (NCCL 2.30.7 src/graph/tuning.cc:149-176, ring LL128; shares fitted to
/// published trainings).
CollectivePrice ring_gather_across(const CollectiveCase& c) {
    const int net_hops = c.shape.domains - 1;
    const int inner_hops = c.shape.ranks - 1 - net_hops;
    CollectivePrice price;
    price.algorithm = "ring";
    price.latency = 14e-6 + inner_hops * 1.9e-6 + net_hops * ring_gather_hop_ratio * c.fabric.net_hop.si();
    price.size = c.bytes;
    ring_loads_across(c, port_payload_share / c.parameters.gather_port_share, price);
    price.rate_max = limit_across(c, 0.8 * c.link_rate / (ring_volume(c).moved * c.reduce_slowdown), price.port_load);
    return price;
}

bool is_ring_kind(CollectiveKind kind) {
    return kind != CollectiveKind::all_to_all && kind != CollectiveKind::send_recv;
}

}  // namespace

void offer_ring(const CollectiveCase& c, OfferList& list) {
    if (!is_ring_kind(c.collective.kind)) return;
    if (c.shape.domains == 1) return ring_offers_inside(c, list);
    if (c.collective.kind != CollectiveKind::all_reduce && c.collective.kind != CollectiveKind::barrier) {
        double ranked_by = std::numeric_limits<double>::infinity();
        for (const NcclProtocol protocol : {NcclProtocol::ll, NcclProtocol::ll128, NcclProtocol::simple}) {
            ranked_by = std::min(ranked_by, nccl_time(nccl_group(c), c.collective.kind, c.bytes, NcclAlgorithm::ring, protocol));
        }
        list.add(ring_gather_across(c), ranked_by);
        return;
    }
    const CollectiveParameters& p = c.parameters;
    const RingProtocol protocols[] = {
        {0.0, p.ll_step.si(), p.ll_efficiency, 0.5, 1.0, NcclProtocol::ll},
        {p.ll128_start.si(), p.ll128_step.si(), p.ll128_efficiency, 0.92, ll128_hop_ratio, NcclProtocol::ll128},
        {p.simple_start.si(), p.simple_step.si(), p.simple_efficiency, 1.0, simple_hop_ratio, NcclProtocol::simple},
    };
    for (const RingProtocol& protocol : protocols) {
        if (protocol.efficiency <= 0.0) continue;
        list.add(ring_across(c, protocol),
                 nccl_time(nccl_group(c), CollectiveKind::all_reduce, c.bytes, NcclAlgorithm::ring, protocol.protocol));
    }
}

void lay_ring(const GroupOnFabric& group, const CollectivePrice& price, std::vector<LinkLoad>& loads) {
    lay_scale_up(group, price.scale_up_load, loads);
    lay_ports(group, price.port_load, loads);
    if (!crosses_trunks(group)) return;
    TrunkLoads trunks;
    const std::size_t domains = group.domains.size();
    for (std::size_t i = 0; i < domains; ++i) load_trunks(group, i, (i + 1) % domains, price.port_load, trunks);
    add_trunks(group.fabric, trunks, loads);
}

bool schedule_ring(const ExchangeCase& c, Exchange& exchange) {
    const int n = c.ranks;
    const bool rooted = c.kind == CollectiveKind::broadcast || c.kind == CollectiveKind::reduce;
    if (!is_ring_kind(c.kind)) return false;
    const bool both = c.kind == CollectiveKind::all_reduce || c.kind == CollectiveKind::barrier;
    for (int channel = 0; channel < c.channels; ++channel) {
        std::vector<int> order = channel_order(c, channel);
        if (!rooted) {
            add_ring(c, order, c.bytes / n / c.channels, (both ? 2 : 1) * (n - 1), 0, exchange);
            continue;
        }
        // A chain from the root, or towards it, in pieces so small that only its depth is felt.
        std::rotate(order.begin(), std::find(order.begin(), order.end(), c.root), order.end());
        if (c.kind == CollectiveKind::reduce) std::reverse(order.begin(), order.end());
        const std::vector<int> domain_of = domain_of_members(c);
        int steps = 0;
        int hops = 0;
        for (std::size_t i = 0; i + 1 < order.size(); ++i) {
            ExchangeStream& s = exchange.send(order[i], order[i + 1], c.bytes / c.channels, 0);
            s.lead_steps = steps;
            s.lead_hops = hops;
            ++(domain_of[order[i]] != domain_of[order[i + 1]] ? hops : steps);
        }
    }
    return true;
}

}  // namespace orrery
