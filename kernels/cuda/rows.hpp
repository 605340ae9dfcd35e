// Kernels over rows that need sums of a row before they can write it: softmax, norms, cross entropy.
//
// An operation says how a few neighbouring values are summed, how two sums become one, and what is written. Rows that
// fit the registers of a block are read once and written once; longer ones are read twice, with sums that are right in
// any order (online softmax: Milakov and Gimelshein, arXiv 1805.02867; variance: Chan et al., Stanford CS-79-773).
#pragma once

#include "kernels/cuda/lane.hpp"

namespace orrery::cuda {

template <int n>
struct Sums {
    static constexpr int size = n;
    float values[n];
};

template <class Operation, class Lane>
ORRERY_DEVICE typename Operation::RowSums merged_in_warp(Lane& lane, const Operation& operation, typename Operation::RowSums mine) {
    ORRERY_UNROLL
    for (int mask = warp_lanes / 2; mask > 0; mask /= 2) {
        typename Operation::RowSums other;
        ORRERY_UNROLL
        for (int i = 0; i < Operation::RowSums::size; ++i) other.values[i] = lane.shuffle_xor(mine.values[i], mask);
        mine = operation.merged(lane, mine, other);
    }
    return mine;
}

/// The sums of all threads of a block, in each of them. Uses shared memory from `shared_at` on, `sums_bytes` of it.
template <class Operation, class Lane>
ORRERY_DEVICE typename Operation::RowSums merged_in_block(Lane& lane, const Operation& operation, typename Operation::RowSums mine,
                                                          int shared_at) {
    constexpr int size = Operation::RowSums::size;
    mine = merged_in_warp(lane, operation, mine);
    const int warps = lane.threads() / warp_lanes;
    const auto of_warps = lane.template shared<float>(shared_at, warps * size);
    if (lane.lane() == 0) {
        ORRERY_UNROLL
        for (int i = 0; i < size; ++i) of_warps[lane.warp() * size + i] = mine.values[i];
    }
    lane.sync();
    mine = operation.none();
    if (lane.lane() < warps) {
        ORRERY_UNROLL
        for (int i = 0; i < size; ++i) mine.values[i] = of_warps[lane.lane() * size + i];
    }
    return merged_in_warp(lane, operation, mine);
}

template <class Operation>
constexpr int sums_bytes = warp_lanes * Operation::RowSums::size * static_cast<int>(sizeof(float));

/// Rows of at most threads_of_row * vectors * width columns, a multiple of `width`. A row belongs to one warp
/// (threads_of_row 32: several rows in a block) or to a block.
template <class Operation, int width, int vectors>
struct RegisterRows {
    using T = typename Operation::Element;
    static constexpr int threads_most = 512;
    Operation operation;
    Index rows;
    Index columns;
    int threads_of_row;

    [[nodiscard]] static RegisterRows fitting(const Operation& operation, Index rows, Index columns) {
        const Index threads = ceil_div(columns, Index{width} * vectors * warp_lanes) * warp_lanes;
        return {operation, rows, columns, static_cast<int>(threads)};
    }
    [[nodiscard]] Grid grid() const {
        constexpr int warps_of_block = 4;
        if (threads_of_row == warp_lanes) return {ceil_div(rows, warps_of_block), warps_of_block * warp_lanes, 0};
        return {rows, threads_of_row, sums_bytes<Operation>};
    }

