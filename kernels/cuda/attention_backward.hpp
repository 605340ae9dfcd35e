// Gradients of flash attention in bf16: scores are computed again by tiles of 64 x 64 from the sums of the forward pass.
//
// Dao, arXiv 2307.08691, algorithm 2: with P = exp2(S - sums), dV = P^T dY, dP = dY V^T, dS = P (dP - rowsum(dY Y)),
// dK = dS^T Q and dQ = dS K. All scores are held transposed (keys are rows), so that P^T and dS^T lie in the registers as
// left operands; dS alone goes through shared memory.
#pragma once

#include "kernels/cuda/attention.hpp"

namespace orrery::cuda {

/// delta[batch, heads, queries] = sum over the head of dy y. A warp for each row.
template <class T>
struct GradientDots {
    static constexpr int threads_most = 128;
    PrefillShape s;
    const T* y;
    const T* dy;
    float* delta;

    [[nodiscard]] Grid grid() const { return {ceil_div(s.batch * s.queries * s.heads, threads_most / warp_lanes), threads_most, 0}; }

    template <class Lane>
    ORRERY_DEVICE void operator()(Lane& lane) const {
        const Index row = lane.block() * (threads_most / warp_lanes) + lane.warp();   // [batch, queries, heads]
        if (row >= s.batch * s.queries * s.heads) return;
        float sum = 0.0F;
        for (Index i = lane.lane(); i < s.head; i += warp_lanes) sum += widen(lane.load(y + row * s.head + i)) * widen(lane.load(dy + row * s.head + i));
        ORRERY_UNROLL
        for (int mask = warp_lanes / 2; mask > 0; mask /= 2) sum += lane.shuffle_xor(sum, mask);
        const Index query = row / s.heads % s.queries;
        if (lane.lane() == 0) lane.store(delta + (row / (s.heads * s.queries) * s.heads + row % s.heads) * s.queries + query, sum);
    }
};

/// A block takes 64 keys of one head of keys and walks all rows of queries that see them, of all heads of the group.
/// dK and dV stay in registers; dQ is added up in fp32 in global memory.
template <int head_tile>
struct BackwardTiles {
    static constexpr int threads_most = 128;
    static constexpr int tile = 64;
    static constexpr int tile_values = tile * head_tile;
    static constexpr int keys_at = 0;
    static constexpr int values_at = tile_values;
    static constexpr int queries_at = 2 * tile_values;
    static constexpr int slopes_at = 3 * tile_values;
    static constexpr int scores_at = 4 * tile_values;   // dS^T, [key, query]
    static constexpr int shared_values = 4 * tile_values + tile * tile;
    static constexpr int shared_bytes = shared_values * static_cast<int>(sizeof(Bf16));

    PrefillShape s;
    const Bf16* q;
    const Bf16* k;
    const Bf16* v;
    const Bf16* dy;
    const float* sums;    // of the forward pass, log2
    const float* delta;
    float* dq;            // [batch, queries, heads, head], zero before; without the factor 1 / sqrt(head)
    Bf16* dk;
    Bf16* dv;
    float scale;          // 1 / sqrt(head) * log2(e)
    float head_factor;    // 1 / sqrt(head)

    [[nodiscard]] Grid grid() const {
        return {s.batch * s.kv_heads * ceil_div(s.keys, tile), threads_most, shared_bytes};
    }

