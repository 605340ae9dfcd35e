// Fabrics and their graphs held to closed forms of fat trees and tori; each problem of a specification.
#include "network/fabric.hpp"
#include "network/link_rates.hpp"
#include "network/network_graph.hpp"
#include "network/wiring.hpp"

#include <catch2/catch.hpp>

using namespace orrery;

namespace {

Node hopper_node() {
    Node node;
    node.name = "dgx-test";
    node.devices = node.scale_up_domain = node.nics = 8;
    node.nic_bandwidth = 50.0_GBps;
    node.nic_kind = "infiniband";
    return node;
}

FabricSpec spec_of(const char* topology, double oversubscription = 1.0) {
    FabricSpec spec;
    spec.topology = topology;
    spec.oversubscription = oversubscription;
    return spec;
}

Problem first_problem(const FabricSpec& spec, const Node& node, int nodes, BytesPerSecond scale_up = 450.0_GBps) {
    const auto fabric = build_fabric(spec, node, nodes, scale_up, nullptr);
    REQUIRE_FALSE(fabric.ok());
    return fabric.problems().front();
}

}  // namespace

TEST_CASE("a fabric gives every rank its links at the rates of the node", "[network][topology]") {
    // Method: by hand; a port's payload is 0.93 of its line rate.
    const Fabric fabric = build_fabric(spec_of("rail-optimized"), hopper_node(), 4, 450.0_GBps, nullptr).value();
    CHECK(fabric.devices == 32);
    CHECK(fabric.links.size() == 4 * 32);
    CHECK(fabric.links[fabric.scale_up_tx[31]].bandwidth == 450.0_GBps);
    CHECK(fabric.links[fabric.nic_rx[31]].bandwidth.si() == Approx(0.93 * 50e9));
    CHECK(fabric.links[fabric.nic_rx[31]].name == "rank 31 nic rx");
    CHECK(fabric.node_nic == 400.0_GBps);
    CHECK(fabric.net_hop == 5.0_us);
    CHECK(fabric.parameters != nullptr);
}

TEST_CASE("a specification's own rate and latency win over the node's", "[network][topology]") {
    // Method: the contract of FabricSpec.
    FabricSpec spec = spec_of("fat-tree");
    spec.bandwidth = 25.0_GBps;
    spec.latency = 2.0_us;
    const Fabric fabric = build_fabric(spec, hopper_node(), 4, 450.0_GBps, nullptr).value();
    CHECK(fabric.node_nic == 200.0_GBps);
    CHECK(fabric.net_hop == 2.0_us);
}

TEST_CASE("hop latency follows the kind of network", "[network][topology]") {
    // Method: NCCL's table for InfiniBand, and what was set beside it.
    CHECK(default_hop_latency("infiniband") == 5.0_us);
    CHECK(default_hop_latency("roce") == 6.0_us);
    CHECK(default_hop_latency("efa") == 15.0_us);
    CHECK(default_hop_latency("carrier-pigeon") == 8.0_us);
}

TEST_CASE("equal ranks of a pod share a leaf, and pods of 32 nodes have leaves of their own", "[network][topology]") {
    // Method: rail-optimized wiring of 64-port switches at 1:1 (SuperPOD: scalable units of 32 nodes, eight leaves).
    const Fabric fabric = build_fabric(spec_of("rail-optimized"), hopper_node(), 64, 450.0_GBps, nullptr).value();
    CHECK(fabric.leaf_of[0] == fabric.leaf_of[31 * 8]);
    CHECK(fabric.leaf_of[0] != fabric.leaf_of[1]);
    CHECK(fabric.leaf_of[0] + 8 == fabric.leaf_of[32 * 8]);
    CHECK(fabric.leaf_up.empty());  // trunks at 1:1 can never be short
}

TEST_CASE("trunks of an oversubscribed leaf carry its ports over the factor", "[network][topology]") {
    // Method: 64 ports at 3:1 are 48 down and 16 up: 48 ports below one leaf, a third of them as trunk.
    const Fabric fabric = build_fabric(spec_of("rail-optimized", 3.0), hopper_node(), 96, 450.0_GBps, nullptr).value();
    REQUIRE(fabric.leaf_up.size() == 16);
    CHECK(fabric.nodes_per_leaf == 48);
    CHECK(fabric.links[fabric.leaf_up[0]].bandwidth.si() == Approx(16 * 0.93 * 50e9));
}

