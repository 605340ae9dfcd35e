// Gather, scatter-add, rotary, top-k, pointer chase and launches as entries of the table of a device.
#pragma once

#include "kernels/cuda/device_array.hpp"
#include "kernels/cuda/picks.hpp"

#include <cmath>
#include <limits>
#include <numeric>

namespace orrery::cuda {

template <class Device, class T>
PreparedKernel gather_kernel(const KernelCase& c, int copies, Rng& rng) {
    const Index rows = c.sizes[0];
    const Index columns = c.sizes[1];
    const Index table_rows = c.sizes[2];
    const auto table_values = random_values<T>(table_rows * columns, rng);
    const auto pick_values = random_picks(rows, table_rows, rng);
    const DeviceArray<Device, T> table(copies, table_values);
    const DeviceArray<Device, T> y(copies, rows * columns);
    const DeviceArray<Device, std::int32_t> picks(1, pick_values);
    const auto launch = [](const auto& kernel) { Device::launch(kernel.grid(), kernel); };
    PreparedKernel kernel = streaming_on<Device>(
        copies, 0.0, 0.0, y,
        [=](int i) {
            constexpr int wide = values_in_vector<T>;
            columns % wide == 0 ? launch(GatherRows<T, wide>{table[i], picks[0], y[i], rows, columns})
                                : launch(GatherRows<T, 1>{table[i], picks[0], y[i], rows, columns});
        },
        [=] {
            std::vector<double> want;
            for (const std::int32_t pick : pick_values) {
                for (Index i = 0; i < columns; ++i) want.push_back(static_cast<double>(value_of(table_values[static_cast<std::size_t>(pick * columns + i)])));
            }
            return want;
        });
    kernel.work = Gather{rows, Bytes::from_si(static_cast<double>(columns) * sizeof(T)), Bytes::from_si(static_cast<double>(table_rows * columns) * sizeof(T)), false};
    kernel.bytes = bytes_of(*kernel.work);
    kernel.flop = flop_of(*kernel.work);
    kernel.error_max = 0.0;
    return kernel;
}

template <class Device>
PreparedKernel prepare_scatter_add(const KernelCase& c, int copies, Rng& rng) {
    const Index rows = c.sizes[0];
    const Index columns = c.sizes[1];
    const Index table_rows = c.sizes[2];
    const auto start = random_values<float>(table_rows * columns, rng);
    const auto added = random_values<float>(rows * columns, rng);
    const auto pick_values = random_picks(rows, table_rows, rng);
    const DeviceArray<Device, float> table(copies, start);
    const DeviceArray<Device, float> x(copies, added);
    const DeviceArray<Device, std::int32_t> picks(1, pick_values);
    PreparedKernel kernel;
    kernel.work = Gather{rows, Bytes::from_si(4.0 * static_cast<double>(columns)), Bytes::from_si(4.0 * static_cast<double>(table_rows * columns)), true};
    kernel.bytes = bytes_of(*kernel.work);
    kernel.flop = flop_of(*kernel.work);
    kernel.copies = copies;
    kernel.finish = [] { Device::finish(); };
    kernel.run = [=](int i) {
        const ScatterAddRows<float> scatter{table[i], picks[0], x[i], rows, columns};
        Device::launch(scatter.grid(), scatter);
    };
    kernel.check = [=, run = kernel.run] {
        table.write(0, start);
        run(0);
        std::vector<double> want = doubles_of(start);
        for (std::size_t r = 0; r < pick_values.size(); ++r) {
            for (Index i = 0; i < columns; ++i) {
                want[static_cast<std::size_t>(pick_values[r] * columns + i)] += static_cast<double>(added[r * static_cast<std::size_t>(columns) + static_cast<std::size_t>(i)]);
            }
        }
        return relative_error(table.read(), want);
    };
    return kernel;
}

template <class Device, class T>
PreparedKernel rotary_kernel(const KernelCase& c, int copies, Rng& rng) {
    const Index tokens = c.sizes[0];
    const Index heads = c.sizes[1];
    const Index half = c.sizes[2] / 2;
    const Index extent = tokens * heads * 2 * half;
    const auto before = random_values<T>(extent, rng);
    std::vector<double> angles;
    for (Index t = 0; t < tokens; ++t) {
        for (Index i = 0; i < half; ++i) angles.push_back(static_cast<double>(t) * std::pow(10000.0, -static_cast<double>(i) / static_cast<double>(half)));
    }
    std::vector<float> cosine_values;
    std::vector<float> sine_values;
    for (const double angle : angles) {
        cosine_values.push_back(static_cast<float>(std::cos(angle)));
        sine_values.push_back(static_cast<float>(std::sin(angle)));
    }
    const DeviceArray<Device, T> x(copies, before);
    const DeviceArray<Device, float> cosines(1, cosine_values);
    const DeviceArray<Device, float> sines(1, sine_values);
    const auto launch = [](const auto& kernel) { Device::launch(kernel.grid(), kernel); };
    PreparedKernel kernel = streaming_frame<Device>(copies, 2.0 * sizeof(T) * static_cast<double>(extent), 3.0 * static_cast<double>(extent));
    kernel.error_max = error_allowed<T>;
    kernel.run = [=](int i) {
        constexpr int wide = values_in_vector<T>;
        half % wide == 0 ? launch(RotaryTurns<T, wide>{x[i], cosines[0], sines[0], tokens, heads, half})
                         : launch(RotaryTurns<T, 1>{x[i], cosines[0], sines[0], tokens, heads, half});
    };
    kernel.check = [=, run = kernel.run] {
        x.write(0, before);
        run(0);
        std::vector<double> want = doubles_of(before);
        for (Index row = 0; row < tokens * heads; ++row) {
            for (Index i = 0; i < half; ++i) {
                const double angle = angles[static_cast<std::size_t>(row / heads * half + i)];
                double& a = want[static_cast<std::size_t>(row * 2 * half + i)];
                double& b = want[static_cast<std::size_t>(row * 2 * half + half + i)];
                const double turned = a * std::cos(angle) - b * std::sin(angle);
                b = a * std::sin(angle) + b * std::cos(angle);
                a = turned;
            }
        }
        return relative_error(floats_of(x.read()), want);
    };
    return kernel;
}

template <class Device>
PreparedKernel prepare_top_k(const KernelCase& c, int copies, Rng& rng) {
    const Index rows = c.sizes[0];
    const Index experts = std::min<Index>(c.sizes[1], experts_of_lane * warp_lanes);
    const Index k = std::min(c.sizes[2], experts);
    const auto scores = random_values<float>(rows * experts, rng, 3.0F);
    const DeviceArray<Device, float> x(copies, scores);
    const DeviceArray<Device, std::int32_t> picks(copies, rows * k);
    const DeviceArray<Device, float> weights(copies, rows * k);
    PreparedKernel kernel = streaming_frame<Device>(copies, static_cast<double>(rows) * (4.0 * static_cast<double>(experts) + 8.0 * static_cast<double>(k)),
                                                    static_cast<double>(rows * experts * (4 + k)));
    kernel.run = [=](int i) {
        const TopKRows rows_of_router{x[i], picks[i], weights[i], rows, static_cast<int>(experts), static_cast<int>(k)};
        Device::launch(rows_of_router.grid(), rows_of_router);
    };
    kernel.check = [=, run = kernel.run]() -> double {
        picks.poison();
        weights.poison();
        run(0);
        const auto got = picks.read();
        std::vector<double> want;
        for (Index r = 0; r < rows; ++r) {
            const float* row = scores.data() + r * experts;
            std::vector<std::int32_t> order(static_cast<std::size_t>(experts));
            std::iota(order.begin(), order.end(), 0);
            std::stable_sort(order.begin(), order.end(), [&](std::int32_t a, std::int32_t b) { return row[a] > row[b]; });
            double total = 0.0;
            for (Index j = 0; j < k; ++j) {
                if (got[static_cast<std::size_t>(r * k + j)] != order[static_cast<std::size_t>(j)]) return std::numeric_limits<double>::infinity();
                total += std::exp(static_cast<double>(row[order[static_cast<std::size_t>(j)]]));
            }
            for (Index j = 0; j < k; ++j) want.push_back(std::exp(static_cast<double>(row[order[static_cast<std::size_t>(j)]])) / total);
        }
        return relative_error(weights.read(), want);
    };
    return kernel;
}

/// One random cycle through all lines of 128 bytes (Sattolo, Information Processing Letters 22, 1986): nothing guesses it.
template <class Device>
PreparedKernel prepare_pointer_chase(const KernelCase& c, int, Rng& rng) {
    constexpr Index line = 32;   // values of 4 bytes in 128 bytes
    const Index lines = std::max<Index>(c.sizes[0] / 128, 1);
    const Index hops = c.sizes[1];
    std::vector<std::int32_t> order(static_cast<std::size_t>(lines));
    std::iota(order.begin(), order.end(), 0);
    for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[rng.below(i - 1)]);
    std::vector<std::int32_t> links(static_cast<std::size_t>(lines * line), 0);
    for (std::size_t i = 0; i < order.size(); ++i) links[i * line] = order[i] * static_cast<std::int32_t>(line);
    const DeviceArray<Device, std::int32_t> next(1, links);
    const DeviceArray<Device, std::int32_t> last(1, 1);
    PreparedKernel kernel;
    kernel.error_max = 0.0;
    kernel.finish = [] { Device::finish(); };
    kernel.run = [=](int) { Device::launch({1, warp_lanes, 0}, PointerChase{next[0], last[0], hops}); };
    kernel.check = [=, run = kernel.run] {
        last.poison();
        run(0);
        std::int32_t at = 0;
        for (Index i = 0; i < hops; ++i) at = links[static_cast<std::size_t>(at)];
        return last.read().front() == at ? 0.0 : 1.0;
    };
    return kernel;
}

template <class Device>
PreparedKernel prepare_launch(const KernelCase& c, int, Rng&) {
    const Index launches = c.sizes[0];
    const DeviceArray<Device, std::int32_t> count(1, std::vector<std::int32_t>{0});
    PreparedKernel kernel;
    kernel.error_max = 0.0;
    kernel.finish = [] { Device::finish(); };
    kernel.run = [=](int) {
        for (Index i = 0; i < launches; ++i) Device::launch({1, warp_lanes, 0}, CountLaunch{count[0]});
    };
    kernel.check = [=, run = kernel.run] {
        count.write(0, {0});
        run(0);
        return count.read().front() == launches ? 0.0 : 1.0;
    };
    return kernel;
}

}  // namespace orrery::cuda