    template <class Lane>
    ORRERY_DEVICE void operator()(Lane& lane) const {
        const Index kv = lane.block() % s.kv_heads;
        const Index tiles = ceil_div(s.keys, tile);
        const Index key = lane.block() / s.kv_heads % tiles * tile;   // first keys are seen by most rows: they come first
        const Index batch = lane.block() / (s.kv_heads * tiles);
        const auto shared = lane.template shared<Bf16>(0, shared_values);
        const int keys_here = static_cast<int>(s.keys - key < tile ? s.keys - key : tile);
        const Index at = ((batch * s.keys + key) * s.kv_heads + kv) * s.head;
        fill(lane, shared, keys_at, k + at, s.kv_heads * s.head, keys_here);
        fill(lane, shared, values_at, v + at, s.kv_heads * s.head, keys_here);
        lane.commit_copies();

        float key_sums[head_tile / 8][4] = {};
        float value_sums[head_tile / 8][4] = {};
        const Index group = s.heads / s.kv_heads;
        for (Index head = kv * group; head < (kv + 1) * group; ++head) {
            for (Index row = 0; row < s.queries; row += tile) {
                const int rows_here = static_cast<int>(s.queries - row < tile ? s.queries - row : tile);
                // Rows see later keys as they go down: a tile is skipped where none of its rows sees any key of this one.
                if (keys_seen(s, row + rows_here - 1).end <= key || keys_seen(s, row).first >= key + keys_here) continue;
                lane.sync();   // all have read the tiles before
                const Index from = ((batch * s.queries + row) * s.heads + head) * s.head;
                fill(lane, shared, queries_at, q + from, s.heads * s.head, rows_here);
                fill(lane, shared, slopes_at, dy + from, s.heads * s.head, rows_here);
                lane.commit_copies();
                lane.template wait_copies<0>();
                lane.sync();
                one_tile(lane, shared, batch, head, row, rows_here, key, key_sums, value_sums);
            }
        }
        lane.template wait_copies<0>();
        write(lane, dk, key_sums, head_factor, batch, kv, key);
        write(lane, dv, value_sums, 1.0F, batch, kv, key);
    }

  private:
    template <class Lane, class Shared>
    ORRERY_DEVICE void fill(Lane& lane, const Shared& shared, int to, const Bf16* from, Index stride, int rows) const {
        fill_tile<tile, head_tile>(lane, shared, to, {from, stride, rows, static_cast<int>(s.head), s.head % chunk_values == 0}, lane.thread(), threads_most);
    }

    // Sixteen keys of this warp times all 64 rows of the tile at `right_at`, over the head.
    template <class Lane, class Shared>
    ORRERY_DEVICE void multiply_rows(Lane& lane, const Shared& shared, int left_at, int right_at, float (&out)[tile / 8][4]) const {
        ORRERY_UNROLL
        for (int step = 0; step < head_tile / 16; ++step) {
            std::uint32_t left[4];
            left_fragment<head_tile>(lane, shared, left_at, lane.warp() * 16, step, left);
            ORRERY_UNROLL
            for (int pair = 0; pair < tile / 16; ++pair) {
                std::uint32_t right[4];
                right_fragments_of_rows<head_tile>(lane, shared, right_at, 16 * pair, step, right);
                lane.mma(out[2 * pair], left, {right[0], right[1]});
                lane.mma(out[2 * pair + 1], left, {right[2], right[3]});
            }
        }
    }

    template <class Lane, class Shared>
    ORRERY_DEVICE void one_tile(Lane& lane, const Shared& shared, Index batch, Index head, Index row, int rows_here, Index key,
                                float (&key_sums)[head_tile / 8][4], float (&value_sums)[head_tile / 8][4]) const {
        const Index own_key = key + lane.warp() * 16 + lane.lane() / 4;
        const Index of_rows = (batch * s.heads + head) * s.queries + row;
        float weights[tile / 8][4] = {};
        multiply_rows(lane, shared, keys_at, queries_at, weights);
        float slopes[tile / 8][4] = {};
        multiply_rows(lane, shared, values_at, slopes_at, slopes);
        ORRERY_UNROLL
        for (int j = 0; j < tile / 8; ++j) {
            ORRERY_UNROLL
            for (int i = 0; i < 4; ++i) {
                const int query = 8 * j + lane.lane() % 4 * 2 + i % 2;
                const Index at = own_key + i / 2 * 8;
                const SeenKeys seen = keys_seen(s, row + query);
                const bool sees = query < rows_here && at >= seen.first && at < seen.end;
                const float sum = sees ? lane.load_again(sums + of_rows + query) : 0.0F;
                const float dot = sees ? lane.load_again(delta + of_rows + query) : 0.0F;
                weights[j][i] = sees ? lane.exp2(weights[j][i] * scale - sum) : 0.0F;
                slopes[j][i] = weights[j][i] * (slopes[j][i] - dot);
            }
        }
        add_weighted<head_tile>(lane, shared, weights, slopes_at, value_sums);
        add_weighted<head_tile>(lane, shared, slopes, queries_at, key_sums);
        share_slopes(lane, shared, slopes);
        lane.sync();
        add_query_slopes(lane, shared, (batch * s.queries + row) * s.heads + head, rows_here);
    }

