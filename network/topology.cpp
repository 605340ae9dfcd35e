// The table of topologies, and the parts of building a fabric that all of them share.
#include "network/topology.hpp"

#include "network/collective_parameters.hpp"
#include "network/link_rates.hpp"
#include "network/wiring.hpp"

#include <algorithm>
#include <cmath>

namespace orrery {

namespace {

constexpr Topology topology_table[] = {
    {"rail-optimized", "each device's port on the leaf of its rail; pods of rails joined by spines",
     build_rail_optimized, graph_rail_optimized, true},
    {"fat-tree", "folded Clos of two or three tiers, all ports of a node on one leaf", build_fat_tree, graph_fat_tree,
     true},
    {"rail-only", "each rail a network of its own, nothing between rails but the nodes", build_rail_only,
     graph_rail_only},
    {"multi-plane", "every port divided over several fat trees that have nothing in common", build_multi_plane,
     graph_multi_plane},
    {"dragonfly-plus", "groups of leaves and spines, every two groups joined directly", build_dragonfly_plus,
     graph_dragonfly_plus},
    {"hyperx", "switches on a grid, each joined to all others of its lines", build_hyperx, graph_hyperx},
    {"two-sites", "two fat trees and fibres over the distance between them", build_two_sites, graph_two_sites},
    {"torus", "links to neighbours in two or three dimensions (TPU pods); pods joined by their ports", build_torus,
     graph_torus, true, false},
    {"single-node", "no network: everything inside one scale-up domain", build_single_node, graph_single_node, true,
     false},
    {"custom", "nodes, switches and links as a file of yours says", build_custom, graph_custom},
};

/// PCIe where the device's datasheet gives no rate: 4.0 x16, 32 GB/s one direction; and never more than 5.0 x16.
constexpr BytesPerSecond pcie_usual = 32.0_GBps;
constexpr BytesPerSecond pcie_best = 64.0_GBps;
/// Pods of up to this many chips are two-dimensional (TPU v3 1,024; v5e, v6e 256; Trainium 16), larger ones
/// three-dimensional (TPU v4 4,096; v5p 8,960; v7 9,216; cloud.google.com/tpu/docs).
constexpr int plane_torus_max = 1024;

/// Edits (insert, delete, replace) between two names.
int topology_name_distance(std::string_view a, std::string_view b) {
    std::vector<int> row(b.size() + 1);
    for (std::size_t j = 0; j <= b.size(); ++j) row[j] = static_cast<int>(j);
    for (std::size_t i = 1; i <= a.size(); ++i) {
        int diagonal = row[0];
        row[0] = static_cast<int>(i);
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const int above = row[j];
            row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
            diagonal = above;
        }
    }
    return row[b.size()];
}

Problem unknown_topology(const std::string& name) {
    const Topology* nearest = topology_table;
    std::string all;
    for (const Topology& topology : topology_table) {
        if (topology_name_distance(name, topology.name) < topology_name_distance(name, nearest->name))
            nearest = &topology;
        all += (all.empty() ? "" : ", ") + std::string(topology.name);
    }
    return {"/cluster/fabric/topology", "\"" + name + "\" is not a topology",
            "did you mean \"" + std::string(nearest->name) + "\"? There are " + all};
}

std::string in_gigabytes(BytesPerSecond rate) { return std::to_string(std::lround(rate.si() / 1e9)) + " GB/s"; }

void check_rates(const FabricSpec& spec, const Node& node, int nodes, BytesPerSecond scale_up, Problems& problems) {
    if (nodes < 1) problems.push_back({"/cluster/nodes", "is " + std::to_string(nodes), "give at least 1"});
    if (node.devices < 1) {
        problems.push_back({"/cluster/node", "\"" + node.name + "\" has no device", "choose a node with devices"});
    }
    if (!(spec.oversubscription >= 1.0)) {
        problems.push_back({"/cluster/fabric/oversubscription", "is " + std::to_string(spec.oversubscription),
                            "give ports down over ports up, 1 or more"});
    }
    if (!(spec.spine_oversubscription >= 1.0)) {
        problems.push_back({"/cluster/fabric/spine_oversubscription",
                            "is " + std::to_string(spec.spine_oversubscription),
                            "give ports down over ports up, 1 or more"});
    }
    if (spec.switch_ports != 0 && (spec.switch_ports < 4 || spec.switch_ports % 2 != 0)) {
        problems.push_back({"/cluster/fabric/switch_ports", "is " + std::to_string(spec.switch_ports),
                            "give an even number of 4 or more"});
    }
    if (!(spec.bandwidth.si() >= 0.0)) {
        problems.push_back({"/cluster/fabric/bandwidth", "is negative (" + in_gigabytes(spec.bandwidth) + ")",
                            "give the rate of one port, such as \"400 Gb/s\""});
    }
    if (!(spec.latency.si() >= 0.0)) {
        problems.push_back({"/cluster/fabric/latency", "is negative", "give the latency of one hop, such as \"5 us\""});
    }
    if (!problems.empty()) return;
    const int domain = std::max(1, node.scale_up_domain);
    const long long devices = static_cast<long long>(node.devices) * nodes;
    if (devices > domain && (node.nics < 1 || !(port_bandwidth(spec, node).si() > 0.0))) {
        problems.push_back({"/cluster/fabric/bandwidth",
                            "\"" + node.name + "\" has no network port, and " + std::to_string(devices) +
                                " devices are more than one scale-up domain of " + std::to_string(domain),
                            "give the rate of a port, such as \"400 Gb/s\", or fewer nodes"});
    }
    if (domain > 1 && devices > 1 && !(scale_up.si() > 0.0) && node.scale_up != ScaleUp::pcie) {
        problems.push_back({"/cluster/node",
                            "\"" + node.name + "\" has a scale-up domain of " + std::to_string(domain) +
                                " devices whose device gives no scale-up rate",
                            "choose a device with scale_up_bandwidth, or a node with a domain of 1"});
    }
    if (devices > 16'777'216) {
        problems.push_back(
            {"/cluster/nodes", std::to_string(devices) + " devices", "at most 16777216 can be modelled"});
    }
}

/// One link per rank for each of the four directions: scale-up out and in, network out and in.
void add_rank_links(BytesPerSecond port, Fabric& fabric) {
    const auto add = [&](const char* what, BytesPerSecond bandwidth, std::vector<LinkId>& ids) {
        if (!(bandwidth.si() > 0.0)) return;
        ids.reserve(static_cast<std::size_t>(fabric.devices));
        for (RankId rank = 0; rank < fabric.devices; ++rank) {
            ids.push_back(static_cast<LinkId>(fabric.links.size()));
            fabric.links.push_back({"rank " + std::to_string(rank) + what, bandwidth});
        }
    };
    fabric.links.reserve(4 * static_cast<std::size_t>(fabric.devices));
    add(" scale-up tx", fabric.scale_up, fabric.scale_up_tx);
    add(" scale-up rx", fabric.scale_up, fabric.scale_up_rx);
    add(" nic tx", port, fabric.nic_tx);
    add(" nic rx", port, fabric.nic_rx);
}

}  // namespace

