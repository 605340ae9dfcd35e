// Tiles of bf16 in shared memory, laid out so that the eight rows that ldmatrix reads at once lie in different banks.
#pragma once

#include "kernels/cuda/lane.hpp"

namespace orrery::cuda {

constexpr int chunk_values = 8;   // bf16 in 16 bytes

/// Place, in values, of chunk `chunk` of row `row` in a tile of `columns` (32, or a multiple of 64). Rows of 64 bytes and
/// of 128 bytes and more repeat their banks after 2 rows and after each row: chunks are exchanged so that they do not.
template <int columns>
ORRERY_DEVICE int place_in_tile(int row, int chunk) {
    static_assert(columns == 32 || columns % 64 == 0);
    const int turned = columns == 32 ? chunk ^ ((row >> 1) & 3) : chunk ^ (row & 7);
    return row * columns + turned * chunk_values;
}

/// Where a tile's rows come from: row r begins at `from + r * stride`, `wanted_rows` x `wanted_columns` of it exist and
/// the rest are zeros. `wide`: each row begins at a multiple of 16 bytes and ends at a multiple of 8 columns.
struct TileSource {
    const Bf16* from;
    Index stride;
    int wanted_rows;
    int wanted_columns;
    bool wide;
};

/// Threads `thread` of `threads` fill a tile of rows x columns at `tile`; done for all of them after wait_copies and a
/// meeting. `tile` is indexed shared memory.
template <int rows, int columns, class Lane, class Shared>
ORRERY_DEVICE void fill_tile(Lane& lane, const Shared& tile, int tile_at, const TileSource& source, int thread, int threads) {
    constexpr int chunks = columns / chunk_values;
    for (int i = thread; i < rows * chunks; i += threads) {
        const int row = i / chunks;
        const int column = i % chunks * chunk_values;
        const int to = tile_at + place_in_tile<columns>(row, i % chunks);
        const Bf16* from = source.from + row * source.stride + column;
        if (source.wide) {
            const bool wanted = row < source.wanted_rows && column < source.wanted_columns;
            lane.copy_later(&tile[to], wanted ? from : source.from, wanted);
            continue;
        }
        for (int j = 0; j < chunk_values; ++j) {
            const bool wanted = row < source.wanted_rows && column + j < source.wanted_columns;
            tile[to + j] = wanted ? lane.load(from + j) : Bf16{0};
        }
    }
}

/// Left operand of mma: rows [row, row + 16), columns [16 step, 16 step + 16).
template <int columns, class Lane, class Shared>
ORRERY_DEVICE void left_fragment(Lane& lane, const Shared& tile, int tile_at, int row, int step, std::uint32_t (&a)[4]) {
    lane.load_matrices(a, &tile[tile_at + place_in_tile<columns>(row + lane.lane() % 16, 2 * step + lane.lane() / 16)]);
}

/// The same from a tile stored [k][m]: rows [row, row + 16) are columns of the operand; `part` counts 16 of its rows.
template <int columns, class Lane, class Shared>
ORRERY_DEVICE void left_fragment_of_columns(Lane& lane, const Shared& tile, int tile_at, int row, int part, std::uint32_t (&a)[4]) {
    const int matrix = lane.lane() / 8;
    lane.load_matrices_transposed(a, &tile[tile_at + place_in_tile<columns>(row + matrix / 2 * 8 + lane.lane() % 8, 2 * part + matrix % 2)]);
}

/// Two right operands of mma (columns [16 pair, 16 pair + 8) and the next 8) from a tile stored [k][n]: rows
/// [row, row + 16) of it.
template <int columns, class Lane, class Shared>
ORRERY_DEVICE void right_fragments(Lane& lane, const Shared& tile, int tile_at, int row, int pair, std::uint32_t (&b)[4]) {
    lane.load_matrices_transposed(b, &tile[tile_at + place_in_tile<columns>(row + lane.lane() % 16, 2 * pair + lane.lane() / 16)]);
}

/// The same from a tile stored [n][k]: rows [row, row + 16) are columns of the operand.
template <int columns, class Lane, class Shared>
ORRERY_DEVICE void right_fragments_of_rows(Lane& lane, const Shared& tile, int tile_at, int row, int step, std::uint32_t (&b)[4]) {
    const int matrix = lane.lane() / 8;
    lane.load_matrices(b, &tile[tile_at + place_in_tile<columns>(row + matrix / 2 * 8 + lane.lane() % 8, 2 * step + matrix % 2)]);
}

/// out += weights times the tile at `right_at`: 16 rows of weights, which lie in the registers as sums of products do and as
/// a left operand wants them, two tiles of 8 columns side by side.
template <int columns, int tiles, class Lane, class Shared>
ORRERY_DEVICE void add_weighted(Lane& lane, const Shared& shared, const float (&weights)[tiles][4], int right_at, float (&out)[columns / 8][4]) {
    ORRERY_UNROLL
    for (int step = 0; step < tiles / 2; ++step) {
        const std::uint32_t left[4] = {lane.pack(weights[2 * step][0], weights[2 * step][1]), lane.pack(weights[2 * step][2], weights[2 * step][3]),
                                       lane.pack(weights[2 * step + 1][0], weights[2 * step + 1][1]),
                                       lane.pack(weights[2 * step + 1][2], weights[2 * step + 1][3])};
        ORRERY_UNROLL
        for (int pair = 0; pair < columns / 16; ++pair) {
            std::uint32_t right[4];
            right_fragments<columns>(lane, shared, right_at, 16 * step, pair, right);
            lane.mma(out[2 * pair], left, {right[0], right[1]});
            lane.mma(out[2 * pair + 1], left, {right[2], right[3]});
        }
    }
}

}  // namespace orrery::cuda
