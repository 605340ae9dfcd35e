// Means, medians and percentiles of relative errors.
#include "scenarios/error_statistics.hpp"

#include <algorithm>
#include <cmath>

namespace orrery {

ErrorStatistics error_statistics(const std::vector<Comparison>& comparisons) {
    ErrorStatistics statistics;
    statistics.rows = comparisons.size();
    if (comparisons.empty()) return statistics;
    std::vector<double> sizes;
    for (const Comparison& one : comparisons) {
        sizes.push_back(std::abs(one.error()));
        statistics.bias += one.error();
        statistics.mape += std::abs(one.error());
    }
    const auto n = static_cast<double>(sizes.size());
    statistics.bias /= n;
    statistics.mape /= n;
    std::sort(sizes.begin(), sizes.end());
    const std::size_t middle = sizes.size() / 2;
    statistics.median_ape = sizes.size() % 2 == 1 ? sizes[middle] : (sizes[middle - 1] + sizes[middle]) / 2.0;
    const auto rank = static_cast<std::size_t>(std::ceil(0.9 * n));
    statistics.p90_ape = sizes[std::max<std::size_t>(rank, 1) - 1];
    return statistics;
}

Coverage coverage(const std::vector<Comparison>& comparisons) {
    Coverage found;
    for (const Comparison& one : comparisons) {
        if (!one.has_interval()) continue;
        ++found.stated;
        if (one.is_inside()) ++found.inside;
    }
    return found;
}

}  // namespace orrery