    // dS^T of all warps, as bf16.
    template <class Lane, class Shared>
    ORRERY_DEVICE void share_slopes(Lane& lane, const Shared& shared, const float (&slopes)[tile / 8][4]) const {
        ORRERY_UNROLL
        for (int j = 0; j < tile / 8; ++j) {
            ORRERY_UNROLL
            for (int i = 0; i < 4; ++i) {
                const int key_row = lane.warp() * 16 + lane.lane() / 4 + i / 2 * 8;
                const int query = 8 * j + lane.lane() % 4 * 2 + i % 2;
                shared[scores_at + place_in_tile<tile>(key_row, query / chunk_values) + query % chunk_values] = lane.narrow(slopes[j][i]);
            }
        }
    }

    // Sixteen rows of queries for each warp, over all 64 keys.
    template <class Lane, class Shared>
    ORRERY_DEVICE void add_query_slopes(Lane& lane, const Shared& shared, Index first_row, int rows_here) const {
        float out[head_tile / 8][4] = {};
        ORRERY_UNROLL
        for (int step = 0; step < tile / 16; ++step) {
            std::uint32_t left[4];
            left_fragment_of_columns<tile>(lane, shared, scores_at, 16 * step, lane.warp(), left);
            ORRERY_UNROLL
            for (int pair = 0; pair < head_tile / 16; ++pair) {
                std::uint32_t right[4];
                right_fragments<head_tile>(lane, shared, keys_at, 16 * step, pair, right);
                lane.mma(out[2 * pair], left, {right[0], right[1]});
                lane.mma(out[2 * pair + 1], left, {right[2], right[3]});
            }
        }
        ORRERY_UNROLL
        for (int i = 0; i < 4; ++i) {
            const int query = lane.warp() * 16 + lane.lane() / 4 + i / 2 * 8;
            if (query >= rows_here) continue;
            ORRERY_UNROLL
            for (int j = 0; j < head_tile / 8; ++j) {
                const int column = 8 * j + lane.lane() % 4 * 2 + i % 2;
                if (column < s.head) lane.add_atomically(dq + (first_row + query * s.heads) * s.head + column, out[j][i]);
            }
        }
    }

    template <class Lane>
    ORRERY_DEVICE void write(Lane& lane, Bf16* to, const float (&values)[head_tile / 8][4], float factor, Index batch, Index kv, Index key) const {
        ORRERY_UNROLL
        for (int i = 0; i < 4; ++i) {
            const Index at = key + lane.warp() * 16 + lane.lane() / 4 + i / 2 * 8;
            if (at >= s.keys) continue;
            ORRERY_UNROLL
            for (int j = 0; j < head_tile / 8; ++j) {
                const int column = 8 * j + lane.lane() % 4 * 2 + i % 2;
                if (column < s.head) lane.store(to + ((batch * s.keys + at) * s.kv_heads + kv) * s.head + column, lane.narrow(values[j][i] * factor));
            }
        }
    }
};

/// out = factor * in, in bf16.
struct NarrowScaled {
    static constexpr int threads_most = 256;
    const float* in;
    Bf16* out;
    Index elements;
    float factor;
    [[nodiscard]] Grid grid() const { return {ceil_div(elements, threads_most), threads_most, 0}; }
    template <class Lane>
    ORRERY_DEVICE void operator()(Lane& lane) const {
        const Index at = lane.block() * threads_most + lane.thread();
        if (at < elements) lane.store(out + at, lane.narrow(lane.load(in + at) * factor));
    }
};

}  // namespace orrery::cuda
