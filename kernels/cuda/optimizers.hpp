// Optimizer steps that need sums over a whole tensor before they change it: LAMB and Adafactor.
#pragma once

#include "kernels/cuda/elementwise.hpp"
#include "kernels/cuda/rows.hpp"

namespace orrery::cuda {

template <int n>
struct PlainSums {
    using RowSums = Sums<n>;
    ORRERY_DEVICE RowSums none() const { return {}; }
    template <class Lane>
    ORRERY_DEVICE RowSums merged(Lane&, const RowSums& a, const RowSums& b) const {
        RowSums sum;
        ORRERY_UNROLL
        for (int i = 0; i < n; ++i) sum.values[i] = a.values[i] + b.values[i];
        return sum;
    }
};

constexpr float lamb_rate = 1e-3F;
constexpr float lamb_decay = 0.01F;
constexpr Index lamb_tile = 4096;   // elements that a block takes at a time

/// Moments and the update of LAMB before its trust ratio (You et al., arXiv 1904.00962, algorithm 2), at the first step;
/// each block leaves the squares of its weights and of its update.
struct LambUpdate {
    static constexpr int threads_most = 256;
    const float* weights;
    const float* gradient;
    float* mean;
    float* square;
    float* update;
    float* partial;          // [blocks, (weights, update)]
    Index elements;
    Index blocks_wanted;

    [[nodiscard]] Index block_count() const { return ceil_div(elements, lamb_tile) < blocks_wanted ? ceil_div(elements, lamb_tile) : blocks_wanted; }
    [[nodiscard]] Grid grid() const { return {block_count(), threads_most, sums_bytes<PlainSums<2>>}; }

    template <class Lane>
    ORRERY_DEVICE void operator()(Lane& lane) const {
        Sums<2> squares = {};
        constexpr Index step = threads_most * 4;
        for (Index tile = lane.block() * lamb_tile; tile < elements; tile += lane.blocks() * lamb_tile) {
            ORRERY_UNROLL
            for (int u = 0; u < lamb_tile / step; ++u) {
                const Index at = tile + u * step + lane.thread() * 4;
                if (at + 4 <= elements) {
                    some<4>(lane, at, squares);
                } else {
                    for (Index i = at; i < elements; ++i) some<1>(lane, i, squares);
                }
            }
        }
        squares = merged_in_block(lane, PlainSums<2>{}, squares, 0);
        if (lane.thread() != 0) return;
        lane.store(partial + 2 * lane.block(), squares.values[0]);
        lane.store(partial + 2 * lane.block() + 1, squares.values[1]);
    }

  private:
    template <int n, class Lane>
    ORRERY_DEVICE void some(Lane& lane, Index at, Sums<2>& squares) const {
        float w[n], g[n], m[n], v[n], u[n];
        load_wide(lane, weights + at, w);
        load_wide(lane, gradient + at, g);
        load_wide(lane, mean + at, m);
        load_wide(lane, square + at, v);
        ORRERY_UNROLL
        for (int i = 0; i < n; ++i) {
            m[i] = 0.9F * m[i] + 0.1F * g[i];
            v[i] = 0.999F * v[i] + 0.001F * g[i] * g[i];
            u[i] = m[i] * 10.0F / (lane.sqrt(v[i] * 1000.0F) + 1e-6F) + lamb_decay * w[i];
            squares.values[0] += w[i] * w[i];
            squares.values[1] += u[i] * u[i];
        }
        store_narrow(lane, mean + at, m);
        store_narrow(lane, square + at, v);
        store_narrow(lane, update + at, u);
    }
};

/// One block: rate times ||weights|| / ||update|| of all blocks' squares.
struct LambTrust {
    static constexpr int threads_most = 256;
    const float* partial;
    float* trust;
    Index blocks_added;

    template <class Lane>
    ORRERY_DEVICE void operator()(Lane& lane) const {
        Sums<2> squares = {};
        for (Index b = lane.thread(); b < blocks_added; b += threads_most) {
            squares.values[0] += lane.load(partial + 2 * b);
            squares.values[1] += lane.load(partial + 2 * b + 1);
        }
        squares = merged_in_block(lane, PlainSums<2>{}, squares, 0);
        const bool both = squares.values[0] > 0.0F && squares.values[1] > 0.0F;
        if (lane.thread() == 0) lane.store(trust, both ? lamb_rate * lane.sqrt(squares.values[0] / squares.values[1]) : lamb_rate);
    }
};

/// Inputs weights, update; output weights.
struct LambApply : Arrays<float, 2, 1> {
    const float* trust;
    template <class Lane>
    ORRERY_DEVICE void operator()(Lane& lane, Index, const float (&x)[2], float (&y)[1]) const {
        y[0] = x[0] - lane.load_again(trust) * x[1];
    }
};

/// AdamW (Loshchilov and Hutter, arXiv 1711.05101) with the gradient in G, and in L a copy of the weights for the products;
/// null: they read the weights themselves.
template <class G, class L>
struct AdamWithCopy {
    static constexpr int threads_most = 256;
    float* weights;
    const G* gradient;
    float* mean;
    float* square;
    L* copy;
    Index elements;
    AdamFactors factors;

    [[nodiscard]] Grid grid() const { return {ceil_div(elements, threads_most), threads_most, 0}; }