std::span<const Topology> topologies() { return topology_table; }

namespace {

/// Ports are as slow as their cables to the first switch.
void slow_ports(Fabric& fabric) {
    const RoutedNetwork& network = *fabric.network;
    const BytesPerSecond whole = fabric.node_nic / network.graph.ports_per_node;
    std::vector<double> left(static_cast<std::size_t>(network.graph.end_points));
    for (const DirectedLink& link : network.links) {
        if (link.from < network.graph.end_points) left[link.from] += link.bandwidth / whole;
    }
    if (std::all_of(left.begin(), left.end(), [](double share) { return share > 1.0 - 1e-9; })) return;
    fabric.port_left.resize(static_cast<std::size_t>(fabric.devices));
    for (RankId rank = 0; rank < fabric.devices; ++rank) {
        const double share = std::min(1.0, left[end_point_of(fabric, rank)]);
        fabric.port_left[rank] = share;
        fabric.links[fabric.nic_tx[rank]].bandwidth *= share;
        fabric.links[fabric.nic_rx[rank]].bandwidth *= share;
    }
}

/// Works out the ways of a fabric and gives it a link for each direction of each cable.
Problems add_ways(const FabricSpec& spec, const NetworkFaults& faults, std::uint64_t seed, NetworkGraph graph,
                  Fabric& fabric) {
    const bool rails = graph.ports_per_node > 1 && spec.topology.starts_with("rail");
    Result<NetworkGraph> damaged = with_faults(std::move(graph), faults);
    if (!damaged) return damaged.problems();
    if (spec.routing == Routing::rail && !rails) {
        return {{"/cluster/fabric/routing", "is \"rail\", and \"" + spec.topology + "\" has no rails",
                 "use rail-optimized or rail-only with more than one port a node"}};
    }
    Result<RoutedNetwork> routed = route_network(std::move(damaged).value(), {spec.routing, seed, spec.flows_per_message});
    if (!routed) return routed.problems();
    fabric.first_network_link = static_cast<LinkId>(fabric.links.size());
    fabric.changes_rails = rails;
    fabric.leaf_up.clear();
    fabric.leaf_down.clear();
    fabric.nodes_per_leaf = 0;
    for (const DirectedLink& link : routed->links) {
        fabric.links.push_back({vertex_name(routed->graph, link.from) + " to " + vertex_name(routed->graph, link.to),
                                port_payload_share * link.bandwidth});
    }
    fabric.network = std::make_shared<const RoutedNetwork>(std::move(routed).value());
    slow_ports(fabric);
    return {};
}

Problems routing_without_network(const FabricSpec& spec, const NetworkFaults& faults) {
    Problems problems;
    if (spec.routing != Routing::spray) {
        problems.push_back({"/cluster/fabric/routing",
                            "is \"" + std::string(name_of(spec.routing)) + "\", and no network joins nodes here",
                            "leave it out, or use a topology such as \"fat-tree\" and more than one node"});
    }
    if (!faults.empty()) {
        problems.push_back({"/cluster/faults", "names links or switches, and no network joins nodes here",
                            "use slow_links for ports of single devices, or a topology such as \"fat-tree\""});
    }
    return problems;
}

const Topology* find_topology(const std::string& name) {
    for (const Topology& topology : topology_table) {
        if (topology.name == name) return &topology;
    }
    return nullptr;
}

}  // namespace

