// What a collective costs on a fabric: algorithms offer, the library's rule picks one, the pick is priced, calibrated
// and, for the simulation, laid out on links.
#include "network/algorithms/algorithms.hpp"
#include "network/collective_parameters.hpp"
#include "network/exchange.hpp"
#include "network/link_rates.hpp"
#include "network/wiring.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace orrery {

namespace {

constexpr CollectiveAlgorithm collective_table[] = {
    {"ring", "each rank hands on to the next: all the bandwidth, n - 1 steps a pass", offer_ring, lay_ring, schedule_ring},
    {"tree", "double binary tree between domains: log2 deep, for all-reduce", offer_tree, lay_tree, schedule_tree},
    {"nvls", "all-reduce inside the scale-up switch (NVLink SHARP)", offer_nvls, lay_nvls, schedule_nvls},
    {"hierarchical", "in-switch reduction inside domains, double binary tree between them", offer_hierarchical,
     lay_tree, schedule_hierarchical},
    {"pairwise", "all-to-all by direct exchange", offer_pairwise, lay_pairwise, schedule_pairwise},
    {"send-recv", "one message", offer_send_recv, lay_send_recv, schedule_send_recv},
    {"doubling", "recursive halving and doubling: log2(n) steps, for all-reduce, all-gather and reduce-scatter", nullptr, nullptr,
     schedule_doubling},
    {"bruck", "all-gather and all-to-all of small messages in ceil(log2 n) steps", nullptr, nullptr, schedule_bruck},
    {"pat", "parallel aggregated trees: all-gather and reduce-scatter, farthest first", offer_pat, lay_pat, schedule_pat},
    {"collnet", "all-reduce with the sums made in the network's switches (SHARP)", offer_collnet, lay_collnet,
     schedule_collnet},
    {"two-level", "rings inside domains and along rails", nullptr, nullptr, schedule_two_level},
    {"pxn-exchange", "all-to-all by way of the neighbour on the receiver's rail", nullptr, nullptr,
     schedule_pxn_exchange},
    {"torus-rings", "rings along every dimension of a torus, both ways", nullptr, nullptr,
     schedule_torus_rings},
};

/// Exchanges of nothing: a barrier moves a token as small as a protocol's flag.
constexpr double barrier_bytes = 8.0;

struct ChosenPrice {
    CollectivePrice price;
    const CollectiveAlgorithm* algorithm = nullptr;
};

bool is_empty(const Collective& collective, int ranks) {
    return ranks <= 1 || (collective.size.si() <= 0.0 && collective.kind != CollectiveKind::barrier);
}

/// The library's pick, with what was measured beyond the physical price applied to latency and size alike.
ChosenPrice choose_price(const CollectiveCase& c) {
    ChosenPrice chosen;
    double best = std::numeric_limits<double>::infinity();
    for (const CollectiveAlgorithm& algorithm : collective_table) {
        if (algorithm.offer == nullptr) continue;
        OfferList list;
        algorithm.offer(c, list);
        for (const CollectiveOffer& offer : list.offers()) {
            if (offer.ranked_by >= best) continue;
            best = offer.ranked_by;
            chosen = {offer.price, &algorithm};
        }
    }
    ORRERY_CHECK(chosen.algorithm != nullptr);
    const double ratio = measured_over_physical(c.parameters, c.collective, c.shape);
    chosen.price.latency *= ratio;
    chosen.price.size *= ratio;
    if (c.collective.kind == CollectiveKind::barrier) {
        chosen.price.latency = idle_price(c, chosen.price);
        chosen.price.size = chosen.price.scale_up_load = chosen.price.port_load = 0.0;
    }
    return chosen;
}

/// Distances on the longest chain of messages: all edges of a ring but the shortest in each pass, once up and once down
/// a tree, one message else.
double distance_met(const CollectiveCase& c, std::string_view algorithm, const RouteLog& log) {
    if (algorithm == "ring") return c.passes * (log.distance_sum - log.distance_min);
    return (algorithm == "tree" || algorithm == "hierarchical" ? 2.0 : 1.0) * log.distance_max;
}

}  // namespace

