// Flow sets played as fluid, held to closed forms, to published figures of a flow-level simulator and to conservation.
#include "network/flow_player.hpp"

#include "hardware/rng.hpp"
#include "network/fat_tree_links.hpp"
#include "network/flow_patterns.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <thread>

using namespace orrery;

namespace {

FatTreeLinks fast_tree(int hosts) { return FatTreeLinks(three_tier_tree(hosts, 400.0_Gbps, 1.0_us)); }

FindWay static_ways_of(const FatTreeLinks& tree) {
    return [&tree](int from, int to, std::vector<LinkId>& way) { tree.append_way(from, to, tree.d_mod_k(from, to), way); };
}

double microseconds(const Result<FlowTimes>& times) { return times.value().last / 1.0_us; }

/// `count` links of 10 GB/s and 1 us.
LinkTable plain_links(int count) {
    LinkTable links;
    for (int i = 0; i < count; ++i) links.add(10.0_GBps, 1.0_us);
    return links;
}

/// Random flows over a tree of 64 hosts: sizes, starts, weights and classes drawn.
FlowSet mixed_flows(const FatTreeLinks& tree, std::uint64_t seed, int count) {
    Rng rng = Rng::stream(seed, "mixed flows", 0);
    FlowSet flows;
    std::vector<LinkId> way;
    for (int i = 0; i < count; ++i) {
        const int from = static_cast<int>(rng.below(64));
        const int to = static_cast<int>((static_cast<std::uint64_t>(from) + 1 + rng.below(63)) % 64);
        way.clear();
        tree.append_way(from, to, static_cast<int>(rng.below(static_cast<std::uint64_t>(tree.ways(from, to)))), way);
        flows.add(from, to, rng.exponential() * 1.0_MB, way);
        flows.start.push_back(rng.uniform() * 200.0_us);
        flows.weight.push_back(0.5 + rng.uniform());
        flows.traffic_class.push_back(static_cast<std::uint8_t>(rng.below(2)));
    }
    return flows;
}

}  // namespace

TEST_CASE("exchanges on a 400 Gb/s fat tree take what a flow-level simulator without protocol model says",
          "[network][flows]") {
    // Method: SimGrid 3.32, CM02 with gamma 0, three-tier non-blocking tree, 1 us links, D-mod-k: all-to-all of 64 KiB
    // 84.6 us on 64 hosts and 168.5 on 128; recursive doubling of 1 MiB 176.8 us on 128 and 251.7 on 1,024; a ring of
    // 1,024 for 100 rounds of 64 KiB 731.1 us. Each follows by hand too: (n - 1) messages at full rate + 2 us;
    // log2(n) messages + 2, 4 or 6 us each; rounds of a message and the longest hop.
    for (const auto& [hosts, published] : {std::pair{64, 84.6}, {128, 168.5}}) {
        const FatTreeLinks tree = fast_tree(hosts);
        const auto times = play_flows(tree.table(), all_to_all_flows(hosts, 64.0_KiB, static_ways_of(tree)));
        CHECK(microseconds(times) == Approx(published).epsilon(1e-3));
        CHECK(microseconds(times) == Approx((hosts - 1) * 1.31072 + 2.0).epsilon(1e-6));
    }
    for (const auto& [hosts, published] : {std::pair{128, 176.8}, {1024, 251.7}}) {
        const FatTreeLinks tree = fast_tree(hosts);
        const FlowSet flows = doubling_flows(hosts, 1.0_MiB, StepRule::arrival_and_own_send, static_ways_of(tree));
        CHECK(microseconds(play_flows(tree.table(), flows)) == Approx(published).epsilon(1e-3));
    }
    const FatTreeLinks tree = fast_tree(1024);
    const FlowSet ring = ring_flows(1024, 64.0_KiB, 100, 1, StepRule::arrival_and_own_send, static_ways_of(tree));
    CHECK(microseconds(play_flows(tree.table(), ring)) == Approx(731.1).epsilon(1e-3));
}

