// Flash attention in bf16 by the warp's matrix instruction: prefill by tiles, and decode against pages of cached keys.
//
// Dao et al., arXiv 2205.14135 and 2307.08691: scores never leave the registers; sums are rescaled as the largest score
// grows. A warp holds 16 rows of queries; lane l holds rows l / 4 and l / 4 + 8 of the score tile.
#pragma once

#include "kernels/cuda/tiles.hpp"

namespace orrery::cuda {

constexpr float no_score = -__builtin_huge_valf();
constexpr float log2_of_e = 1.44269504F;

/// Keys [first, end) that a row of queries sees.
struct SeenKeys {
    Index first;
    Index end;
};

/// Running result of 16 rows of queries, of which this lane holds parts of two.
template <int head_tile>
struct RowsOfWarp {
    float values[head_tile / 8][4] = {};
    float top[2] = {no_score, no_score};
    float sum[2] = {0.0F, 0.0F};   // of this lane's columns; the four lanes of a row add up to the row's
};

/// Adds keys [key, key + key_tile) of the tiles at `keys_at` and `values_at`; `scale` is 1 / sqrt(head) * log2(e), and
/// `queries(step, left)` gives the warp's left operand of 16 values of the head.
template <int head_tile, int key_tile, class Lane, class Shared, class Queries>
ORRERY_DEVICE void attend_tile(Lane& lane, const Shared& shared, int keys_at, int values_at, const Queries& queries, Index key,
                               const SeenKeys (&seen)[2], float scale, RowsOfWarp<head_tile>& rows) {
    float scores[key_tile / 8][4] = {};
    ORRERY_UNROLL
    for (int step = 0; step < head_tile / 16; ++step) {
        std::uint32_t left[4];
        queries(step, left);
        ORRERY_UNROLL
        for (int pair = 0; pair < key_tile / 16; ++pair) {
            std::uint32_t right[4];
            right_fragments_of_rows<head_tile>(lane, shared, keys_at, 16 * pair, step, right);
            lane.mma(scores[2 * pair], left, {right[0], right[1]});
            lane.mma(scores[2 * pair + 1], left, {right[2], right[3]});
        }
    }
    float top[2] = {rows.top[0], rows.top[1]};
    ORRERY_UNROLL
    for (int j = 0; j < key_tile / 8; ++j) {
        ORRERY_UNROLL
        for (int i = 0; i < 4; ++i) {
            const Index at = key + 8 * j + lane.lane() % 4 * 2 + i % 2;
            const bool sees = at >= seen[i / 2].first && at < seen[i / 2].end;
            scores[j][i] = sees ? scores[j][i] * scale : no_score;
            top[i / 2] = scores[j][i] > top[i / 2] ? scores[j][i] : top[i / 2];
        }
    }
    ORRERY_UNROLL
    for (int r = 0; r < 2; ++r) {
        ORRERY_UNROLL
        for (int mask = 1; mask <= 2; mask *= 2) {
            const float other = lane.shuffle_xor(top[r], mask);
            top[r] = other > top[r] ? other : top[r];
        }
        const float base = top[r] == no_score ? 0.0F : top[r];   // nothing seen yet: all weights are exp2(-inf)
        const float shrink = lane.exp2(rows.top[r] - base);
        rows.sum[r] *= shrink;
        ORRERY_UNROLL
        for (int j = 0; j < head_tile / 8; ++j) {
            rows.values[j][2 * r] *= shrink;
            rows.values[j][2 * r + 1] *= shrink;
        }
        ORRERY_UNROLL
        for (int j = 0; j < key_tile / 8; ++j) {
            ORRERY_UNROLL
            for (int i = 2 * r; i < 2 * r + 2; ++i) {
                scores[j][i] = lane.exp2(scores[j][i] - base);
                rows.sum[r] += scores[j][i];
            }
        }
        rows.top[r] = top[r];
    }
    add_weighted<head_tile>(lane, shared, scores, values_at, rows.values);
}

/// Sums of whole rows, in each of a row's four lanes.
template <int head_tile, class Lane>
ORRERY_DEVICE void add_up_rows(Lane& lane, RowsOfWarp<head_tile>& rows) {
    ORRERY_UNROLL
    for (int r = 0; r < 2; ++r) {
        rows.sum[r] += lane.shuffle_xor(rows.sum[r], 1);
        rows.sum[r] += lane.shuffle_xor(rows.sum[r], 2);
    }
}

/// Shapes as in AttentionShape; arrays [batch, sequence, heads, head] of bf16.
struct PrefillShape {
    Index batch, heads, kv_heads, head, queries, keys, window;
    bool causal;
};

/// First and last key that row `row` of the queries sees.
ORRERY_DEVICE SeenKeys keys_seen(const PrefillShape& s, Index row) {
    const Index position = row + s.keys - s.queries;
    const Index first = s.window > 0 && position - s.window + 1 > 0 ? position - s.window + 1 : 0;
    const Index end = s.causal && position + 1 < s.keys ? position + 1 : s.keys;
    return {first, end};
}

/// A warp's left operands of a whole head: kept in registers, or, of heads above 128, read again from shared memory, since
/// the sums take the registers.
template <int head_tile>
struct QueriesOfWarp {
    static constexpr bool kept = head_tile <= 128;
    std::uint32_t fragments[kept ? head_tile / 16 : 1][4];
    template <class Lane, class Shared>
    ORRERY_DEVICE void keep(Lane& lane, const Shared& shared, int at, int row) {
        if constexpr (kept) {
            ORRERY_UNROLL
            for (int step = 0; step < head_tile / 16; ++step) left_fragment<head_tile>(lane, shared, at, row, step, fragments[step]);
        }
    }
    template <class Lane, class Shared>
    ORRERY_DEVICE void take(Lane& lane, const Shared& shared, int at, int row, int step, std::uint32_t (&left)[4]) const {
        if constexpr (kept) {
            ORRERY_UNROLL
            for (int i = 0; i < 4; ++i) left[i] = fragments[step][i];
        } else {
            left_fragment<head_tile>(lane, shared, at, row, step, left);
        }
    }
};

/// A block takes 64 rows of queries of one head and walks the keys in tiles of 64, two of them in shared memory.
template <int head_tile>
struct PrefillTiles {
    static constexpr int threads_most = 128;
    static constexpr int query_tile = 64;
    static constexpr int key_tile = 64;
    static constexpr int tile_values = key_tile * head_tile;
    static constexpr int queries_at = 4 * tile_values;   // behind two stages of keys and values
    static constexpr int shared_bytes = 5 * tile_values * static_cast<int>(sizeof(Bf16));

