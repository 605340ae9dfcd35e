// Machines of several types of nodes, for tests of what is shared out over them.
#pragma once

#include "network/joined_fabric.hpp"
#include "tests/hardware/devices.hpp"
#include "tests/sim/step_examples.hpp"

#include <memory>
#include <vector>

namespace orrery::examples {

struct NodesOf {
    Device device;
    int nodes = 1;
    BytesPerSecond port = 50.0_GBps;
};

/// All nodes of one type, eight devices each.
inline Cluster alike_cluster(const NodesOf& type, int nodes, const FabricSpec& spec = {}) {
    Cluster cluster;
    cluster.device = type.device;
    cluster.node.name = type.device.name + "-node";
    cluster.node.devices = 8;
    cluster.node.scale_up_domain = 8;
    cluster.node.nics = 8;
    cluster.node.nic_bandwidth = type.port;
    cluster.node.nic_kind = "infiniband";
    cluster.nodes = nodes;
    Result<Fabric> fabric = build_fabric(spec, cluster.node, nodes, 450.0_GBps, nullptr);
    REQUIRE(fabric.ok());
    cluster.fabric = *fabric;
    return cluster;
}

inline Cluster mixed_cluster(const std::vector<NodesOf>& types, const FabricSpec& spec = {}) {
    int nodes = 0;
    for (const NodesOf& type : types) nodes += type.nodes;
    Cluster cluster = alike_cluster(types.front(), nodes, spec);
    std::vector<FabricPart> parts;
    int first = 0;
    for (const NodesOf& type : types) {
        auto alike = std::make_shared<const Cluster>(alike_cluster(type, nodes, spec));
        cluster.groups.push_back({type.device.name + "-node", first, type.nodes, alike, {}});
        parts.push_back({&alike->fabric, type.nodes, type.device.name + "-node"});
        first += type.nodes;
    }
    Result<Fabric> joined = join_fabrics(parts);
    REQUIRE(joined.ok());
    cluster.fabric = *joined;
    return cluster;
}

}  // namespace orrery::examples