    template <class Lane>
    ORRERY_DEVICE void operator()(Lane& lane) const {
        const Index at = lane.block() * threads_most + lane.thread();
        if (at >= elements) return;
        const float x[4] = {lane.load(weights + at), widen(lane.load(gradient + at)), lane.load(mean + at), lane.load(square + at)};
        float y[3];
        factors.step(lane, x, y);
        lane.store(weights + at, y[0]);
        lane.store(mean + at, y[1]);
        lane.store(square + at, y[2]);
        if (copy == nullptr) return;
        L low;
        narrow_to(lane, y[0], low);
        lane.store(copy + at, low);
    }
};

constexpr float adafactor_rate = 1e-3F;
constexpr float adafactor_keep = 0.99F;      // of the second moments
constexpr float adafactor_least = 1e-30F;    // Shazeer and Stern, arXiv 1804.04235, algorithm 4

/// Second moments of rows; a block walks many rows and adds its squares of each column to `column_sums`, zero before.
struct AdafactorSums {
    static constexpr int threads_most = 256;
    const float* gradient;
    float* row_moment;
    float* column_sums;
    Index rows;
    Index columns;
    Index blocks_wanted;

    [[nodiscard]] Grid grid() const { return {rows < blocks_wanted ? rows : blocks_wanted, threads_most, sums_bytes<PlainSums<1>>}; }

    template <class Lane>
    ORRERY_DEVICE void operator()(Lane& lane) const {
        constexpr int kept = 8;   // columns of a thread whose sums stay in registers over all rows of the block
        float own[kept] = {};
        for (Index row = lane.block(); row < rows; row += lane.blocks()) {
            Sums<1> squares = {};
            ORRERY_UNROLL
            for (int i = 0; i < kept; ++i) {
                const Index column = Index{i} * threads_most + lane.thread();
                if (column >= columns) continue;
                const float g = lane.load(gradient + row * columns + column);
                own[i] += g * g;
                squares.values[0] += g * g;
            }
            for (Index column = Index{kept} * threads_most + lane.thread(); column < columns; column += threads_most) {
                const float g = lane.load(gradient + row * columns + column);
                lane.add_atomically(column_sums + column, g * g);
                squares.values[0] += g * g;
            }
            squares = merged_in_block(lane, PlainSums<1>{}, squares, 0);
            if (lane.thread() == 0) {
                const float mean = squares.values[0] / static_cast<float>(columns) + adafactor_least;
                lane.store(row_moment + row, adafactor_keep * lane.load(row_moment + row) + (1.0F - adafactor_keep) * mean);
            }
            lane.sync();   // the next row's sums take the same place
        }
        ORRERY_UNROLL
        for (int i = 0; i < kept; ++i) {
            const Index column = Index{i} * threads_most + lane.thread();
            if (column < columns) lane.add_atomically(column_sums + column, own[i]);
        }
    }
};

/// Second moments of columns, and in one block the mean of those of rows.
struct AdafactorMoments {
    static constexpr int threads_most = 256;
    const float* column_sums;
    float* column_moment;
    const float* row_moment;
    float* row_mean;
    Index rows;
    Index columns;

    [[nodiscard]] Grid grid() const { return {ceil_div(columns, threads_most), threads_most, sums_bytes<PlainSums<1>>}; }

    template <class Lane>
    ORRERY_DEVICE void operator()(Lane& lane) const {
        const Index column = lane.block() * threads_most + lane.thread();
        if (column < columns) {
            const float mean = lane.load(column_sums + column) / static_cast<float>(rows) + adafactor_least;
            lane.store(column_moment + column, adafactor_keep * lane.load(column_moment + column) + (1.0F - adafactor_keep) * mean);
        }
        if (lane.block() != 0) return;
        Sums<1> sum = {};
        for (Index row = lane.thread(); row < rows; row += threads_most) sum.values[0] += lane.load(row_moment + row);
        sum = merged_in_block(lane, PlainSums<1>{}, sum, 0);
        if (lane.thread() == 0) lane.store(row_mean, sum.values[0] / static_cast<float>(rows));
    }
};

/// w -= rate g / sqrt(row moment / mean of them * column moment). A block for each row.
template <int width>
struct AdafactorApply {
    static constexpr int threads_most = 256;
    float* weights;
    const float* gradient;
    const float* row_moment;
    const float* row_mean;
    const float* column_moment;
    Index rows;
    Index columns;   // a multiple of width

    [[nodiscard]] Grid grid() const { return {rows, threads_most, 0}; }

    template <class Lane>
    ORRERY_DEVICE void operator()(Lane& lane) const {
        const Index row = lane.block();
        const float share = lane.load_again(row_moment + row) / lane.load_again(row_mean);
        for (Index column = Index{lane.thread()} * width; column < columns; column += Index{threads_most} * width) {
            float w[width], g[width];
            load_wide(lane, weights + row * columns + column, w);
            load_wide(lane, gradient + row * columns + column, g);
            ORRERY_UNROLL
            for (int i = 0; i < width; ++i) w[i] -= adafactor_rate * g[i] * lane.rsqrt(share * lane.load_again(column_moment + column + i));
            store_narrow(lane, weights + row * columns + column, w);
        }
    }
};

}  // namespace orrery::cuda
