// Loads of many at once held to the sum over all pairs, to counting on tori, and to flows played on the same links.
#include "network/exchange_loads.hpp"

#include "hardware/rng.hpp"
#include "network/collective_parameters.hpp"
#include "network/collective_play.hpp"
#include "network/wiring.hpp"

#include <catch2/catch.hpp>

#include <chrono>
#include <cmath>
#include <numeric>

namespace orrery {

namespace {

Node loads_node(int devices, int nics) {
    Node node;
    node.name = "node";
    node.devices = node.scale_up_domain = devices;
    node.nics = nics;
    node.nic_bandwidth = 50.0_GBps;
    node.nic_kind = "infiniband";
    return node;
}

struct LoadsMachine {
    Fabric fabric;
    FabricWays ways;
};

LoadsMachine loads_machine(const FabricSpec& spec, const Node& node, int nodes) {
    LoadsMachine machine{build_fabric(spec, node, nodes, 450.0_GBps, nullptr, {}, 1).value(), {}};
    const RouteOptions options{spec.routing, 1, spec.flows_per_message};
    machine.ways = FabricWays::make(machine.fabric, fabric_graph(spec, node, nodes, 450.0_GBps).value(), options, false).value();
    return machine;
}

std::vector<RankId> first_ranks(int ranks_count) {
    std::vector<RankId> ranks(static_cast<std::size_t>(ranks_count));
    std::iota(ranks.begin(), ranks.end(), 0);
    return ranks;
}

CollectiveRequest loads_request(CollectiveKind kind, Bytes size, int ranks, const std::string& algorithm = "auto") {
    CollectiveRequest request;
    request.collective = {kind, size, DataType::bf16};
    request.algorithm = algorithm;
    request.groups = {first_ranks(ranks)};
    return request;
}

Node torus_node(int chips) {
    Node node = loads_node(chips, 1);
    node.scale_up = ScaleUp::torus;
    return node;
}

}  // namespace

TEST_CASE("everyone to everyone in one pass loads every link as all pairs do one by one", "[network][loads]") {
    // Method: the sum of sprayed routes over all ordered pairs, on switched networks and on a torus.
    struct Case {
        const char* topology;
        int switch_ports, nodes, nics;
    };
    for (const Case& one : {Case{"fat-tree", 8, 32, 1}, {"dragonfly-plus", 8, 40, 1}, {"hyperx", 16, 32, 1}, {"rail-optimized", 8, 16, 4}}) {
        FabricSpec spec;
        spec.topology = one.topology;
        spec.switch_ports = one.switch_ports;
        const Node node = loads_node(one.nics, one.nics);
        const RoutedNetwork network = find_ways(fabric_graph(spec, node, one.nodes, 450.0_GBps).value(), {});
        ExchangeEnds ends;
        ends.by_rail = one.nics > 1;
        const int ends_count = network.graph.end_points;
        for (int e = 0; e < ends_count; ++e) {
            ends.sends.push_back(1.0 + e % 3);
            ends.receives.push_back(0.5 + e % 5);
            ends.domain.push_back(e / one.nics);
        }
        std::vector<double> expected(network.links.size(), 0.0);
        std::vector<LinkLoad> loads;
        for (int from = 0; from < ends_count; ++from) {
            for (int to = 0; to < ends_count; ++to) {
                if (ends.domain[from] == ends.domain[to] || (ends.by_rail && from % one.nics != to % one.nics)) continue;
                loads.clear();
                add_route(network, from, to, 0, 1.0, nullptr, loads);
                for (const LinkLoad& load : loads) expected[load.link] += load.bytes_per_byte * ends.sends[from] * ends.receives[to];
            }
        }
        const std::vector<double> all = even_exchange_loads(network, ends);
        double worst = 0.0;
        for (std::size_t l = 0; l < all.size(); ++l) {
            // Last links are shared out by what each end receives in all; pairs within a domain make that inexact there.
            const bool last = network.links[l].to < ends_count;
            const double scale = last ? 0.12 : 1e-9;
            worst = std::max(worst, std::abs(all[l] - expected[l]) / (scale * std::max(expected[l], 1e-9)));
        }
        INFO(one.topology);
        CHECK(worst <= 1.0);
    }
}

TEST_CASE("ways on a twisted torus are as long as breadth first finds them, link by link", "[network][loads]") {
    // Method: distances over the graph of the topology, plain and twisted (Camara et al. 2010), and each hop a cable of it.
    for (const bool twisted : {false, true}) {
        for (const std::vector<int>& sizes : {std::vector<int>{4, 8}, {4, 4, 8}, {2, 2, 4}}) {
            FabricSpec spec;
            spec.topology = "torus";
            spec.dimensions = sizes;
            spec.twisted = twisted;
            const int chips = std::accumulate(sizes.begin(), sizes.end(), 1, std::multiplies<>());
            const Fabric fabric = build_fabric(spec, torus_node(chips), 1, 450.0_GBps, nullptr).value();
            const RoutedNetwork network = find_ways(fabric_graph(spec, torus_node(chips), 1, 450.0_GBps).value(), {Routing::ecmp, 1, 1, false});
            bool same = true;
            for (int from = 0; from < chips; ++from) {
                for (int to = 0; to < chips; ++to) {
                    const std::vector<TorusHop> way = torus_way(fabric.torus, fabric.torus_twist, from, to, (from + to) % 2 == 0);
                    same = same && static_cast<int>(way.size()) == (from == to ? 0 : network.hops_to(from, to));
                    for (std::size_t i = 0; i < way.size(); ++i) {
                        const int next = i + 1 < way.size() ? way[i + 1].place : to;
                        bool wired = false;
                        for (auto l = network.first_out[way[i].place]; l < network.first_out[way[i].place + 1]; ++l) wired = wired || network.links[l].to == next;
                        same = same && wired;
                    }
                }
            }
            INFO(chips << " chips, twisted " << twisted);
            CHECK(same);
        }
    }
}

TEST_CASE("an all-to-all on a torus needs an eighth of the ring on each link of its longest dimension", "[network][loads]") {
    // Method: the same count by walking all pairs: mean over both directions of the busiest dimension, ties to either side.
    const std::vector<int> sizes{4, 4, 8};
    const int chips = 128;
    FabricSpec spec;
    spec.topology = "torus";
    spec.dimensions = sizes;
    const Fabric fabric = build_fabric(spec, torus_node(chips), 1, 450.0_GBps, nullptr).value();
    double hops = 0.0;
    for (int from = 0; from < chips; ++from) {
        for (int to = 0; to < chips; ++to) {
            for (const TorusHop& hop : torus_way(sizes, -1, from, to, (from + to) % 2 == 0)) hops += hop.dimension == 2 ? 1.0 : 0.0;
        }
    }
    const double per_link = hops / chips / 2.0 / chips;  // bytes of one rank's buffer over a link of the last dimension
    CHECK(exchange_port_load(fabric, chips) == Approx(per_link * 6.0));
    CHECK(per_link == Approx(1.0));
    // Played link by link it takes as long as that says, start-up apart.
    FabricWays ways = FabricWays::make(fabric, {}, {}, false).value();
    const CollectiveRequest request = loads_request(CollectiveKind::all_to_all, 256.0_MiB, chips, "pairwise");
    const CollectiveOutcome played = play_collective(fabric, ways, request, {}).value();
    const Seconds bound = request.collective.size * 6.0 / (fabric.parameters->exchange_efficiency * 450.0_GBps);
    CHECK(played.time / bound > 0.95);
    CHECK(played.time / bound < 1.25);
}

TEST_CASE("an all-to-all of 16,384 ranks is estimated by the bytes through each port", "[network][loads]") {
    // Method: closed form on a full rail network, (n - 8) / n of the buffer over one port; hashing adds the chance of the
    // busiest cable, a slow port holds up everyone by its rate, shares by the largest.
    const Node node = loads_node(8, 8);
    FabricSpec spec;
    const LoadsMachine sprayed = loads_machine(spec, node, 2048);
    CollectiveRequest request = loads_request(CollectiveKind::all_to_all, 1.0_GiB, 16384);
    const auto begin = std::chrono::steady_clock::now();
    const CollectiveOutcome even = price_collective(sprayed.fabric, sprayed.ways, request).value();
    CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(60));
    const double port = sprayed.fabric.parameters->gather_port_share * 50e9;
    const double moving = 16376.0 / 16384.0 * 1073741824.0 / port;
    CHECK(even.time.si() > moving);
    CHECK(even.time.si() < 1.6 * moving);  // one step of start-up a peer

