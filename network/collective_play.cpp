// Schedules laid on links: the library's protocols priced on them, the fastest played.
#include "network/collective_play.hpp"

#include "network/collective_case.hpp"
#include "network/collective_parameters.hpp"
#include "network/exchange.hpp"
#include "network/exchange_loads.hpp"
#include "network/flow_player.hpp"
#include "network/link_rates.hpp"
#include "network/wiring.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace orrery {

namespace {

constexpr double messages_max = 2.0e6;
constexpr double estimated_pairs_max = 2.0e5;  // beyond, an estimate adds pairs up instead of laying each on its links
constexpr double packets_played_max = 2.0e7;
constexpr double barrier_token = 8.0;  // bytes, a protocol's flag
constexpr std::size_t busiest_shown = 10;
constexpr int exchange_ports_max = 64;  // channels: NCCL's MAXCHANNELS (src/include/device.h:91)

/// Start-up and rates of one protocol.
struct PlayProtocol {
    std::string_view name;
    double start = 0.0;  // s
    double step = 0.0;   // s, from device to device in a domain
    double hop = 0.0;    // s, over the network
    LinkShares shares;
};

/// As the algorithms' own files price them (network/algorithms).
std::vector<PlayProtocol> play_protocols(const Fabric& fabric, CollectiveKind kind, const GroupShape& shape) {
    const CollectiveParameters& p = *fabric.parameters;
    const bool across = shape.domains > 1;
    const bool sums = kind == CollectiveKind::all_reduce || kind == CollectiveKind::barrier;
    const double hop = sums && p.across_hop.si() > 0.0 ? p.across_hop.si() : fabric.net_hop.si();
    const double gather = p.gather_port_share / port_payload_share;
    if (kind == CollectiveKind::send_recv) {
        return {{"message", p.message_latency.si(), 0.0, hop, {p.message_efficiency, gather}}};
    }
    if (kind == CollectiveKind::all_to_all) {
        const double start = p.exchange_base.si() + p.exchange_step.si() * (shape.ranks - 1.0);
        const double quick = across ? 0.0 : p.exchange_ll_efficiency * (shape.ranks - 1.0);
        std::vector<PlayProtocol> both{
            {"Simple", start + (across ? 0.0 : p.exchange_simple_start.si()), 0.0, simple_hop_ratio * hop, {p.exchange_efficiency, gather}}};
        if (quick > 0.0) both.push_back({"LL", start, 0.0, hop, {std::min(1.0, quick), gather}});
        return both;
    }
    if (across && !sums) return {{"LL128", 14e-6, 1.9e-6, ring_gather_hop_ratio * hop, {0.8, gather}}};
    const double base = p.base.si() + (across ? p.across_start.si() : 0.0);
    const double ports = p.across_port_share / port_payload_share;
    std::vector<PlayProtocol> all{{"Simple", base + p.simple_start.si(), p.simple_step.si(), simple_hop_ratio * hop, {p.simple_efficiency, ports}}};
    const auto share = [&](double of_simple, double inside) { return across ? of_simple * p.simple_efficiency : inside; };
    if (p.ll_efficiency > 0.0) all.push_back({"LL", base, p.ll_step.si(), hop, {share(0.5, p.ll_efficiency), 0.5 * ports}});
    if (p.ll128_efficiency > 0.0) {
        all.push_back({"LL128", base + p.ll128_start.si(), p.ll128_step.si(), ll128_hop_ratio * hop, {share(0.92, p.ll128_efficiency), 0.92 * ports}});
    }
    return all;
}

/// In-switch sums have a start and a rate of their own.
void adapt_to_switch(const CollectiveParameters& p, std::string_view algorithm, int ranks, std::vector<PlayProtocol>& protocols) {
    const bool in_switch = algorithm == "nvls" || algorithm == "hierarchical";
    if (!in_switch) return;
    PlayProtocol one = protocols.front();
    one.name = "NVLS";
    one.start = p.nvls_latency.si() + (algorithm == "hierarchical" ? p.across_start.si() : 0.0);
    one.step = 0.0;
    if (p.nvls_efficiency > 0.0) one.shares.scale_up = std::min(1.0, p.nvls_efficiency * (ranks + 1.0) / ranks);
    if (algorithm == "hierarchical") one.hop *= 20.9 / 14.0;  // as in hierarchical.cpp
    protocols = {one};
}

ExchangeCase exchange_case(const Fabric& fabric, const CollectiveRequest& request, std::span<const RankId> group, bool whole_rounds) {
    ExchangeCase c;
    c.kind = request.collective.kind;
    c.bytes = c.kind == CollectiveKind::barrier ? barrier_token : request.collective.size.si();
    c.ranks = static_cast<int>(group.size());
    c.root = request.root;
    c.whole_rounds = whole_rounds;
    std::vector<int> seen;  // domain ids in order of the group
    for (int member = 0; member < c.ranks; ++member) {
        const int domain = group[member] / fabric.domain;
        const auto found = std::find(seen.begin(), seen.end(), domain);
        const auto index = static_cast<std::size_t>(found - seen.begin());
        if (found == seen.end()) {
            seen.push_back(domain);
            c.domains.emplace_back();
        }
        c.domains[index].push_back(member);
    }
    std::size_t widest = 1;
    for (const auto& domain : c.domains) widest = std::max(widest, domain.size());
    const int usual = c.domains.size() > 1 ? static_cast<int>(widest) : 1;
    c.channels = std::clamp(request.channels > 0 ? request.channels : usual, 1, exchange_ports_max);
    if (!fabric.torus.empty() && c.domains.size() == 1 && c.ranks == fabric.domain) c.torus = fabric.torus;
    double sum = 0.0;
    for (const double share : request.shares) sum += share;
    for (const double share : request.shares) c.shares.push_back(share / sum);
    return c;
}

/// A group's schedule on links: flows without their latencies, which the protocol gives.
struct LaidExchange {
    ExchangeCase c;
    Exchange exchange;
    FlowSet flows;
    std::vector<std::int32_t> stream_of;     // by flow: a stream divided over several ways is several flows
    std::vector<std::uint8_t> crosses;       // by stream
    std::vector<std::int32_t> cables;        // by stream: network links on its way
};

/// What is hashed of the messages from one rank to another: as between the same two addresses and ports.
std::uint64_t pair_flow(RankId from, RankId to) { return static_cast<std::uint64_t>(from) << 32U | static_cast<std::uint64_t>(to); }

/// Ends of a stream as links.
void stream_ways(const FabricWays& ways, const ExchangeCase& c, std::span<const RankId> group, const ExchangeStream& s,
                 RouteMemory& memory, std::vector<std::vector<LinkId>>& found) {
    if (s.from < c.ranks && s.to < c.ranks) {
        return ways.find(group[s.from], group[s.to], pair_flow(group[s.from], group[s.to]), found, s.bytes * s.rounds, &memory);
    }
    const bool back = s.from >= c.ranks;
    const bool network = std::max(s.from, s.to) == c.ranks + static_cast<int>(c.domains.size());
    found.assign(1, {});
    ways.to_switch(group[back ? s.to : s.from], network, back, found.front());
}

Result<LaidExchange> lay_exchange(const Fabric& fabric, const FabricWays& ways, const CollectiveRequest& request,
                                  std::span<const RankId> group, std::string_view algorithm, bool packets, RouteMemory& memory) {
    LaidExchange laid;
    laid.c = exchange_case(fabric, request, group, packets);
    Result<Exchange> made = make_exchange(laid.c, algorithm);
    if (!made) return made.problems();
    laid.exchange = std::move(made).value();
    const std::size_t streams = laid.exchange.streams.size();
    const double all = static_cast<double>(streams) * static_cast<double>(request.groups.size());
    if (all > messages_max) {
        return Problem{"/workload", "makes " + std::to_string(std::llround(all)) + " flows, more than the " +
                                        std::to_string(std::llround(messages_max)) + " that are played",
                       "take a smaller group, fewer groups or channels, or fidelity \"estimate\""};
    }
    // Needs by stream first; ways divide streams into flows afterwards.
    FlowSet needs;
    add_phase_needs(laid.exchange, needs);
    std::vector<std::int32_t> first_flow{0};
    std::vector<std::vector<LinkId>> found;
    for (std::size_t i = 0; i < streams; ++i) {
        const ExchangeStream& s = laid.exchange.streams[i];
        stream_ways(ways, laid.c, group, s, memory, found);
        const int cables = ways.network_links_of(found.front());
        laid.cables.push_back(cables);
        laid.crosses.push_back(cables > 0 || (s.from < laid.c.ranks && s.to < laid.c.ranks && ways.crosses(group[s.from], group[s.to])) ? 1 : 0);
        const std::size_t parts = packets ? 1 : found.size();
        for (std::size_t part = 0; part < parts; ++part) {
            const RouteId route = laid.flows.routes.add(found[part]);
            for (std::size_t w = 1; packets && w < found.size(); ++w) laid.flows.routes.add(found[w]);
            laid.flows.add(s.from, s.to, Bytes::from_si(s.bytes / static_cast<double>(parts)), route);
            laid.flows.rounds.push_back(s.rounds);
            if (packets) laid.flows.ways.push_back(static_cast<std::int32_t>(found.size()));
            laid.stream_of.push_back(static_cast<std::int32_t>(i));
            for (std::int32_t n = needs.need_first[i]; n < needs.need_first[i + 1]; ++n) {
                const Need need = needs.needs[n];
                // Rings kept in rounds wait for streams further on, and are never divided.
                const std::int32_t begin = packets ? need.stream : first_flow[need.stream];
                const std::int32_t end = packets ? begin + 1 : first_flow[need.stream + 1];
                for (std::int32_t f = begin; f < end; ++f) laid.flows.wait_for(f, need.lag);
            }
        }
        first_flow.push_back(static_cast<std::int32_t>(laid.flows.streams()));
    }
    return laid;
}

/// Time of a stream before its first byte goes.
double stream_delay(const LaidExchange& laid, const PlayProtocol& protocol, std::size_t stream, bool on_wire) {
    const ExchangeStream& s = laid.exchange.streams[stream];
    const bool crosses = laid.crosses[stream] != 0;
    const double steps = s.lead_steps + (crosses ? 0 : 1);
    const double hops = s.lead_hops + (crosses ? 1 : 0);
    const double wires = on_wire ? 0.28e-6 * laid.cables[stream] : 0.0;  // of the hop: the links tell it themselves
    return (s.phase == 0 ? protocol.start : 0.0) + std::max(0.0, steps * protocol.step + hops * protocol.hop - wires);
}

/// On links without other traffic: phase after phase of all groups together, its longest chain and its busiest link.
double schedule_idle_time(std::span<const LaidExchange> groups, const PlayProtocol& protocol, const LinkTable& links) {
    std::vector<double> bytes(links.size(), 0.0);
    std::vector<LinkId> touched;
    std::vector<std::size_t> next(groups.size(), 0);  // flow of each group
    double time = 0.0;
    for (int phase = 0; phase < groups.front().exchange.phases; ++phase) {
        double chain = 0.0;
        for (std::size_t g = 0; g < groups.size(); ++g) {
            const LaidExchange& laid = groups[g];
            for (std::size_t& f = next[g]; f < laid.flows.streams(); ++f) {
                const auto stream = static_cast<std::size_t>(laid.stream_of[f]);
                const ExchangeStream& s = laid.exchange.streams[stream];
                if (s.phase > phase) break;
                const double once = stream_delay(laid, protocol, stream, false);
                const double start = s.phase == 0 ? protocol.start : 0.0;
                chain = std::max(chain, start + (once - start) * s.rounds);
                for (const LinkId link : laid.flows.routes[laid.flows.route[f]]) {
                    if (bytes[link] == 0.0) touched.push_back(link);
                    bytes[link] += laid.flows.size[f].si() * s.rounds;
                }
            }
        }
        double longest = 0.0;
        for (const LinkId link : touched) {
            longest = std::max(longest, bytes[link] / links.bandwidth[link].si());
            bytes[link] = 0.0;
        }
        touched.clear();
        time += chain + longest;
    }
    return time;
}

/// Bytes that all pairs of all groups put on each link of `ways`.
std::vector<double> pair_bytes(const Fabric& fabric, const FabricWays& ways, const CollectiveRequest& request) {
    std::vector<double> bytes(ways.links({}).size(), 0.0);
    double share_sum = 0.0;
    for (const double share : request.shares) share_sum += share;
    for (const std::vector<RankId>& group : request.groups) {
        const auto n = static_cast<double>(group.size());
        std::vector<double> shares;
        std::vector<double> of_domain(static_cast<std::size_t>(fabric.devices / fabric.domain) + 1, 0.0);
        std::vector<double> ranks_in(of_domain.size(), 0.0);
        for (std::size_t i = 0; i < group.size(); ++i) {
            shares.push_back(request.shares.empty() ? 1.0 / n : request.shares[i] / share_sum);
            of_domain[static_cast<std::size_t>(group[i] / fabric.domain)] += shares.back();
            ranks_in[static_cast<std::size_t>(group[i] / fabric.domain)] += 1.0;
        }
        const double size = request.collective.size.si();
        for (std::size_t i = 0; i < group.size() && !fabric.scale_up_tx.empty(); ++i) {
            const auto domain = static_cast<std::size_t>(group[i] / fabric.domain);
            const double spread = exchange_port_load(fabric, static_cast<int>(ranks_in[domain])) * ranks_in[domain] / std::max(1.0, ranks_in[domain] - 1.0);
            bytes[fabric.scale_up_tx[group[i]]] += spread * size * (of_domain[domain] - shares[i]);
            bytes[fabric.scale_up_rx[group[i]]] += spread * size * shares[i] * (ranks_in[domain] - 1.0);
        }
        if (ways.network() == nullptr) continue;
        const RoutedNetwork& network = *ways.network();
        const std::vector<double> even = even_exchange_loads(network, exchange_ends(fabric, network, group, shares));
        const bool by_chance = fabric.network != nullptr && fabric.network->options.routing == Routing::ecmp;
        const double flow = by_chance ? size / n / std::max(1, fabric.network->options.flows) : 0.0;
        for (std::size_t l = 0; l < even.size(); ++l) {
            const bool port = std::min(network.links[l].from, network.links[l].to) < network.graph.end_points;
            bytes[static_cast<std::size_t>(ways.first_network_link()) + l] +=
                port ? size * even[l] : busiest_by_chance(size * even[l], flow, static_cast<double>(even.size()));
        }
    }
    return bytes;
}

/// An all-to-all by direct exchange between more ranks than are laid pair by pair: one phase, its busiest link.
double pairwise_idle_time(std::span<const double> bytes, bool across, const PlayProtocol& protocol, const LinkTable& links) {
    double longest = 0.0;
    for (std::size_t l = 0; l < bytes.size(); ++l) longest = std::max(longest, bytes[l] / links.bandwidth[l].si());
    return protocol.start + (across ? protocol.hop : protocol.step) + longest;
}

struct PricedExchange {
    std::vector<LaidExchange> laid;  // of the first group; of all in an estimate; none where pairs are too many
    PlayProtocol protocol;
    double schedule_time = 0.0;      // of the protocol on links without other traffic
    double idle = 0.0;               // with what was measured, where it was
    std::string_view algorithm;
    std::string basis;
    bool measured = false;       // of groups over several domains: as many as these
};

/// By what the library ranks a protocol of a ring or tree between domains: its own table. Of all else nothing is known but
/// the time on idle links.
double protocol_rank(const Fabric& fabric, const CollectiveRequest& request, const GroupShape& shape, std::string_view algorithm,
                     std::string_view protocol, double schedule_time) {
    const bool ranked = request.collective.kind == CollectiveKind::all_reduce && shape.domains > 1 && (algorithm == "ring" || algorithm == "tree");
    if (!ranked) return schedule_time;
    const CollectiveCase c = make_case(fabric, request.collective, shape);
    return nccl_time(nccl_group(c), c.collective.kind, c.bytes, algorithm == "ring" ? NcclAlgorithm::ring : NcclAlgorithm::tree,
                     protocol == "LL" ? NcclProtocol::ll : protocol == "LL128" ? NcclProtocol::ll128 : NcclProtocol::simple);
}

GroupShape shape_of_groups(const Fabric& fabric, const CollectiveRequest& request) {
    GroupShape shape = shape_of(fabric, request.groups.front());
    const int home = request.groups.front().front() / fabric.domain;
    shape.per_node_peers = static_cast<int>(std::count_if(request.groups.begin(), request.groups.end(), [&](const auto& group) {
        return std::any_of(group.begin(), group.end(), [&](RankId rank) { return rank / fabric.domain == home; });
    }));
    return shape;
}

Result<PricedExchange> price_exchange(const Fabric& fabric, const FabricWays& ways, const CollectiveRequest& request, bool packets,
                                      bool estimate, RouteMemory& memory) {
    PricedExchange priced;
    const std::string_view library = library_algorithm(fabric, request);
    priced.algorithm = request.algorithm == "auto" ? library : std::string_view(request.algorithm);
    const GroupShape shape = shape_of_groups(fabric, request);
    const double pairs = static_cast<double>(shape.ranks) * shape.ranks * static_cast<double>(request.groups.size());
    std::vector<double> bytes;  // by link, where pairs are not laid
    if (estimate && priced.algorithm == "pairwise" && pairs > estimated_pairs_max) {
        bytes = pair_bytes(fabric, ways, request);
    } else {
        for (const std::vector<RankId>& group : request.groups) {
            if (!estimate && !priced.laid.empty()) break;
            Result<LaidExchange> laid = lay_exchange(fabric, ways, request, group, priced.algorithm, packets, memory);
            if (!laid) return laid.problems();
            priced.laid.push_back(std::move(laid).value());
        }
    }
    std::vector<PlayProtocol> protocols = play_protocols(fabric, request.collective.kind, shape);
    adapt_to_switch(*fabric.parameters, priced.algorithm, shape.per_domain, protocols);
    double best = std::numeric_limits<double>::infinity();
    for (const PlayProtocol& protocol : protocols) {
        const LinkTable links = ways.links(protocol.shares);
        const double time = bytes.empty() ? schedule_idle_time(priced.laid, protocol, links)
                                          : pairwise_idle_time(bytes, shape.domains > 1, protocol, links);
        const double ranked_by = protocol_rank(fabric, request, shape, priced.algorithm, protocol.name, time);
        if (ranked_by >= best) continue;
        best = ranked_by;
        priced.schedule_time = time;
        priced.protocol = protocol;
    }
    priced.idle = priced.schedule_time;
    priced.basis = "steps and links of the algorithm, start-up and rates of " + fabric.parameters->name;
    if (priced.algorithm == library && request.shares.empty()) {
        priced.idle = concurrent_time(fabric, request.collective, request.groups).si();
        priced.basis = collective_basis(fabric, request.collective, shape);
        priced.measured = shape.domains > 1 && priced.basis.starts_with("measured");
    }
    return priced;
}

/// Adds a group's flows, with latencies, to what is played.
void add_group(const LaidExchange& laid, const PlayProtocol& protocol, double slowness, int traffic_class, FlowSet& all) {
    const auto first = static_cast<StreamId>(all.streams());
    for (std::size_t f = 0; f < laid.flows.streams(); ++f) {
        const std::int32_t ways = laid.flows.ways.empty() ? 1 : laid.flows.ways[f];
        RouteId route = 0;
        for (std::int32_t w = 0; w < ways; ++w) {
            const RouteId added = all.routes.add(laid.flows.routes[laid.flows.route[f] + w]);
            if (w == 0) route = added;
        }
        all.add(laid.flows.source[f], laid.flows.destination[f], slowness * laid.flows.size[f], route);
        all.rounds.push_back(laid.flows.rounds[f]);
        all.traffic_class.push_back(static_cast<std::uint8_t>(traffic_class));
        all.ways.push_back(ways);
        all.delay.push_back(Seconds::from_si(slowness * stream_delay(laid, protocol, static_cast<std::size_t>(laid.stream_of[f]), true)));
        for (std::int32_t n = laid.flows.need_first[f]; n < laid.flows.need_first[f + 1]; ++n) {
            all.wait_for(first + laid.flows.needs[n].stream, laid.flows.needs[n].lag);
        }
    }
}

void add_background(const FabricWays& ways, const CollectiveRequest& request, RouteMemory& memory, FlowSet& all) {
    std::vector<std::vector<LinkId>> found;
    for (std::size_t i = 0; i < request.background.size(); ++i) {
        const BackgroundFlow& flow = request.background[i];
        ways.find(flow.from, flow.to, ~static_cast<std::uint64_t>(i), found, flow.size.si(), &memory);
        RouteId route = 0;
        for (std::size_t w = 0; w < found.size(); ++w) {
            const RouteId added = all.routes.add(found[w]);
            if (w == 0) route = added;
        }
        all.add(flow.from, flow.to, flow.size, route);
        all.rounds.push_back(1);
        all.traffic_class.push_back(static_cast<std::uint8_t>(flow.traffic_class));
        all.ways.push_back(static_cast<std::int32_t>(found.size()));
        all.delay.push_back({});
    }
}

void list_busiest(const FabricWays& ways, const LinkTable& links, std::span<const Bytes> carried, Seconds time,
                  const PacketTimes* packets, CollectiveOutcome& outcome) {
    std::vector<LinkId> order;
    const auto busy = [&](LinkId l) { return carried[l] / links.bandwidth[l] / time; };
    for (std::size_t l = 0; l < carried.size(); ++l) {
        if (carried[l].si() > 0.0) order.push_back(static_cast<LinkId>(l));
    }
    const std::size_t shown = std::min(order.size(), busiest_shown);
    std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(shown), order.end(), [&](LinkId a, LinkId b) {
        return busy(a) != busy(b) ? busy(a) > busy(b) : a < b;
    });
    for (std::size_t i = 0; i < shown; ++i) {
        const LinkId l = order[i];
        outcome.busiest.push_back({ways.link_name(l), busy(l), carried[l], packets ? packets->queue_max[l] : Bytes{},
                                   packets ? packets->paused[l] : Seconds{}});
    }
}

