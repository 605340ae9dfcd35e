// One network for nodes of several types: every node's ports as its own type has them.
#pragma once

#include "network/fabric.hpp"

#include <span>
#include <string>

namespace orrery {

/// Nodes of one type on a network of several: `whole` is that network as if all its nodes were of this type.
struct FabricPart {
    const Fabric* whole = nullptr;
    int nodes = 1;
    std::string name;   // for messages
};

/// The network of all parts, nodes numbered part by part. Ports, links inside nodes and cables to the first switch are those of
/// the node's type; what lies between switches has the rate of the fastest type, trunks of a leaf the mean of the nodes below
/// it. Problem: types whose nodes do not go on one network, because they differ in devices, scale-up domain or ports.
Result<Fabric> join_fabrics(std::span<const FabricPart> parts);

}  // namespace orrery
