// Traffic classes, adaptive switches and acknowledgements of packet runs held to shares of a port worked out by hand.
#include "network/packet/packet_player.hpp"

#include "hardware/rng.hpp"
#include "network/fat_tree_links.hpp"
#include "network/flow_patterns.hpp"

#include <catch2/catch.hpp>

using namespace orrery;

namespace {

/// Two hosts behind links 0 and 1 that send over link 2 to a third.
struct Funnel {
    LinkTable links;
    FlowSet flows;
    Funnel() {
        for (int l = 0; l < 3; ++l) links.add(100.0_Gbps, 1.0_us);
    }
    void send(int host, Bytes size, int traffic_class) {
        flows.add(host, 2, size, std::vector<LinkId>{host, 2});
        flows.traffic_class.push_back(static_cast<std::uint8_t>(traffic_class));
    }
};

PacketTimes classes_played(const LinkTable& links, const FlowSet& flows, const PacketOptions& options = {}) {
    return play_packets(links, flows, options).value();
}

}  // namespace

TEST_CASE("the first class has the port to itself, the second what is left of the time", "[network][packet]") {
    // Method: by hand. 10 MB at 12.5 GB/s is 800 us and 1.6 % of headers; the second class ends with both sent.
    Funnel both;
    both.send(0, 10.0_MB, 0);
    both.send(1, 10.0_MB, 1);
    const PacketTimes times = classes_played(both.links, both.flows);
    CHECK(times.finish[0] / 1.0_us == Approx(800.0 * 4150 / 4086).epsilon(0.01));
    CHECK(times.finish[1] / 1.0_us == Approx(1600.0 * 4150 / 4086).epsilon(0.01));
}

TEST_CASE("classes with weights share a port by them while both have packets", "[network][packet]") {
    // Method: by hand. At 3 to 1, 15 MB and 5 MB end together; of 10 MB each the first takes 4/3 of its time alone.
    PacketOptions options;
    options.class_weights = {3.0, 1.0};
    options.pause_above = 64.0_KiB;  // so that both always wait at the switch, and neither sender runs ahead
    options.resume_below = 48.0_KiB;
    Funnel even;
    even.send(0, 15.0_MB, 0);
    even.send(1, 5.0_MB, 1);
    const PacketTimes together = classes_played(even.links, even.flows, options);
    CHECK(together.finish[0] / together.finish[1] == Approx(1.0).epsilon(0.02));
    Funnel same;
    same.send(0, 10.0_MB, 0);
    same.send(1, 10.0_MB, 1);
    const PacketTimes times = classes_played(same.links, same.flows, options);
    CHECK(times.finish[0] / times.finish[1] == Approx(2.0 / 3.0).epsilon(0.02));
    CHECK(times.finish[1] / 1.0_us == Approx(1600.0 * 4150 / 4086).epsilon(0.01));
}

TEST_CASE("a pause stops its own class alone", "[network][packet]") {
    // Method: a message of 2 MB beside an incast of 64 that pauses its sender's leaf: in a class before the incast's it
    // takes its idle time, in the same class it waits with it.
    const FatTreeLinks tree(three_tier_tree(128, 400.0_Gbps, 1.0_us));
    FlowSet flows;
    for (int from = 1; from <= 64; ++from) tree.add_spread_flow(from, 0, 1.0_MB, flows);
    tree.add_spread_flow(60, 61, 2.0_MB, flows);
    flows.traffic_class.assign(flows.streams(), 1);
    const double shared = classes_played(tree.table(), flows).finish.back() / 1.0_us;
    flows.traffic_class.back() = 0;
    const double own = classes_played(tree.table(), flows).finish.back() / 1.0_us;
    CHECK(own < 1.1 * 42.5);
    CHECK(shared > 1.3 * own);
}

TEST_CASE("switches that send each packet to the shorter queue go round slow cables", "[network][packet]") {
    // Method: a permutation on a full tree whose leaves have one of their four cables up at half its rate. Chance sends a
    // quarter there, which takes twice as long; by queues the leaf's 3.5 cables carry 4 hosts in 4 / 3.5 of the time.
    const FatTreeLinks tree(three_tier_tree(128, 400.0_Gbps, 1.0_us));
    const int leaf_hosts = tree.tree().hosts_per_leaf;
    Rng rng = Rng::stream(1, "permutation", 128);
    const std::vector<int> to = random_cycle(128, rng);
    FlowSet flows;
    for (int from = 0; from < 128; ++from) tree.add_spread_flow(from, to[static_cast<std::size_t>(from)], 8.0_MB, flows);
    LinkTable links = tree.table();
    for (int leaf = 0; leaf < tree.tree().leaves(); ++leaf) links.bandwidth[tree.leaf_up(leaf, 0)] *= 0.5;
    const double even = 8e6 / 50e3 * 4150 / 4086;  // us
    const double chance = classes_played(links, flows).last / 1.0_us;
    PacketOptions options;
    options.path = PathChoice::least_queued;
    const PacketTimes adaptive = classes_played(links, flows, options);
    CHECK(chance > 1.6 * even);
    CHECK(adaptive.last / 1.0_us < 0.8 * chance);
    CHECK(adaptive.last / 1.0_us > static_cast<double>(leaf_hosts) / (leaf_hosts - 0.5) * even * 0.95);
    CHECK(adaptive.out_of_order > 0);
}

TEST_CASE("acknowledgements slow traffic the other way by their share of a packet", "[network][packet]") {
    // Method: two hosts send 20 MB to each other: 64 bytes go back for each 4,150.
    LinkTable links;
    for (int l = 0; l < 2; ++l) links.add(100.0_Gbps, 1.0_us);
    links.reverse = {1, 0};
    FlowSet flows;
    flows.add(0, 1, 20.0_MB, std::vector<LinkId>{0});
    flows.add(1, 0, 20.0_MB, std::vector<LinkId>{1});
    PacketOptions options;
    options.window = 4.0;
    const Seconds without = classes_played(links, flows, options).last;
    options.answers_take_rate = true;
    const PacketTimes with = classes_played(links, flows, options);
    CHECK(with.last / without == Approx(1.0 + 64.0 / 4150.0).epsilon(0.002));
    CHECK(with.carried[0].si() == Approx(20e6 / 4086 * (4150 + 64)).epsilon(0.001));
    // One way alone has the links back to itself.
    FlowSet one;
    one.add(0, 1, 20.0_MB, std::vector<LinkId>{0});
    CHECK(classes_played(links, one, options).last < without * 1.0001);
}

TEST_CASE("class weights and answers that do not fit are named", "[network][packet]") {
    // Method: messages compared.
    Funnel both;
    both.send(0, 1.0_MB, 0);
    both.send(1, 1.0_MB, 2);
    PacketOptions options;
    options.class_weights = {1.0, 1.0};
    CHECK(play_packets(both.links, both.flows, options).problems().front().problem == "has 2 weights for 3 traffic classes");
    options.class_weights = {1.0, 0.0, 1.0};
    CHECK(play_packets(both.links, both.flows, options).problems().front().place == "/packet/class_weights");
    options.class_weights.clear();
    options.answers_take_rate = true;
    CHECK(play_packets(both.links, both.flows, options).problems().front().remedy == "leave it out, or fill LinkTable::reverse");
}
