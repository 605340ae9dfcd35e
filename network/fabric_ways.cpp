// Finding ways: dimension by dimension on a torus, direct on a mesh, through switches else, over cables between domains.
#include "network/fabric_ways.hpp"

#include "network/link_rates.hpp"
#include "network/wiring.hpp"

#include <algorithm>

namespace orrery {

namespace {

/// Of one cable with its switch: 130 ns port to port (NVIDIA Quantum QM8700 datasheet) and 30 m of fibre.
constexpr Seconds cable_latency = 0.28_us;
/// Ways that sprayed messages use of those that there are: beyond this their loads differ little.
constexpr int spread_ways = 16;

std::uint64_t mixed(std::uint64_t flow, std::uint64_t salt) {  // splitmix64's finaliser (Steele, Lea & Flood, OOPSLA 2014)
    std::uint64_t z = flow + 0x9e3779b97f4a7c15ULL * (salt + 1);
    z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27U)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31U);
}

/// The same cable the other way: of parallel ones that of the same number.
LinkId reverse_link(const RoutedNetwork& network, LinkId link) {
    const DirectedLink& one = network.links[link];
    const auto to_of = [](const DirectedLink& a, int to) { return a.to < to; };
    const auto first = [&](int from, int to) {
        return std::lower_bound(network.links.begin() + network.first_out[from], network.links.begin() + network.first_out[from + 1], to, to_of);
    };
    const auto number = link - static_cast<LinkId>(first(one.from, one.to) - network.links.begin());
    return static_cast<LinkId>(first(one.to, one.from) - network.links.begin()) + number;
}

}  // namespace

Result<FabricWays> FabricWays::make(const Fabric& fabric, NetworkGraph graph, const RouteOptions& options, bool packets) {
    FabricWays ways;
    ways.fabric_ = &fabric;
    ways.first_direct_ = static_cast<LinkId>(fabric.links.size());
    if (!fabric.torus.empty()) ways.direct_per_rank_ = 2 * static_cast<int>(fabric.torus.size());
    if (fabric.wiring == ScaleUp::mesh && fabric.domain > 1) ways.direct_per_rank_ = fabric.domain;
    ways.first_network_ = ways.first_direct_ + ways.direct_per_rank_ * fabric.devices;
    if (fabric.domain >= fabric.devices) return ways;
    RouteOptions chosen = options;
    ways.goes_around_ = options.routing == Routing::valiant;
    const bool by_queue = packets && options.routing == Routing::adaptive;  // switches choose, packet by packet
    if (options.routing == Routing::spray || options.flows > 1 || ways.goes_around_ || by_queue) {
        // Equally short ways of switches that are no twins, or, for packets, all of them.
        if (!packets && options.routing == Routing::spray) graph = merge_twins(graph);
        chosen = {Routing::ecmp, options.seed, 1, false};
        ways.spread_ = options.routing == Routing::ecmp ? options.flows : spread_ways;
    }
    Result<RoutedNetwork> routed = route_network(std::move(graph), chosen);
    if (!routed) return routed.problems();
    ways.network_ = std::make_shared<const RoutedNetwork>(std::move(routed).value());
    return ways;
}

void FabricWays::find_inside(RankId from, RankId to, std::uint64_t flow, std::vector<LinkId>& way) const {
    const Fabric& fabric = *fabric_;
    if (!fabric.torus.empty()) {
        const int first = from - from % fabric.domain;
        for (const TorusHop& hop : torus_way(fabric.torus, fabric.torus_twist, from - first, to - first, flow % 2 == 0)) {
            way.push_back(first_direct_ + (first + hop.place) * direct_per_rank_ + 2 * hop.dimension + (hop.forward ? 0 : 1));
        }
        return;
    }
    way.push_back(fabric.scale_up_tx[from]);
    if (direct_per_rank_ > 0) way.push_back(first_direct_ + from * direct_per_rank_ + to % fabric.domain);
    way.push_back(fabric.scale_up_rx[to]);
}

void FabricWays::find_network(int from, int to, std::uint64_t flow, int choice, double bytes, RouteMemory* memory,
                              std::vector<LinkId>& way) const {
    std::vector<LinkLoad> loads;
    if (goes_around_) {
        add_way_around(*network_, from, to, flow, choice, loads);
    } else {
        add_route(*network_, from, to, choice == 0 ? flow : mixed(flow, static_cast<std::uint64_t>(choice)), bytes, memory, loads);
    }
    for (const LinkLoad& load : loads) way.push_back(first_network_ + load.link);
}

