// Gradients of layer and RMS norms: those of the input row by row, those of gain and shift as sums over all rows.
#pragma once

#include "kernels/cuda/rows.hpp"

#include <algorithm>

namespace orrery::cuda {

/// Of a row: number, mean and squares about it (about zero where not centred), sum of g = dy gain, sum of g x.
template <bool centred>
struct NormSums {
    using RowSums = Sums<5>;
    ORRERY_DEVICE RowSums none() const { return {{0.0F, 0.0F, 0.0F, 0.0F, 0.0F}}; }
    template <class Lane>
    ORRERY_DEVICE RowSums merged(Lane&, const RowSums& a, const RowSums& b) const {
        const Sums<3> spread = spread_merged(Sums<3>{{a.values[0], a.values[1], a.values[2]}}, Sums<3>{{b.values[0], b.values[1], b.values[2]}});
        return {{spread.values[0], spread.values[1], spread.values[2], a.values[3] + b.values[3], a.values[4] + b.values[4]}};
    }
    template <int n>
    ORRERY_DEVICE RowSums of(const float (&x)[n], const float (&g)[n]) const {
        float total = 0.0F;
        float product = 0.0F;
        float squares = 0.0F;
        ORRERY_UNROLL
        for (int j = 0; j < n; ++j) {
            total += g[j];
            product += g[j] * x[j];
            squares += x[j] * x[j];
        }
        const Sums<3> spread = centred ? spread_of(x) : Sums<3>{{static_cast<float>(n), 0.0F, squares}};
        return {{spread.values[0], spread.values[1], spread.values[2], total, product}};
    }
};

/// A block walks many rows and keeps its share of dgain and dshift in shared memory, where each thread owns its columns;
/// at the end it writes them to `partial` [block, (dgain, dshift), column]. The first 4 vectors of a thread stay in
/// registers, so that rows up to 8192 columns in fp32 are read once.
template <class T, int width, bool centred>
struct NormBackwardRows {
    static constexpr int threads_most = 512;
    static constexpr int vectors = 4;
    static constexpr int sums_of_rows = centred ? 2 : 1;   // dgain, dshift
    const T* x;
    const float* gain;
    const T* dy;
    T* dx;
    float* partial;       // [blocks, sums_of_rows, columns]; with in_shared false one such block, zero before
    Index rows;
    Index columns;        // a multiple of width
    Index blocks_wanted;
    float epsilon;
    bool in_shared;

    [[nodiscard]] static int shared_bytes(Index columns) {
        return sums_bytes<NormSums<centred>> + sums_of_rows * static_cast<int>(columns) * static_cast<int>(sizeof(float));
    }
    [[nodiscard]] Grid grid() const {
        const Index threads = ceil_div(ceil_div(columns, width), warp_lanes) * warp_lanes;
        return {rows < blocks_wanted ? rows : blocks_wanted, static_cast<int>(threads < threads_most ? threads : threads_most),
                in_shared ? shared_bytes(columns) : sums_bytes<NormSums<centred>>};
    }

    template <class Lane>
    ORRERY_DEVICE void operator()(Lane& lane) const {
        const auto shared = lane.template shared<float>(sums_bytes<NormSums<centred>>, in_shared ? sums_of_rows * static_cast<int>(columns) : 0);
        const Index step = Index{lane.threads()} * width;
        if (in_shared) {
            for (Index column = Index{lane.thread()} * width; column < columns; column += step) {
                for (int j = 0; j < width; ++j) {
                    for (int i = 0; i < sums_of_rows; ++i) shared[static_cast<int>(i * columns + column) + j] = 0.0F;
                }
            }
        }
        for (Index row = lane.block(); row < rows; row += lane.blocks()) {
            one_row(lane, shared, row, step);
            lane.sync();   // the next row's sums take the same place
        }
        if (!in_shared) return;
        for (Index column = Index{lane.thread()} * width; column < columns; column += step) {
            for (int i = 0; i < sums_of_rows; ++i) {
                for (int j = 0; j < width; ++j) {
                    lane.store(partial + (lane.block() * sums_of_rows + i) * columns + column + j, shared[static_cast<int>(i * columns + column) + j]);
                }
            }
        }
    }

  private:
    template <class Lane, class Shared>
    ORRERY_DEVICE void one_row(Lane& lane, const Shared& shared, Index row, Index step) const {
        const NormSums<centred> operation;
        Pack<T, width> kept_x[vectors];
        Pack<T, width> kept_dy[vectors];
        auto sums = operation.none();
        ORRERY_UNROLL
        for (int v = 0; v < vectors; ++v) {
            const Index column = v * step + Index{lane.thread()} * width;
            if (column >= columns) continue;
            kept_x[v] = lane.load(reinterpret_cast<const Pack<T, width>*>(x + row * columns + column));
            kept_dy[v] = lane.load(reinterpret_cast<const Pack<T, width>*>(dy + row * columns + column));
        }
        ORRERY_UNROLL
        for (int v = 0; v < vectors; ++v) {
            const Index column = v * step + Index{lane.thread()} * width;
            if (column < columns) sums = operation.merged(lane, sums, sums_of(lane, kept_x[v], kept_dy[v], column));
        }
        for (Index column = vectors * step + Index{lane.thread()} * width; column < columns; column += step) {
            const auto far_x = lane.load(reinterpret_cast<const Pack<T, width>*>(x + row * columns + column));
            const auto far_dy = lane.load(reinterpret_cast<const Pack<T, width>*>(dy + row * columns + column));
            sums = operation.merged(lane, sums, sums_of(lane, far_x, far_dy, column));
        }
        sums = merged_in_block(lane, operation, sums, 0);
        ORRERY_UNROLL
        for (int v = 0; v < vectors; ++v) {
            const Index column = v * step + Index{lane.thread()} * width;
            if (column < columns) write_gradients(lane, shared, sums, kept_x[v], kept_dy[v], row, column);
        }
        for (Index column = vectors * step + Index{lane.thread()} * width; column < columns; column += step) {
            const auto far_x = lane.load(reinterpret_cast<const Pack<T, width>*>(x + row * columns + column));
            const auto far_dy = lane.load(reinterpret_cast<const Pack<T, width>*>(dy + row * columns + column));
            write_gradients(lane, shared, sums, far_x, far_dy, row, column);
        }
    }

