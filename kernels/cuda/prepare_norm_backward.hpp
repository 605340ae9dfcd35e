// Gradients of the norms as entries of the table of a device, beside the derivative in float64.
#pragma once

#include "kernels/cuda/norm_backward.hpp"
#include "kernels/cuda/prepare_rows.hpp"

namespace orrery::cuda {

/// d loss / d x of one row by the chain rule through mean and variance (Ba et al., arXiv 1607.06450, section 3), written
/// as the Jacobian of the normal values: s (I - 1 1^T / n - normal normal^T / n).
inline std::vector<double> norm_gradient_in_float64(std::span<const double> x, const std::vector<double>& g, bool centred) {
    const auto n = static_cast<double>(x.size());
    const std::vector<double> normal = normal_in_float64(x, centred);
    double mean = 0.0;
    for (const double value : x) mean += centred ? value / n : 0.0;
    double variance = static_cast<double>(device_norm_epsilon);
    for (const double value : x) variance += (value - mean) * (value - mean) / n;
    double total = 0.0;
    double along = 0.0;
    for (std::size_t i = 0; i < g.size(); ++i) {
        total += centred ? g[i] / n : 0.0;
        along += g[i] * normal[i] / n;
    }
    std::vector<double> gradient;
    for (std::size_t i = 0; i < g.size(); ++i) gradient.push_back((g[i] - total - normal[i] * along) / std::sqrt(variance));
    return gradient;
}

template <class Device, class T, bool centred>
PreparedKernel norm_backward_kernel(const KernelCase& c, int copies, Rng& rng) {
    const Index rows = c.sizes[0];
    const Index columns = c.sizes[1];
    const Index sums_count = (centred ? 2 : 1) * columns;
    const auto values = random_values<T>(rows * columns, rng);
    const auto slopes = random_values<T>(rows * columns, rng);
    const auto gains = random_values<float>(columns, rng);
    const DeviceArray<Device, T> x(copies, values);
    const DeviceArray<Device, T> dy(copies, slopes);
    const DeviceArray<Device, T> dx(copies, rows * columns);
    const DeviceArray<Device, float> gain(1, gains);
    const DeviceArray<Device, float> sums(copies, sums_count);
    const DeviceArray<Device, float> partial(1, norm_backward_blocks(Device::processors()) * sums_count);
    const auto elements = static_cast<double>(rows * columns);
    PreparedKernel kernel = streaming_frame<Device>(copies, 3.0 * sizeof(T) * elements, 16.0 * elements);
    kernel.error_max = error_allowed<T>;
    kernel.run = [=](int i) {
        launch_norm_backward<Device, T, centred>({x[i], gain[0], dy[i], dx[i], sums[i], partial[0]}, rows, columns, device_norm_epsilon);
    };
    kernel.check = [=, run = kernel.run] {
        dx.poison();
        sums.poison();
        run(0);
        std::vector<double> want_sums(static_cast<std::size_t>(sums_count), 0.0);
        const auto want = rows_in_float64(doubles_of(values), rows, columns, [&](Index r, std::span<const double> row) {
            const std::vector<double> normal = normal_in_float64(row, centred);
            std::vector<double> g;
            for (std::size_t i = 0; i < row.size(); ++i) {
                const auto slope = static_cast<double>(value_of(slopes[static_cast<std::size_t>(r * columns) + i]));
                g.push_back(slope * static_cast<double>(gains[i]));
                want_sums[i] += slope * normal[i];
                if (centred) want_sums[static_cast<std::size_t>(columns) + i] += slope;
            }
            return norm_gradient_in_float64(row, g, centred);
        });
        return std::max(relative_error(floats_of(dx.read()), want), relative_error(sums.read(), want_sums));
    };
    return kernel;
}

}  // namespace orrery::cuda