std::span<const CollectiveAlgorithm> collective_algorithms() { return collective_table; }

void OfferList::add(const CollectivePrice& price, double ranked_by) {
    ORRERY_CHECK(count_ < offers_.size());
    offers_[count_++] = {price, ranked_by};
}

CollectiveCase make_case(const Fabric& fabric, const Collective& collective, const GroupShape& shape) {
    ORRERY_CHECK(fabric.parameters != nullptr);
    ORRERY_CHECK(shape.per_domain >= 1 && shape.domains >= 1);
    ORRERY_CHECK(shape.ranks >= shape.per_domain && shape.ranks >= shape.domains);
    CollectiveCase c{fabric, *fabric.parameters, collective, shape};
    c.bytes = collective.kind == CollectiveKind::barrier ? barrier_bytes : collective.size.si();
    const bool all_reduce = collective.kind == CollectiveKind::all_reduce || collective.kind == CollectiveKind::barrier;
    c.passes = all_reduce ? 2 : 1;
    c.link_rate = fabric.scale_up.si() * usable_scale_up_share(fabric, shape.per_domain);
    c.hops = ring_hops(fabric, shape.per_domain);
    c.net_hop = c.parameters.across_hop.si() > 0.0 ? c.parameters.across_hop.si() : fabric.net_hop.si();
    c.port_overhead = port_payload_share / c.parameters.across_port_share;
    c.local_pass = c.parameters.local_pass;
    if (fabric.wiring == ScaleUp::cube_mesh) {
        // The rings of a cube mesh were counted by the bus bandwidth they gave: local passes and protocol are in that.
        c.local_pass = 0.0;
        c.link_rate *= cube_mesh_payload / c.parameters.simple_efficiency;
    }
    const bool reduces = collective.kind == CollectiveKind::all_reduce || collective.kind == CollectiveKind::reduce ||
                         collective.kind == CollectiveKind::reduce_scatter;
    if (reduces && collective.type == DataType::int8) c.reduce_slowdown = c.parameters.int8_slowdown;
    c.ranks_fewest = std::clamp(shape.ranks - (shape.domains - 1) * shape.per_domain, 1, shape.per_domain);
    if (!fabric.nic_tx.empty()) c.port_rate = fabric.links[fabric.nic_tx[0]].bandwidth.si();
    if (!fabric.port_left.empty()) c.port_rate /= fabric.port_left[0];
    ORRERY_CHECK(shape.domains == 1 || c.port_rate > 0.0);
    ORRERY_CHECK(shape.per_domain == 1 || c.link_rate > 0.0);
    return c;
}

NcclGroup nccl_group(const CollectiveCase& c) {
    const CollectiveParameters& p = c.parameters;
    NcclGroup group;
    group.generation = p.tuning_generation;
    group.ranks = c.shape.ranks;
    group.nodes = c.shape.domains;
    const double ports = c.shape.per_domain * c.port_rate / port_payload_share;
    group.bus = c.shape.per_domain > 1 ? p.tuning_bus_share * c.link_rate : ports;
    if (c.shape.domains > 1) group.bus = std::min(group.bus, ports);
    group.sums_in_switch = p.nvls_efficiency > 0.0 && c.shape.per_domain >= p.nvls_ranks_min &&
                           c.fabric.wiring == ScaleUp::switched && c.collective.type != DataType::int8;
    group.sums_in_network = c.fabric.reduces_in_network;
    return group;
}

double limit_across(const CollectiveCase& c, double inside, double port_load) {
    return c.shape.per_domain > 1 && inside > 0.0 ? inside : c.fabric.node_nic.si() / port_load;
}

double ports_of_group(const CollectiveCase& c) {
    const double domain_ports = std::min(c.fabric.domain, c.fabric.devices) * c.port_rate;
    return std::min(c.ranks_fewest * c.port_rate, domain_ports / std::max(1, c.shape.per_node_peers));
}

