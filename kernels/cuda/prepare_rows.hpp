// Row-wise kernels as entries of the table of a device, each beside its formula in float64.
#pragma once

#include "kernels/cuda/device_array.hpp"
#include "kernels/cuda/prepare_elementwise.hpp"
#include "kernels/cuda/rows.hpp"

#include <cmath>
#include <span>

namespace orrery::cuda {

constexpr float device_norm_epsilon = 1e-5F;   // of LLaMA and PyTorch alike

/// `of_row(row, x)` of each row, one after the other.
template <class OfRow>
std::vector<double> rows_in_float64(const std::vector<double>& x, Index rows, Index columns, OfRow of_row) {
    std::vector<double> all;
    for (Index r = 0; r < rows; ++r) {
        const std::vector<double> row = of_row(r, std::span<const double>(x).subspan(static_cast<std::size_t>(r * columns), static_cast<std::size_t>(columns)));
        all.insert(all.end(), row.begin(), row.end());
    }
    return all;
}

inline std::vector<double> softmax_in_float64(std::span<const double> x) {
    double top = -1e300;
    for (const double value : x) top = std::max(top, value);
    double sum = 0.0;
    for (const double value : x) sum += std::exp(value - top);
    std::vector<double> y;
    for (const double value : x) y.push_back(std::exp(value - top) / sum);
    return y;
}

/// (x - mean) / sqrt(variance + epsilon), or without the mean.
inline std::vector<double> normal_in_float64(std::span<const double> x, bool centred) {
    const auto n = static_cast<double>(x.size());
    double mean = 0.0;
    for (const double value : x) mean += centred ? value / n : 0.0;
    double variance = 0.0;
    for (const double value : x) variance += (value - mean) * (value - mean) / n;
    std::vector<double> y;
    for (const double value : x) y.push_back((value - mean) / std::sqrt(variance + static_cast<double>(device_norm_epsilon)));
    return y;
}

template <class Device, class T>
PreparedKernel softmax_kernel(const KernelCase& c, int copies, Rng& rng) {
    const Index rows = c.sizes[0];
    const Index columns = c.sizes[1];
    const auto scores = random_values<T>(rows * columns, rng, 4.0F);
    const DeviceArray<Device, T> x(copies, scores);
    const DeviceArray<Device, T> y(copies, rows * columns);
    const auto elements = static_cast<double>(rows * columns);
    return streaming_on<Device>(
        copies, 2.0 * sizeof(T) * elements, (4.0 + exp_flop_counted) * elements, y,
        [=](int i) { launch_rows<Device>(SoftmaxRow<T>{{{x[i]}, y[i]}}, rows, columns); },
        [=] {
            return rows_in_float64(doubles_of(scores), rows, columns, [](Index, std::span<const double> row) { return softmax_in_float64(row); });
        });
}

template <class Device, class T>
PreparedKernel softmax_backward_kernel(const KernelCase& c, int copies, Rng& rng) {
    const Index rows = c.sizes[0];
    const Index columns = c.sizes[1];
    const auto scores = doubles_of(random_values<float>(rows * columns, rng, 2.0F));
    const auto shares = rows_in_float64(scores, rows, columns, [](Index, std::span<const double> row) { return softmax_in_float64(row); });
    std::vector<T> rounded;
    for (const double share : shares) rounded.push_back(element_from<T>(static_cast<float>(share)));
    const auto slopes = random_values<T>(rows * columns, rng);
    const DeviceArray<Device, T> y(copies, rounded);
    const DeviceArray<Device, T> dy(copies, slopes);
    const DeviceArray<Device, T> dx(copies, rows * columns);
    const auto elements = static_cast<double>(rows * columns);
    return streaming_on<Device>(
        copies, 3.0 * sizeof(T) * elements, 4.0 * elements, dx,
        [=](int i) { launch_rows<Device>(SoftmaxBackwardRow<T>{{{y[i], dy[i]}, dx[i]}}, rows, columns); },
        [=] {   // the Jacobian of softmax, diag(y) - y y^T, times dy
            return rows_in_float64(doubles_of(rounded), rows, columns, [&](Index r, std::span<const double> row) {
                const auto slope = [&](std::size_t i) { return static_cast<double>(value_of(slopes[static_cast<std::size_t>(r * columns) + i])); };
                double dot = 0.0;
                for (std::size_t i = 0; i < row.size(); ++i) dot += row[i] * slope(i);
                std::vector<double> gradient;
                for (std::size_t i = 0; i < row.size(); ++i) gradient.push_back(row[i] * slope(i) - row[i] * dot);
                return gradient;
            });
        });
}

template <class Device, class T, bool centred>
PreparedKernel norm_kernel(const KernelCase& c, int copies, Rng& rng) {
    const Index rows = c.sizes[0];
    const Index columns = c.sizes[1];
    const auto values = random_values<T>(rows * columns, rng);
    const auto gains = random_values<float>(columns, rng);
    const auto shifts = random_values<float>(columns, rng);
    const DeviceArray<Device, T> x(copies, values);
    const DeviceArray<Device, T> y(copies, rows * columns);
    const DeviceArray<Device, float> gain(1, gains);
    const DeviceArray<Device, float> shift(1, shifts);
    const auto elements = static_cast<double>(rows * columns);
    const auto run = [=](int i) {
        if constexpr (centred) {
            launch_rows<Device>(LayerNormRow<T>{{{x[i]}, y[i]}, gain[0], shift[0], device_norm_epsilon}, rows, columns);
        } else {
            launch_rows<Device>(RmsNormRow<T>{{{x[i]}, y[i]}, gain[0], device_norm_epsilon}, rows, columns);
        }
    };
    return streaming_on<Device>(copies, 2.0 * sizeof(T) * elements, (centred ? 8.0 : 5.0) * elements, y, run, [=] {
        return rows_in_float64(doubles_of(values), rows, columns, [&](Index, std::span<const double> row) {
            std::vector<double> normal = normal_in_float64(row, centred);
            for (std::size_t i = 0; i < normal.size(); ++i) {
                normal[i] = normal[i] * static_cast<double>(gains[i]) + (centred ? static_cast<double>(shifts[i]) : 0.0);
            }
            return normal;
        });
    });
}

template <class Device, class T>
PreparedKernel cross_entropy_kernel(const KernelCase& c, int copies, Rng& rng) {
    const Index rows = c.sizes[0];
    const Index columns = c.sizes[1];
    const auto logits = random_values<T>(rows * columns, rng, 4.0F);
    const auto picks = random_picks(rows, columns, rng);
    const DeviceArray<Device, T> x(copies, logits);
    const DeviceArray<Device, std::int32_t> targets(1, picks);
    const DeviceArray<Device, float> losses(copies, rows);
    const auto elements = static_cast<double>(rows * columns);
    const float inverse_rows = rows > 0 ? 1.0F / static_cast<float>(rows) : 0.0F;
    PreparedKernel kernel = streaming_frame<Device>(copies, 2.0 * sizeof(T) * elements, (5.0 + exp_flop_counted) * elements);
    kernel.error_max = error_allowed<T>;
    kernel.run = [=](int i) {
        launch_rows<Device>(CrossEntropyRow<T>{{{x[i]}, x[i]}, targets[0], losses[i], inverse_rows}, rows, columns);
    };
    kernel.check = [=, run = kernel.run] {
        x.write(0, logits);
        losses.poison();
        run(0);
        std::vector<double> want_losses;
        const auto want = rows_in_float64(doubles_of(logits), rows, columns, [&](Index r, std::span<const double> row) {
            const auto target = static_cast<std::size_t>(picks[static_cast<std::size_t>(r)]);
            std::vector<double> gradient = softmax_in_float64(row);
            want_losses.push_back(-std::log(gradient[target]));
            gradient[target] -= 1.0;
            for (double& value : gradient) value /= static_cast<double>(rows);
            return gradient;
        });
        return std::max(relative_error(floats_of(x.read()), want), relative_error(losses.read(), want_losses));
    };
    return kernel;
}

}  // namespace orrery::cuda