TEST_CASE("a ring bound by latency is 1.86 times slower if a rank waits for its own send too", "[network][flows]") {
    // Method: SimGrid 3.32 on 128 hosts, all 254 steps of 64 KiB: 1,856.9 us, and 1,000.9 us where a rank waits for
    // arrival only. By hand: 254 longest hops, or the latencies of two ways round.
    const FatTreeLinks tree = fast_tree(128);
    const auto time_of = [&](StepRule rule) {
        return microseconds(play_flows(tree.table(), ring_flows(128, 64.0_KiB, 254, 1, rule, static_ways_of(tree))));
    };
    const double both = time_of(StepRule::arrival_and_own_send);
    const double arrival = time_of(StepRule::arrival);
    CHECK(both == Approx(1856.9).epsilon(1e-4));
    CHECK(arrival == Approx(1000.9).epsilon(1e-4));
    CHECK(both / arrival == Approx(1.86).epsilon(5e-3));
}

TEST_CASE("a ring all-reduce costs the same as messages and as one phase of flows", "[network][flows]") {
    // Method: the closed form 2 (n - 1) (size / n / bandwidth + latency) (Patarasuk & Yuan 2009).
    constexpr int hosts = 64;
    LinkTable links;
    for (int i = 0; i < hosts; ++i) links.add(50.0_GBps, 500.0_ns);
    const FindWay cables = [](int from, int, std::vector<LinkId>& way) { way.push_back(from); };
    const double closed = 2.0 * (hosts - 1) * (1073741824.0 / hosts / 50e3 + 0.5);
    const FlowSet messages =
        ring_flows(hosts, 1.0_GiB / (4.0 * hosts), 2 * (hosts - 1), 4, StepRule::arrival, cables);
    CHECK(microseconds(play_flows(links, messages)) == Approx(closed).epsilon(1e-6));
    const FlowSet phase = ring_phase_flows(hosts, 1.0_GiB, 500.0_ns, cables);
    CHECK(microseconds(play_flows(links, phase)) == Approx(closed).epsilon(1e-6));
}

TEST_CASE("an all-reduce over a torus goes along rows, then columns, and back", "[network][flows]") {
    // Method: closed form of the four phases on idle cables: (c - 1) messages of S / c, twice; (r - 1) of S / (c r), twice.
    constexpr int rows = 4;
    constexpr int columns = 8;
    LinkTable links;
    for (int i = 0; i < 2 * rows * columns; ++i) links.add(50.0_GBps, 500.0_ns);
    const FindWay cables = [](int from, int to, std::vector<LinkId>& way) {
        way.push_back(from / columns == to / columns ? from : rows * columns + from);
    };
    for (const StepRule rule : {StepRule::arrival, StepRule::arrival_and_own_send}) {
        const FlowSet flows = grid_ring_flows(rows, columns, 64.0_MiB / columns, 1, rule, cables);
        const double mib = 1048576.0 / 50e3;  // us
        const double closed = 2.0 * (columns - 1) * (64.0 / columns * mib + 0.5) +
                              2.0 * (rows - 1) * (64.0 / columns / rows * mib + 0.5);
        const auto times = play_flows(links, flows);
        CHECK(microseconds(times) == Approx(closed).epsilon(1e-6));
        CHECK(times->messages == 2 * rows * columns * (columns - 1) + 2 * rows * columns * (rows - 1));
    }
}

TEST_CASE("evenly spread flows on a non-blocking tree meet only at their hosts", "[network][flows]") {
    // Method: a permutation of 2 MB over bundles takes 40 us and 6 us of latency, whatever the permutation.
    const FatTreeLinks tree = fast_tree(128);
    Rng rng = Rng::stream(3, "cycle", 0);
    const FindWay sprayed = [&](int from, int to, std::vector<LinkId>& way) { tree.append_sprayed_way(from, to, way); };
    CHECK(microseconds(play_flows(tree.table(), permutation_flows(random_cycle(128, rng), 2.0_MB, sprayed))) ==
          Approx(46.0).epsilon(1e-6));
    CHECK(microseconds(play_flows(tree.table(), incast_flows(20, 2.0_MB, sprayed))) == Approx(802.0).epsilon(1e-3));
}

