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

/// The shape of any list of ranks: its first domain stands for all.
GroupShape listed_shape(const std::vector<RankId>& group, int devices, int domain) {
    GroupShape shape;
    shape.ranks = static_cast<int>(group.size());
    std::vector<RankId> domains;
    for (const RankId rank : group) domains.push_back(rank / domain);
    std::sort(domains.begin(), domains.end());
    const auto fullest = std::count(domains.begin(), domains.end(), domains.front());
    shape.per_domain = static_cast<int>(fullest);
    domains.erase(std::unique(domains.begin(), domains.end()), domains.end());
    shape.domains = static_cast<int>(domains.size());
    shape.per_node_peers = shape.domains > 1 ? std::max(1, std::min(domain, devices) / shape.per_domain) : 1;
    return shape;
}

/// Groups that are no run of equal steps in Megatron's order of ranks.
bool needs_list(const Parallelism& p, Axis axis) {
    if (axis == Axis::world || axis == Axis::self) return false;
    if (!p.order.empty()) return true;
    return p.copies() > 1 && (axis == Axis::data_context || axis == Axis::expert_data || axis == Axis::shard ||
                              axis == Axis::shard_peers);
}

}  // namespace

GroupShape shape_along(const Parallelism& p, Axis axis, int domain) {
    if (needs_list(p, axis)) {
        std::vector<RankId> group = group_of(p, axis, 0);
        if (axis == Axis::pipeline && group.size() > 2) group.resize(2);
        return listed_shape(group, p.devices(), domain);
    }
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
            stride = p.expert_tensor;
            break;
        case Axis::expert_tensor:
            size = p.expert_tensor;
            break;
        case Axis::expert_data:
            size = p.expert_replicas();
            stride = p.expert_ranks();
            break;
        case Axis::shard:
            size = p.shard_ranks();
            stride = p.tensor;
            break;
        case Axis::shard_peers:
            size = p.replicas() / p.shard_ranks();
            stride = p.tensor * p.shard_ranks();
            break;
        case Axis::self:
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

}  // namespace orrery
