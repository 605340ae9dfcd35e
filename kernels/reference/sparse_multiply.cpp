// A product whose right side was pruned by magnitude: speed of the sparse loop, and what the pruning costs.
#include "kernels/reference/buffer.hpp"
#include "kernels/reference/entries.hpp"
#include "kernels/reference/team.hpp"

#include <algorithm>
#include <cmath>

namespace orrery {
namespace {

// The kept values of the right side, row by row of k (CSR).
struct PrunedMatrix {
    std::vector<std::int32_t> starts, columns;
    std::vector<float> values;
};

PrunedMatrix prune(const float* b, Index k, Index n, Index kept_percent) {
    std::vector<float> sizes(static_cast<std::size_t>(k * n));
    for (std::size_t i = 0; i < sizes.size(); ++i) sizes[i] = std::abs(b[i]);
    const auto dropped = static_cast<std::ptrdiff_t>(k * n * (100 - kept_percent) / 100);
    float least = 0.0F;
    if (dropped > 0 && !sizes.empty()) {
        const auto at = sizes.begin() + std::min(dropped, static_cast<std::ptrdiff_t>(sizes.size()) - 1);
        std::nth_element(sizes.begin(), at, sizes.end());
        least = *at;
    }
    PrunedMatrix pruned;
    pruned.starts.push_back(0);
    for (Index i = 0; i < k; ++i) {
        for (Index j = 0; j < n; ++j) {
            if (std::abs(b[i * n + j]) < least) continue;
            pruned.columns.push_back(static_cast<std::int32_t>(j));
            pruned.values.push_back(b[i * n + j]);
        }
        pruned.starts.push_back(static_cast<std::int32_t>(pruned.values.size()));
    }
    return pruned;
}

constexpr Index sparse_tile = 16;   // rows of the left side that share one reading of the pruned matrix

// y^T tile: [n][16] += value * a^T[k][16]; the 16 rows lie side by side, so that each kept value feeds one vector.
ORRERY_CLONES void sparse_tile_product(const float* a, float* y, const std::int32_t* starts, const std::int32_t* columns,
                                       const float* values, Index k) {
    for (Index i = 0; i < k; ++i) {
        const float* left = a + i * sparse_tile;
        for (std::int32_t p = starts[i]; p < starts[i + 1]; ++p) {
            float* out = y + columns[p] * sparse_tile;
            const float value = values[p];
            for (Index r = 0; r < sparse_tile; ++r) out[r] += value * left[r];
        }
    }
}

void sparse_product(const float* a, const PrunedMatrix& b, float* y, Index m, Index n, Index k) {
    const Index tiles = (m + sparse_tile - 1) / sparse_tile;
    deal_out(tiles, 1, [&](Index begin, Index end) {
        std::vector<float> left(static_cast<std::size_t>(k * sparse_tile));
        std::vector<float> out(static_cast<std::size_t>(n * sparse_tile));
        for (Index t = begin; t < end; ++t) {
            const Index rows = std::min(sparse_tile, m - t * sparse_tile);
            std::fill(left.begin(), left.end(), 0.0F);
            std::fill(out.begin(), out.end(), 0.0F);
            for (Index r = 0; r < rows; ++r) {
                for (Index i = 0; i < k; ++i) left[static_cast<std::size_t>(i * sparse_tile + r)] = a[(t * sparse_tile + r) * k + i];
            }
            sparse_tile_product(left.data(), out.data(), b.starts.data(), b.columns.data(), b.values.data(), k);
            for (Index r = 0; r < rows; ++r) {
                for (Index j = 0; j < n; ++j) y[(t * sparse_tile + r) * n + j] = out[static_cast<std::size_t>(j * sparse_tile + r)];
            }
        }
    });
}

// The dense product in float64, of all values or of the kept ones.
std::vector<double> dense_product(const float* a, const float* b, float least, Index m, Index n, Index k) {
    std::vector<double> want(static_cast<std::size_t>(m * n), 0.0);
    for (Index r = 0; r < m; ++r) {
        for (Index i = 0; i < k; ++i) {
            for (Index j = 0; j < n; ++j) {
                if (std::abs(b[i * n + j]) < least) continue;
                want[static_cast<std::size_t>(r * n + j)] += static_cast<double>(a[r * k + i]) * static_cast<double>(b[i * n + j]);
            }
        }
    }
    return want;
}

}  // namespace

PreparedKernel prepare_sparse_multiply(const KernelCase& c, int copies, Rng& rng) {
    const Index m = c.sizes[0];
    const Index n = c.sizes[1];
    const Index k = c.sizes[2];
    const auto a = random_floats(copies, m * k, rng);
    const auto b = random_floats(1, k * n, rng);
    const auto y = zeros<float>(copies, m * n);
    const auto pruned = std::make_shared<PrunedMatrix>(prune((*b)[0], k, n, c.sizes[3]));
    const auto kept = static_cast<double>(pruned->values.size());
    PreparedKernel kernel;
    kernel.flop = Flop::from_si(2.0 * static_cast<double>(m) * kept);
    kernel.bytes = Bytes::from_si(8.0 * kept + 4.0 * static_cast<double>(m * (n + k)));
    kernel.copies = copies;
    kernel.run = [=](int i) { sparse_product((*a)[i], *pruned, (*y)[i], m, n, k); };
    kernel.check = [=, run = kernel.run] {
        poison(y->values());
        run(0);
        float least = 3e38F;
        for (const float value : pruned->values) least = std::min(least, std::abs(value));
        return relative_error(y->values(), dense_product((*a)[0], (*b)[0], least, m, n, k));
    };
    kernel.accuracy_loss = [=, run = kernel.run] {
        run(0);
        return relative_error(y->values(), dense_product((*a)[0], (*b)[0], 0.0F, m, n, k));
    };
    return kernel;
}

}  // namespace orrery