    LoadsMachine slow = sprayed;
    slow_port(slow.fabric, 77, 0.5);
    CHECK((price_collective(slow.fabric, sprayed.ways, request)->time - even.time).si() == Approx(moving).epsilon(0.02));

    request.algorithm = "pairwise";
    request.shares.assign(16384, 1.0);
    request.shares[5] = 4.0;
    const double busy = price_collective(sprayed.fabric, sprayed.ways, request)->time.si();
    CHECK((busy - even.time.si()) / moving == Approx(3.0).epsilon(0.25));

    spec.routing = Routing::ecmp;
    const LoadsMachine hashed = loads_machine(spec, node, 2048);
    request.shares.clear();
    request.algorithm = "auto";
    CHECK(price_collective(hashed.fabric, hashed.ways, request)->time >= even.time);
}

TEST_CASE("groups at once are as slow as the link that their ways meet on, in estimate as in play", "[network][loads]") {
    // Method: the same collective priced by adding loads up, and played as flows on the same routes.
    const Node node = loads_node(8, 8);
    for (const Routing routing : {Routing::ecmp, Routing::fixed, Routing::adaptive}) {
        FabricSpec spec;
        spec.routing = routing;
        spec.switch_ports = 16;  // eight nodes a leaf
        const LoadsMachine machine = loads_machine(spec, node, 32);
        CollectiveRequest request = loads_request(CollectiveKind::all_gather, 1.0_GiB, 2, "auto");
        request.groups.clear();
        for (int g = 0; g < 64; ++g) {  // every eighth node: each step leaves its leaf, on eight nodes and eight rails at once
            std::vector<RankId> group;
            for (int i = 0; i < 4; ++i) group.push_back(i * 64 + g);
            request.groups.push_back(group);
        }
        const CollectiveOutcome priced = price_collective(machine.fabric, machine.ways, request).value();
        const CollectiveOutcome played = play_collective(machine.fabric, machine.ways, request, {}).value();
        INFO(name_of(routing));
        CHECK(priced.time / played.time > 0.8);
        CHECK(priced.time / played.time < 1.25);
        spec.routing = Routing::spray;
        const LoadsMachine sprayed = loads_machine(spec, node, 32);
        const CollectiveOutcome best = price_collective(sprayed.fabric, sprayed.ways, request).value();
        CHECK(priced.time >= best.time * (1.0 - 1e-9));
    }
}

