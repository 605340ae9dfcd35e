// One network for nodes of several types.
#include "network/joined_fabric.hpp"

#include <catch2/catch.hpp>

using namespace orrery;

namespace {

Node node_with(int devices, BytesPerSecond port) {
    Node node;
    node.devices = devices;
    node.scale_up_domain = devices;
    node.nics = devices;
    node.nic_bandwidth = port;
    node.nic_kind = "infiniband";
    return node;
}

Fabric whole_of(const Node& node, int nodes, const FabricSpec& spec = {}) {
    const auto fabric = build_fabric(spec, node, nodes, 450.0_GBps, nullptr);
    REQUIRE(fabric.ok());
    return *fabric;
}

}  // namespace

TEST_CASE("ports of a joined network are those of each node's type", "[network][fabric]") {
    // Method: every link of each half against the whole network of its type.
    const Fabric fast = whole_of(node_with(8, 50.0_GBps), 4);
    const Fabric slow = whole_of(node_with(8, 25.0_GBps), 4);
    const FabricPart parts[] = {{&fast, 1, "fast"}, {&slow, 3, "slow"}};
    const auto joined = join_fabrics(parts);
    REQUIRE(joined.ok());
    for (RankId rank = 0; rank < 32; ++rank) {
        const Fabric& own = rank < 8 ? fast : slow;
        for (const auto* ids : {&own.nic_tx, &own.nic_rx, &own.scale_up_tx, &own.scale_up_rx}) {
            const auto link = static_cast<std::size_t>((*ids)[static_cast<std::size_t>(rank)]);
            CHECK(joined->links[link].bandwidth == own.links[link].bandwidth);
        }
    }
}

TEST_CASE("a trunk has the mean of the nodes below its leaf, cables between switches the fastest type's rate", "[network][fabric]") {
    // Method: by hand: leaves of two nodes, of which the second leaf is half fast, half slow.
    FabricSpec spec;
    spec.topology = "fat-tree";
    spec.oversubscription = 2.0;
    spec.switch_ports = 24;   // 16 down: two nodes of eight ports
    const Fabric fast = whole_of(node_with(8, 50.0_GBps), 6, spec);
    const Fabric slow = whole_of(node_with(8, 25.0_GBps), 6, spec);
    const FabricPart parts[] = {{&fast, 3, "fast"}, {&slow, 3, "slow"}};
    const auto joined = join_fabrics(parts);
    REQUIRE(joined.ok());
    REQUIRE(joined->leaf_up.size() == 3);
    const auto up = [&](const Fabric& fabric, std::size_t leaf) { return fabric.links[static_cast<std::size_t>(fabric.leaf_up[leaf])].bandwidth; };
    CHECK(up(*joined, 0) == up(fast, 0));
    CHECK(up(*joined, 1).si() == Approx(0.75 * up(fast, 1).si()));
    CHECK(up(*joined, 2) == up(slow, 2));
    spec.routing = Routing::ecmp;
    const Fabric fast_routed = whole_of(node_with(8, 50.0_GBps), 6, spec);
    const Fabric slow_routed = whole_of(node_with(8, 25.0_GBps), 6, spec);
    const FabricPart routed_parts[] = {{&fast_routed, 3, "fast"}, {&slow_routed, 3, "slow"}};
    const auto routed = join_fabrics(routed_parts);
    REQUIRE(routed.ok());
    const NetworkGraph& graph = routed->network->graph;
    for (std::size_t i = 0; i < routed->network->links.size(); ++i) {
        const DirectedLink& link = routed->network->links[i];
        const int end = std::min(link.from, link.to);
        const bool is_slow = end < graph.end_points && end / graph.ports_per_node >= 3;
        CHECK(link.bandwidth == (is_slow ? slow_routed : fast_routed).network->links[i].bandwidth);
    }
}

TEST_CASE("nodes that do not go on one network are not joined", "[network][fabric]") {
    // Method: other numbers of devices, domains and ports.
    const auto problem = [](const Node& a, const Node& b, const FabricSpec& spec = {}) {
        const Fabric first = whole_of(a, 4, spec);
        const Fabric second = whole_of(b, 4, spec);
        const FabricPart parts[] = {{&first, 2, "a"}, {&second, 2, "b"}};
        const auto joined = join_fabrics(parts);
        return joined.ok() ? std::string() : joined.problems().front().place + ": " + joined.problems().front().problem;
    };
    const Node eight = node_with(8, 50.0_GBps);
    CHECK(problem(eight, node_with(4, 50.0_GBps)) == "/cluster/groups: b has 4 where a has 8 devices a node");
    Node rack = eight;
    rack.scale_up_domain = 32;
    CHECK(problem(eight, rack) == "/cluster/groups: b has one of 32 where a has a scale-up domain of 8 devices");
    Node half = eight;
    half.nics = 4;
    CHECK(problem(eight, half).empty());   // where all that binds are the devices' own shares
    FabricSpec hashed;
    hashed.routing = Routing::ecmp;
    CHECK(problem(eight, half, hashed) == "/cluster/groups: b has other numbers of network ports than a, and their ways differ");
}
