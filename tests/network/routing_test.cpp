// Routes and flows on them, held to closed forms, conservation and published figures of other simulators.
#include "network/flow_run.hpp"
#include "network/network_graph.hpp"
#include "hardware/rng.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <numeric>
#include <thread>

using namespace orrery;

namespace {

Node plain_host() {
    Node node;
    node.name = "host";
    node.devices = node.scale_up_domain = node.nics = 1;
    node.nic_bandwidth = 50.0_GBps;
    node.nic_kind = "infiniband";
    return node;
}

NetworkGraph host_network(const char* topology, int switch_ports, int hosts) {
    FabricSpec spec;
    spec.topology = topology;
    spec.switch_ports = switch_ports;
    return fabric_graph(spec, plain_host(), hosts, {}).value();
}

FlowRunOptions run_with(Routing routing, std::uint64_t seed = 1, int flows = 1) {
    FlowRunOptions options;
    options.route = {routing, seed, flows};
    options.link_latency = 1.0_us;
    return options;
}

double last_us(const NetworkGraph& graph, std::span<const NetworkFlow> flows, const FlowRunOptions& options) {
    return run_flows(graph, flows, options).value().last / 1.0_us;
}

/// Every host to the one half the network further: all flows cross pods.
std::vector<NetworkFlow> half_shift(int hosts, Bytes size = 2.0_MB) {
    std::vector<NetworkFlow> flows;
    for (int i = 0; i < hosts; ++i) flows.push_back({i, (i + hosts / 2) % hosts, size, {}});
    return flows;
}

double median(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
}

Problem routing_problem(const NetworkGraph& graph, Routing routing) {
    const auto routed = route_network(graph, {routing});
    REQUIRE_FALSE(routed.ok());
    return routed.problems().front();
}

}  // namespace

TEST_CASE("a permutation sprayed over a full fat tree takes its own time, on one static way several times that",
          "[network][routing]") {
    // Method: 2 MB at 400 Gb/s is 40 us, six links 6 us. SimGrid's fluid model with D-mod-k says 126 us at 128 hosts and
    // 206 us at 1,024: three and five flows on one link.
    const NetworkGraph small = host_network("fat-tree", 8, 128);
    const NetworkGraph large = host_network("fat-tree", 16, 1024);
    std::vector<double> small_static, large_static;
    for (std::uint64_t seed = 1; seed <= 5; ++seed) {
        const auto flows = permutation_flows(128, 2.0_MB, seed);
        CHECK(last_us(small, flows, run_with(Routing::spray)) == Approx(46.0).epsilon(1e-6));
        small_static.push_back(last_us(small, flows, run_with(Routing::fixed)));
        large_static.push_back(last_us(large, permutation_flows(1024, 2.0_MB, seed), run_with(Routing::fixed)));
    }
    CHECK(*std::min_element(small_static.begin(), small_static.end()) == Approx(126.0).epsilon(1e-6));
    CHECK(median(large_static) == Approx(206.0).epsilon(1e-6));
    for (const double time : small_static) CHECK((time - 6.0) / 40.0 == Approx(std::round((time - 6.0) / 40.0)));
}

TEST_CASE("hashed flows lie between spraying and one way as messages divide over more of them", "[network][routing]") {
    // Method: balls in bins: the fullest link of one hash a message is no better than a static way's; many hashes tend
    // to spraying.
    const NetworkGraph graph = host_network("fat-tree", 8, 128);
    double previous = 1e9;
    for (const int flows : {1, 4, 16, 256}) {
        std::vector<double> times;
        for (std::uint64_t seed = 1; seed <= 5; ++seed) {
            times.push_back(last_us(graph, permutation_flows(128, 2.0_MB, seed), run_with(Routing::ecmp, seed, flows)));
        }
        CHECK(median(times) < previous);
        previous = median(times);
        CHECK(median(times) > 46.0);
    }
    CHECK(previous < 1.3 * 46.0);
}

