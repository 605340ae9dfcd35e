// How the groups of each axis lie on scale-up domains.
#include "sim/price.hpp"

#include <algorithm>

namespace orrery {
namespace {

GroupShape strided_shape(int size, int stride, int devices, int domain) {
    GroupShape shape;
    shape.ranks = size;
    shape.per_domain = std::clamp(domain / stride, 1, size);
    shape.domains = (size + shape.per_domain - 1) / shape.per_domain;
    // Whoever shares a domain with a member runs the same exchange in a group of its own.
    const int occupied = std::min(domain, devices);
    shape.per_node_peers = shape.domains > 1 ? std::max(1, occupied / shape.per_domain) : 1;
    return shape;
}

}  // namespace

GroupShape shape_along(const Parallelism& p, Axis axis, int domain) {
    int size = 1;
    int stride = 1;
    switch (axis) {
        case Axis::tensor:
            size = p.tensor;
            break;
        case Axis::context:
            size = p.context;
            stride = p.tensor;
            break;
        case Axis::data:
            size = p.data;
            stride = p.tensor * p.context;
            break;
        case Axis::data_context:
            size = p.data * p.context;
            stride = p.tensor;
            break;
        case Axis::expert:
            size = p.expert;
            break;
        case Axis::pipeline:
            size = 2;
            stride = p.tensor * p.context * p.data;
            break;
        case Axis::world:
            size = p.devices();
            break;
    }
    return strided_shape(size, stride, p.devices(), domain);
}

GroupShape expert_replica_shape(const Parallelism& p, int domain) {
    return strided_shape(p.expert_replicas(), p.expert, p.devices(), domain);
}

}  // namespace orrery