Result<Fabric> build_fabric(const FabricSpec& spec, const Node& node, int nodes, BytesPerSecond scale_up,
                            std::shared_ptr<const CollectiveParameters> parameters, const NetworkFaults& faults,
                            std::uint64_t seed) {
    const Topology* topology = find_topology(spec.topology);
    if (topology == nullptr) return unknown_topology(spec.topology);
    Result<Fabric> fabric = topology->build(spec, node, nodes, scale_up);
    if (!fabric) return fabric;
    fabric->topology = spec.topology;
    if (!parameters) parameters = std::make_shared<const CollectiveParameters>();
    fabric->parameters = std::move(parameters);
    const bool has_network = topology->joins_nodes && fabric->domain < fabric->devices && node.nics > 0;
    const bool as_trunks = topology->by_trunks && spec.routing == Routing::spray && faults.empty() &&
                           spec.spine_oversubscription <= 1.0;
    Problems problems;
    if (!has_network) {
        problems = routing_without_network(spec, faults);
    } else if (!as_trunks) {
        problems = add_ways(spec, faults, seed, topology->graph(spec, node, *fabric), *fabric);
    }
    if (!problems.empty()) return problems;
    return fabric;
}

Result<NetworkGraph> fabric_graph(const FabricSpec& spec, const Node& node, int nodes, BytesPerSecond scale_up) {
    const Topology* topology = find_topology(spec.topology);
    if (topology == nullptr) return unknown_topology(spec.topology);
    const Result<Fabric> fabric = topology->build(spec, node, nodes, scale_up);
    if (!fabric) return fabric.problems();
    return topology->graph(spec, node, *fabric);
}