TEST_CASE("adaptive flows collide less than hashed ones", "[network][routing]") {
    // Method: the same permutations; a full tree could carry each without collision, a greedy placement nearly does.
    const NetworkGraph graph = host_network("fat-tree", 8, 128);
    for (std::uint64_t seed = 1; seed <= 5; ++seed) {
        const auto flows = permutation_flows(128, 2.0_MB, seed);
        const double adaptive = last_us(graph, flows, run_with(Routing::adaptive, seed));
        CHECK(adaptive < last_us(graph, flows, run_with(Routing::ecmp, seed)));
        CHECK(adaptive >= 46.0 - 1e-6);
    }
}

TEST_CASE("a static way suits the shift that it was made for", "[network][routing]") {
    // Method: Zahavi 2010: D-mod-k routes shifts on full fat trees without contention.
    const NetworkGraph graph = host_network("fat-tree", 8, 128);
    CHECK(last_us(graph, half_shift(128), run_with(Routing::fixed)) == Approx(46.0).epsilon(1e-6));
}

TEST_CASE("Valiant's detour beats the direct cables where all groups send to the next", "[network][routing]") {
    // Method: Kim et al., ISCA 2008. 8-port switches, 17 groups of 16 hosts, one cable between two groups: minimal ways
    // put 16 hosts on it. By way of 15 other groups each global cable carries 2 x 16 / 15 of a host.
    const NetworkGraph graph = host_network("dragonfly-plus", 8, 17 * 16);
    std::vector<NetworkFlow> flows;
    for (int i = 0; i < 17 * 16; ++i) flows.push_back({i, (i + 16) % (17 * 16), 2.0_MB, {}});
    CHECK(last_us(graph, flows, run_with(Routing::spray)) == Approx(16 * 40.0 + 5.0).epsilon(1e-6));
    const double valiant = last_us(graph, flows, run_with(Routing::valiant));
    CHECK(valiant < 4 * 40.0);
    CHECK(valiant > 32.0 / 15.0 * 40.0);
}

TEST_CASE("dimension order on a torus crosses one dimension after the other", "[network][routing]") {
    // Method: by hand on 4 x 4: from chip 0 to chip 6 = (2, 1): two links along the first, then one along the second.
    Node node = plain_host();
    node.scale_up = ScaleUp::torus;
    node.devices = node.scale_up_domain = 16;
    FabricSpec spec;
    spec.topology = "torus";
    spec.dimensions = {4, 4};
    const NetworkGraph graph = fabric_graph(spec, node, 1, 200.0_GBps).value();
    const RoutedNetwork network = route_network(graph, {Routing::dimension_order}).value();
    std::vector<LinkLoad> loads;
    const RouteLatency way = add_route(network, 0, 6, 0, 1.0, nullptr, loads);
    REQUIRE(way.hops == 3);
    CHECK(network.links[loads[0].link].dimension == 1);
    CHECK(network.links[loads[1].link].dimension == 1);
    CHECK(network.links[loads[2].link].dimension == 2);
    CHECK(network.links[loads[2].link].from == 2);
    // Uniform all-to-all on a ring of 4: 1 + 2 + 1 hops of 15 destinations a dimension row: links share evenly.
    loads.clear();
    for (int a = 0; a < 16; ++a) {
        for (int b = 0; b < 16; ++b) {
            if (a != b) add_route(network, a, b, 0, 1.0, nullptr, loads);
        }
    }
    const double total = std::accumulate(loads.begin(), loads.end(), 0.0, [](double sum, const LinkLoad& l) { return sum + l.bytes_per_byte; });
    CHECK(total == Approx(16.0 * 16.0 * 2.0));  // mean distance of 4 x 4 is 1 + 1, self included
}