double idle_price(const CollectiveCase& c, const CollectivePrice& price) {
    return price.size <= 0.0 ? price.latency : price.latency + price.size / idle_rate(c, price);
}

double idle_rate(const CollectiveCase& c, const CollectivePrice& price) {
    double rate = price.rate_max;
    if (price.scale_up_load > 0.0 && c.shape.per_domain > 1) {
        rate = std::min(rate, c.fabric.scale_up.si() / price.scale_up_load);
    }
    if (price.port_load > 0.0) rate = std::min(rate, ports_of_group(c) / price.port_load);
    if (price.trunk_load > 0.0) {
        rate = std::min(rate, c.fabric.links[c.fabric.leaf_up[0]].bandwidth.si() / price.trunk_load);
    }
    return rate;
}

GroupShape shape_of(const Fabric& fabric, std::span<const RankId> members) {
    GroupShape shape{static_cast<int>(members.size()), 1, 1, 1};
    const auto in_order = [&] { return std::is_sorted(members.begin(), members.end()); };
    std::vector<RankId> copy;
    std::span<const RankId> sorted = members;
    if (!in_order()) {
        copy.assign(members.begin(), members.end());
        std::sort(copy.begin(), copy.end());
        sorted = copy;
    }
    int run = 0;
    int domains = 0;
    int previous = -1;
    for (const RankId rank : sorted) {
        const int domain = rank / fabric.domain;
        run = domain == previous ? run + 1 : 1;
        if (domain != previous) ++domains;
        previous = domain;
        shape.per_domain = std::max(shape.per_domain, run);
    }
    shape.domains = std::max(domains, 1);
    shape.ranks = std::max(shape.ranks, 1);
    return shape;
}

Transfer plan_transfer(const Fabric& fabric, const Collective& collective, std::span<const RankId> members,
                       RouteMemory* memory) {
    if (is_empty(collective, static_cast<int>(members.size()))) return {"none", {}, {}, {}, {}, {}};
    for (const RankId rank : members) ORRERY_CHECK(rank >= 0 && rank < fabric.devices);
    ORRERY_CHECK(collective.kind != CollectiveKind::send_recv || members.size() == 2);
    RouteLog log{memory};
    GroupOnFabric group = open_group(fabric, members);
    group.log = &log;
    for (std::size_t i = 1; i < group.sorted.size(); ++i) ORRERY_CHECK(group.sorted[i - 1] != group.sorted[i]);

    const CollectiveCase c = make_case(fabric, collective, shape_of(fabric, group.sorted));
    const ChosenPrice chosen = choose_price(c);
    Transfer transfer;
    transfer.algorithm = chosen.price.algorithm;
    transfer.latency = Seconds::from_si(chosen.price.latency);
    transfer.size = Bytes::from_si(chosen.price.size);
    transfer.rate_max = BytesPerSecond::from_si(chosen.price.rate_max);
    if (chosen.price.size <= 0.0) return transfer;
    transfer.loads.reserve(4 * members.size());
    chosen.algorithm->layout(group, chosen.price, transfer.loads);
    transfer.distance = Seconds::from_si(distance_met(c, chosen.price.algorithm, log));
    const auto by_link = [](const LinkLoad& a, const LinkLoad& b) { return a.link < b.link; };
    if (!std::is_sorted(transfer.loads.begin(), transfer.loads.end(), by_link)) {
        std::sort(transfer.loads.begin(), transfer.loads.end(), by_link);
    }
    return transfer;
}

Seconds idle_time(const Fabric& fabric, const Transfer& transfer) {
    if (transfer.size.si() <= 0.0) return transfer.latency + transfer.distance;
    double rate = transfer.rate_max.si();
    for (const LinkLoad& load : transfer.loads) {
        rate = std::min(rate, fabric.links[load.link].bandwidth.si() / load.bytes_per_byte);
    }
    return transfer.latency + Seconds::from_si(transfer.size.si() / rate) + transfer.distance;
}

