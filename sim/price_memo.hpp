// Prices of exchanges and shapes of groups that were asked for before: for whoever prices many plans of one cluster.
#pragma once

#include "hardware/price_cache.hpp"
#include "hardware/training_time.hpp"
#include "models/rank_layout.hpp"
#include "network/collective.hpp"
#include "network/fabric.hpp"

#include <cstdint>
#include <vector>

namespace orrery {

/// Answers as ported_time() and shape_along() do, and as whoever prices work. Of one cluster; one owner, one thread.
class PriceMemo {
  public:
    PriceMemo() : entries_(entry_count), kernels_(kernel_count) {}
    /// `price()`, or what it was for the same work on the same kernels.
    template <class Price>
    Seconds work_time(const Work& work, const TrainingKernels& kernels, const Price& price) {
        Kernel& known = kernels_[hash_of(work) & (kernel_count - 1)];
        if (!known.is_known || known.kernels != kernels || !(known.work == work)) known = {work, kernels, price(), true};
        return known.time;
    }
    const PortedTime& time(const Fabric& fabric, const Collective& collective, const GroupShape& shape);
    GroupShape shape(const Parallelism& plan, Axis axis, int domain);

  private:
    static constexpr std::size_t entry_count = 1U << 12U;   // a newer price takes an older one's place
    static constexpr std::size_t kernel_count = 1U << 11U;
    struct Entry {
        Collective collective;
        GroupShape shape{0, 0, 0, 0};
        PortedTime time;
    };
    struct Shape {
        Axis axis{};
        int tensor = 0, context = 0, pipeline = 0, data = 0, expert = 0, expert_tensor = 0, shard = 0, copies = 0;
        std::vector<RankAxis> order;
        GroupShape shape;
    };
    struct Kernel {
        Work work;
        TrainingKernels kernels;
        Seconds time;
        bool is_known = false;
    };
    std::vector<Entry> entries_;
    std::vector<Kernel> kernels_;
    std::vector<Shape> shapes_;   // of the last degrees that were asked for
};

}  // namespace orrery