    template <class Lane>
    ORRERY_DEVICE Sums<5> sums_of(Lane& lane, const Pack<T, width>& pack_x, const Pack<T, width>& pack_dy, Index column) const {
        float values[width];
        float g[width];
        ORRERY_UNROLL
        for (int j = 0; j < width; ++j) {
            values[j] = widen(pack_x.values[j]);
            g[j] = widen(pack_dy.values[j]) * lane.load_again(gain + column + j);
        }
        return NormSums<centred>{}.of(values, g);
    }

    template <class Lane, class Shared>
    ORRERY_DEVICE void write_gradients(Lane& lane, const Shared& shared, const Sums<5>& sums, const Pack<T, width>& pack_x, const Pack<T, width>& pack_dy,
                                       Index row, Index column) const {
        const float inverse = 1.0F / static_cast<float>(columns);
        const float mean = sums.values[1];
        const float scale = lane.rsqrt(sums.values[2] * inverse + epsilon);
        const float shift_all = centred ? sums.values[3] * inverse : 0.0F;
        const float along_all = (sums.values[4] - mean * sums.values[3]) * scale * inverse;
        float out[width];
        ORRERY_UNROLL
        for (int j = 0; j < width; ++j) {
            const float slope = widen(pack_dy.values[j]);
            const float normal = (widen(pack_x.values[j]) - mean) * scale;
            out[j] = scale * (slope * lane.load_again(gain + column + j) - shift_all - normal * along_all);
            const float gradients[2] = {slope * normal, slope};
            for (int i = 0; i < sums_of_rows; ++i) {
                if (in_shared) {
                    shared[static_cast<int>(i * columns + column) + j] += gradients[i];
                } else {
                    lane.add_atomically(partial + i * columns + column + j, gradients[i]);
                }
            }
        }
        store_narrow(lane, dx + row * columns + column, out);
    }
};

/// sums[c] = the sum of partial[b, c] over all blocks, in their order.
struct AddPartials {
    static constexpr int threads_most = 128;
    const float* partial;
    float* sums;
    Index blocks_added;
    Index columns;

    [[nodiscard]] Grid grid() const { return {ceil_div(columns, threads_most), threads_most, 0}; }

    template <class Lane>
    ORRERY_DEVICE void operator()(Lane& lane) const {
        const Index column = lane.block() * threads_most + lane.thread();
        if (column >= columns) return;
        float sum = 0.0F;
        for (Index b = 0; b < blocks_added; ++b) sum += lane.load(partial + b * columns + column);
        lane.store(sums + column, sum);
    }
};

/// Sets values to zero.
struct ClearValues {
    static constexpr int threads_most = 256;
    float* values;
    Index elements;
    [[nodiscard]] Grid grid() const { return {ceil_div(elements, threads_most), threads_most, 0}; }
    template <class Lane>
    ORRERY_DEVICE void operator()(Lane& lane) const {
        const Index at = lane.block() * threads_most + lane.thread();
        if (at < elements) lane.store(values + at, 0.0F);
    }
};

/// Arrays of one call; `partial` has room for norm_backward_partials values.
template <class T>
struct NormBackwardArrays {
    const T* x;
    const float* gain;
    const T* dy;
    T* dx;
    float* sums;       // dgain, then dshift where the norm is centred
    float* partial;
};

inline Index norm_backward_blocks(int processors) { return 2 * Index{processors}; }

template <class Device, class T, bool centred>
void launch_norm_backward(const NormBackwardArrays<T>& arrays, Index rows, Index columns, float epsilon) {
    constexpr int sums_of_rows = centred ? 2 : 1;
    if (columns <= 0) return;
    const bool in_shared = NormBackwardRows<T, 1, centred>::shared_bytes(columns) <= Device::shared_most();
    const auto launch = [](const auto& kernel) { Device::launch(kernel.grid(), kernel); };
    if (!in_shared || rows == 0) launch(ClearValues{arrays.sums, sums_of_rows * columns});
    if (rows == 0) return;
    const Index blocks = norm_backward_blocks(Device::processors());
    float* partial = in_shared ? arrays.partial : arrays.sums;
    constexpr int wide = values_in_vector<T>;
    if (columns % wide == 0) {
        launch(NormBackwardRows<T, wide, centred>{arrays.x, arrays.gain, arrays.dy, arrays.dx, partial, rows, columns, blocks, epsilon, in_shared});
    } else {
        launch(NormBackwardRows<T, 1, centred>{arrays.x, arrays.gain, arrays.dy, arrays.dx, partial, rows, columns, blocks, epsilon, in_shared});
    }
    if (in_shared) launch(AddPartials{arrays.partial, arrays.sums, std::min(rows, blocks), sums_of_rows * columns});
}

}  // namespace orrery::cuda