TEST_CASE("what a flow puts on links leaves its source once and reaches its end once", "[network][routing]") {
    // Method: conservation at every vertex, for seeded pairs under every routing that each network allows.
    struct Case {
        const char* topology;
        int ports, hosts;
        std::vector<Routing> routings;
    };
    const Case cases[] = {
        {"fat-tree", 8, 128, {Routing::spray, Routing::ecmp, Routing::adaptive, Routing::fixed}},
        {"dragonfly-plus", 8, 80, {Routing::spray, Routing::ecmp, Routing::adaptive, Routing::valiant}},
        {"hyperx", 16, 64, {Routing::spray, Routing::ecmp, Routing::dimension_order}},
        {"multi-plane", 8, 32, {Routing::spray, Routing::ecmp, Routing::fixed}},
        {"two-sites", 8, 32, {Routing::spray, Routing::adaptive}},
    };
    Rng rng(7);
    for (const Case& one : cases) {
        const NetworkGraph graph = host_network(one.topology, one.ports, one.hosts);
        for (const Routing routing : one.routings) {
            const RoutedNetwork network = route_network(graph, {routing, 3, 4}).value();
            for (int trial = 0; trial < 20; ++trial) {
                const int from = static_cast<int>(rng.below(static_cast<std::uint64_t>(one.hosts)));
                const int to = (from + 1 + static_cast<int>(rng.below(static_cast<std::uint64_t>(one.hosts - 1)))) % one.hosts;
                std::vector<LinkLoad> loads;
                add_route(network, from, to, static_cast<std::uint64_t>(trial), 1.0, nullptr, loads);
                std::vector<double> balance(network.graph.vertices.size());
                for (const LinkLoad& load : loads) {
                    balance[network.links[load.link].from] += load.bytes_per_byte;
                    balance[network.links[load.link].to] -= load.bytes_per_byte;
                }
                balance[from] -= 1.0;
                balance[to] += 1.0;
                INFO(one.topology << " " << name_of(routing) << " " << from << " to " << to);
                for (const double left : balance) CHECK(std::abs(left) < 1e-12);
            }
        }
    }
}

TEST_CASE("twin switches taken together change no time", "[network][routing]") {
    // Method: spraying on the graph with and without its twins, seeded permutations; equal to rounding.
    for (const char* topology : {"fat-tree", "multi-plane", "two-sites"}) {
        const NetworkGraph graph = host_network(topology, 8, 64);
        CHECK(merge_twins(graph).vertices.size() < graph.vertices.size());
        const auto flows = permutation_flows(64, 2.0_MB, 5);
        FlowRunOptions apart = run_with(Routing::spray);
        apart.route.merge = false;
        const std::vector<NetworkChange> never{{1.0_s, {}}};
        apart.changes = never;
        CHECK(last_us(graph, flows, apart) == Approx(last_us(graph, flows, run_with(Routing::spray))).epsilon(1e-9));
    }
}

TEST_CASE("equal flows on equal places take equal times", "[network][routing]") {
    // Method: a shift on symmetric networks, sprayed: every flow ends at once.
    for (const char* topology : {"fat-tree", "dragonfly-plus", "multi-plane"}) {
        const NetworkGraph graph = host_network(topology, 8, 64);
        const FlowRun run = run_flows(graph, half_shift(64), run_with(Routing::spray)).value();
        for (const Seconds end : run.end) CHECK(end / run.last == Approx(1.0).epsilon(1e-6));
        CHECK(run.sent == run.arrived);
        CHECK(run.sent / 1.0_MB == Approx(128.0));
    }
}

TEST_CASE("results are the same bytes on one, two and eight threads", "[network][routing]") {
    // Method: the same eight runs, divided over threads; exact equality.
    const NetworkGraph graph = host_network("fat-tree", 8, 128);
    const auto run_all = [&](int threads) {
        std::vector<std::vector<Seconds>> ends(8);
        std::vector<std::thread> pool;
        for (int t = 0; t < threads; ++t) {
            pool.emplace_back([&, t] {
                for (std::size_t i = static_cast<std::size_t>(t); i < 8; i += static_cast<std::size_t>(threads)) {
                    const Routing routing = i % 2 == 0 ? Routing::ecmp : Routing::adaptive;
                    ends[i] = run_flows(graph, permutation_flows(128, 2.0_MB, i), run_with(routing, i)).value().end;
                }
            });
        }
        for (std::thread& one : pool) one.join();
        return ends;
    };
    const auto once = run_all(1);
    CHECK(once == run_all(2));
    CHECK(once == run_all(8));
}

