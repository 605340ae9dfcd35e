// Products whose weights keep two of each four values along the depth, by the matrix instruction for them; and the
// kernel that prunes weights to that form. Mishra et al., "Accelerating Sparse Deep Neural Networks", arXiv 2104.08378;
// layouts: PTX ISA, "Matrix Fragments for sparse mma.m16n8k32 with .f16 and .bf16 types" and its sparse storage.
#pragma once

#include "kernels/cuda/tiles.hpp"

namespace orrery::cuda {

/// Weights [rows, columns], pruned along the columns, as the product reads them. Columns are filled up with zeros to
/// blocks of 64. `kept` is [rows, 32 a block]; `places` holds a word for each tile of 16 rows, block and lane: for lane
/// 4 g + t of a block, where the kept values of rows g (low half) and g + 8 of columns 16 t to 16 t + 15 stood, two bits for
/// each value, rising in each group of four.
template <class T>
struct TwoFourWeights {
    static constexpr int block = 64;
    static constexpr int kept_of_block = block / 2;
    T* kept;
    std::uint32_t* places;
    Index rows;
    Index columns;
    [[nodiscard]] ORRERY_BOTH Index blocks() const { return ceil_div(columns, block); }
    [[nodiscard]] ORRERY_BOTH Index row_of_kept() const { return blocks() * kept_of_block; }
    [[nodiscard]] ORRERY_BOTH Index row_tiles() const { return ceil_div(rows, 16); }
};

/// Keeps the two largest of each four, of equal ones the first. A thread makes one word: two rows of 16 columns.
template <class T>
struct CompressTwoFour {
    static constexpr int threads_most = 256;
    static constexpr int columns_of_thread = 16;
    const T* in;   // [rows, columns]
    TwoFourWeights<T> out;

    [[nodiscard]] Grid grid() const { return {ceil_div(out.row_tiles() * out.blocks() * warp_lanes, threads_most), threads_most, 0}; }

    template <class Lane>
    ORRERY_DEVICE void operator()(Lane& lane) const {
        const Index word = lane.block() * threads_most + lane.thread();
        if (word >= out.row_tiles() * out.blocks() * warp_lanes) return;
        const int of_block = static_cast<int>(word % warp_lanes);
        const Index block = word / warp_lanes % out.blocks();
        const Index first_row = word / (warp_lanes * out.blocks()) * 16 + of_block / 4;
        const Index column = block * TwoFourWeights<T>::block + of_block % 4 * columns_of_thread;
        std::uint32_t places = 0;
        for (int half = 0; half < 2; ++half) {
            const Index row = first_row + 8 * half;
            T x[columns_of_thread] = {};
            if (row < out.rows) load_row(lane, row, column, x);
            T kept[columns_of_thread / 2];
            ORRERY_UNROLL
            for (int group = 0; group < columns_of_thread / 4; ++group) places |= pick_two(x, group, kept) << (16 * half + 4 * group);
            if (row >= out.rows) continue;
            Pack<T, columns_of_thread / 2> pack;
            ORRERY_UNROLL
            for (int i = 0; i < columns_of_thread / 2; ++i) pack.values[i] = kept[i];
            lane.store(reinterpret_cast<Pack<T, columns_of_thread / 2>*>(out.kept + row * out.row_of_kept() + column / 2), pack);
        }
        lane.store(out.places + word, places);
    }

  private:
    template <class Lane>
    ORRERY_DEVICE void load_row(Lane& lane, Index row, Index column, T (&x)[columns_of_thread]) const {
        constexpr int width = values_in_vector<T>;
        ORRERY_UNROLL
        for (int i = 0; i < columns_of_thread; i += width) {
            if (out.columns % width == 0 && column + i + width <= out.columns) {
                const auto pack = lane.load(reinterpret_cast<const Pack<T, width>*>(in + row * out.columns + column + i));
                ORRERY_UNROLL
                for (int j = 0; j < width; ++j) x[i + j] = pack.values[j];
                continue;
            }
            ORRERY_UNROLL
            for (int j = 0; j < width; ++j) {
                if (column + i + j < out.columns) x[i + j] = lane.load(in + row * out.columns + column + i + j);
            }
        }
    }

