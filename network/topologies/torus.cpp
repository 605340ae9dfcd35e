// Torus of two or three dimensions inside a pod, and the data-centre network between pods.
// Jouppi et al., "TPU v4: an optically reconfigurable supercomputer for machine learning", ISCA 2023.
#include "network/topology.hpp"

namespace orrery {

Result<Fabric> build_torus(const FabricSpec& spec, const Node& node, int nodes, BytesPerSecond scale_up) {
    if (node.scale_up != ScaleUp::torus) {
        return Problem{"/cluster/fabric/topology", "\"" + node.name + "\" is not wired as a torus",
                       "use a node whose scale_up is \"torus\", or a switched topology such as \"rail-optimized\""};
    }
    return bare_fabric(spec, node, nodes, scale_up);
}

/// Devices are the end points; each dimension longer than 2 closes to a ring.
std::vector<Cable> cables_torus(const FabricSpec&, const Node&, const Fabric& built) {
    std::vector<Cable> cables;
    // Two links per dimension share a device's scale-up rate.
    const BytesPerSecond link = built.scale_up / (2.0 * static_cast<double>(built.torus.size()));
    for (int device = 0; device < built.devices; ++device) {
        const int place = device % built.domain;
        const int pod = device - place;
        int stride = 1;
        for (const int size : built.torus) {
            const int along = place / stride % size;
            const int next = place + ((along + 1) % size - along) * stride;
            const bool there = pod + next < built.devices && next != place && (size > 2 || along == 0);
            if (there) cables.push_back({device, pod + next, link});
            stride *= size;
        }
        if (built.devices > built.domain) {
            cables.push_back({device, built.devices, built.node_nic / built.devices_per_node});
        }
    }
    return cables;
}

}  // namespace orrery