TEST_CASE("a failed cable leaves its leaf the rest of its ways", "[network][routing][faults]") {
    // Method: leaf 0 has four hosts and, of four cables up, three left: every flow that leaves or enters it gets 3/4.
    const NetworkGraph graph = host_network("fat-tree", 8, 128);
    NetworkFaults faults;
    faults.links = {{"leaf 0", "spine 0"}};
    const NetworkGraph damaged = with_faults(graph, faults).value();
    CHECK(last_us(damaged, half_shift(128), run_with(Routing::spray)) == Approx(40.0 / 0.75 + 6.0).epsilon(1e-6));
    faults.links = {{"spine 0", "leaf 0", 0, 0.5}};  // half its rate: sprayed by rates, 3.5 of 4 cables
    const NetworkGraph slower = with_faults(graph, faults).value();
    CHECK(last_us(slower, half_shift(128), run_with(Routing::spray)) > 46.0);
    faults.links = {{"node 5", "leaf 1", 0, 0.5}};
    CHECK(last_us(with_faults(graph, faults).value(), half_shift(128), run_with(Routing::spray)) == Approx(86.0).epsilon(1e-6));
    faults.links.clear();
    faults.switches = {{"spine 0", 0.0}};  // four leaves of its pod have three ways each
    CHECK(last_us(with_faults(graph, faults).value(), half_shift(128), run_with(Routing::spray)) ==
          Approx(40.0 / 0.75 + 6.0).epsilon(1e-6));
}

TEST_CASE("a cable that fails under way costs the time until traffic is sent round it", "[network][routing][faults]") {
    // Method: by hand. One flow of 40 us on one way; its cable fails after 10 us, and 20 us later it goes another way.
    const NetworkGraph graph = host_network("fat-tree", 8, 32);
    const std::vector<NetworkFlow> flow{{0, 16, 2.0_MB, {}}};
    const FlowRunOptions options = run_with(Routing::fixed);
    const RoutedNetwork network = route_network(graph, options.route).value();
    std::vector<LinkLoad> loads;
    add_route(network, 0, 16, 0, 1.0, nullptr, loads);
    const DirectedLink up = network.links[loads[1].link];
    NetworkFaults faults;
    faults.links = {{vertex_name(graph, up.from), vertex_name(graph, up.to)}};
    faults.reroute = 20.0_us;
    const std::vector<NetworkChange> fails{{10.0_us, faults}};
    FlowRunOptions failing = options;
    failing.changes = fails;
    const FlowRun run = run_flows(graph, flow, failing).value();
    CHECK(run.last / 1.0_us == Approx(40.0 + 20.0 + 4.0).epsilon(1e-6));
    CHECK(run.rerouted == 1);
    // Flapping: down for 5 us, back before anybody is sent round: 5 us lost.
    NetworkFaults whole;
    whole.reroute = 20.0_us;
    const std::vector<NetworkChange> flaps{{10.0_us, faults}, {15.0_us, whole}};
    failing.changes = flaps;
    CHECK(run_flows(graph, flow, failing).value().last / 1.0_us == Approx(40.0 + 5.0 + 4.0).epsilon(1e-6));
    // Its only cable to the leaf: nothing is left.
    faults.links = {{"node 0", "leaf 0"}};
    const std::vector<NetworkChange> cut{{10.0_us, faults}};
    failing.changes = cut;
    const auto stuck = run_flows(graph, flow, failing);
    REQUIRE_FALSE(stuck.ok());
    CHECK(stuck.problems().front().problem == "from node 0 to node 16 never arrives: no way is left");
}

TEST_CASE("a flapping cable loses the time until traffic goes another way", "[network][routing][faults]") {
    // Method: down 2 s in every 100 s, sent round after 1 s: 1 % of its rate.
    const NetworkGraph graph = host_network("fat-tree", 8, 32);
    NetworkFaults faults;
    faults.links = {{"node 0", "leaf 0", 0, 0.0, 2.0_s, 100.0_s}};
    faults.reroute = 1.0_s;
    const NetworkGraph flapping = with_faults(graph, faults).value();
    CHECK(flapping.cables.front().bandwidth.si() == Approx(0.99 * 50e9));
    faults.links.front().every = 1.0_s;
    CHECK(with_faults(graph, faults).problems().front().problem == "flaps without \"down\" shorter than \"every\"");
}