    PrefillShape s;
    const Bf16* q;
    const Bf16* k;
    const Bf16* v;
    Bf16* y;
    float scale;   // 1 / sqrt(head) * log2(e)
    float* sums = nullptr;   // log2 of the sum of exp of each row, [batch, heads, queries], for the backward pass; null: not wanted

    [[nodiscard]] Grid grid() const {
        return {s.batch * s.heads * ceil_div(s.queries, query_tile), threads_most, shared_bytes};
    }

    template <class Lane>
    ORRERY_DEVICE void operator()(Lane& lane) const {
        // Heads of a group follow each other, so that their keys are in the cache; long rows of a causal mask come first.
        const Index head = lane.block() % s.heads;
        const Index tiles = ceil_div(s.queries, query_tile);
        const Index row = (tiles - 1 - lane.block() / s.heads % tiles) * query_tile;
        const Index batch = lane.block() / (s.heads * tiles);
        const auto shared = lane.template shared<Bf16>(0, 5 * tile_values);
        const int rows_here = static_cast<int>(s.queries - row < query_tile ? s.queries - row : query_tile);
        const bool wide = s.head % chunk_values == 0;
        fill_tile<query_tile, head_tile>(lane, shared, queries_at, {q + ((batch * s.queries + row) * s.heads + head) * s.head, s.heads * s.head, rows_here,
                                         static_cast<int>(s.head), wide}, lane.thread(), threads_most);
        lane.commit_copies();
        const SeenKeys all{keys_seen(s, row).first, keys_seen(s, row + rows_here - 1).end};
        const Index first_key = all.first / key_tile * key_tile;
        const Index steps = all.end > first_key ? ceil_div(all.end - first_key, key_tile) : 0;
        fill_keys(lane, shared, batch, head, first_key, 0, 0 < steps);

        RowsOfWarp<head_tile> rows;
        QueriesOfWarp<head_tile> queries;
        const Index own_row = row + lane.warp() * 16 + lane.lane() / 4;
        const SeenKeys seen[2] = {keys_seen(s, own_row), keys_seen(s, own_row + 8)};
        lane.template wait_copies<1>();
        lane.sync();
        queries.keep(lane, shared, queries_at, lane.warp() * 16);
        const auto take = [&](int step, std::uint32_t (&left)[4]) { queries.take(lane, shared, queries_at, lane.warp() * 16, step, left); };
        for (Index step = 0; step < steps; ++step) {
            const int stage = static_cast<int>(step % 2);
            fill_keys(lane, shared, batch, head, first_key + (step + 1) * key_tile, 1 - stage, step + 1 < steps);
            lane.template wait_copies<1>();
            lane.sync();
            attend_tile<head_tile, key_tile>(lane, shared, 2 * stage * tile_values, (2 * stage + 1) * tile_values, take, first_key + step * key_tile, seen, scale,
                                             rows);
            lane.sync();
        }
        lane.template wait_copies<0>();
        add_up_rows(lane, rows);
        write_rows(lane, rows, batch, head, own_row);
    }