TEST_CASE("a fat tree's bisection is half its ports over the oversubscription, its diameter four or six cables",
          "[network][topology]") {
    // Method: Leiserson 1985. 32 one-port nodes fill a leaf of a 64-port switch at 1:1; two tiers reach to 2,048 ports.
    Node node = hopper_node();
    node.devices = node.scale_up_domain = node.nics = 1;
    const auto two = network_graph(spec_of("fat-tree"), node, 128, {}).value();
    CHECK(two.connected);
    CHECK(two.hops_max == 4);
    CHECK(two.switches == 4 + 2);  // 128 cables up fill two switches
    CHECK(two.bisection.si() == Approx(64 * 50e9).epsilon(1e-6));
    const auto tapered = network_graph(spec_of("fat-tree", 3.0), node, 192, {}).value();  // four leaves of 48
    CHECK(tapered.bisection.si() == Approx(96 * 50e9 / 3.0).epsilon(1e-6));
    const auto three = network_graph(spec_of("fat-tree"), node, 2112, {}).value();
    CHECK(three.connected);
    CHECK(three.hops_max == 6);
}

TEST_CASE("rails of a pod meet in nodes, pods meet in spines", "[network][topology]") {
    // Method: two nodes of one pod are two cables apart, of two pods four; 64 nodes of eight ports at 1:1.
    CHECK(network_graph(spec_of("rail-optimized"), hopper_node(), 32, 450.0_GBps).value().hops_max == 2);
    const auto pods = network_graph(spec_of("rail-optimized"), hopper_node(), 64, 450.0_GBps).value();
    CHECK(pods.hops_max == 4);
    CHECK(pods.bisection.si() == Approx(32 * 400e9).epsilon(1e-6));
}

TEST_CASE("a torus has diameter and bisection of its rings", "[network][topology]") {
    // Method: Dally & Towles, Principles and Practices of Interconnection Networks, 2004, ch. 5: diameter is the sum of
    // half sizes, bisection 2 k^(d-1) links each way. 16 x 16 of 4 links: 50 GB/s a link when the device has 200.
    Node node = hopper_node();
    node.scale_up = ScaleUp::torus;
    node.devices = 4;
    node.scale_up_domain = 256;
    const auto plane = network_graph(spec_of("torus"), node, 64, 200.0_GBps).value();
    CHECK(plane.end_points == 256);
    CHECK(plane.hops_max == 16);
    CHECK(plane.cables == 512);
    CHECK(plane.bisection.si() == Approx(2 * 16 * 50e9).epsilon(1e-6));
    node.scale_up_domain = 4096;  // a 3-D pod, of which 512 chips are used
    const auto cube = network_graph(spec_of("torus"), node, 128, 600.0_GBps).value();
    CHECK(cube.hops_max == 12);
    CHECK(cube.bisection.si() == Approx(2 * 64 * 100e9).epsilon(1e-6));
}

TEST_CASE("torus dimensions are nearly equal factors", "[network][topology]") {
    // Method: by hand.
    CHECK(torus_dimensions(4096, 3) == std::vector<int>{16, 16, 16});
    CHECK(torus_dimensions(256, 2) == std::vector<int>{16, 16});
    CHECK(torus_dimensions(8960, 3) == std::vector<int>{16, 20, 28});
    CHECK(torus_dimensions(7, 2) == std::vector<int>{1, 7});
}

TEST_CASE("a rack's domain spans its nodes", "[network][topology]") {
    // Method: 18 trays of four devices in one NVLink domain need no port between them.
    Node tray = hopper_node();
    tray.devices = tray.nics = 4;
    tray.scale_up_domain = 72;
    const Fabric rack = build_fabric(spec_of("single-node"), tray, 18, 900.0_GBps, nullptr).value();
    std::vector<RankId> all(72);
    for (int i = 0; i < 72; ++i) all[i] = i;
    CHECK(shape_of(rack, all) == GroupShape{72, 72, 1, 1});
    CHECK(network_graph(spec_of("single-node"), tray, 18, 900.0_GBps).value().connected);
}

