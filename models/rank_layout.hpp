// Which device is which in the grid of parallel groups.
#pragma once

#include "models/training.hpp"
#include "network/collective.hpp"

#include <vector>

namespace orrery {

/// A dimension of the grid along which ranks exchange data.
enum class Axis : std::uint8_t { tensor, context, data, pipeline, data_context, expert, world };
inline constexpr std::size_t axis_count = 7;

struct RankPlace {
    int tensor = 0;
    int context = 0;
    int data = 0;
    int pipeline = 0;
    bool operator==(const RankPlace&) const = default;
};

/// Megatron's order: tensor varies fastest, then context, then data, then pipeline. Expert groups are runs of `expert`
/// consecutive ranks of a pipeline stage: experts are never split over the tensor group (Megatron-Core's expert tensor
/// degree of 1).
RankPlace place_of(const Parallelism& parallelism, RankId rank);
RankId rank_at(const Parallelism& parallelism, const RankPlace& place);

/// The group of `rank` along `axis`, in group order, `rank` included.
std::vector<RankId> group_of(const Parallelism& parallelism, Axis axis, RankId rank);

}  // namespace orrery
