// Prices of exchanges and shapes of groups that were asked for before: for whoever prices many plans of one cluster.
#pragma once

#include "models/rank_layout.hpp"
#include "network/collective.hpp"
#include "network/fabric.hpp"

#include <cstdint>
#include <vector>

namespace orrery {

/// Answers as collective_time() and shape_along() do. Of one cluster; one owner, one thread.
class PriceMemo {
  public:
    PriceMemo() : entries_(entry_count) {}
    Seconds time(const Fabric& fabric, const Collective& collective, const GroupShape& shape);
    GroupShape shape(const Parallelism& plan, Axis axis, int domain);

  private:
    static constexpr std::size_t entry_count = 1U << 14U;   // a newer price takes an older one's place
    struct Entry {
        Collective collective;
        GroupShape shape{0, 0, 0, 0};
        Seconds time;
    };
    struct Shape {
        Axis axis{};
        int tensor = 0, context = 0, pipeline = 0, data = 0, expert = 0, expert_tensor = 0, shard = 0, copies = 0;
        std::vector<RankAxis> order;
        GroupShape shape;
    };
    std::vector<Entry> entries_;
    std::vector<Shape> shapes_;   // of the last degrees that were asked for
};

}  // namespace orrery
