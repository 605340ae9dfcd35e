// A cluster's network as a value: who is wired to whom, at what rate, and how its collectives were seen to behave.
#pragma once

#include "hardware/node.hpp"
#include "hardware/result.hpp"
#include "hardware/units.hpp"
#include "network/collective.hpp"
#include "network/graph.hpp"
#include "network/load.hpp"
#include "network/routing.hpp"

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace orrery {

/// What a user says of the fabric between nodes.
struct FabricSpec {
    std::string topology = "rail-optimized";
    std::string link;                     // catalogue name; empty: the node's own ports
    double oversubscription = 1.0;        // ports down over ports up, per leaf
    BytesPerSecond bandwidth{};           // overrides the link's, one direction, per NIC
    Seconds latency{};                    // overrides the hop latency of the link's kind
    Routing routing = Routing::spray;
    int flows_per_message = 1;            // of ecmp
    int switch_ports = 0;                 // 0: of the switches that the link's kind is built from
    double spine_oversubscription = 1.0;  // ports down over ports up, per spine of three tiers
    int planes = 2;                       // of multi-plane
    std::vector<int> dimensions;          // of torus and hyperx; empty: nearly equal ones
    bool twisted = false;                 // torus
    double distance_km = 100.0;           // of two-sites
    BytesPerSecond long_haul_bandwidth{}; // of two-sites, each direction; zero: an eighth of one site's ports
    bool in_network_reduction = false;    // switches add up (SHARP), and the library may use it
    std::string graph;                    // of custom: file
    std::shared_ptr<const NetworkGraph> custom;  // what that file says
    static constexpr auto fields() {
        using F = FabricSpec;
        return std::tuple{
            field("topology", &F::topology, any_value, "Shape of the network between nodes; see `orrery list topologies`."),
            field("link", &F::link, any_value, "Catalogue link of every NIC port; absent: what the node has."),
            field("oversubscription", &F::oversubscription, {1.0, 64.0}, "Leaf ports down over ports up."),
            field("bandwidth", &F::bandwidth, positive, "Rate of one NIC in one direction, if not the link's."),
            field("latency", &F::latency, positive, "Latency of one network hop, if not that of the link's kind."),
            field("routing", &F::routing, any_value, "How flows between nodes find their way."),
            field("flows_per_message", &F::flows_per_message, {1.0, 1024.0},
                  "Of ecmp: flows with hashes of their own that one message divides over (queue pairs).",
                  "NCCL's own default, NCCL_IB_QPS_PER_CONNECTION=1"),
            field("switch_ports", &F::switch_ports, {4.0, 4096.0},
                  "Ports of every switch, even; absent: 64 for InfiniBand to 400 Gb/s, else 128."),
            field("spine_oversubscription", &F::spine_oversubscription, {1.0, 64.0},
                  "Spine ports down over ports up, where there are three tiers."),
            field("planes", &F::planes, {2.0, 64.0}, "Of multi-plane: networks over which every port divides."),
            field("dimensions", &F::dimensions, {1.0, 65536.0},
                  "Sizes of a torus or of the switches of a hyperx; absent: nearly equal ones."),
            field("twisted", &F::twisted, any_value,
                  "Of a torus with one dimension twice the others: wrap-around links shift by half of it (TPU v4)."),
            field("distance_km", &F::distance_km, {0.0, 40000.0}, "Of two-sites: fibre between them, 4.9 us per km."),
            field("long_haul_bandwidth", &F::long_haul_bandwidth, positive,
                  "Of two-sites: all fibres together, one direction; absent: an eighth of one site's ports."),
            field("in_network_reduction", &F::in_network_reduction, any_value,
                  "Switches add up all-reduces (SHARP), and the library may use it (NCCL_COLLNET_ENABLE=1).",
                  "NCCL's own default: off"),
            field("graph", &F::graph, any_value, "Of custom: file with nodes, switches and links."),
        };
    }
};

/// One direction of one cable, or of a bundle over which traffic is sprayed evenly.
struct Link {
    std::string name;           // "rank 5 nic tx", "leaf 3 up"
    BytesPerSecond bandwidth;   // payload
};

/// Fitted behaviour of one generation of collectives; parameters in network/collective_parameters.hpp.
struct CollectiveParameters;

/// Immutable once built. Links are directed; ranks are numbered node by node.
struct Fabric {
    std::string topology;
    int devices = 1;
    int devices_per_node = 8;
    int domain = 8;                       // devices in one scale-up domain
    BytesPerSecond scale_up;              // per device, one direction
    BytesPerSecond node_nic;              // all NICs of one node together, one direction
    Seconds net_hop;                      // one hop through a NIC and the switches
    std::vector<Link> links;
    std::shared_ptr<const CollectiveParameters> parameters;  // never null once built
    std::vector<LinkId> scale_up_tx, scale_up_rx;            // per rank
    std::vector<LinkId> nic_tx, nic_rx;                      // per rank: its share of the node's NICs
    std::vector<LinkId> leaf_up, leaf_down;                  // per leaf, if the topology has trunks; else empty
    std::vector<int> leaf_of;                                // per rank
    ScaleUp wiring = ScaleUp::switched;                      // inside one scale-up domain
    std::vector<int> torus;                                  // its dimensions if wired as a torus; else empty
    int torus_twist = -1;                                    // dimension along which wraps of the others shift; -1: none
    int nodes_per_leaf = 0;                                  // that reach each other without trunks; 0: all
    std::shared_ptr<const RoutedNetwork> network;            // ways link by link; null: trunks, if any, are all that binds
    LinkId first_network_link = 0;                           // of network->links in `links`
    std::vector<double> port_left;                           // per rank, of its port's rate; empty: all of it
    bool reduces_in_network = false;                         // its switches add up all-reduces
    bool changes_rails = false;                              // to another rail by the sender's neighbour on it
};

/// The network port that a rank uses, an end point of the fabric's graph.
int end_point_of(const Fabric& fabric, RankId rank);

/// The network port of one rank runs at `rate` of its rate, both directions; and so do its cables in the fabric's graph,
/// by as much as the rank has of them.
void slow_port(Fabric& fabric, RankId rank, double rate);
void slow_port(const Fabric& fabric, RankId rank, double rate, NetworkGraph& graph);

/// The shape of a group of ranks on a fabric.
GroupShape shape_of(const Fabric& fabric, std::span<const RankId> members);

/// A collective as the fabric plays it: a latency chain, and one set of concurrent flows that progress together.
struct Transfer {
    std::string_view algorithm;
    Seconds latency;                // everything that does not shrink with bandwidth
    Bytes size;                     // progress to be made
    BytesPerSecond rate_max;        // protocol and algorithm limit on idle links
    std::vector<LinkLoad> loads;    // one entry a link, ascending by link
    Seconds distance{};             // latency of long cables on the way, beside `latency`
};

/// Chooses the algorithm and lays out the transfer of `collective` among `members` (in group order).
/// Requires members distinct and inside the fabric; one member or zero bytes give an empty transfer. `memory`: what
/// adaptive routing knows of earlier transfers.
Transfer plan_transfer(const Fabric& fabric, const Collective& collective, std::span<const RankId> members,
                       RouteMemory* memory = nullptr);

/// Time of `collective` where all `groups` run it at the same time and nothing else does: the slowest group, each link
/// shared by all bytes that its ways bring to it.
Seconds concurrent_time(const Fabric& fabric, const Collective& collective, std::span<const std::vector<RankId>> groups);

/// Time of the transfer if it has the fabric to itself: latencies + size / slowest of rate_max and the links.
Seconds idle_time(const Fabric& fabric, const Transfer& transfer);

/// The same price from the group's shape alone, for estimates: idle_time(plan_transfer(..)) within rounding wherever
/// the group is regular. With `shape.per_node_peers` groups sharing each node's NICs.
Seconds collective_time(const Fabric& fabric, const Collective& collective, const GroupShape& shape);

/// The price with what of it keeps the network ports of the group's ranks busy.
struct PortedTime {
    Seconds time;
    double moving = 0.0;   // share of `time` in which bytes move
    double port = 0.0;     // share of each port's rate that they take meanwhile; 0: they stay inside a domain
};
PortedTime ported_time(const Fabric& fabric, const Collective& collective, const GroupShape& shape);

/// The algorithm that the library takes for it, by name; "none" where there is nothing to exchange.
std::string_view chosen_algorithm(const Fabric& fabric, const Collective& collective, const GroupShape& shape);

/// Where the price of a collective comes from: "measured, nccl 2.27.3 on h100-sxm", "datasheet", ...
std::string collective_basis(const Fabric& fabric, const Collective& collective, const GroupShape& shape);

/// One entry of the table of topologies.
struct Topology {
    std::string_view name;
    std::string_view doc;
    Result<Fabric> (*build)(const FabricSpec&, const Node&, int nodes, BytesPerSecond scale_up);
    NetworkGraph (*graph)(const FabricSpec&, const Node&, const Fabric& built);   // cables and switches, on demand
    bool by_trunks = false;   // undamaged and sprayed, its trunks say all that can be short: no ways are worked out
    bool joins_nodes = true;  // false: what its graph shows lies inside scale-up domains
};
std::span<const Topology> topologies();

/// Builds the fabric of `nodes` nodes; `parameters` null: the defaults of an unknown generation. `seed` of routes that
/// are hashed.
Result<Fabric> build_fabric(const FabricSpec& spec, const Node& node, int nodes, BytesPerSecond scale_up,
                            std::shared_ptr<const CollectiveParameters> parameters, const NetworkFaults& faults = {},
                            std::uint64_t seed = 1);

/// Cables and switches of the same fabric, without its faults.
Result<NetworkGraph> fabric_graph(const FabricSpec& spec, const Node& node, int nodes, BytesPerSecond scale_up);

}  // namespace orrery