Problems too_many_packets(const FlowSet& flows, const PacketOptions& options) {
    const double payload = (options.packet - options.header).si();
    double packets = 0.0;
    for (std::size_t f = 0; f < flows.streams(); ++f) {
        packets += std::ceil(flows.size[f].si() / payload) * flows.rounds_of(static_cast<StreamId>(f));
    }
    if (packets <= packets_played_max) return {};
    return {{"/workload", "makes " + std::to_string(std::llround(packets)) + " packets, more than the " +
                              std::to_string(std::llround(packets_played_max)) + " that are played",
             "take smaller sizes, a smaller group or larger packets, or fidelity \"fluid\""}};
}

CollectiveOutcome outcome_of(const PricedExchange& priced) {
    CollectiveOutcome outcome;
    outcome.time = outcome.idle_time = Seconds::from_si(priced.idle);
    outcome.algorithm = std::string(priced.algorithm);
    outcome.protocol = priced.protocol.name;
    outcome.basis = priced.basis;
    return outcome;
}

}  // namespace

double bus_factor(CollectiveKind kind, int ranks) {
    const double n = std::max(ranks, 1);
    switch (kind) {
        case CollectiveKind::all_reduce:
            return 2.0 * (n - 1.0) / n;
        case CollectiveKind::all_gather:
        case CollectiveKind::reduce_scatter:
        case CollectiveKind::all_to_all:
            return (n - 1.0) / n;
        case CollectiveKind::broadcast:
        case CollectiveKind::reduce:
        case CollectiveKind::send_recv:
            return 1.0;
        case CollectiveKind::barrier:
            return 0.0;
    }
    return 0.0;
}

