// Products of bf16 by our own tiles as entries of the table of a device: grouped, and plain where no library is at hand.
#pragma once

#include "kernels/cuda/device_array.hpp"
#include "kernels/cuda/multiply.hpp"

namespace orrery::cuda {

constexpr Index judged_product_rows = 12;   // of a large product; all of a small one

/// Rows of expert g: the first takes a double share, the others split the rest evenly, as the processor's kernel does.
inline std::vector<Index> uneven_rows(Index groups, Index rows) {
    std::vector<Index> shares(static_cast<std::size_t>(groups), 0);
    if (groups == 0) return shares;
    shares[0] = groups == 1 ? rows : std::min(rows, 2 * rows / groups);
    for (Index g = 1, left = rows - shares[0]; g < groups; ++g) {
        shares[static_cast<std::size_t>(g)] = left / (groups - g);
        left -= shares[static_cast<std::size_t>(g)];
    }
    return shares;
}

/// Tiles of `tile_rows` of each group; rows of groups follow each other.
inline std::vector<RowTile> tiles_of_groups(const std::vector<Index>& shares, Index tile_rows) {
    std::vector<RowTile> tiles;
    Index first = 0;
    for (std::size_t g = 0; g < shares.size(); ++g) {
        for (Index row = 0; row < shares[g]; row += tile_rows) {
            tiles.push_back({static_cast<std::int32_t>(first + row), static_cast<std::int32_t>(first + std::min(row + tile_rows, shares[g])),
                             static_cast<std::int32_t>(g)});
        }
        first += shares[g];
    }
    return tiles;
}

/// Relative error of the product of bf16 operands; of large groups the first, the last and some rows between.
template <class Out>
double grouped_error(const std::vector<Index>& shares, Index n, Index k, const std::vector<Bf16>& a, const std::vector<Bf16>& b, const std::vector<Out>& c) {
    std::vector<float> got;
    std::vector<double> want;
    const auto at = [](Index i) { return static_cast<std::size_t>(i); };
    for (const float value : floats_of(c)) {
        if (!(value - value == 0.0F)) return relative_error(std::vector<float>{value}, std::vector<double>{0.0});   // unwritten somewhere
    }
    Index first = 0;
    for (std::size_t g = 0; g < shares.size(); ++g) {
        const Index judged = std::min(shares[g], judged_product_rows);
        for (Index i = 0; i < judged; ++i) {
            const Index row = first + (shares[g] <= judged_product_rows ? i : i * (shares[g] - 1) / (judged_product_rows - 1));
            for (Index column = 0; column < n; ++column) {
                double sum = 0.0;
                for (Index j = 0; j < k; ++j) {
                    sum += static_cast<double>(widen(a[at(row * k + j)])) * static_cast<double>(widen(b[at((static_cast<Index>(g) * k + j) * n + column)]));
                }
                want.push_back(sum);
                got.push_back(value_of(c[at(row * n + column)]));
            }
        }
        first += shares[g];
    }
    return relative_error(got, want);
}

template <class Device>
PreparedKernel own_product(const std::vector<Index>& shares, Index n, Index k, int copies, Rng& rng) {
    Index rows = 0;
    for (const Index share : shares) rows += share;
    const auto left = random_values<Bf16>(rows * k, rng);
    const auto right = random_values<Bf16>(static_cast<Index>(shares.size()) * k * n, rng);
    const auto row_tiles = tiles_of_groups(shares, MultiplyTiles<Bf16>::tile_rows);
    const DeviceArray<Device, Bf16> a(copies, left);
    const DeviceArray<Device, Bf16> b(copies, right);
    const DeviceArray<Device, Bf16> c(copies, rows * n);
    const DeviceArray<Device, RowTile> tiles(1, row_tiles);
    PreparedKernel kernel;
    kernel.copies = copies;
    kernel.error_max = 1e-2;
    kernel.finish = [] { Device::finish(); };
    kernel.run = [=](int i) {
        const MultiplyTiles<Bf16> product{a[i], b[i], c[i], tiles[0], tiles.extent(), n, k};
        Device::launch(product.grid(), product);
    };
    kernel.check = [=, run = kernel.run] {
        c.poison();
        run(0);
        return grouped_error(shares, n, k, left, right, c.read());
    };
    return kernel;
}

template <class Device>
PreparedKernel prepare_grouped_multiply(const KernelCase& c, int copies, Rng& rng) {
    const Index groups = c.sizes[0];
    const Index rows = groups > 0 ? c.sizes[1] : 0;
    const std::vector<Index> shares = uneven_rows(groups, rows);
    PreparedKernel kernel = own_product<Device>(shares, c.sizes[2], c.sizes[3], copies, rng);
    kernel.work = GroupedMatrixMultiply{rows, shares.empty() ? 0 : shares[0], groups, c.sizes[2], c.sizes[3], DataType::bf16, 2.0};
    kernel.flop = flop_of(*kernel.work);
    kernel.bytes = bytes_of(*kernel.work);
    return kernel;
}

template <class Device>
PreparedKernel prepare_tiled_multiply(const KernelCase& c, int copies, Rng& rng) {
    const std::vector<Index> shares(static_cast<std::size_t>(c.sizes[0]), c.sizes[1]);
    PreparedKernel kernel = own_product<Device>(shares, c.sizes[2], c.sizes[3], copies, rng);
    kernel.work = MatrixMultiply{c.sizes[1], c.sizes[2], c.sizes[3], c.sizes[0], DataType::bf16, 2.0};
    kernel.flop = flop_of(*kernel.work);
    kernel.bytes = bytes_of(*kernel.work);
    return kernel;
}

}  // namespace orrery::cuda