  private:
    template <class Lane, class Shared>
    ORRERY_DEVICE void fill_keys(Lane& lane, const Shared& shared, Index batch, Index head, Index key, int stage, bool wanted) const {
        if (wanted) {
            const Index kv = head / (s.heads / s.kv_heads);
            const Index at = ((batch * s.keys + key) * s.kv_heads + kv) * s.head;
            const int here = static_cast<int>(s.keys - key < key_tile ? s.keys - key : key_tile);
            const bool wide = s.head % chunk_values == 0;
            for (int which = 0; which < 2; ++which) {
                fill_tile<key_tile, head_tile>(lane, shared, (2 * stage + which) * tile_values,
                                               {(which == 0 ? k : v) + at, s.kv_heads * s.head, here, static_cast<int>(s.head), wide}, lane.thread(), threads_most);
            }
        }
        lane.commit_copies();
    }

    template <class Lane>
    ORRERY_DEVICE void write_rows(Lane& lane, const RowsOfWarp<head_tile>& rows, Index batch, Index head, Index own_row) const {
        ORRERY_UNROLL
        for (int r = 0; r < 2; ++r) {
            const Index row = own_row + 8 * r;
            if (row >= s.queries) continue;
            const float inverse = rows.sum[r] > 0.0F ? 1.0F / rows.sum[r] : 0.0F;   // a row that sees nothing is zero
            if (sums != nullptr && lane.lane() % 4 == 0) {
                // A row that sees nothing gets a sum that makes every later exp2(score - sum) zero.
                lane.store(sums + (batch * s.heads + head) * s.queries + row,
                           rows.sum[r] > 0.0F ? rows.top[r] + log2_of_e * lane.log(rows.sum[r]) : -no_score);
            }
            Bf16* out = y + ((batch * s.queries + row) * s.heads + head) * s.head;
            ORRERY_UNROLL
            for (int j = 0; j < head_tile / 8; ++j) {
                const int column = 8 * j + lane.lane() % 4 * 2;
                const float values[2] = {rows.values[j][2 * r] * inverse, rows.values[j][2 * r + 1] * inverse};
                if (s.head % 2 == 0 && column < s.head) {
                    store_narrow(lane, out + column, values);
                    continue;
                }
                for (int h = 0; h < 2 && column + h < s.head; ++h) lane.store(out + column + h, lane.narrow(values[h]));
            }
        }
    }
};

}  // namespace orrery::cuda