std::string_view library_algorithm(const Fabric& fabric, const CollectiveRequest& request) {
    return chosen_algorithm(fabric, request.collective, shape_of(fabric, request.groups.front()));
}

Result<CollectiveOutcome> price_collective(const Fabric& fabric, const FabricWays& ways, const CollectiveRequest& request) {
    RouteMemory memory;
    const Result<PricedExchange> priced = price_exchange(fabric, ways, request, false, true, memory);
    if (!priced) return priced.problems();
    return outcome_of(*priced);
}

Result<CollectiveOutcome> play_collective(const Fabric& fabric, const FabricWays& ways, const CollectiveRequest& request,
                                          const std::optional<PacketOptions>& packets) {
    RouteMemory memory;
    const Result<PricedExchange> priced = price_exchange(fabric, ways, request, packets.has_value(), false, memory);
    if (!priced) return priced.problems();
    CollectiveOutcome outcome = outcome_of(*priced);
    // Inside one domain measurements say more than steps and links do; between domains the links are what is asked about.
    const bool one_domain = priced->laid.front().c.domains.size() == 1;
    const double slowness = (one_domain || priced->measured) && request.groups.size() == 1 ? priced->idle / priced->schedule_time : 1.0;
    FlowSet flows;
    for (const std::vector<RankId>& group : request.groups) {
        if (&group == &request.groups.front()) {
            add_group(priced->laid.front(), priced->protocol, slowness, request.traffic_class, flows);
            continue;
        }
        const Result<LaidExchange> laid = lay_exchange(fabric, ways, request, group, priced->algorithm, packets.has_value(), memory);
        if (!laid) return laid.problems();
        add_group(*laid, priced->protocol, slowness, request.traffic_class, flows);
    }
    const std::size_t own = flows.streams();
    add_background(ways, request, memory, flows);
    const LinkTable links = ways.links(priced->protocol.shares);
    const auto last_of = [&](const std::vector<Seconds>& finish) { return *std::max_element(finish.begin(), finish.begin() + static_cast<std::ptrdiff_t>(own)); };
    if (!packets) {
        const Result<FlowTimes> times = play_flows(links, flows);
        if (!times) return times.problems();
        outcome.time = last_of(times->finish);
        outcome.messages = times->messages;
        list_busiest(ways, links, times->carried, times->last, nullptr, outcome);
        return outcome;
    }
    if (const Problems problems = too_many_packets(flows, *packets); !problems.empty()) return problems;
    const Result<PacketTimes> times = play_packets(links, flows, *packets);
    if (!times) return times.problems();
    outcome.time = last_of(times->finish);
    outcome.messages = flows.messages();
    outcome.packets = times->sent;
    outcome.pauses = times->pauses;
    outcome.marked = times->marked;
    outcome.dropped = times->dropped;
    outcome.trimmed = times->trimmed;
    outcome.queue_max = *std::max_element(times->queue_max.begin(), times->queue_max.end());
    list_busiest(ways, links, times->carried, times->last, &*times, outcome);
    return outcome;
}

}  // namespace orrery