Seconds collective_time(const Fabric& fabric, const Collective& collective, const GroupShape& shape) {
    return ported_time(fabric, collective, shape).time;
}

PortedTime ported_time(const Fabric& fabric, const Collective& collective, const GroupShape& shape) {
    if (is_empty(collective, shape.ranks)) return {};
    const CollectiveCase c = make_case(fabric, collective, shape);
    const CollectivePrice price = choose_price(c).price;
    if (price.size <= 0.0) return {Seconds::from_si(price.latency)};
    const double rate = idle_rate(c, price);
    const double time = price.latency + price.size / rate;
    return {Seconds::from_si(time), price.size / rate / time, price.port_load > 0.0 ? rate * price.port_load / ports_of_group(c) : 0.0};
}

std::string_view chosen_algorithm(const Fabric& fabric, const Collective& collective, const GroupShape& shape) {
    if (is_empty(collective, shape.ranks)) return "none";
    return choose_price(make_case(fabric, collective, shape)).price.algorithm;
}

std::string collective_basis(const Fabric& fabric, const Collective& collective, const GroupShape& shape) {
    if (is_empty(collective, shape.ranks)) return "nothing to exchange";
    const CollectiveParameters& p = *fabric.parameters;
    if (shape.domains > 1) {
        for (const CollectiveResidual& residual : p.residuals) {
            if (residual.kind == collective.kind && residual.domains == shape.domains) return "measured between domains: " + p.source;
        }
        return "port rates and published hop latencies, inside each domain as " + p.name;
    }
    for (const CollectiveResidual& residual : p.residuals) {
        if (residual.kind == collective.kind) return "measured on " + p.name + ": " + p.source;
    }
    return "physical model of " + p.name + ": " + p.source;
}

double measured_over_physical(const CollectiveParameters& parameters, const Collective& collective,
                              const GroupShape& shape) {
    const CollectiveResidual* below = nullptr;  // largest rank count not above the group's
    const CollectiveResidual* above = nullptr;  // smallest not below
    const int ranks = shape.ranks;
    const Bytes size = collective.size;
    const bool int8 = collective.type == DataType::int8;
    for (const CollectiveResidual& residual : parameters.residuals) {
        if (residual.kind != collective.kind || residual.ratio.empty() || residual.domains != shape.domains) continue;
        if (residual.int8 && !int8) continue;
        const auto own = [&](const CollectiveResidual* other) {
            return other == nullptr || other->ranks != residual.ranks || residual.int8 == int8;
        };
        if (residual.ranks <= ranks && (!below || residual.ranks >= below->ranks) && own(below)) below = &residual;
        if (residual.ranks >= ranks && (!above || residual.ranks <= above->ranks) && own(above)) above = &residual;
    }
    if (!below && !above) return 1.0;
    const auto log_ratio = [&](const CollectiveResidual& residual) {
        const double last = static_cast<double>(residual.ratio.size() - 1);
        const double at = std::log2(std::max(size.si(), 1.0)) - residual.log2_bytes_min;
        const double place = std::clamp(at, 0.0, last);
        const auto left = static_cast<std::size_t>(std::min(place, std::max(last - 1.0, 0.0)));
        const std::size_t right = std::min(left + 1, residual.ratio.size() - 1);
        const double part = place - static_cast<double>(left);
        return (1.0 - part) * std::log(residual.ratio[left]) + part * std::log(residual.ratio[right]);
    };
    if (!below) return std::exp(log_ratio(*above));
    if (!above || above->ranks == below->ranks) return std::exp(log_ratio(*below));
    const double part = std::log2(static_cast<double>(ranks) / below->ranks) /
                        std::log2(static_cast<double>(above->ranks) / below->ranks);
    return std::exp((1.0 - part) * log_ratio(*below) + part * log_ratio(*above));
}

}  // namespace orrery