TEST_CASE("a slow port holds up the collective that needs it and nobody else", "[network][loads]") {
    // Method: a message from a port at half its rate takes twice as long to move, in estimate and in play.
    const Node node = loads_node(8, 8);
    FabricSpec spec;
    const LoadsMachine whole = loads_machine(spec, node, 4);
    Fabric fabric = whole.fabric;
    slow_port(fabric, 3, 0.5);
    NetworkGraph graph = fabric_graph(spec, node, 4, 450.0_GBps).value();
    slow_port(fabric, 3, 0.5, graph);
    const FabricWays ways = FabricWays::make(fabric, std::move(graph), {}, false).value();
    for (const int from : {3, 4}) {
        CollectiveRequest request = loads_request(CollectiveKind::send_recv, 4.0_GiB, 2);
        request.groups = {{from, from + 8}};
        const double factor = from == 3 ? 2.0 : 1.0;
        CHECK(price_collective(fabric, ways, request)->time / price_collective(whole.fabric, whole.ways, request)->time == Approx(factor).epsilon(0.01));
        CHECK(play_collective(fabric, ways, request, {})->time / play_collective(whole.fabric, whole.ways, request, {})->time == Approx(factor).epsilon(0.01));
    }
}

TEST_CASE("collectives go round by other groups where routing says so", "[network][loads]") {
    // Method: Kim et al., ISCA 2008: every group's hosts send to the next group, over one bundle the short way; by way of
    // the other groups they have all of them.
    const Node node = loads_node(1, 1);
    FabricSpec spec;
    spec.topology = "dragonfly-plus";
    spec.switch_ports = 8;
    CollectiveRequest request = loads_request(CollectiveKind::send_recv, 64.0_MiB, 2);
    request.groups.clear();
    for (int i = 0; i < 272; ++i) request.groups.push_back({i, (i + 16) % 272});
    // A rank is in two groups of a shift: play every second group's hosts alone.
    std::erase_if(request.groups, [](const auto& group) { return group[0] / 16 % 2 != 0 || group[0] >= 256; });
    const LoadsMachine straight = loads_machine(spec, node, 272);
    spec.routing = Routing::valiant;
    const LoadsMachine around = loads_machine(spec, node, 272);
    const Seconds near = play_collective(straight.fabric, straight.ways, request, {})->time;
    const Seconds far = play_collective(around.fabric, around.ways, request, {})->time;
    CHECK(far < 0.5 * near);
    CHECK(price_collective(around.fabric, around.ways, request)->time / far == Approx(1.0).epsilon(0.35));
}

TEST_CASE("the busiest of many links carries its mean and a few deviations of chance", "[network][loads]") {
    // Method: counting balls in bins by draws, median of seeds.
    std::vector<double> busiest;
    for (std::uint64_t seed = 1; seed <= 21; ++seed) {
        Rng rng = Rng::stream(seed, "balls in bins", 0);
        std::vector<int> balls(1000, 0);
        for (int ball = 0; ball < 100'000; ++ball) ++balls[rng.below(1000)];
        busiest.push_back(*std::max_element(balls.begin(), balls.end()));
    }
    std::sort(busiest.begin(), busiest.end());
    CHECK(busiest_by_chance(100.0, 1.0, 1000.0) / busiest[10] == Approx(1.0).epsilon(0.06));
    CHECK(busiest_by_chance(100.0, 0.0, 1000.0) == 100.0);
}

}  // namespace orrery
