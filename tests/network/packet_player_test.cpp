// Packets held to closed forms on idle ways, to the fluid where the two must agree, to conservation and to published
// figures of a packet simulator.
#include "network/packet/packet_player.hpp"

#include "hardware/rng.hpp"
#include "network/fat_tree_links.hpp"
#include "network/flow_patterns.hpp"
#include "network/flow_player.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <functional>
#include <numeric>
#include <thread>

using namespace orrery;

namespace {

FatTreeLinks packet_tree(int hosts) { return FatTreeLinks(three_tier_tree(hosts, 400.0_Gbps, 1.0_us)); }

FlowSet spread_permutation(const FatTreeLinks& tree, Bytes size) {
    const int hosts = tree.tree().hosts();
    Rng rng = Rng::stream(1, "permutation", static_cast<std::uint64_t>(hosts));
    const std::vector<int> to = random_cycle(hosts, rng);
    FlowSet flows;
    for (int from = 0; from < hosts; ++from) tree.add_spread_flow(from, to[static_cast<std::size_t>(from)], size, flows);
    return flows;
}

FlowSet spread_incast(const FatTreeLinks& tree, int senders, Bytes size) {
    FlowSet flows;
    for (int from = 1; from <= senders; ++from) tree.add_spread_flow(from, 0, size, flows);
    return flows;
}

/// The same exchange over the bundles of the tree, for the fluid.
Seconds fluid_time(const FatTreeLinks& tree, const FlowSet& packets) {
    FlowSet flows;
    std::vector<LinkId> way;
    for (std::size_t s = 0; s < packets.streams(); ++s) {
        way.clear();
        tree.append_sprayed_way(packets.source[s], packets.destination[s], way);
        flows.add(packets.source[s], packets.destination[s], packets.size[s], way);
    }
    return play_flows(tree.table(), flows)->last;
}

PacketTimes played(const LinkTable& links, const FlowSet& flows, const PacketOptions& options = {}) {
    return play_packets(links, flows, options).value();
}

LinkTable slow_links(int count) {
    LinkTable links;
    for (int i = 0; i < count; ++i) links.add(100.0_Gbps, 1.0_us);
    return links;
}

}  // namespace

TEST_CASE("a message on an idle way takes its packets and one more packet and latency a hop", "[network][packet]") {
    // Method: closed form of store and forward, 83 ns a packet of 4,150 B at 50 GB/s: 489 full packets, one of 2,010 B
    // with its header, which follows the last full one through each of 5 more hops.
    const FatTreeLinks tree = packet_tree(128);
    FlowSet flows;
    const StreamId far = tree.add_spread_flow(0, 100, 2.0_MB, flows);
    const PacketTimes times = played(tree.table(), flows);
    const double last = 2e6 - 489 * 4086.0 + 64.0;
    const double closed = 489 * 83.0 + last / 50.0 + 5 * 83.0 + 6000.0;
    CHECK(times.data_packets == 490);
    CHECK(times.finish[far] / 1.0_ns == Approx(closed).margin(83.0));
    CHECK((times.acknowledged[far] - times.finish[far]) / 1.0_ns == Approx(6000.0 + 6 * 1.28));
    CHECK(times.out_of_order <= 1);  // the last one is short and may overtake on another way
    CHECK(times.pauses == 0);
}

TEST_CASE("packets and fluid agree on one bottleneck within the share of headers", "[network][packet]") {
    // Method: four fixed flows over one short link, both players: headers are 1.6 %, the rest a few packets. A fixed
    // window is fair to a percent. DCTCP's flows run in step, so that packets of one instant always queue in one order
    // and marks fall on the same flow (phase effects: Floyd & Jacobson, 1992): they share within a fifth only.
    const LinkTable links = slow_links(5);
    FlowSet flows;
    for (int i = 0; i < 4; ++i) flows.add(i, 9, 4.0_MB, std::vector<LinkId>{i, 4});
    const double fluid = play_flows(links, flows)->last / 1.0_us;
    for (const CongestionControl control : {CongestionControl::window, CongestionControl::dctcp}) {
        PacketOptions options;
        options.control = control;
        const PacketTimes times = played(links, flows, options);
        CHECK(times.last / 1.0_us > fluid);
        CHECK(times.last / 1.0_us < 1.02 * fluid);
        const auto [first, last] = std::minmax_element(times.finish.begin(), times.finish.end());
        CHECK(*first / *last > (control == CongestionControl::window ? 0.99 : 0.8));
    }
}

