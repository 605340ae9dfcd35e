// Schedules of collectives held to their textbooks' closed forms, and played against the price of idle links.
#include "network/exchange.hpp"

#include "hardware/node.hpp"
#include "network/collective_parameters.hpp"
#include "network/collective_play.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <numeric>

namespace orrery {

namespace {

ExchangeCase case_of(CollectiveKind kind, int ranks, int per_domain, double bytes = 1.0e6) {
    ExchangeCase c;
    c.kind = kind;
    c.bytes = bytes;
    c.ranks = ranks;
    for (int r = 0; r < ranks; ++r) {
        if (r % per_domain == 0) c.domains.emplace_back();
        c.domains.back().push_back(r);
    }
    return c;
}

ExchangeFigures figures_of(const ExchangeCase& c, std::string_view algorithm) {
    return exchange_figures(c, make_exchange(c, algorithm).value());
}

/// Bytes that the busiest member sends.
double most_sent(const ExchangeCase& c, const ExchangeFigures& f) {
    return *std::max_element(f.sent.begin(), f.sent.begin() + c.ranks);
}

Node node_of(int devices) {
    Node node;
    node.name = "eight";
    node.devices = node.scale_up_domain = devices;
    node.nics = devices;
    node.nic_bandwidth = 50.0_GBps;
    node.nic_kind = "infiniband";
    return node;
}

struct Machine {
    Fabric fabric;
    FabricWays ways;
};

Machine machine_of(int nodes, bool packets = false) {
    FabricSpec spec;
    spec.topology = nodes > 1 ? "rail-optimized" : "single-node";
    CollectiveParameters parameters;
    Machine machine{build_fabric(spec, node_of(8), nodes, 450.0_GBps, std::make_shared<const CollectiveParameters>(parameters)).value(), {}};
    NetworkGraph graph;
    if (nodes > 1) graph = fabric_graph(spec, node_of(8), nodes, 450.0_GBps).value();
    machine.ways = FabricWays::make(machine.fabric, std::move(graph), {}, packets).value();
    return machine;
}

CollectiveRequest request_of(CollectiveKind kind, Bytes size, int ranks, const std::string& algorithm) {
    CollectiveRequest request;
    request.collective = {kind, size, DataType::bf16};
    request.algorithm = algorithm;
    request.groups.emplace_back(static_cast<std::size_t>(ranks));
    std::iota(request.groups.front().begin(), request.groups.front().end(), 0);
    return request;
}

}  // namespace

TEST_CASE("bandwidth-optimal all-reduces send 2 (n - 1) / n of the buffer from each rank", "[network][exchange]") {
    // Method: Patarasuk & Yuan 2009 for the ring; Thakur et al. 2005 for halving and doubling, 2 log2(n) steps.
    const ExchangeCase c = case_of(CollectiveKind::all_reduce, 16, 16);
    const ExchangeFigures ring = figures_of(c, "ring");
    const ExchangeFigures doubling = figures_of(c, "doubling");
    CHECK(most_sent(c, ring) == Approx(2.0 * 15 / 16 * 1e6));
    CHECK(most_sent(c, doubling) == Approx(2.0 * 15 / 16 * 1e6));
    CHECK(ring.steps == 30);
    CHECK(doubling.steps == 8);
    // Ranks beyond a power of two: two further steps.
    CHECK(figures_of(case_of(CollectiveKind::all_reduce, 20, 20), "doubling").steps == 10);
}

TEST_CASE("rings divide into channels without more bytes, and keep their rounds for packets", "[network][exchange]") {
    // Method: conservation; 2 (n - 1) rounds of bytes / (n * channels).
    ExchangeCase c = case_of(CollectiveKind::all_reduce, 16, 8);
    c.channels = 8;
    const ExchangeFigures folded = figures_of(c, "ring");
    c.whole_rounds = true;
    const Exchange whole = make_exchange(c, "ring").value();
    CHECK(whole.streams.size() == 16 * 8);
    CHECK(whole.streams.front().rounds == 30);
    CHECK(most_sent(c, exchange_figures(c, whole)) == Approx(2.0 * 15 / 16 * 1e6));
    CHECK(most_sent(c, folded) == Approx(2.0 * 15 / 16 * 1e6));
    // NCCL 2.30.7 src/graph/tuning.cc: 2 (N - 1) hops over the network, the others inside.
    CHECK(folded.hops == 2);
    CHECK(folded.steps == 28);
}

TEST_CASE("Bruck's algorithm takes ceil(log2 n) steps for any n", "[network][exchange]") {
    // Method: Bruck et al. 1997: an all-gather sends (n - 1) / n; an all-to-all n / 2 blocks a step where n is a power of two.
    for (const int n : {2, 5, 8, 13}) {
        const ExchangeCase gather = case_of(CollectiveKind::all_gather, n, n);
        const ExchangeFigures f = figures_of(gather, "bruck");
        CHECK(f.steps == static_cast<int>(std::ceil(std::log2(n))));
        CHECK(most_sent(gather, f) == Approx((n - 1.0) / n * 1e6));
    }
    const ExchangeCase exchange = case_of(CollectiveKind::all_to_all, 8, 8);
    CHECK(most_sent(exchange, figures_of(exchange, "bruck")) == Approx(3 * 4.0 / 8 * 1e6));
    CHECK(most_sent(exchange, figures_of(exchange, "pairwise")) == Approx(7.0 / 8 * 1e6));
}

TEST_CASE("PAT sends each shard once, the farthest partner first", "[network][exchange]") {
    // Method: (n - 1) / n of the bytes in ceil(log2 n) steps; the first message of an all-gather is one shard.
    for (const int n : {4, 6, 16, 31}) {
        const ExchangeCase c = case_of(CollectiveKind::all_gather, n, 1);
        const Exchange exchange = make_exchange(c, "pat").value();
        const ExchangeFigures f = exchange_figures(c, exchange);
        CHECK(f.hops == static_cast<int>(std::ceil(std::log2(n))));
        CHECK(most_sent(c, f) == Approx((n - 1.0) / n * 1e6));
        CHECK(exchange.streams.front().bytes == Approx(1e6 / n));
        const int far = 1 << (static_cast<int>(std::ceil(std::log2(n))) - 1);
        CHECK(exchange.streams.front().to == far);
    }
}

TEST_CASE("two levels of rings cross the network with the bytes of one place each", "[network][exchange]") {
    // Method: 2 (g - 1) / g inside and 2 (N - 1) / N / g across (Cho et al. 2019).
    const ExchangeCase c = case_of(CollectiveKind::all_reduce, 32, 8);
    const ExchangeFigures f = figures_of(c, "two-level");
    CHECK(most_sent(c, f) == Approx((2.0 * 7 / 8 + 2.0 * 3 / 4 / 8) * 1e6));
    CHECK(f.steps == 14);
    CHECK(f.hops == 6);
}

TEST_CASE("sums in switches leave each port its bytes once each way", "[network][exchange]") {
    // Method: Klenk et al. 2020, (n + 1) / n through each device's port; SHARP: 1 / g of the buffer through each rail's.
    const ExchangeCase one = case_of(CollectiveKind::all_reduce, 8, 8);
    CHECK(most_sent(one, figures_of(one, "nvls")) == Approx(9.0 / 8 * 1e6));
    const ExchangeCase many = case_of(CollectiveKind::all_reduce, 32, 8);
    const ExchangeFigures f = figures_of(many, "collnet");
    CHECK(f.received.back() == Approx(32 / 8.0 * 1e6));  // of the network's switch
    CHECK(f.hops == 2);
    CHECK(most_sent(many, f) == Approx((2.0 * 7 / 8 + 1.0 / 8) * 1e6));
}

TEST_CASE("a double binary tree is log2 deep and shares the domains' ports evenly", "[network][exchange]") {
    // Method: Sanders et al. 2009: two trees, each with half of the bytes; no domain sends more than twice the buffer.
    ExchangeCase c = case_of(CollectiveKind::all_reduce, 64, 4);
    c.channels = 2;
    const Exchange exchange = make_exchange(c, "tree").value();
    const ExchangeFigures f = exchange_figures(c, exchange);
    CHECK(f.hops == 8);
    CHECK(f.steps == 6);
    std::vector<double> out(16, 0.0);
    for (const ExchangeStream& s : exchange.streams) {
        if (s.from / 4 != s.to / 4) out[static_cast<std::size_t>(s.from / 4)] += s.bytes;
    }
    CHECK(*std::max_element(out.begin(), out.end()) <= 2.0e6 + 1.0);
    CHECK(std::accumulate(out.begin(), out.end(), 0.0) == Approx(2.0 * 15 * 1e6));
}

TEST_CASE("rings on a torus keep all its links busy", "[network][exchange]") {
    // Method: Jain & Sabharwal 2010: 2 (n - 1) / n in all, spread evenly over 2 d directions; 2 sum (side - 1) steps.
    ExchangeCase c = case_of(CollectiveKind::all_reduce, 64, 64);
    c.torus = {4, 4, 4};
    const ExchangeFigures f = figures_of(c, "torus-rings");
    CHECK(most_sent(c, f) == Approx(2.0 * 63 / 64 * 1e6));
    CHECK(f.steps == 2 * 3 * 3);
    CHECK_FALSE(make_exchange(case_of(CollectiveKind::all_reduce, 60, 60), "torus-rings").ok());
}

TEST_CASE("an all-to-all by rails sends as much over the network in fewer, larger messages", "[network][exchange]") {
    // Method: counting: (n - g) / n of each rank's bytes cross either way; N - 1 messages a rank instead of n - g.
    const ExchangeCase c = case_of(CollectiveKind::all_to_all, 32, 8);
    const Exchange direct = make_exchange(c, "pairwise").value();
    const Exchange rails = make_exchange(c, "pxn-exchange").value();
    const auto crossing = [](const Exchange& exchange, double& bytes) {
        int messages = 0;
        for (const ExchangeStream& s : exchange.streams) {
            if (s.from / 8 == s.to / 8) continue;
            ++messages;
            bytes += s.bytes;
        }
        return messages;
    };
    double direct_bytes = 0.0;
    double rail_bytes = 0.0;
    CHECK(crossing(direct, direct_bytes) == 32 * 24);
    CHECK(crossing(rails, rail_bytes) == 32 * 3);
    CHECK(rail_bytes == Approx(direct_bytes));
    CHECK(direct_bytes == Approx(32 * 24.0 / 32 * 1e6));
}

TEST_CASE("what an algorithm cannot do is said with those that can", "[network][exchange]") {
    // Method: messages compared.
    const ExchangeCase c = case_of(CollectiveKind::all_gather, 6, 6);
    const Problem unknown = make_exchange(c, "rings").problems().front();
    CHECK(unknown.place == "/workload/algorithm");
    CHECK(unknown.problem == "is \"rings\", which is no algorithm");
    CHECK(unknown.remedy == "write \"auto\", or one of ring, nvls, bruck, pat");
    CHECK(make_exchange(c, "doubling").problems().front().problem ==
          "is \"doubling\", which does not do all-gather among these ranks");
}

TEST_CASE("a collective played alone takes the time of idle links", "[network][exchange]") {
    // Method: the closed form of steps and busiest links against both players, on one and on several nodes.
    const Machine one = machine_of(1);
    const Machine four = machine_of(4);
    for (const char* algorithm : {"auto", "ring", "doubling"}) {
        const CollectiveRequest r = request_of(CollectiveKind::all_reduce, 64.0_MiB, 8, algorithm);
        const CollectiveOutcome played = play_collective(one.fabric, one.ways, r, {}).value();
        INFO(algorithm);
        CHECK(played.time / played.idle_time == Approx(1.0).epsilon(0.02));
    }
    for (const char* algorithm : {"ring", "two-level", "collnet", "tree"}) {
        const CollectiveRequest r = request_of(CollectiveKind::all_reduce, 256.0_MiB, 32, algorithm);
        const CollectiveOutcome played = play_collective(four.fabric, four.ways, r, {}).value();
        INFO(algorithm);
        // The closed form of a tree has NCCL's factor of 0.85 for its pattern inside a domain, which links do not know.
        CHECK(played.time / played.idle_time == Approx(1.0).epsilon(std::string(algorithm) == "tree" ? 0.16 : 0.06));
        CHECK_FALSE(played.busiest.empty());
    }
    const Machine packets = machine_of(2, true);
    const CollectiveRequest small = request_of(CollectiveKind::all_reduce, 4.0_MiB, 16, "ring");
    const CollectiveOutcome by_packets = play_collective(packets.fabric, packets.ways, small, PacketOptions{}).value();
    CHECK(by_packets.packets > 0);
    // Headers cost 1.5 %, and each of the 30 rounds waits for its last packet to be forwarded.
    CHECK(by_packets.time / by_packets.idle_time > 1.0);
    CHECK(by_packets.time / by_packets.idle_time < 1.4);
}

TEST_CASE("an all-to-all waits for the receiver that gets most", "[network][exchange]") {
    // Method: bytes over the rate of one port: n ranks outside its domain each send it `share` of theirs.
    const Machine four = machine_of(4);
    CollectiveRequest r = request_of(CollectiveKind::all_to_all, 256.0_MiB, 32, "pairwise");
    const Seconds even = play_collective(four.fabric, four.ways, r, {}).value().time;
    r.shares.assign(32, 28.0 / 31.0);
    r.shares.front() = 4.0;
    const Seconds uneven = play_collective(four.fabric, four.ways, r, {}).value().time;
    CHECK(uneven / even == Approx(4.0).epsilon(0.05));
}

TEST_CASE("traffic beside a collective takes its share of the ports", "[network][exchange]") {
    // Method: a message that must leave by a port which the ring needs: max-min sharing halves its rate while both last.
    const Machine two = machine_of(2);
    CollectiveRequest r = request_of(CollectiveKind::send_recv, 256.0_MiB, 2, "auto");
    r.groups = {{0, 8}};
    const Seconds alone = play_collective(two.fabric, two.ways, r, {}).value().time;
    r.background.push_back({0, 8, 10.0_GiB});
    CHECK(play_collective(two.fabric, two.ways, r, {}).value().time / alone == Approx(2.0).epsilon(0.02));
}

TEST_CASE("more flows or packets than can be played are refused with what to do", "[network][exchange]") {
    // Method: messages compared; 1,600 ranks all-to-all, and 16 GiB of packets.
    const Machine many = machine_of(200);
    const CollectiveRequest wide = request_of(CollectiveKind::all_to_all, 1.0_MiB, 1600, "pairwise");
    CHECK(play_collective(many.fabric, many.ways, wide, {}).problems().front().remedy ==
          "take a smaller group, fewer groups or channels, or fidelity \"estimate\"");
    const Machine two = machine_of(2, true);
    const CollectiveRequest large = request_of(CollectiveKind::all_reduce, 16.0_GiB, 16, "ring");
    CHECK(play_collective(two.fabric, two.ways, large, PacketOptions{}).problems().front().remedy ==
          "take smaller sizes, a smaller group or larger packets, or fidelity \"fluid\"");
}

}  // namespace orrery
