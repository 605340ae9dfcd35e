// Contention as mathematics: flows over links in, max-min fair rates out.
#pragma once

#include "network/fabric.hpp"

#include <span>
#include <vector>

namespace orrery {

struct FlowDemand {
    std::span<const LinkLoad> loads;
    BytesPerSecond rate_max;      // > 0
    double weight = 1.0;          // share of a bottleneck relative to others
};

/// Weighted max-min fair rates by progressive filling (Bertsekas & Gallager, Data Networks, 1992, 6.5.2): no link above
/// its bandwidth, every flow at its own limit or bottlenecked on a full link. `bandwidth` is by link id.
std::vector<BytesPerSecond> max_min_rates(std::span<const BytesPerSecond> bandwidth, std::span<const FlowDemand> flows);

}  // namespace orrery