TEST_CASE("who is cut off is named, ten at most", "[network][routing][faults]") {
    // Method: the messages of failed leaves with 4 and 16 hosts, and of names that the network does not have.
    NetworkFaults faults;
    faults.switches = {{"leaf 1", 0.0}};
    const auto four = route_network(with_faults(host_network("fat-tree", 8, 32), faults).value(), {});
    REQUIRE_FALSE(four.ok());
    CHECK(four.problems().front().problem == "no way leads from node 0 to node 4, node 5, node 6, node 7");
    const auto many = route_network(with_faults(host_network("fat-tree", 32, 256), faults).value(), {});
    REQUIRE_FALSE(many.ok());
    CHECK(many.problems().front().problem.ends_with("node 24, node 25 and 6 more"));
    faults.switches = {{"leaf 99", 0.0}};
    faults.links = {{"leaf 0", "spine 77"}, {"node 0", "node 1"}};
    const auto unknown = with_faults(host_network("fat-tree", 8, 32), faults);
    REQUIRE_FALSE(unknown.ok());
    REQUIRE(unknown.problems().size() == 3);
    CHECK(unknown.problems()[0].place == "/cluster/faults/switches/0/switch");
    CHECK(unknown.problems()[1].place == "/cluster/faults/links/0/to");
    CHECK(unknown.problems()[1].problem == "there is no \"spine 77\" in this network");
    CHECK(unknown.problems()[2].problem == "there is no cable between \"node 0\" and \"node 1\"");
}

TEST_CASE("routings that a network has no use for are refused", "[network][routing]") {
    // Method: the messages.
    const NetworkGraph tree = host_network("fat-tree", 8, 32);
    CHECK(routing_problem(tree, Routing::dimension_order).problem ==
          "is \"dimension-order\", and this network has no dimensions");
    CHECK(routing_problem(tree, Routing::valiant).place == "/cluster/fabric/routing");
    CHECK(routing_problem(tree, Routing::rail).problem == "is \"rail\", and this network has no rails");
    const auto outside = run_flows(tree, std::vector<NetworkFlow>{{0, 32, 1.0_MB, {}}}, {});
    REQUIRE_FALSE(outside.ok());
    CHECK(outside.problems().front().problem == "goes from end point 0 to 32 of a network of 32");
}

TEST_CASE("ways link by link and trunks say the same of healthy sprayed networks", "[network][routing][collective]") {
    // Method: a fault that takes nothing away makes the fabric work its ways out; times are the trunks' to rounding.
    Node node;
    node.name = "dgx-test";
    node.devices = node.scale_up_domain = node.nics = 8;
    node.nic_bandwidth = 50.0_GBps;
    node.nic_kind = "infiniband";
    FabricSpec spec;
    spec.oversubscription = 3.0;
    NetworkFaults nothing;
    nothing.links = {{"leaf 0", "spine 0", 0, 1.0}};
    const Fabric trunks = build_fabric(spec, node, 96, 450.0_GBps, nullptr).value();
    const Fabric ways = build_fabric(spec, node, 96, 450.0_GBps, nullptr, nothing).value();
    REQUIRE(ways.network != nullptr);
    REQUIRE(trunks.network == nullptr);
    std::vector<RankId> everyone(96 * 8);
    std::iota(everyone.begin(), everyone.end(), 0);
    std::vector<RankId> rail;
    for (int n = 0; n < 96; ++n) rail.push_back(8 * n + 3);
    for (const CollectiveKind kind : {CollectiveKind::all_reduce, CollectiveKind::all_gather, CollectiveKind::all_to_all}) {
        for (const auto& members : {everyone, rail}) {
            const Collective c{kind, 256.0_MB, DataType::bf16};
            const double ratio = idle_time(ways, plan_transfer(ways, c, members)) / idle_time(trunks, plan_transfer(trunks, c, members));
            INFO(name_of(kind) << " of " << members.size());
            CHECK(ratio == Approx(1.0).epsilon(1e-9));
        }
    }
}