TEST_CASE("an incast gets the goodput of its receiver's port, paused or pulled", "[network][packet]") {
    // Method: 64 senders of 1 MB over one port: the fluid's time and at most 5 % for headers, trimmed or not.
    const FatTreeLinks tree = packet_tree(128);
    const FlowSet flows = spread_incast(tree, 64, 1.0_MB);
    const double fluid = fluid_time(tree, flows) / 1.0_us;
    CHECK(fluid == Approx(1282.0).epsilon(1e-3));
    const PacketTimes paused = played(tree.table(), flows);
    CHECK(paused.pauses > 0);
    CHECK(paused.sent == paused.data_packets);
    CHECK(paused.last / 1.0_us > fluid);
    CHECK(paused.last / 1.0_us < 1.03 * fluid);
    PacketOptions options;
    options.limit = QueueLimit::trim;
    options.control = CongestionControl::pull;
    const PacketTimes pulled = played(tree.table(), flows, options);
    CHECK(pulled.trimmed > 1000);
    CHECK(pulled.sent == pulled.data_packets + pulled.trimmed);
    CHECK(pulled.last / 1.0_us < 1.05 * fluid);
}

TEST_CASE("a sprayed permutation is slower as packets by the queues of chance, less so the longer it is",
          "[network][packet]") {
    // Method: fluid time by even spreading is size over rate and latency. Random spraying meets in queues that grow with
    // the square root of the packets; in turn it meets less. Headers are 1.6 % of it.
    const FatTreeLinks tree = packet_tree(128);
    const FlowSet flows = spread_permutation(tree, 2.0_MB);
    const double fluid = fluid_time(tree, flows) / 1.0_us;
    CHECK(fluid == Approx(46.0).epsilon(1e-3));
    const double random = played(tree.table(), flows).last / 1.0_us;
    PacketOptions options;
    options.path = PathChoice::round_robin_spray;
    const double in_turn = played(tree.table(), flows, options).last / 1.0_us;
    CHECK(random > 1.02 * fluid);
    CHECK(random < 1.16 * fluid);
    CHECK(in_turn < random);
    const FlowSet longer = spread_permutation(tree, 16.0_MB);
    CHECK(played(tree.table(), longer).last / fluid_time(tree, longer) < 1.07);
}

TEST_CASE("sprayed exchanges take what a packet simulator says within a tenth", "[network][packet]") {
    // Method: htsim's Ultra Ethernet model, 400 Gb/s three-tier tree, 1 us links, last acknowledgement: permutation of
    // 2 MB 62.8 us on 128 hosts and 65.3 us on 1,024 (501,760 data packets); all-to-all of 64 KiB 189.5 us on 128.
    for (const auto& [hosts, published] : {std::pair{128, 62.8}, {1024, 65.3}}) {
        const FatTreeLinks tree = packet_tree(hosts);
        const PacketTimes times = played(tree.table(), spread_permutation(tree, 2.0_MB));
        CHECK(times.data_packets == 490 * hosts);
        CHECK(times.last_acknowledged / 1.0_us == Approx(published).epsilon(0.1));
    }
    const FatTreeLinks tree = packet_tree(128);
    FlowSet flows;
    for (int from = 0; from < 128; ++from) {
        for (int to = 0; to < 128; ++to) {
            if (from != to) tree.add_spread_flow(from, to, 64.0_KiB, flows);
        }
    }
    CHECK(played(tree.table(), flows).last_acknowledged / 1.0_us == Approx(189.5).epsilon(0.1));
}