TEST_CASE("an unknown topology is answered with the nearest name", "[network][topology]") {
    // Method: the message.
    const Problem p = first_problem(spec_of("fat-treee"), hopper_node(), 2);
    CHECK(p.place == "/cluster/fabric/topology");
    CHECK(p.problem == "\"fat-treee\" is not a topology");
    CHECK(p.remedy == "did you mean \"fat-tree\"? There are rail-optimized, fat-tree, rail-only, multi-plane, dragonfly-plus, hyperx, "
                      "two-sites, torus, single-node, custom");
}

TEST_CASE("numbers that no network has are refused", "[network][topology]") {
    // Method: the messages, one at a time.
    CHECK(first_problem(spec_of("fat-tree"), hopper_node(), 0).problem == "is 0");
    CHECK(first_problem(spec_of("fat-tree", 0.5), hopper_node(), 2).place == "/cluster/fabric/oversubscription");
    FabricSpec negative = spec_of("fat-tree");
    negative.bandwidth = -1.0_GBps;
    CHECK(first_problem(negative, hopper_node(), 2).problem == "is negative (-1 GB/s)");
    FabricSpec early = spec_of("fat-tree");
    early.latency = -1.0_us;
    CHECK(first_problem(early, hopper_node(), 2).place == "/cluster/fabric/latency");
    Node empty = hopper_node();
    empty.devices = 0;
    CHECK(first_problem(spec_of("fat-tree"), empty, 2).problem == "\"dgx-test\" has no device");
    Node unwired = hopper_node();
    unwired.nic_bandwidth = {};
    CHECK(first_problem(spec_of("fat-tree"), unwired, 2).problem ==
          "\"dgx-test\" has no network port, and 16 devices are more than one scale-up domain of 8");
    CHECK(first_problem(spec_of("fat-tree"), hopper_node(), 2, {}).problem ==
          "\"dgx-test\" has a scale-up domain of 8 devices whose device gives no scale-up rate");
    CHECK(first_problem(spec_of("fat-tree"), hopper_node(), 4'000'000).problem == "32000000 devices");
    FabricSpec all = spec_of("fat-tree", 0.5);
    all.latency = -1.0_us;
    CHECK(build_fabric(all, hopper_node(), 0, 450.0_GBps, nullptr).problems().size() == 3);
}

TEST_CASE("a cluster beyond what the topology can hold is refused", "[network][topology]") {
    // Method: three tiers of k-port switches hold k^3/4 = 65,536 ports at k = 64 (Al-Fares et al., SIGCOMM 2008).
    CHECK(build_fabric(spec_of("fat-tree"), hopper_node(), 8192, 450.0_GBps, nullptr).ok());
    const Problem p = first_problem(spec_of("fat-tree"), hopper_node(), 8193);
    CHECK(p.problem == "8193 nodes have 65544 ports; three tiers of 64-port switches hold 65536 in \"fat-tree\"");
    CHECK(p.remedy == "use at most 8192 nodes, or more oversubscription");
    CHECK(first_problem(spec_of("single-node"), hopper_node(), 2).place == "/cluster/nodes");
    CHECK(first_problem(spec_of("torus"), hopper_node(), 2).problem == "\"dgx-test\" is not wired as a torus");
}

TEST_CASE("every topology of the table builds and draws its cables", "[network][topology]") {
    // Method: the smallest plan that each accepts is one connected graph.
    for (const Topology& topology : topologies()) {
        Node node = hopper_node();
        if (topology.name == "torus") node.scale_up = ScaleUp::torus;
        if (topology.name == "torus") node.scale_up_domain = 16;
        const int nodes = topology.name == "single-node" ? 1 : 2;
        FabricSpec spec = spec_of("");
        spec.topology = topology.name;
        if (topology.name == "custom") {
            NetworkGraph pair = unwired("node", 2, 1);
            connect(pair, 0, 1, 50.0_GBps);
            spec.custom = std::make_shared<const NetworkGraph>(std::move(pair));
        }
        CHECK(network_graph(spec, node, nodes, 450.0_GBps).value().connected);
    }
}