int end_point_of(const Fabric& fabric, RankId rank) {
    ORRERY_CHECK(fabric.network != nullptr);
    const int ports = fabric.network->graph.ports_per_node;
    return rank / fabric.devices_per_node * ports + rank % fabric.devices_per_node * ports / fabric.devices_per_node;
}

BytesPerSecond port_bandwidth(const FabricSpec& spec, const Node& node) {
    return spec.bandwidth.si() > 0.0 ? spec.bandwidth : node.nic_bandwidth;
}

Result<Fabric> bare_fabric(const FabricSpec& spec, const Node& node, int nodes, BytesPerSecond scale_up) {
    Problems problems;
    check_rates(spec, node, nodes, scale_up, problems);
    if (!problems.empty()) return problems;
    Fabric fabric;
    fabric.devices_per_node = node.devices;
    fabric.devices = node.devices * nodes;
    fabric.domain = std::clamp(node.scale_up_domain, 1, fabric.devices);
    fabric.wiring = node.scale_up;
    if (node.scale_up == ScaleUp::pcie && fabric.domain > 1) {
        scale_up = scale_up.si() > 0.0 ? std::min(scale_up, pcie_best) : pcie_usual;
    }
    if (node.scale_up == ScaleUp::torus && fabric.domain > 1) {
        fabric.torus = torus_dimensions(fabric.domain, node.scale_up_domain <= plane_torus_max ? 2 : 3);
    }
    fabric.scale_up = fabric.domain > 1 ? scale_up : BytesPerSecond{};
    fabric.node_nic = std::max(0, node.nics) * port_bandwidth(spec, node);
    fabric.net_hop = spec.latency.si() > 0.0 ? spec.latency : default_hop_latency(node.nic_kind);
    add_rank_links(port_payload_share * fabric.node_nic / node.devices, fabric);
    fabric.reduces_in_network = spec.in_network_reduction;
    fabric.leaf_of.assign(static_cast<std::size_t>(fabric.devices), 0);
    return fabric;
}

void add_leaves(const FabricSpec& spec, const Node& node, int nodes_per_leaf, int rails, Fabric& fabric) {
    const int nodes = fabric.devices / fabric.devices_per_node;
    const int groups = (nodes + nodes_per_leaf - 1) / nodes_per_leaf;
    if (groups < 2) return;
    for (RankId rank = 0; rank < fabric.devices; ++rank) {
        const int group = rank / fabric.devices_per_node / nodes_per_leaf;
        fabric.leaf_of[rank] = group * rails + rank % fabric.devices_per_node * rails / fabric.devices_per_node;
    }
    if (spec.oversubscription <= 1.0) return;
    fabric.nodes_per_leaf = nodes_per_leaf;
    const double ports = static_cast<double>(nodes_per_leaf) * node.nics / rails;
    const BytesPerSecond trunk = ports * port_payload_share * port_bandwidth(spec, node) / spec.oversubscription;
    const auto add = [&](const char* direction, std::vector<LinkId>& ids) {
        for (int leaf = 0; leaf < groups * rails; ++leaf) {
            ids.push_back(static_cast<LinkId>(fabric.links.size()));
            fabric.links.push_back({"leaf " + std::to_string(leaf) + direction, trunk});
        }
    };
    add(" up", fabric.leaf_up);
    add(" down", fabric.leaf_down);
}

}  // namespace orrery