void FabricWays::find(RankId from, RankId to, std::uint64_t flow, std::vector<std::vector<LinkId>>& ways, double bytes,
                      RouteMemory* memory) const {
    const Fabric& fabric = *fabric_;
    ways.clear();
    std::vector<LinkId> head;
    if (!crosses(from, to)) {
        find_inside(from, to, flow, head);
        ways.push_back(std::move(head));
        return;
    }
    ORRERY_CHECK(network_ != nullptr);
    const int ports = network_->graph.ports_per_node;
    const auto port_of = [&](RankId rank) {
        return rank / fabric.devices_per_node * ports + rank % fabric.devices_per_node * ports / fabric.devices_per_node;
    };
    int sender = port_of(from);
    const int receiver = port_of(to);
    if (sender == receiver) {  // two domains of one node behind one port
        ways.push_back({fabric.nic_tx[from], fabric.nic_rx[to]});
        return;
    }
    // NCCL's PXN (2.12 and later): to another rail by the neighbour in the domain that is on it.
    const bool rails = ports > 1 && fabric.topology.starts_with("rail");
    if (rails && sender % ports != receiver % ports) {
        const int neighbour_port = sender / ports * ports + receiver % ports;
        const RankId neighbour = from / fabric.devices_per_node * fabric.devices_per_node +
                                 receiver % ports * fabric.devices_per_node / ports;
        if (!crosses(from, neighbour) && from != neighbour) find_inside(from, neighbour, flow, head);
        sender = neighbour_port;
    }
    for (int i = 0; i < spread_; ++i) {
        std::vector<LinkId> way = head;
        find_network(sender, receiver, flow, i, bytes, memory, way);
        const bool same_start = ways.empty() || ways.front().front() == way.front();
        if (same_start && std::find(ways.begin(), ways.end(), way) == ways.end()) ways.push_back(std::move(way));
        if (i == 3 && ways.size() == 1) break;  // there is one way
    }
}

void FabricWays::to_switch(RankId rank, bool network, bool back, std::vector<LinkId>& way) const {
    const Fabric& fabric = *fabric_;
    if (!network) {
        way.push_back(back ? fabric.scale_up_rx[rank] : fabric.scale_up_tx[rank]);
        return;
    }
    ORRERY_CHECK(network_ != nullptr);
    const int ports = network_->graph.ports_per_node;
    const int port = rank / fabric.devices_per_node * ports + rank % fabric.devices_per_node * ports / fabric.devices_per_node;
    const std::int32_t out = network_->first_out[port];
    ORRERY_CHECK(out < network_->first_out[port + 1]);
    if (!back) return way.push_back(first_network_ + out);
    const int near = network_->links[out].to;
    for (std::int32_t l = network_->first_out[near]; l < network_->first_out[near + 1]; ++l) {
        if (network_->links[l].to == port) return way.push_back(first_network_ + l);
    }
    ORRERY_CHECK(false);
}

LinkTable FabricWays::links(const LinkShares& shares) const {
    const Fabric& fabric = *fabric_;
    LinkTable table;
    const BytesPerSecond unused = BytesPerSecond::from_si(1.0);  // of links that the fabric has and nobody's way leads over
    for (const Link& link : fabric.links) {
        table.add(link.bandwidth.si() > 0.0 ? link.bandwidth : unused, {});
    }
    for (const auto* ends : {&fabric.scale_up_tx, &fabric.scale_up_rx}) {
        for (const LinkId link : *ends) table.bandwidth[link] *= shares.scale_up;
    }
    const double ways_out = fabric.torus.empty() ? std::max(1, fabric.domain - 1) : direct_per_rank_;
    for (int i = 0; i < direct_per_rank_ * fabric.devices; ++i) {
        table.add(shares.scale_up / ways_out * fabric.scale_up, {});
    }
    if (network_ != nullptr) {
        for (const DirectedLink& link : network_->links) {
            table.add(port_payload_share * shares.network * link.bandwidth, cable_latency + link.latency);
        }
    }
    table.reverse.assign(table.size(), -1);
    for (std::size_t rank = 0; rank < fabric.scale_up_tx.size(); ++rank) {
        table.reverse[fabric.scale_up_tx[rank]] = fabric.scale_up_rx[rank];
        table.reverse[fabric.scale_up_rx[rank]] = fabric.scale_up_tx[rank];
    }
    for (std::size_t l = 0; network_ != nullptr && l < network_->links.size(); ++l) {
        table.reverse[first_network_ + static_cast<LinkId>(l)] = first_network_ + reverse_link(*network_, static_cast<LinkId>(l));
    }
    return table;
}

std::string FabricWays::link_name(LinkId link) const {
    if (link < first_direct_) return fabric_->links[link].name;
    if (link < first_network_) {
        const int at = link - first_direct_;
        const std::string rank = "rank " + std::to_string(at / direct_per_rank_);
        const int which = at % direct_per_rank_;
        if (fabric_->torus.empty()) return rank + " to place " + std::to_string(which);
        return rank + (which % 2 == 0 ? " forward" : " back") + " in dimension " + std::to_string(which / 2);
    }
    const DirectedLink& one = network_->links[link - first_network_];
    return vertex_name(network_->graph, one.from) + " to " + vertex_name(network_->graph, one.to);
}

int FabricWays::network_links_of(std::span<const LinkId> way) const {
    return static_cast<int>(std::count_if(way.begin(), way.end(), [&](LinkId link) { return link >= first_network_; }));
}

}  // namespace orrery