TEST_CASE("bytes in are bytes out, whatever shares the links", "[network][flows]") {
    // Method: each link's count against the sizes of the flows over it; no flow faster than its slowest link allows.
    const FatTreeLinks tree = fast_tree(64);
    for (std::uint64_t seed = 1; seed <= 10; ++seed) {
        const FlowSet flows = mixed_flows(tree, seed, 400);
        const auto times = play_flows(tree.table(), flows);
        REQUIRE(times.ok());
        std::vector<double> expected(tree.table().size());
        bool possible = true;
        for (std::size_t s = 0; s < flows.streams(); ++s) {
            const auto way = flows.routes[flows.route[s]];
            for (const LinkId link : way) expected[link] += flows.size[s].si();
            const Seconds alone = flows.size[s] / 400.0_Gbps + static_cast<double>(way.size()) * 1.0_us;
            possible = possible && times->finish[s] - flows.start[s] >= alone * (1.0 - 1e-9);
        }
        CHECK(possible);
        bool conserved = true;
        for (std::size_t l = 0; l < expected.size(); ++l) {
            conserved = conserved && times->carried[l].si() == Approx(expected[l]).epsilon(1e-12);
        }
        CHECK(conserved);
    }
}

TEST_CASE("one more flow on a single bottleneck makes nobody faster", "[network][flows]") {
    // Method: generated sizes and starts on one link, each case played with and without its last flow.
    const LinkTable links = plain_links(1);
    for (std::uint64_t seed = 1; seed <= 30; ++seed) {
        Rng rng = Rng::stream(seed, "one more", 0);
        FlowSet flows;
        FlowSet fewer;
        const std::vector<LinkId> way{0};
        const std::uint64_t count = 2 + rng.below(20);
        for (std::uint64_t i = 0; i < count; ++i) {
            const Bytes size = rng.exponential() * 1.0_MB;
            const Seconds start = rng.uniform() * 500.0_us;
            for (FlowSet* set : {&flows, &fewer}) {
                if (set == &fewer && i + 1 == count) continue;
                set->add(0, 1, size, way);
                set->start.push_back(start);
            }
        }
        const auto with = play_flows(links, flows);
        const auto without = play_flows(links, fewer);
        bool none_faster = true;
        for (std::size_t s = 0; s < fewer.streams(); ++s) {
            none_faster = none_faster && with->finish[s] >= without->finish[s] - 0.001_ns;
        }
        CHECK(none_faster);
    }
}

TEST_CASE("symmetric hosts finish in the same picosecond", "[network][flows]") {
    // Method: in an all-to-all every host's flows to equally distant hosts are alike.
    const FatTreeLinks tree = fast_tree(64);
    const FlowSet flows = all_to_all_flows(64, 64.0_KiB, static_ways_of(tree));
    const auto times = play_flows(tree.table(), flows);
    std::vector<Seconds> by_hops(7);
    bool same = true;
    for (std::size_t s = 0; s < flows.streams(); ++s) {
        Seconds& first = by_hops[flows.routes[flows.route[s]].size()];
        if (first == Seconds{}) first = times->finish[s];
        same = same && first == times->finish[s];
    }
    CHECK(same);
    CHECK(times->instants < 20);
}

TEST_CASE("eight threads get the same times as one", "[network][flows]") {
    // Method: the same set played at once on 1, 2 and 8 threads; all finishes equal to the last bit.
    const FatTreeLinks tree = fast_tree(64);
    const FlowSet flows = mixed_flows(tree, 7, 300);
    const std::vector<Seconds> alone = play_flows(tree.table(), flows)->finish;
    for (const std::size_t workers : {1, 2, 8}) {
        std::vector<std::vector<Seconds>> finish(workers);
        std::vector<std::thread> threads;
        for (std::size_t w = 0; w < workers; ++w) {
            threads.emplace_back([&, w] { finish[w] = play_flows(tree.table(), flows).value().finish; });
        }
        for (std::thread& thread : threads) thread.join();
        CHECK(std::all_of(finish.begin(), finish.end(), [&](const auto& one) { return one == alone; }));
    }
}

