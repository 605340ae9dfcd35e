// A table of prices by what was asked, and the group shapes of one set of degrees.
#include "sim/price_memo.hpp"

#include "sim/price.hpp"

#include <bit>

namespace orrery {
namespace {

std::size_t hash_of(const Collective& collective, const GroupShape& shape) {
    std::uint64_t h = std::bit_cast<std::uint64_t>(collective.size.si());
    const auto mix = [&](int value) { h = (h ^ static_cast<std::uint64_t>(value)) * 0x9e3779b97f4a7c15U; };   // 2^64 / golden ratio
    mix(static_cast<int>(collective.kind) * 64 + static_cast<int>(collective.type));
    mix(shape.ranks);
    mix(shape.per_domain);
    mix(shape.domains);
    mix(shape.per_node_peers);
    return static_cast<std::size_t>(h >> 32U);
}

}  // namespace

const PortedTime& PriceMemo::time(const Fabric& fabric, const Collective& collective, const GroupShape& shape) {
    Entry& entry = entries_[hash_of(collective, shape) & (entry_count - 1)];
    if (entry.shape != shape || entry.collective != collective) {
        entry = {collective, shape, ported_time(fabric, collective, shape)};
    }
    return entry.time;
}

GroupShape PriceMemo::shape(const Parallelism& p, Axis axis, int domain) {
    if (p.order.empty()) return shape_along(p, axis, domain);   // a few divisions
    for (const Shape& one : shapes_) {
        if (one.axis == axis && one.tensor == p.tensor && one.context == p.context && one.pipeline == p.pipeline &&
            one.data == p.data && one.expert == p.expert && one.expert_tensor == p.expert_tensor && one.shard == p.shard &&
            one.copies == p.copies() && one.order == p.order) {
            return one.shape;
        }
    }
    if (!shapes_.empty() && (shapes_[0].tensor != p.tensor || shapes_[0].context != p.context || shapes_[0].pipeline != p.pipeline ||
                             shapes_[0].expert != p.expert || shapes_[0].expert_tensor != p.expert_tensor)) {
        shapes_.clear();
    }
    shapes_.push_back({axis, p.tensor, p.context, p.pipeline, p.data, p.expert, p.expert_tensor, p.shard, p.copies(), p.order,
                       shape_along(p, axis, domain)});
    return shapes_.back().shape;
}

}  // namespace orrery
