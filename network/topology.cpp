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
     build_rail_optimized, cables_rail_optimized},
    {"fat-tree", "folded Clos of two or three tiers, all ports of a node on one leaf", build_fat_tree, cables_fat_tree},
    {"torus", "links to neighbours in two or three dimensions (TPU pods); pods joined by their ports", build_torus,
     cables_torus},
    {"single-node", "no network: everything inside one scale-up domain", build_single_node, cables_single_node},
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

Result<Fabric> build_fabric(const FabricSpec& spec, const Node& node, int nodes, BytesPerSecond scale_up,
                            std::shared_ptr<const CollectiveParameters> parameters) {
    for (const Topology& topology : topology_table) {
        if (topology.name != spec.topology) continue;
        Result<Fabric> fabric = topology.build(spec, node, nodes, scale_up);
        if (!fabric) return fabric;
        fabric->topology = spec.topology;
        if (!parameters) parameters = std::make_shared<const CollectiveParameters>();
        fabric->parameters = std::move(parameters);
        return fabric;
    }
    return unknown_topology(spec.topology);
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
