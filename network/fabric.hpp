// A cluster's network as a value: who is wired to whom, at what rate, and how its collectives were seen to behave.
#pragma once

#include "hardware/node.hpp"
#include "hardware/result.hpp"
#include "hardware/units.hpp"
#include "network/collective.hpp"

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
    static constexpr auto fields() {
        using F = FabricSpec;
        return std::tuple{
            field("topology", &F::topology, any_value, "Shape of the network between nodes; see `orrery list topologies`."),
            field("link", &F::link, any_value, "Catalogue link of every NIC port; absent: what the node has."),
            field("oversubscription", &F::oversubscription, {1.0, 64.0}, "Leaf ports down over ports up."),
            field("bandwidth", &F::bandwidth, positive, "Rate of one NIC in one direction, if not the link's."),
            field("latency", &F::latency, positive, "Latency of one network hop, if not that of the link's kind."),
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
    int nodes_per_leaf = 0;                                  // that reach each other without trunks; 0: all
};

/// The shape of a group of ranks on a fabric.
GroupShape shape_of(const Fabric& fabric, std::span<const RankId> members);

/// Load on a link while one byte of a transfer's progress is made.
struct LinkLoad {
    LinkId link;
    double bytes_per_byte;
    bool operator==(const LinkLoad&) const = default;
};

/// A collective as the fabric plays it: a latency chain, and one set of concurrent flows that progress together.
struct Transfer {
    std::string_view algorithm;
    Seconds latency;                // everything that does not shrink with bandwidth
    Bytes size;                     // progress to be made
    BytesPerSecond rate_max;        // protocol and algorithm limit on idle links
    std::vector<LinkLoad> loads;    // one entry a link, ascending by link
};

/// Chooses the algorithm and lays out the transfer of `collective` among `members` (in group order).
/// `peers`: how many groups do the same at the same time out of one node, for the choice of algorithm only.
/// Requires members distinct and inside the fabric; one member or zero bytes give an empty transfer.
Transfer plan_transfer(const Fabric& fabric, const Collective& collective, std::span<const RankId> members);

/// Time of the transfer if it has the fabric to itself: latency + size / slowest of rate_max and the links.
Seconds idle_time(const Fabric& fabric, const Transfer& transfer);

/// The same price from the group's shape alone, for estimates: idle_time(plan_transfer(..)) within rounding wherever
/// the group is regular. With `shape.per_node_peers` groups sharing each node's NICs.
Seconds collective_time(const Fabric& fabric, const Collective& collective, const GroupShape& shape);

/// Where the price of a collective comes from: "measured, nccl 2.27.3 on h100-sxm", "datasheet", ...
std::string collective_basis(const Fabric& fabric, const Collective& collective, const GroupShape& shape);

/// One cable (or bundle) of the network. The first vertices are its end points (nodes; devices on a torus), the rest
/// switches.
struct Cable {
    int from = 0;
    int to = 0;
    BytesPerSecond bandwidth;   // each direction
};

/// One entry of the table of topologies.
struct Topology {
    std::string_view name;
    std::string_view doc;
    Result<Fabric> (*build)(const FabricSpec&, const Node&, int nodes, BytesPerSecond scale_up);
    std::vector<Cable> (*cables)(const FabricSpec&, const Node&, const Fabric& built);   // the graph, on demand
};
std::span<const Topology> topologies();

/// Builds the fabric of `nodes` nodes; `parameters` null: the defaults of an unknown generation.
Result<Fabric> build_fabric(const FabricSpec& spec, const Node& node, int nodes, BytesPerSecond scale_up,
                            std::shared_ptr<const CollectiveParameters> parameters);

}  // namespace orrery