    // The four bits of a group; sizes of 16-bit formats are ordered as their bits without the sign.
    ORRERY_DEVICE static std::uint32_t pick_two(const T (&x)[columns_of_thread], int group, T (&kept)[columns_of_thread / 2]) {
        std::uint32_t bits = 0;
        int number = 0;
        ORRERY_UNROLL
        for (int i = 0; i < 4; ++i) {
            const int size = x[4 * group + i].bits & 0x7fff;
            int larger = 0;
            ORRERY_UNROLL
            for (int j = 0; j < 4; ++j) {
                const int other = x[4 * group + j].bits & 0x7fff;
                larger += other > size || (other == size && j < i) ? 1 : 0;
            }
            if (larger >= 2) continue;
            if (number == 0) kept[2 * group] = x[4 * group + i];
            if (number == 1) kept[2 * group + 1] = x[4 * group + i];
            bits |= static_cast<std::uint32_t>(i) << (2 * number);
            ++number;
        }
        return bits;
    }
};

/// y[m, n] = x[m, k] W^T with W [n, k] pruned; row by row, fp32 sums. A block takes 128 rows of W and 128 of x, 64 of the
/// depth at a time; W is the instruction's left side, so sums lie column by column and are turned in shared memory.
template <class T>
struct TwoFourTiles {
    static constexpr int threads_most = 256;
    static constexpr int tile = 128;
    static constexpr int stages = 3;
    static constexpr int block = TwoFourWeights<T>::block;
    static constexpr int kept_of_block = TwoFourWeights<T>::kept_of_block;
    static constexpr int right_at = tile * kept_of_block;
    static constexpr int stage_values = right_at + tile * block;
    static constexpr int turned_row = tile + 8;
    static_assert(tile * turned_row <= stages * stage_values);

    TwoFourWeights<T> w;
    const T* x;
    T* y;
    Index m;

    [[nodiscard]] Grid grid() const {
        return {ceil_div(m, tile) * ceil_div(w.rows, tile), threads_most, stages * stage_values * static_cast<int>(sizeof(T))};
    }

    template <class Lane>
    ORRERY_DEVICE void operator()(Lane& lane) const {
        const Index row = lane.block() % ceil_div(w.rows, tile) * tile;            // of W
        const Index column = lane.block() / ceil_div(w.rows, tile) * tile;         // of W's product: row of x
        const auto shared = lane.template shared<Bf16>(0, stages * stage_values);
        const int steps = static_cast<int>(w.blocks());
        float sums[4][4][4] = {};
        std::uint32_t places[4];
        for (int s = 0; s < stages - 1; ++s) fill(lane, shared, row, column, s, steps);
        for (int step = 0; step < steps; ++step) {
            load_places(lane, row + lane.warp() / 4 * 64, step, places);
            lane.template wait_copies<stages - 2>();
            lane.sync();
            fill(lane, shared, row, column, step + stages - 1, steps);
            multiply(lane, shared, step % stages * stage_values, places, sums);
        }
        lane.template wait_copies<0>();
        lane.sync();   // all have read the last stage: its room serves to turn the sums
        write(lane, shared, row, column, sums);
    }

  private:
    template <class Lane, class Shared>
    ORRERY_DEVICE void fill(Lane& lane, const Shared& shared, Index row, Index column, int step, int steps) const {
        if (step < steps) {
            const int at = step % stages * stage_values;
            const auto here = [](Index left, int most) { return static_cast<int>(left < most ? left : most); };
            fill_tile<tile, kept_of_block>(lane, shared, at,
                                           {reinterpret_cast<const Bf16*>(w.kept) + row * w.row_of_kept() + Index{step} * kept_of_block, w.row_of_kept(),
                                            here(w.rows - row, tile), kept_of_block, true},
                                           lane.thread(), threads_most);
            fill_tile<tile, block>(lane, shared, at + right_at,
                                   {reinterpret_cast<const Bf16*>(x) + column * w.columns + Index{step} * block, w.columns, here(m - column, tile),
                                    here(w.columns - Index{step} * block, block), w.columns % chunk_values == 0},
                                   lane.thread(), threads_most);
        }
        lane.commit_copies();
    }

