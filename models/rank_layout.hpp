// Which device is which in the grid of parallel groups.
#pragma once

#include "models/training.hpp"
#include "network/collective.hpp"

#include <vector>

namespace orrery {

/// A dimension of the grid along which ranks exchange data.
enum class Axis : std::uint8_t {
    tensor,
    context,
    data,
    pipeline,
    data_context,   // all that hold the same dense parameters
    expert,
    world,
    expert_tensor,
    expert_data,    // all that hold the same experts
    shard,          // those of data_context that share one sharded copy (HSDP)
    shard_peers,    // those of data_context that hold the same shard of their copies
    self            // a rank with itself: what goes to its own host
};
inline constexpr std::size_t axis_count = 12;

struct RankPlace {
    int tensor = 0;
    int context = 0;
    int data = 0;
    int pipeline = 0;
    bool operator==(const RankPlace&) const = default;
};

/// A rank among its stage's experts. `data` counts the copies of its experts.
struct ExpertPlace {
    int tensor = 0;
    int expert = 0;
    int data = 0;
    int pipeline = 0;
    bool operator==(const ExpertPlace&) const = default;
};

/// Distances between neighbours along each axis: the plan's order as a mixed radix. Megatron-Core's RankGenerator
/// (megatron/core/parallel_state.py) numbers dense and expert ranks by the same order of axes.
struct RankStrides {
    int tensor = 1;
    int context = 1;
    int data = 1;
    int pipeline = 1;
    bool operator==(const RankStrides&) const = default;
};
struct ExpertStrides {
    int tensor = 1;
    int expert = 1;
    int data = 1;
    int pipeline = 1;
    bool operator==(const ExpertStrides&) const = default;
};
RankStrides rank_strides(const Parallelism& parallelism);
ExpertStrides expert_strides(const Parallelism& parallelism);

/// The plan's order of axes, Megatron's where it gives none.
std::vector<RankAxis> axis_order(const Parallelism& parallelism);

RankPlace place_of(const Parallelism& parallelism, RankId rank);
RankId rank_at(const Parallelism& parallelism, const RankPlace& place);

/// Requires expert ranks that divide a stage's.
ExpertPlace expert_place_of(const Parallelism& parallelism, RankId rank);
RankId rank_at(const Parallelism& parallelism, const ExpertPlace& place);

/// The group of `rank` along `axis`, in group order, `rank` included.
std::vector<RankId> group_of(const Parallelism& parallelism, Axis axis, RankId rank);

}  // namespace orrery