TEST_CASE("the work for a flow grows no faster than the logarithm of how many there are", "[network][flows]") {
    // Method: rates found and events a flow, which cost the same on every machine, from a thousand to 27 thousand messages
    // of mixed sizes between random pairs, at a load that keeps about as many under way.
    const FatTreeLinks tree(three_tier_tree(64, 400.0_Gbps, 1.0_us));
    std::vector<double> work;
    for (const int count_of_flows : {1000, 3000, 9000, 27'000}) {
        Rng rng = Rng::stream(1, "growth", 0);
        FlowSet flows;
        double now = 0.0;
        std::vector<LinkId> way;
        for (int i = 0; i < count_of_flows; ++i) {
            const int from = static_cast<int>(rng.below(64));
            const int to = static_cast<int>((static_cast<std::uint64_t>(from) + 1 + rng.below(63)) % 64);
            way.clear();
            tree.append_way(from, to, tree.d_mod_k(from, to), way);
            flows.add(from, to, rng.exponential() * 256.0_KiB, way);
            flows.start.push_back(Seconds::from_si(now));
            now += rng.exponential() * 256.0 * 1024.0 / (0.3 * 64.0 * 50e9);
        }
        const FlowTimes times = play_flows(tree.table(), flows).value();
        work.push_back(static_cast<double>(times.solved + times.events) / count_of_flows);
    }
    CHECK(work.back() / work.front() < std::log(27e3) / std::log(1e3));
    for (std::size_t i = 1; i < work.size(); ++i) CHECK(work[i] / work[i - 1] < 1.16);
}

TEST_CASE("the first class goes first and the second has the link when it is gone", "[network][flows]") {
    // Method: by hand. Class 0: 10 MB at 10 GB/s from 0: 1 ms + 1 us. Class 1, the same size: 2 ms + 1 us.
    const LinkTable links = plain_links(1);
    FlowSet flows;
    for (const std::uint8_t c : {std::uint8_t{1}, std::uint8_t{0}}) {
        flows.add(0, 1, 10.0_MB, std::vector<LinkId>{0});
        flows.traffic_class.push_back(c);
    }
    const auto times = play_flows(links, flows);
    CHECK(times->finish[1] / 1.0_us == Approx(1001.0));
    CHECK(times->finish[0] / 1.0_us == Approx(2001.0));
}

TEST_CASE("delays, empty messages and flows inside one host take their time without a link", "[network][flows]") {
    // Method: by hand. 5 us of delay three times over; then an empty message over one link of 1 us.
    const LinkTable links = plain_links(1);
    FlowSet flows;
    const StreamId work = flows.add(0, 0, Bytes{}, std::vector<LinkId>{});
    flows.wait_for(work, 1);
    const StreamId empty = flows.add(0, 1, Bytes{}, std::vector<LinkId>{0});
    flows.wait_for(work, all_rounds);
    flows.rounds = {3, 1};
    flows.delay = {5.0_us, Seconds{}};
    const auto times = play_flows(links, flows);
    CHECK(times->finish[work] / 1.0_us == Approx(15.0));
    CHECK(times->finish[empty] / 1.0_us == Approx(16.0));
}

TEST_CASE("flows that wait for each other are an error that names the first ten", "[network][flows]") {
    // Method: twelve pairs, each waiting for its other half.
    const LinkTable links = plain_links(1);
    FlowSet flows;
    for (StreamId s = 0; s < 24; ++s) {
        flows.add(0, 1, 1.0_MB, std::vector<LinkId>{0});
        flows.wait_for(s ^ 1, 0);
    }
    const auto times = play_flows(links, flows);
    REQUIRE_FALSE(times.ok());
    CHECK(times.problems().size() == 10);
    CHECK(times.problems()[0].place == "/flows/0");
    CHECK(times.problems()[0].problem ==
          "flow 0 (0 -> 1), round 1 of 1, was never sent: it waits for round 1 of flow 1 (0 -> 1)");
    CHECK(times.problems()[0].remedy.find("24 flows did not end") == 0);
}

TEST_CASE("bad flow sets are named with their place and remedy", "[network][flows]") {
    // Method: one mistake at a time in a set that plays.
    struct Mistake {
        std::string place;
        std::string part;  // of the problem or the remedy
        std::function<void(LinkTable&, FlowSet&)> make;
    };
    const std::vector<Mistake> mistakes{
        {"/links/1/bandwidth", "give a positive rate", [](LinkTable& l, FlowSet&) { l.bandwidth[1] = BytesPerSecond{}; }},
        {"/links/0/latency", "give the time of one bit", [](LinkTable& l, FlowSet&) { l.latency[0] = -1.0_us; }},
        {"/flows/0/route", "is empty, from 0 to 1", [](LinkTable&, FlowSet& f) { f.route[0] = f.routes.add({}); }},
        {"/flows/0/route", "link 7 of 2", [](LinkTable&, FlowSet& f) { f.routes.links[0] = 7; }},
        {"/flows/1/route", "name routes of this set", [](LinkTable&, FlowSet& f) { f.route[1] = 9; }},
        {"/flows/1/size", "check the units", [](LinkTable&, FlowSet& f) { f.size[1] = Bytes::from_si(1e300); }},
        {"/flows/1/size", "give a number of bytes", [](LinkTable&, FlowSet& f) { f.size[1] = -1.0_MB; }},
        {"/flows/1/rounds", "0 or more", [](LinkTable&, FlowSet& f) { f.rounds = {1, -1}; }},
        {"/flows/0/weight", "positive share", [](LinkTable&, FlowSet& f) { f.weight = {0.0, 1.0}; }},
        {"/flows/0/traffic_class", "there are 8", [](LinkTable&, FlowSet& f) { f.traffic_class = {8, 0}; }},
        {"/flows/1/start", "give seconds", [](LinkTable&, FlowSet& f) { f.start = {Seconds{}, -1.0_s}; }},
        {"/flows/1/delay", "give seconds", [](LinkTable&, FlowSet& f) { f.delay = {Seconds{}, -1.0_s}; }},
        {"/flows/1/needs", "name a flow of this set", [](LinkTable&, FlowSet& f) { f.wait_for(5, 0); }},
        {"/flows/1/needs", "a lag of 0", [](LinkTable&, FlowSet& f) { f.wait_for(0, -2); }},
        {"/flows/weight", "3 entries for 2 flows", [](LinkTable&, FlowSet& f) { f.weight = {1.0, 1.0, 1.0}; }},
    };
    for (const Mistake& mistake : mistakes) {
        LinkTable links = plain_links(2);
        FlowSet flows;
        flows.add(0, 1, 1.0_MB, std::vector<LinkId>{0});
        flows.add(1, 0, 1.0_MB, std::vector<LinkId>{1});
        mistake.make(links, flows);
        const auto times = play_flows(links, flows);
        REQUIRE_FALSE(times.ok());
        CHECK(times.problems()[0].place == mistake.place);
        CHECK((times.problems()[0].problem + "; " + times.problems()[0].remedy).find(mistake.part) != std::string::npos);
    }
}

TEST_CASE("a tree of 1,024 hosts has 8 x 8 x 16, and static ways spread destinations over all cores", "[network][flows]") {
    // Method: Al-Fares et al. 2008, k = 16: 8 hosts a leaf, 8 leaves a pod, 64 cores; each core is the way to 1 in 64.
    const FatTreeLinks tree = fast_tree(1024);
    CHECK(tree.tree().hosts_per_leaf == 8);
    CHECK(tree.tree().leaves_per_pod == 8);
    CHECK(tree.tree().pods == 16);
    CHECK(tree.ways(0, 7) == 1);
    CHECK(tree.ways(0, 8) == 8);
    CHECK(tree.ways(0, 64) == 64);
    std::vector<int> uses(64);
    for (int to = 64; to < 1024; ++to) ++uses[static_cast<std::size_t>(tree.d_mod_k(0, to))];
    CHECK(std::all_of(uses.begin(), uses.end(), [](int n) { return n == 15; }));
    std::vector<LinkId> way;
    tree.append_way(5, 1000, tree.d_mod_k(5, 1000), way);
    CHECK(way.size() == 6);
}