TEST_CASE("exchanges across two sites pay for the distance", "[network][routing][collective]") {
    // Method: by hand, 100 km = 490 us. A message pays once; a ring of four nodes, two at each site, passes two long
    // edges in each of two passes.
    FabricSpec spec;
    spec.topology = "two-sites";
    spec.long_haul_bandwidth = 1000.0_GBps;
    const Fabric fabric = build_fabric(spec, plain_host(), 4, {}, nullptr).value();
    const Transfer near = plan_transfer(fabric, {CollectiveKind::send_recv, 1.0_MB, DataType::bf16}, std::vector<RankId>{0, 1});
    const Transfer far = plan_transfer(fabric, {CollectiveKind::send_recv, 1.0_MB, DataType::bf16}, std::vector<RankId>{1, 2});
    CHECK(near.distance == Seconds{});
    CHECK(far.distance / 1.0_us == Approx(490.0));
    const Transfer ring = plan_transfer(fabric, {CollectiveKind::all_gather, 1.0_GB, DataType::bf16}, std::vector<RankId>{0, 1, 2, 3});
    CHECK(ring.algorithm == "ring");
    CHECK(ring.distance / 1.0_us == Approx(2 * 490.0));
}

TEST_CASE("a port with half a cable left halves its rate and nobody else's", "[network][routing][faults]") {
    // Method: node 1's cable at half its rate: messages from it take twice as long, others and prices stay.
    FabricSpec spec;
    spec.topology = "fat-tree";
    NetworkFaults faults;
    faults.links = {{"node 1", "leaf 0", 0, 0.5}};
    const Fabric whole = build_fabric(spec, plain_host(), 4, {}, nullptr).value();
    const Fabric half = build_fabric(spec, plain_host(), 4, {}, nullptr, faults).value();
    const Collective message{CollectiveKind::send_recv, 1.0_GB, DataType::bf16};
    const auto time = [&](const Fabric& fabric, RankId from, RankId to) {
        return idle_time(fabric, plan_transfer(fabric, message, std::vector<RankId>{from, to}));
    };
    CHECK(time(half, 0, 1) / time(whole, 0, 1) == Approx(2.0).epsilon(0.01));
    CHECK(time(half, 2, 3) == time(whole, 2, 3));
    CHECK(collective_time(half, message, {2, 1, 2, 1}) == collective_time(whole, message, {2, 1, 2, 1}));
}

TEST_CASE("a message to another rail changes rails inside the sending node", "[network][routing]") {
    // Method: rail-only has no way between rails, only from the neighbour on the receiver's rail.
    Node node;
    node.name = "dgx-test";
    node.devices = node.scale_up_domain = node.nics = 8;
    node.nic_bandwidth = 50.0_GBps;
    node.nic_kind = "infiniband";
    FabricSpec spec;
    spec.topology = "rail-only";
    const Fabric fabric = build_fabric(spec, node, 4, 450.0_GBps, nullptr).value();
    const Transfer across = plan_transfer(fabric, {CollectiveKind::send_recv, 1.0_MB, DataType::bf16}, std::vector<RankId>{0, 13});
    std::vector<std::string> names;
    for (const LinkLoad& load : across.loads) names.push_back(fabric.links[load.link].name);
    CHECK(can_reach(*fabric.network, 5, end_point_of(fabric, 13)));
    CHECK_FALSE(can_reach(*fabric.network, end_point_of(fabric, 0), end_point_of(fabric, 13)));
    CHECK(std::find(names.begin(), names.end(), "rank 13 nic rx") != names.end());
    spec.topology = "single-node";
    spec.routing = Routing::ecmp;
    CHECK(build_fabric(spec, node, 1, 450.0_GBps, nullptr).problems().front().problem ==
          "is \"ecmp\", and no network joins nodes here");
    NetworkFaults faults;
    faults.switches = {{"leaf 0", 0.0}};
    spec.routing = Routing::spray;
    CHECK(build_fabric(spec, node, 1, 450.0_GBps, nullptr, faults).problems().front().place == "/cluster/faults");
}