    template <class Lane>
    ORRERY_DEVICE void operator()(Lane& lane) const {
        const bool of_warp = threads_of_row == warp_lanes;
        const Index row = of_warp ? lane.block() * (lane.threads() / warp_lanes) + lane.warp() : lane.block();
        if (row >= rows) return;
        const int place = of_warp ? lane.lane() : lane.thread();
        Pack<T, width> loaded[Operation::inputs][vectors];
        ORRERY_UNROLL
        for (int v = 0; v < vectors; ++v) {
            const Index column = (Index{v} * threads_of_row + place) * width;
            if (column >= columns) continue;
            ORRERY_UNROLL
            for (int i = 0; i < Operation::inputs; ++i) {
                loaded[i][v] = lane.load(reinterpret_cast<const Pack<T, width>*>(operation.in[i] + row * columns + column));
            }
        }
        typename Operation::RowSums sums = operation.none();
        ORRERY_UNROLL
        for (int v = 0; v < vectors; ++v) {
            const Index column = (Index{v} * threads_of_row + place) * width;
            if (column >= columns) continue;
            float x[Operation::inputs][width];
            ORRERY_UNROLL
            for (int i = 0; i < Operation::inputs; ++i) {
                ORRERY_UNROLL
                for (int j = 0; j < width; ++j) x[i][j] = widen(loaded[i][v].values[j]);
            }
            sums = operation.merged(lane, sums, operation.of(lane, row, column, x));
        }
        sums = of_warp ? merged_in_warp(lane, operation, sums) : merged_in_block(lane, operation, sums, 0);
        sums = operation.finished(lane, row, columns, sums, place == 0);
        ORRERY_UNROLL
        for (int v = 0; v < vectors; ++v) {
            const Index column = (Index{v} * threads_of_row + place) * width;
            if (column >= columns) continue;
            float y[width];
            ORRERY_UNROLL
            for (int j = 0; j < width; ++j) {
                float x[Operation::inputs];
                ORRERY_UNROLL
                for (int i = 0; i < Operation::inputs; ++i) x[i] = widen(loaded[i][v].values[j]);
                y[j] = operation.result(lane, row, column + j, sums, x);
            }
            operation.write(lane, row * columns + column, y);
        }
    }
};

/// Rows of any length, one per block; the second reading finds in the second level what still is there.
template <class Operation, int width>
struct LongRows {
    using T = typename Operation::Element;
    static constexpr int threads_most = 512;
    Operation operation;
    Index rows;
    Index columns;

    [[nodiscard]] Grid grid() const { return {rows, threads_most, sums_bytes<Operation>}; }

