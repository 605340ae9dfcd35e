// Products of 16-bit formats by the warp's matrix instruction: plain, batched, and grouped (one per expert, ragged) in one launch.
#pragma once

#include "kernels/cuda/tiles.hpp"

namespace orrery::cuda {

/// One tile of rows that a block works on: rows [first_row, end_row) of A and C, of one group.
struct RowTile {
    std::int32_t first_row;
    std::int32_t end_row;
    std::int32_t group;
};

/// What products by tiles of 128 x 128 x 32 in three stages share: eight warps of 64 x 32 sums. Shared memory is of 16-bit
/// values of either format. On H100 the warp-group instruction would reach further: this one serves any GPU from Ampere on.
template <class Format>
struct ProductTiles {
    static constexpr int threads_most = 256;
    static constexpr int tile_rows = 128;
    static constexpr int tile_columns = 128;
    static constexpr int tile_depth = 32;
    static constexpr int stages = 3;
    static constexpr int stage_values = (tile_rows + tile_columns) * tile_depth;
    static constexpr int right_at = tile_rows * tile_depth;   // of a stage: the left tile comes first
    static constexpr int shared_bytes = stages * stage_values * static_cast<int>(sizeof(Bf16));

  protected:
    /// `fill(step, at)` starts the copies of a step's two tiles to the stage at `at`.
    template <class Lane, class Shared, class Fill>
    ORRERY_DEVICE static void multiply(Lane& lane, const Shared& shared, int steps, const Fill& fill, float (&sums)[4][4][4]) {
        // A stage beyond the last is empty, but is counted, so that waits are the same in all steps.
        const auto fill_stage = [&](int step) {
            if (step < steps) fill(step, step % stages * stage_values);
            lane.commit_copies();
        };
        for (int s = 0; s < stages - 1; ++s) fill_stage(s);
        for (int step = 0; step < steps; ++step) {
            lane.template wait_copies<stages - 2>();
            lane.sync();
            fill_stage(step + stages - 1);
            multiply_stage(lane, shared, step % stages * stage_values, sums);
        }
        lane.template wait_copies<0>();
    }

    /// Sums to rows [first_row, end_row) and columns [column, n) of `c`, row by row.
    template <class Lane, class Out>
    ORRERY_DEVICE static void write_sums(Lane& lane, Out* c, Index row_of_tile, Index end_row, Index column, Index n, const float (&sums)[4][4][4]) {
        const Index first_row = row_of_tile + lane.warp() / 4 * 64 + lane.lane() / 4;
        const Index first_column = column + lane.warp() % 4 * 32 + lane.lane() % 4 * 2;
        ORRERY_UNROLL
        for (int i = 0; i < 8; ++i) {   // rows 8 apart
            const Index row = first_row + 8 * i;
            if (row >= end_row) continue;
            ORRERY_UNROLL
            for (int j = 0; j < 4; ++j) {
                const Index at = first_column + 8 * j;
                const float values[2] = {sums[i / 2][j][i % 2 * 2], sums[i / 2][j][i % 2 * 2 + 1]};
                if (n % 2 == 0 && at < n) {
                    store_narrow(lane, c + row * n + at, values);
                    continue;
                }
                for (int h = 0; h < 2 && at + h < n; ++h) {
                    Out out;
                    narrow_to(lane, values[h], out);
                    lane.store(c + row * n + at + h, out);
                }
            }
        }
    }

  private:
    template <class Lane, class Shared>
    ORRERY_DEVICE static void multiply_stage(Lane& lane, const Shared& shared, int at, float (&sums)[4][4][4]) {
        const int row = lane.warp() / 4 * 64;
        const int pair = lane.warp() % 4 * 2;   // of 16 columns
        ORRERY_UNROLL
        for (int step = 0; step < tile_depth / 16; ++step) {
            std::uint32_t left[4][4];
            std::uint32_t right[2][4];
            ORRERY_UNROLL
            for (int i = 0; i < 4; ++i) left_fragment<tile_depth>(lane, shared, at, row + 16 * i, step, left[i]);
            ORRERY_UNROLL
            for (int j = 0; j < 2; ++j) right_fragments<tile_columns>(lane, shared, at + right_at, 16 * step, pair + j, right[j]);
            ORRERY_UNROLL
            for (int i = 0; i < 4; ++i) {
                ORRERY_UNROLL
                for (int j = 0; j < 4; ++j) {
                    const std::uint32_t b_words[2] = {right[j / 2][j % 2 * 2], right[j / 2][j % 2 * 2 + 1]};
                    Multiplier<Format>::add(lane, sums[i][j], left[i], b_words);
                }
            }
        }
    }
};

/// C[rows, n] = A[rows, k] B[group][k, n], bf16 in, fp32 sums, `Out` out; all row by row.
template <class Out>
struct MultiplyTiles : ProductTiles<Bf16> {
    const Bf16* a;
    const Bf16* b;
    Out* c;
    const RowTile* tiles;
    Index tile_count;
    Index n;
    Index k;

    MultiplyTiles(const Bf16* left, const Bf16* right, Out* out, const RowTile* row_tiles, Index row_tile_count, Index columns, Index depth)
        : a(left), b(right), c(out), tiles(row_tiles), tile_count(row_tile_count), n(columns), k(depth) {}

    [[nodiscard]] Grid grid() const { return {tile_count * ceil_div(n, tile_columns), threads_most, shared_bytes}; }

    template <class Lane>
    ORRERY_DEVICE void operator()(Lane& lane) const {
        const RowTile tile{lane.load_again(&tiles[lane.block() % tile_count].first_row), lane.load_again(&tiles[lane.block() % tile_count].end_row),
                           lane.load_again(&tiles[lane.block() % tile_count].group)};
        const Index column = lane.block() / tile_count * tile_columns;
        const auto shared = lane.template shared<Bf16>(0, stages * stage_values);
        const auto fill = [&](int step, int at) {
            const Index depth = Index{step} * tile_depth;
            const int deep = static_cast<int>(k - depth < tile_depth ? k - depth : tile_depth);
            const int wide = static_cast<int>(n - column < tile_columns ? n - column : tile_columns);
            fill_tile<tile_rows, tile_depth>(lane, shared, at, {a + tile.first_row * k + depth, k, tile.end_row - tile.first_row, deep, k % chunk_values == 0},
                                             lane.thread(), threads_most);
            fill_tile<tile_depth, tile_columns>(lane, shared, at + right_at,
                                                {b + (tile.group * k + depth) * n + column, n, deep, wide, n % chunk_values == 0}, lane.thread(), threads_most);
        };
        float sums[4][4][4] = {};
        this->multiply(lane, shared, static_cast<int>(ceil_div(k, tile_depth)), fill, sums);
        this->write_sums(lane, c, tile.first_row, tile.end_row, column, n, sums);
    }
};

}  // namespace orrery::cuda
