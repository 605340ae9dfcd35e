// Two-of-four pruning and its product as entries of the table of a device, judged by pruning on the host and float64.
#pragma once

#include "kernels/cuda/prepare_convolution.hpp"
#include "kernels/cuda/two_four.hpp"

#include <array>

namespace orrery::cuda {

/// Weights on a device, dense and pruned.
template <class Device, class T>
struct TwoFourArrays {
    Index rows, columns;
    DeviceArray<Device, T> dense, kept;
    DeviceArray<Device, std::uint32_t> places;

    TwoFourArrays(int copies, const std::vector<T>& values, Index row_count, Index column_count)
        : rows(row_count), columns(column_count), dense(copies, values) {
        const TwoFourWeights<T> shape{nullptr, nullptr, rows, columns};
        kept = DeviceArray<Device, T>(copies, rows * shape.row_of_kept());
        places = DeviceArray<Device, std::uint32_t>(copies, shape.row_tiles() * shape.blocks() * warp_lanes);
    }
    [[nodiscard]] TwoFourWeights<T> weights(int copy) const { return {kept[copy], places[copy], rows, columns}; }
    void compress(int copy) const {
        const CompressTwoFour<T> kernel{dense[copy], weights(copy)};
        Device::launch(kernel.grid(), kernel);
    }
    void poison() const {
        kept.poison();
        places.poison();
    }
};

/// The two largest of each four values of a row, of equal ones the first; zeros for the others.
inline std::vector<float> two_of_four(const std::vector<float>& values, Index columns) {
    std::vector<float> pruned(values.size(), 0.0F);
    for (std::size_t first = 0; first < values.size();) {
        const std::size_t left = static_cast<std::size_t>(columns) - first % static_cast<std::size_t>(columns);
        const std::size_t here = std::min<std::size_t>(left, 4);
        std::array<std::size_t, 4> order{first, first + 1, first + 2, first + 3};
        std::stable_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(here), [&](std::size_t a, std::size_t b) { return std::abs(values[a]) > std::abs(values[b]); });
        for (std::size_t i = 0; i < std::min<std::size_t>(here, 2); ++i) pruned[order[i]] = values[order[i]];
        first += here;
    }
    return pruned;
}

template <class T>
std::vector<T> drawn_values(Index extent, Rng& rng, std::vector<float>& read) {
    read = random_values<float>(extent, rng);
    std::vector<T> values;
    for (float& value : read) {
        values.push_back(ValueOnHost<T>::make(value));
        value = ValueOnHost<T>::read(values.back());
    }
    return values;
}

template <class Device, class T>
PreparedKernel two_four_compress_kernel(const KernelCase& c, int copies, Rng& rng) {
    std::vector<float> read;
    const auto values = drawn_values<T>(c.sizes[0] * c.sizes[1], rng, read);
    const TwoFourArrays<Device, T> arrays(copies, values, c.sizes[0], c.sizes[1]);
    const auto elements = static_cast<double>(values.size());
    PreparedKernel kernel = streaming_frame<Device>(copies, elements * (1.5 * sizeof(T) + 0.125), 12.0 * elements);   // comparisons of each with three
    kernel.run = [=](int i) { arrays.compress(i); };
    kernel.error_max = 0.0;
    // Each kept value back to where its two bits say that it stood.
    const auto unpacked = [=] {
        const auto kept = arrays.kept.read();
        const auto places = arrays.places.read();
        const TwoFourWeights<T> w = arrays.weights(0);
        std::vector<float> dense(read.size(), 0.0F);
        for (Index row = 0; row < w.rows; ++row) {
            for (Index i = 0; i < w.row_of_kept(); ++i) {
                const Index block = i / 32;
                const Index lane = row % 8 * 4 + i % 32 / 8;
                const std::uint32_t word = places[static_cast<std::size_t>((row / 16 * w.blocks() + block) * warp_lanes + lane)];
                const auto place = static_cast<Index>((word >> (row % 16 / 8 * 16 + i % 8 * 2)) & 3U);
                const Index column = block * 64 + i % 32 / 2 * 4 + place;
                const float value = ValueOnHost<T>::read(kept[static_cast<std::size_t>(row * w.row_of_kept() + i)]);
                if (column < w.columns) {
                    dense[static_cast<std::size_t>(row * w.columns + column)] += value;
                } else if (value != 0.0F) {
                    return std::vector<float>{};   // a value that no column has
                }
            }
        }
        return dense;
    };
    kernel.check = [=, run = kernel.run] {
        arrays.poison();
        run(0);
        return relative_error(unpacked(), doubles_of(two_of_four(read, c.sizes[1])));
    };
    kernel.accuracy_loss = [=, run = kernel.run] {
        run(0);
        return relative_error(unpacked(), doubles_of(read));
    };
    return kernel;
}

/// Rows of x that are judged: all of few, the first, the last and some between of many.
template <class Device, class T>
PreparedKernel two_four_multiply_kernel(const KernelCase& c, int copies, Rng& rng) {
    const Index m = c.sizes[0];
    const Index n = c.sizes[1];
    const Index k = c.sizes[2];
    std::vector<float> x_read, w_read;
    const auto x_values = drawn_values<T>(m * k, rng, x_read);
    const auto w_values = drawn_values<T>(n * k, rng, w_read);
    const TwoFourArrays<Device, T> weights(copies, w_values, n, k);
    const DeviceArray<Device, T> x(copies, x_values);
    const DeviceArray<Device, T> y(copies, m * n);
    for (int i = 0; i < copies; ++i) weights.compress(i);
    PreparedKernel kernel;   // no work: models ask for dense products
    kernel.flop = Flop::from_si(static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k));   // of the values kept
    kernel.bytes = Bytes::from_si(sizeof(T) * (static_cast<double>(m * k + m * n) + 0.5625 * static_cast<double>(n * k)));
    kernel.copies = copies;
    kernel.finish = [] { Device::finish(); };
    kernel.error_max = std::is_same_v<T, Half> ? 2e-3 : 1e-2;
    kernel.run = [=](int i) {
        const TwoFourTiles<T> product{weights.weights(i), x[i], y[i], m};
        Device::launch(product.grid(), product);
    };
    const auto error_against = [=](const std::vector<float>& w) {
        std::vector<float> all;
        for (const T value : y.read()) all.push_back(ValueOnHost<T>::read(value));
        for (const float value : all) {
            if (!(value - value == 0.0F)) return std::numeric_limits<double>::infinity();
        }
        const auto at = [](Index i) { return static_cast<std::size_t>(i); };
        std::vector<float> got;
        std::vector<double> want;
        const Index judged = std::min(m, judged_product_rows);
        for (Index i = 0; i < judged; ++i) {
            const Index row = m <= judged_product_rows ? i : i * (m - 1) / (judged_product_rows - 1);
            for (Index column = 0; column < n; ++column) {
                double sum = 0.0;
                for (Index j = 0; j < k; ++j) sum += static_cast<double>(x_read[at(row * k + j)]) * static_cast<double>(w[at(column * k + j)]);
                want.push_back(sum);
                got.push_back(all[at(row * n + column)]);
            }
        }
        return relative_error(got, want);
    };
    kernel.check = [=, run = kernel.run] {
        weights.poison();
        y.poison();
        weights.compress(0);
        run(0);
        return error_against(two_of_four(w_read, k));
    };
    kernel.accuracy_loss = [=, run = kernel.run] {
        run(0);
        return error_against(w_read);
    };
    return kernel;
}

}  // namespace orrery::cuda
