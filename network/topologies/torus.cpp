// Torus of two or three dimensions inside a pod, twisted or not, and the data-centre network between pods.
// Jouppi et al., "TPU v4: an optically reconfigurable supercomputer for machine learning", ISCA 2023; twists: Camara,
// Moreto, Vallejo, Beivide et al., "Twisted torus topologies for enhanced interconnection networks", IEEE TPDS 21(12),
// 2010.
#include "network/topology.hpp"

#include <algorithm>
#include <numeric>

namespace orrery {

namespace {

std::string sizes_text(const std::vector<int>& sizes) {
    std::string text;
    for (const int size : sizes) text += (text.empty() ? "" : " x ") + std::to_string(size);
    return text;
}

/// The one dimension that is twice all others; -1: there is none.
int doubled_dimension(const std::vector<int>& sizes) {
    const auto longest = std::max_element(sizes.begin(), sizes.end());
    for (auto one = sizes.begin(); one != sizes.end(); ++one) {
        if (one != longest && 2 * *one != *longest) return -1;
    }
    return sizes.size() > 1 ? static_cast<int>(longest - sizes.begin()) : -1;
}

}  // namespace

Result<Fabric> build_torus(const FabricSpec& spec, const Node& node, int nodes, BytesPerSecond scale_up) {
    if (node.scale_up != ScaleUp::torus) {
        return Problem{"/cluster/fabric/topology", "\"" + node.name + "\" is not wired as a torus",
                       "use a node whose scale_up is \"torus\", or a switched topology such as \"rail-optimized\""};
    }
    Result<Fabric> fabric = bare_fabric(spec, node, nodes, scale_up);
    if (!fabric) return fabric;
    if (!spec.dimensions.empty()) {
        const long long chips = std::accumulate(spec.dimensions.begin(), spec.dimensions.end(), 1LL,
                                                [](long long a, int b) { return a * b; });
        if (chips != fabric->domain) {
            return Problem{"/cluster/fabric/dimensions",
                           sizes_text(spec.dimensions) + " are " + std::to_string(chips) + " chips, and the pod has " +
                               std::to_string(fabric->domain),
                           "give sizes whose product is " + std::to_string(fabric->domain) + ", or leave them out"};
        }
        fabric->torus = spec.dimensions;
    }
    if (spec.twisted && doubled_dimension(fabric->torus) < 0) {
        return Problem{"/cluster/fabric/twisted",
                       "is true, and no dimension of " + sizes_text(fabric->torus) + " is twice all others",
                       "give dimensions such as [4, 4, 8], or leave it out"};
    }
    if (spec.twisted) fabric->torus_twist = doubled_dimension(fabric->torus);
    return fabric;
}

/// Devices are the end points and hand on; each dimension longer than 2 closes to a ring. Twisted: wrap-around links of
/// the shorter dimensions land half the long dimension further.
NetworkGraph graph_torus(const FabricSpec&, const Node&, const Fabric& built) {
    NetworkGraph graph = unwired("chip", built.devices, 1);
    graph.end_points_forward = true;
    // Two links per dimension share a device's scale-up rate.
    const BytesPerSecond link = built.scale_up / (2.0 * std::max(1.0, static_cast<double>(built.torus.size())));
    std::vector<int> strides;
    int length = 1;
    for (const int size : built.torus) {
        strides.push_back(length);
        length *= size;
    }
    const int longest = built.torus_twist;
    for (int device = 0; device < built.devices; ++device) {
        const int place = device % built.domain;
        const int pod = device - place;
        for (std::size_t d = 0; d < built.torus.size(); ++d) {
            const int size = built.torus[d];
            const int along = place / strides[d] % size;
            int next = place + ((along + 1) % size - along) * strides[d];
            if (longest >= 0 && static_cast<int>(d) != longest && along + 1 == size) {
                const int stride = strides[longest];
                const int far = next / stride % built.torus[longest];
                next += ((far + size) % built.torus[longest] - far) * stride;
            }
            const bool there = pod + next < built.devices && next != place && (size > 2 || along == 0 || longest >= 0);
            if (there) connect(graph, device, pod + next, link, 1, CableMedium::copper, static_cast<int>(d) + 1);
        }
    }
    if (built.devices > built.domain) {
        const int between = add_switch(graph, "pod-network", 1);
        for (int device = 0; device < built.devices; ++device) connect(graph, device, between, built.node_nic / built.devices_per_node);
    }
    return graph;
}

}  // namespace orrery
