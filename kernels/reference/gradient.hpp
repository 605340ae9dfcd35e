// Gradients by central differences in float64: the oracle of backward kernels.
#pragma once

#include "kernels/reference/kernel.hpp"
#include "kernels/reference/operators.hpp"

#include <algorithm>
#include <vector>

namespace orrery {

constexpr double difference_step = 1e-5;   // error of the difference about step^2, of rounding 1e-16 / step

/// d loss / d x at `at`, of the indices asked for.
template <class Loss>
std::vector<double> central_differences(std::vector<double> at, const std::vector<std::size_t>& indices, const Loss& loss) {
    std::vector<double> result;
    for (const std::size_t i : indices) {
        const double before = at[i];
        at[i] = before + difference_step;
        const double above = loss(at);
        at[i] = before - difference_step;
        const double below = loss(at);
        at[i] = before;
        result.push_back((above - below) / (2.0 * difference_step));
    }
    return result;
}

/// Relative error of `dx` on at most four rows and 48 columns of each, where `loss_of_row(row, x)` is a row's share of
/// the loss. Unwritten values anywhere count as infinite error.
template <class Loss>
double row_gradient_error(std::span<const float> dx, std::span<const float> x, Index rows, Index columns,
                          const Loss& loss_of_row) {
    const std::vector<double> all(dx.begin(), dx.end());
    if (relative_error(dx, all) > 0.0) return relative_error(dx, all);
    std::vector<float> got;
    std::vector<double> want;
    for (Index row = 0; row < rows; row += std::max<Index>(rows / 4, 1)) {
        const std::vector<double> at(x.begin() + row * columns, x.begin() + (row + 1) * columns);
        std::vector<std::size_t> picks;
        for (Index i = 0; i < columns; i += std::max<Index>(columns / 48, 1)) picks.push_back(static_cast<std::size_t>(i));
        const auto differences =
            central_differences(at, picks, [&](const std::vector<double>& values) { return loss_of_row(row, values); });
        want.insert(want.end(), differences.begin(), differences.end());
        for (const std::size_t i : picks) got.push_back(dx[static_cast<std::size_t>(row * columns) + i]);
    }
    return relative_error(got, want);
}

}  // namespace orrery