    template <class Lane>
    ORRERY_DEVICE void operator()(Lane& lane) const {
        const Index row = lane.block();
        const Index step = Index{threads_most} * width;
        typename Operation::RowSums sums = operation.none();
        for (Index column = Index{lane.thread()} * width; column < columns; column += step) {
            float x[Operation::inputs][width];
            ORRERY_UNROLL
            for (int i = 0; i < Operation::inputs; ++i) load_wide(lane, operation.in[i] + row * columns + column, x[i]);
            sums = operation.merged(lane, sums, operation.of(lane, row, column, x));
        }
        sums = merged_in_block(lane, operation, sums, 0);
        sums = operation.finished(lane, row, columns, sums, lane.thread() == 0);
        for (Index column = Index{lane.thread()} * width; column < columns; column += step) {
            float x[Operation::inputs][width];
            ORRERY_UNROLL
            for (int i = 0; i < Operation::inputs; ++i) load_wide(lane, operation.in[i] + row * columns + column, x[i]);
            float y[width];
            ORRERY_UNROLL
            for (int j = 0; j < width; ++j) {
                float one[Operation::inputs];
                ORRERY_UNROLL
                for (int i = 0; i < Operation::inputs; ++i) one[i] = x[i][j];
                y[j] = operation.result(lane, row, column + j, sums, one);
            }
            operation.write(lane, row * columns + column, y);
        }
    }
};

/// Chooses by length and alignment of the rows; arrays begin at multiples of 16 bytes.
template <class Device, class Operation>
void launch_rows(const Operation& operation, Index rows, Index columns) {
    constexpr int wide = values_in_vector<typename Operation::Element>;
    constexpr Index threads = 512;
    constexpr int most = Operation::inputs * wide >= 16 ? 4 : 8;   // vectors of a thread; more would not fit its registers
    if (rows <= 0 || columns <= 0) return;
    const auto launch = [](const auto& kernel) { Device::launch(kernel.grid(), kernel); };
    if (columns % wide != 0) {
        columns <= 8 * threads ? launch(RegisterRows<Operation, 1, 8>::fitting(operation, rows, columns))
                               : launch(LongRows<Operation, 1>{operation, rows, columns});
    } else if (columns <= 2 * threads * wide) {
        launch(RegisterRows<Operation, wide, 2>::fitting(operation, rows, columns));
    } else if (columns <= most * threads * wide) {
        launch(RegisterRows<Operation, wide, most>::fitting(operation, rows, columns));
    } else {
        launch(LongRows<Operation, wide>{operation, rows, columns});
    }
}

template <class T, int in_count>
struct RowArrays {
    using Element = T;
    static constexpr int inputs = in_count;
    const T* in[in_count];
    T* out;
    template <class Lane, int n>
    ORRERY_DEVICE void write(Lane& lane, Index at, const float (&y)[n]) const {
        store_narrow(lane, out + at, y);
    }
};

constexpr float lowest_score = -3e38F;   // of no value at all; finite, so that differences are numbers

/// Largest value and sum of exp(x - largest), of `n` values.
template <int n, class Lane>
ORRERY_DEVICE Sums<2> top_and_sum(Lane& lane, const float (&x)[n]) {
    float top = lowest_score;
    ORRERY_UNROLL
    for (int j = 0; j < n; ++j) top = x[j] > top ? x[j] : top;
    float sum = 0.0F;
    ORRERY_UNROLL
    for (int j = 0; j < n; ++j) sum += lane.exp(x[j] - top);
    return {{top, sum}};
}

template <class Lane>
ORRERY_DEVICE Sums<2> top_and_sum_merged(Lane& lane, const Sums<2>& a, const Sums<2>& b) {
    const float top = a.values[0] > b.values[0] ? a.values[0] : b.values[0];
    return {{top, a.values[1] * lane.exp(a.values[0] - top) + b.values[1] * lane.exp(b.values[0] - top)}};
}

template <class T>
struct SoftmaxRow : RowArrays<T, 1> {
    using RowSums = Sums<2>;
    ORRERY_DEVICE RowSums none() const { return {{lowest_score, 0.0F}}; }
    template <class Lane, int n>
    ORRERY_DEVICE RowSums of(Lane& lane, Index, Index, const float (&x)[1][n]) const {
        return top_and_sum(lane, x[0]);
    }
    template <class Lane>
    ORRERY_DEVICE RowSums merged(Lane& lane, const RowSums& a, const RowSums& b) const {
        return top_and_sum_merged(lane, a, b);
    }
    template <class Lane>
    ORRERY_DEVICE RowSums finished(Lane&, Index, Index, const RowSums& sums, bool) const {
        return {{sums.values[0], 1.0F / sums.values[1]}};
    }
    template <class Lane>
    ORRERY_DEVICE float result(Lane& lane, Index, Index, const RowSums& sums, const float (&x)[1]) const {
        return lane.exp(x[0] - sums.values[0]) * sums.values[1];
    }
};

/// Inputs y and dy; dx = y (dy - sum(y dy)).
template <class T>
struct SoftmaxBackwardRow : RowArrays<T, 2> {
    using RowSums = Sums<1>;
    ORRERY_DEVICE RowSums none() const { return {{0.0F}}; }
    template <class Lane, int n>
    ORRERY_DEVICE RowSums of(Lane&, Index, Index, const float (&x)[2][n]) const {
        float sum = 0.0F;
        ORRERY_UNROLL
        for (int j = 0; j < n; ++j) sum += x[0][j] * x[1][j];
        return {{sum}};
    }
    template <class Lane>
    ORRERY_DEVICE RowSums merged(Lane&, const RowSums& a, const RowSums& b) const {
        return {{a.values[0] + b.values[0]}};
    }
    template <class Lane>
    ORRERY_DEVICE RowSums finished(Lane&, Index, Index, const RowSums& sums, bool) const {
        return sums;
    }
    template <class Lane>
    ORRERY_DEVICE float result(Lane&, Index, Index, const RowSums& sums, const float (&x)[2]) const {
        return x[0] * (x[1] - sums.values[0]);
    }
};

/// Zhang and Sennrich, arXiv 1910.07467.
template <class T>
struct RmsNormRow : RowArrays<T, 1> {
    using RowSums = Sums<1>;
    const float* gain;
    float epsilon;
    ORRERY_DEVICE RowSums none() const { return {{0.0F}}; }
    template <class Lane, int n>
    ORRERY_DEVICE RowSums of(Lane&, Index, Index, const float (&x)[1][n]) const {
        float sum = 0.0F;
        ORRERY_UNROLL
        for (int j = 0; j < n; ++j) sum += x[0][j] * x[0][j];
        return {{sum}};
    }
    template <class Lane>
    ORRERY_DEVICE RowSums merged(Lane&, const RowSums& a, const RowSums& b) const {
        return {{a.values[0] + b.values[0]}};
    }
    template <class Lane>
    ORRERY_DEVICE RowSums finished(Lane& lane, Index, Index columns, const RowSums& sums, bool) const {
        return {{lane.rsqrt(sums.values[0] / static_cast<float>(columns) + epsilon)}};
    }
    template <class Lane>
    ORRERY_DEVICE float result(Lane& lane, Index, Index column, const RowSums& sums, const float (&x)[1]) const {
        return x[0] * sums.values[0] * lane.load_again(gain + column);
    }
};

/// Number of values, their mean, and the sum of squares about it.
template <int n>
ORRERY_DEVICE Sums<3> spread_of(const float (&x)[n]) {
    float mean = 0.0F;
    ORRERY_UNROLL
    for (int j = 0; j < n; ++j) mean += x[j];
    mean *= 1.0F / static_cast<float>(n);
    float squares = 0.0F;
    ORRERY_UNROLL
    for (int j = 0; j < n; ++j) squares += (x[j] - mean) * (x[j] - mean);
    return {{static_cast<float>(n), mean, squares}};
}

ORRERY_DEVICE Sums<3> spread_merged(const Sums<3>& a, const Sums<3>& b) {
    const float number = a.values[0] + b.values[0];
    const float share = number > 0.0F ? b.values[0] / number : 0.0F;
    const float apart = b.values[1] - a.values[1];
    return {{number, a.values[1] + apart * share, a.values[2] + b.values[2] + apart * apart * a.values[0] * share}};
}

/// Ba et al., arXiv 1607.06450.
template <class T>
struct LayerNormRow : RowArrays<T, 1> {
    using RowSums = Sums<3>;
    const float* gain;
    const float* shift;
    float epsilon;
    ORRERY_DEVICE RowSums none() const { return {{0.0F, 0.0F, 0.0F}}; }
    template <class Lane, int n>
    ORRERY_DEVICE RowSums of(Lane&, Index, Index, const float (&x)[1][n]) const {
        return spread_of(x[0]);
    }
    template <class Lane>
    ORRERY_DEVICE RowSums merged(Lane&, const RowSums& a, const RowSums& b) const {
        return spread_merged(a, b);
    }
    template <class Lane>
    ORRERY_DEVICE RowSums finished(Lane& lane, Index, Index columns, const RowSums& sums, bool) const {
        return {{0.0F, sums.values[1], lane.rsqrt(sums.values[2] / static_cast<float>(columns) + epsilon)}};
    }
    template <class Lane>
    ORRERY_DEVICE float result(Lane& lane, Index, Index column, const RowSums& sums, const float (&x)[1]) const {
        return (x[0] - sums.values[1]) * sums.values[2] * lane.load_again(gain + column) + lane.load_again(shift + column);
    }
};

/// Loss of each row's target; over the logits (out is in[0]) the gradient of the mean loss, (softmax - onehot) / rows.
template <class T>
struct CrossEntropyRow : RowArrays<T, 1> {
    using RowSums = Sums<3>;   // largest, sum of exp, logit of the target
    const std::int32_t* targets;
    float* losses;
    float inverse_rows;
    ORRERY_DEVICE RowSums none() const { return {{lowest_score, 0.0F, 0.0F}}; }
    template <class Lane, int n>
    ORRERY_DEVICE RowSums of(Lane& lane, Index row, Index column, const float (&x)[1][n]) const {
        const Sums<2> sums = top_and_sum(lane, x[0]);
        const Index target = lane.load_again(targets + row);
        float picked = 0.0F;
        ORRERY_UNROLL
        for (int j = 0; j < n; ++j) picked += column + j == target ? x[0][j] : 0.0F;
        return {{sums.values[0], sums.values[1], picked}};
    }
    template <class Lane>
    ORRERY_DEVICE RowSums merged(Lane& lane, const RowSums& a, const RowSums& b) const {
        const Sums<2> sums = top_and_sum_merged(lane, Sums<2>{{a.values[0], a.values[1]}}, Sums<2>{{b.values[0], b.values[1]}});
        return {{sums.values[0], sums.values[1], a.values[2] + b.values[2]}};
    }
    template <class Lane>
    ORRERY_DEVICE RowSums finished(Lane& lane, Index row, Index, const RowSums& sums, bool leads) const {
        if (leads) lane.store(losses + row, lane.log(sums.values[1]) + sums.values[0] - sums.values[2]);
        return {{sums.values[0], inverse_rows / sums.values[1], 0.0F}};
    }
    template <class Lane>
    ORRERY_DEVICE float result(Lane& lane, Index row, Index column, const RowSums& sums, const float (&x)[1]) const {
        const float share = lane.exp(x[0] - sums.values[0]) * sums.values[1];
        return column == lane.load_again(targets + row) ? share - inverse_rows : share;
    }
};

}  // namespace orrery::cuda