TEST_CASE("every byte and header crosses every link of its way once where nothing is lost", "[network][packet]") {
    // Method: bytes on each wire against sizes and packets, on generated flows of fixed ways with needs.
    const FatTreeLinks tree = packet_tree(64);
    for (std::uint64_t seed = 1; seed <= 5; ++seed) {
        Rng rng = Rng::stream(seed, "packet bytes", 0);
        FlowSet flows;
        std::vector<double> expected(tree.table().size());
        std::vector<LinkId> way;
        for (StreamId s = 0; s < 100; ++s) {
            const int from = static_cast<int>(rng.below(64));
            const int to = static_cast<int>((static_cast<std::uint64_t>(from) + 1 + rng.below(63)) % 64);
            way.clear();
            tree.append_way(from, to, tree.d_mod_k(from, to), way);
            flows.add(from, to, Bytes::from_si(1.0 + static_cast<double>(rng.below(200'000))), way);
            if (s > 10) flows.wait_for(static_cast<StreamId>(rng.below(static_cast<std::uint64_t>(s))), 0);
            const double packets = std::ceil(flows.size[s].si() / 4086.0);
            for (const LinkId link : way) expected[link] += flows.size[s].si() + 64.0 * packets;
        }
        const PacketTimes times = played(tree.table(), flows);
        bool conserved = true;
        for (std::size_t l = 0; l < expected.size(); ++l) conserved = conserved && times.carried[l].si() == Approx(expected[l]);
        CHECK(conserved);
        bool in_order = true;
        for (std::size_t s = 0; s < flows.streams(); ++s) {
            for (std::int32_t i = flows.need_first[s]; i < flows.need_first[s + 1]; ++i) {
                in_order = in_order && times.finish[s] > times.finish[flows.needs[i].stream];
            }
        }
        CHECK(in_order);
        CHECK(times.out_of_order == 0);
        CHECK(times.sent == times.data_packets);
    }
}

TEST_CASE("a ring of dependent messages takes its rounds of messages and hops", "[network][packet]") {
    // Method: closed form on idle cables: each round 16 full packets of 4,150 B at 12.5 GB/s and 1 us.
    const LinkTable links = slow_links(8);
    const FindWay cables = [](int from, int, std::vector<LinkId>& way) { way.push_back(from); };
    const FlowSet ring = ring_flows(8, 16.0 * 4086.0_B, 10, 1, StepRule::arrival_and_own_send, cables);
    CHECK(played(links, ring).last / 1.0_us == Approx(10 * (16 * 0.332 + 1.0)));
}

TEST_CASE("pauses hold the buffer of an input to its limit and what was under way", "[network][packet]") {
    // Method: after the word to pause, a link goes on for one latency and what is in its fibre arrives after: at most
    // two latencies of its rate, a packet being sent and the one that tipped it.
    const FatTreeLinks tree = packet_tree(128);
    const PacketTimes times = played(tree.table(), spread_incast(tree, 64, 1.0_MB));
    const double headroom = 2e-6 * 50e9 + 2 * 4150.0;
    CHECK(times.buffer_max.si() > (500.0_KiB).si());
    CHECK(times.buffer_max.si() <= (500.0_KiB).si() + headroom);
    const Seconds most = *std::max_element(times.paused.begin(), times.paused.end());
    CHECK(most > 100.0_us);
    CHECK(most < times.last);
}

TEST_CASE("what is dropped, or beyond the reorder buffer, is sent again", "[network][packet]") {
    // Method: counts: packets sent are those of the messages and those lost; time only grows.
    const FatTreeLinks tree = packet_tree(128);
    PacketOptions options;
    options.limit = QueueLimit::drop;
    options.queue_max = 200.0_KiB;
    options.control = CongestionControl::dctcp;
    const PacketTimes lossy = played(tree.table(), spread_incast(tree, 8, 1.0_MB), options);
    CHECK(lossy.dropped > 0);
    CHECK(lossy.sent == lossy.data_packets + lossy.dropped);

    const FlowSet flows = spread_permutation(tree, 2.0_MB);
    const PacketTimes tolerant = played(tree.table(), flows);
    options = {};
    options.reorder_buffer = 16;
    const PacketTimes strict = played(tree.table(), flows, options);
    CHECK(tolerant.out_of_order > 10'000);
    CHECK(tolerant.discarded == 0);
    CHECK(strict.discarded > 0);
    CHECK(strict.sent == strict.data_packets + strict.discarded);
    CHECK(strict.last > tolerant.last);
}

TEST_CASE("flows on one way each collide where those on all ways do not", "[network][packet]") {
    // Method: with ECMP the fullest of 16 cores' links gets several flows of a permutation: at least twice the time.
    const FatTreeLinks tree = packet_tree(128);
    const FlowSet flows = spread_permutation(tree, 2.0_MB);
    PacketOptions options;
    options.path = PathChoice::by_flow;
    const PacketTimes times = played(tree.table(), flows, options);
    CHECK(times.out_of_order == 0);
    CHECK(times.last > 2.0 * played(tree.table(), flows).last);
}

TEST_CASE("a DCQCN rate is halved by its first notification and climbs back halfway five times", "[network][packet]") {
    // Method: Zhu et al. 2015: alpha begins at 1, so R = C / 2; each period R = (R + target) / 2, target C.
    const DcqcnParameters p;
    DcqcnState state{.rate = 50e9, .target = 50e9};
    dcqcn_cut(p, 50e9, 1'000'000, state);
    CHECK(state.rate == Approx(25e9));
    CHECK(state.alpha == Approx(1.0));
    dcqcn_advance(p, 50e9, 1'000'000 + 3 * 55'000'000, 0.0, state);
    CHECK(state.rate == Approx(50e9 * (1.0 - 1.0 / 16.0)));
    CHECK(state.alpha == Approx(std::pow(255.0 / 256.0, 3)));
    dcqcn_cut(p, 50e9, 1'000'000 + 3 * 55'000'000, state);
    CHECK(state.rate == Approx(50e9 * 15.0 / 16.0 * (1.0 - std::pow(255.0 / 256.0, 3) / 2.0)));
}

TEST_CASE("a DCTCP window falls by half of alpha and rises by a packet", "[network][packet]") {
    // Method: Alizadeh et al. 2010: alpha = (1 - g) alpha + g F with g = 1/16; W (1 - alpha / 2), or W + 1 packet.
    DctcpState state{.window = 10'000.0};
    dctcp_acknowledge(10'000.0, true, 1000.0, 1e6, state);
    CHECK(state.alpha == Approx(1.0 / 16.0));
    CHECK(state.window == Approx(10'000.0 * (1.0 - 1.0 / 32.0)));
    dctcp_acknowledge(10'000.0, false, 1000.0, 1e6, state);
    CHECK(state.window == Approx(10'000.0 * (1.0 - 1.0 / 32.0) + 1000.0));
}

TEST_CASE("DCQCN trades the use of a shared port for few pauses", "[network][packet]") {
    // Method: eight flows of 40 MB into one port that start together: fewer pauses than with a fixed window; cut to the
    // bottom at once, they climb back by 0.1 % of the port in 55 us, so milliseconds pass before the port is full again
    // (Zhu et al. 2015 show the same climb): slower than the fluid by more than a tenth, and by less than 1.7.
    const FatTreeLinks tree = packet_tree(64);
    const FlowSet flows = spread_incast(tree, 8, 40.0_MB);
    PacketOptions options;
    options.control = CongestionControl::dcqcn;
    const PacketTimes times = played(tree.table(), flows, options);
    CHECK(times.last / fluid_time(tree, flows) > 1.1);
    CHECK(times.last / fluid_time(tree, flows) < 1.7);
    CHECK(times.marked > 0);
    CHECK(times.pauses < played(tree.table(), flows).pauses);
}

TEST_CASE("the same seed gives the same packets on any number of threads, another seed others", "[network][packet]") {
    // Method: one set played at once on 8 threads; all columns equal to the last bit.
    const FatTreeLinks tree = packet_tree(64);
    const FlowSet flows = spread_permutation(tree, 0.5_MB);
    const PacketTimes alone = played(tree.table(), flows);
    std::vector<PacketTimes> times(8);
    std::vector<std::thread> threads;
    for (PacketTimes& one : times) threads.emplace_back([&] { one = played(tree.table(), flows); });
    for (std::thread& thread : threads) thread.join();
    CHECK(std::all_of(times.begin(), times.end(), [&](const PacketTimes& one) {
        return one.finish == alone.finish && one.queue_max == alone.queue_max && one.events == alone.events;
    }));
    PacketOptions options;
    options.seed = 2;
    CHECK(played(tree.table(), flows, options).finish != alone.finish);
}

TEST_CASE("ways in a cycle that pause each other for ever are an error that says so", "[network][packet]") {
    // Method: four nodes in a ring, each sending three hops on: every buffer waits for the next.
    const LinkTable links = slow_links(4);
    FlowSet flows;
    for (int i = 0; i < 4; ++i) flows.add(i, (i + 3) % 4, 20.0_MB, std::vector<LinkId>{i, (i + 1) % 4, (i + 2) % 4});
    PacketOptions options;
    options.window = 100.0;
    const auto times = play_packets(links, flows, options);
    REQUIRE_FALSE(times.ok());
    CHECK(times.problems().size() == 4);
    CHECK(times.problems()[0].problem.find("flow 0 (0 -> 3), round 1 of 1, was sent and never arrived") == 0);
    CHECK(times.problems()[0].remedy.find("links are paused for ever") != std::string::npos);
}

TEST_CASE("bad packet options are named with their place and remedy", "[network][packet]") {
    // Method: one mistake at a time.
    struct Mistake {
        std::string place;
        std::function<void(PacketOptions&, FlowSet&)> make;
    };
    const std::vector<Mistake> mistakes{
        {"/packet/packet", [](PacketOptions& o, FlowSet&) { o.packet = 64.0_B; }},
        {"/packet/window", [](PacketOptions& o, FlowSet&) { o.window = 0.0; }},
        {"/packet/queue_max", [](PacketOptions& o, FlowSet&) { o.queue_max = 100.0_B; }},
        {"/packet/resume_below", [](PacketOptions& o, FlowSet&) { o.resume_below = 1.0_MB; }},
        {"/packet/mark_all", [](PacketOptions& o, FlowSet&) { o.mark_all = 1.0_B; }},
        {"/packet/mark_share", [](PacketOptions& o, FlowSet&) { o.mark_share = 2.0; }},
        {"/packet/reorder_buffer", [](PacketOptions& o, FlowSet&) { o.reorder_buffer = -1; }},
        {"/packet/timeout", [](PacketOptions& o, FlowSet&) { o.timeout = Seconds{}; }},
        {"/flows/0/size", [](PacketOptions&, FlowSet& f) { f.size[0] = Bytes::from_si(1e13); }},
        {"/flows/0/ways", [](PacketOptions&, FlowSet& f) { f.ways = {2}; f.routes.add(std::vector<LinkId>{1}); }},
        {"/flows/0/route", [](PacketOptions&, FlowSet& f) { f.route[0] = 3; }},
    };
    for (const Mistake& mistake : mistakes) {
        const LinkTable links = slow_links(2);
        FlowSet flows;
        flows.add(0, 1, 1.0_MB, std::vector<LinkId>{0});
        PacketOptions options;
        mistake.make(options, flows);
        const auto times = play_packets(links, flows, options);
        REQUIRE_FALSE(times.ok());
        CHECK(times.problems()[0].place == mistake.place);
        CHECK(!times.problems()[0].remedy.empty());
    }
}
