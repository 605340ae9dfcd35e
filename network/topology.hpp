// What the files under network/topologies share: a validated fabric without trunks, and the sizes of switched networks.
#pragma once

#include "network/fabric.hpp"

#include <vector>

namespace orrery {

/// Checks what every topology needs and lays the links of every rank; all problems at once, with JSON pointers into a
/// scenario. No trunks, every node within reach of every other.
Result<Fabric> bare_fabric(const FabricSpec& spec, const Node& node, int nodes, BytesPerSecond scale_up);

/// Rate of one network port: the specification's, else the node's.
BytesPerSecond port_bandwidth(const FabricSpec& spec, const Node& node);

/// Ports of every switch: the specification's, else those of the node's kind of network.
int switch_ports_of(const FabricSpec& spec, const Node& node);

/// Ports of a node as routes tell them apart: a device with several has them as one bundle.
int ports_per_node(const Node& node);

/// Sizes of a folded Clos network of equal switches (Leiserson, IEEE Trans. Computers C-34(10), 1985).
struct ClosPlan {
    int switch_ports = 64;
    int leaf_down = 32;  // ports of a leaf towards nodes
    int leaf_up = 32;
    int spine_down = 32; // ports of a spine of three tiers towards leaves
    int leaves = 1;
    int tiers = 1;            // 1: a single switch per leaf's worth of nodes; 3: with a core
    bool fits = true;         // three tiers hold it
    long long ports_max = 0;  // end ports that three tiers hold
};
/// Plan for `end_ports` cables from nodes to leaves.
ClosPlan clos_plan(const FabricSpec& spec, const Node& node, long long end_ports);

/// The problem of a cluster that three tiers cannot hold.
Problem too_many_ports(const FabricSpec& spec, const Node& node, int nodes, const ClosPlan& plan);

/// Sets leaves of `nodes_per_leaf` nodes and `rails` leaves per such group; with oversubscription above 1 also their
/// trunks (a trunk as fast as the ports below it can never be what is short).
void add_leaves(const FabricSpec& spec, const Node& node, int nodes_per_leaf, int rails, Fabric& fabric);

/// Adds spines and, for three tiers, cores over `leaves`, with cables of `port` rate: as few switches as have the ports,
/// the cables of each leaf spread evenly. Returns the topmost switches.
std::vector<int> add_upper_tiers(NetworkGraph& graph, const ClosPlan& plan, std::span<const int> leaves,
                                 BytesPerSecond port, int group = 0);

/// Leaves of `plan` for end points first, first + stride, .., `per_leaf` to each, and the tiers above. Returns the
/// topmost switches.
std::vector<int> add_tree(NetworkGraph& graph, const ClosPlan& plan, int per_leaf, std::span<const int> end_points,
                          BytesPerSecond port, int cables, int group = 0);

// One file each under network/topologies.
Result<Fabric> build_single_node(const FabricSpec&, const Node&, int nodes, BytesPerSecond scale_up);
NetworkGraph graph_single_node(const FabricSpec&, const Node&, const Fabric&);
Result<Fabric> build_rail_optimized(const FabricSpec&, const Node&, int nodes, BytesPerSecond scale_up);
NetworkGraph graph_rail_optimized(const FabricSpec&, const Node&, const Fabric&);
Result<Fabric> build_rail_only(const FabricSpec&, const Node&, int nodes, BytesPerSecond scale_up);
NetworkGraph graph_rail_only(const FabricSpec&, const Node&, const Fabric&);
Result<Fabric> build_fat_tree(const FabricSpec&, const Node&, int nodes, BytesPerSecond scale_up);
NetworkGraph graph_fat_tree(const FabricSpec&, const Node&, const Fabric&);
Result<Fabric> build_multi_plane(const FabricSpec&, const Node&, int nodes, BytesPerSecond scale_up);
NetworkGraph graph_multi_plane(const FabricSpec&, const Node&, const Fabric&);
Result<Fabric> build_dragonfly_plus(const FabricSpec&, const Node&, int nodes, BytesPerSecond scale_up);
NetworkGraph graph_dragonfly_plus(const FabricSpec&, const Node&, const Fabric&);
Result<Fabric> build_hyperx(const FabricSpec&, const Node&, int nodes, BytesPerSecond scale_up);
NetworkGraph graph_hyperx(const FabricSpec&, const Node&, const Fabric&);
Result<Fabric> build_two_sites(const FabricSpec&, const Node&, int nodes, BytesPerSecond scale_up);
NetworkGraph graph_two_sites(const FabricSpec&, const Node&, const Fabric&);
Result<Fabric> build_torus(const FabricSpec&, const Node&, int nodes, BytesPerSecond scale_up);
NetworkGraph graph_torus(const FabricSpec&, const Node&, const Fabric&);
Result<Fabric> build_custom(const FabricSpec&, const Node&, int nodes, BytesPerSecond scale_up);
NetworkGraph graph_custom(const FabricSpec&, const Node&, const Fabric&);

}  // namespace orrery