    template <class Lane>
    ORRERY_DEVICE void load_places(Lane& lane, Index row, int step, std::uint32_t (&places)[4]) const {
        ORRERY_UNROLL
        for (int i = 0; i < 4; ++i) {
            const Index row_tile = row / 16 + i;
            // Rows beyond the last hold zeros: any places do, as long as they rise.
            places[i] = row_tile < w.row_tiles() ? lane.load_again(w.places + (row_tile * w.blocks() + step) * warp_lanes + lane.lane()) : 0x44444444U;
        }
    }

    template <class Lane, class Shared>
    ORRERY_DEVICE void multiply(Lane& lane, const Shared& shared, int at, const std::uint32_t (&places)[4], float (&sums)[4][4][4]) const {
        half_block<0>(lane, shared, at, places, sums);
        half_block<1>(lane, shared, at, places, sums);
    }

    // 32 of the depth: places of the first half are in lanes 4 i and 4 i + 1, those of the second in the two after.
    template <int half, class Lane, class Shared>
    ORRERY_DEVICE void half_block(Lane& lane, const Shared& shared, int at, const std::uint32_t (&places)[4], float (&sums)[4][4][4]) const {
        const int row = lane.warp() / 4 * 64;
        const int column = lane.warp() % 4 * 32;
        std::uint32_t left[4][4];
        ORRERY_UNROLL
        for (int i = 0; i < 4; ++i) left_fragment<kept_of_block>(lane, shared, at, row + 16 * i, half, left[i]);
        ORRERY_UNROLL
        for (int pair = 0; pair < 2; ++pair) {
            std::uint32_t near[4], far[4];
            right_fragments_of_rows<block>(lane, shared, at + right_at, column + 16 * pair, 2 * half, near);
            right_fragments_of_rows<block>(lane, shared, at + right_at, column + 16 * pair, 2 * half + 1, far);
            ORRERY_UNROLL
            for (int j = 0; j < 2; ++j) {
                const std::uint32_t right[4] = {near[2 * j], near[2 * j + 1], far[2 * j], far[2 * j + 1]};
                ORRERY_UNROLL
                for (int i = 0; i < 4; ++i) Multiplier<T>::template add_sparse<half>(lane, sums[i][2 * pair + j], left[i], right, places[i]);
            }
        }
    }

    template <class Lane, class Shared>
    ORRERY_DEVICE void write(Lane& lane, const Shared& shared, Index row, Index column, const float (&sums)[4][4][4]) const {
        ORRERY_UNROLL
        for (int i = 0; i < 4; ++i) {
            ORRERY_UNROLL
            for (int j = 0; j < 4; ++j) {
                ORRERY_UNROLL
                for (int h = 0; h < 4; ++h) {
                    const int own_row = lane.warp() / 4 * 64 + 16 * i + lane.lane() / 4 + h / 2 * 8;
                    const int own_column = lane.warp() % 4 * 32 + 8 * j + lane.lane() % 4 * 2 + h % 2;
                    T value;
                    narrow_to(lane, sums[i][j][h], value);
                    shared[own_column * turned_row + own_row] = Bf16{value.bits};
                }
            }
        }
        lane.sync();
        for (int i = lane.thread(); i < tile * tile / chunk_values; i += threads_most) {
            const int own_column = i / (tile / chunk_values);
            const Index first = row + i % (tile / chunk_values) * chunk_values;
            if (column + own_column >= m) continue;
            Pack<T, chunk_values> pack;
            ORRERY_UNROLL
            for (int j = 0; j < chunk_values; ++j) pack.values[j] = T{shared[own_column * turned_row + i % (tile / chunk_values) * chunk_values + j].bits};
            T* out = y + (column + own_column) * w.rows + first;
            if (w.rows % chunk_values == 0 && first < w.rows) {
                lane.store(reinterpret_cast<Pack<T, chunk_values>*>(out), pack);
                continue;
            }
            ORRERY_UNROLL
            for (int j = 0; j < chunk_values; ++j) {
                if (first + j < w.rows) lane.store(out + j, pack.values[j]);
            }
        }
    }
};

}  // namespace orrery::cuda
