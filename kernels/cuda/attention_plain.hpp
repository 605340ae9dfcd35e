// Flash attention and its gradients in fp32 by multiply-adds on tiles in shared memory, for heads up to 256.
//
// Dao, arXiv 2307.08691, algorithms 1 and 2. Eight threads share rows: thread c of them takes keys c, c + 8, ... and
// columns c, c + 8, ... of the head. Rows in shared memory are one value longer than the head, so that they begin in
// different banks.
#pragma once

#include "kernels/cuda/attention.hpp"

namespace orrery::cuda {

constexpr int threads_of_rows = 8;

/// Rows [first, first + tile) of a head to shared memory, zeros beyond `rows_here` and the head.
template <int tile, int head_tile, class Lane, class Shared>
ORRERY_DEVICE void fill_plain(Lane& lane, const Shared& shared, int at, const float* from, Index stride, int rows_here, int head, int threads) {
    for (int i = lane.thread(); i < tile * head_tile; i += threads) {
        const int row = i / head_tile;
        const int column = i % head_tile;
        shared[at + row * (head_tile + 1) + column] = row < rows_here && column < head ? lane.load_again(from + row * stride + column) : 0.0F;
    }
}

/// out[i][j] += left row (first_left + i) times right row (first_right + 8 j), over the head.
template <int head_tile, int rows, int keys, class Shared>
ORRERY_DEVICE void multiply_plain_rows(const Shared& shared, int left_at, int right_at, int head, float (&out)[rows][keys]) {
    for (int d = 0; d < head; ++d) {
        float left[rows];
        ORRERY_UNROLL
        for (int i = 0; i < rows; ++i) left[i] = shared[left_at + i * (head_tile + 1) + d];
        ORRERY_UNROLL
        for (int j = 0; j < keys; ++j) {
            const float right = shared[right_at + threads_of_rows * j * (head_tile + 1) + d];
            ORRERY_UNROLL
            for (int i = 0; i < rows; ++i) out[i][j] += left[i] * right;
        }
    }
}

/// out[i][c] += sum over k of weights (k, i) times value row k, column `column` + 8 c; weight (k, i) lies at
/// weights_at + k * weight_stride + i * row_stride.
template <int head_tile, int rows, int depth, class Shared>
ORRERY_DEVICE void add_plain_weighted(const Shared& shared, int weights_at, int weight_stride, int row_stride, int values_at, int column,
                                      float (&out)[rows][head_tile / threads_of_rows]) {
    for (int k = 0; k < depth; ++k) {
        float weights[rows];
        ORRERY_UNROLL
        for (int i = 0; i < rows; ++i) weights[i] = shared[weights_at + k * weight_stride + i * row_stride];
        ORRERY_UNROLL
        for (int c = 0; c < head_tile / threads_of_rows; ++c) {
            const float value = shared[values_at + k * (head_tile + 1) + column + threads_of_rows * c];
            ORRERY_UNROLL
            for (int i = 0; i < rows; ++i) out[i][c] += weights[i] * value;
        }
    }
}

/// A block takes 64 rows of queries of one head and walks the keys in tiles of 32; a thread has four rows.
template <int head_tile>
struct PlainPrefill {
    static constexpr int threads_most = 128;
    static constexpr int query_tile = 64;
    static constexpr int key_tile = 32;
    static constexpr int rows_each = 4;
    static constexpr int keys_each = key_tile / threads_of_rows;
    static constexpr int columns_each = head_tile / threads_of_rows;
    static constexpr int keys_at = query_tile * (head_tile + 1);
    static constexpr int values_at = keys_at + key_tile * (head_tile + 1);
    static constexpr int weights_at = values_at + key_tile * (head_tile + 1);
    static constexpr int weight_row = key_tile + 1;
    static constexpr int shared_values = weights_at + query_tile * weight_row;
    static constexpr int shared_bytes = shared_values * static_cast<int>(sizeof(float));

    PrefillShape s;
    const float* q;
    const float* k;
    const float* v;
    float* y;
    float scale;             // 1 / sqrt(head) * log2(e)
    float* sums = nullptr;   // as of PrefillTiles

    [[nodiscard]] Grid grid() const { return {s.batch * s.heads * ceil_div(s.queries, query_tile), threads_most, shared_bytes}; }

    template <class Lane>
    ORRERY_DEVICE void operator()(Lane& lane) const {
        const Index head = lane.block() % s.heads;
        const Index tiles = ceil_div(s.queries, query_tile);
        const Index row = (tiles - 1 - lane.block() / s.heads % tiles) * query_tile;
        const Index batch = lane.block() / (s.heads * tiles);
        const Index kv = head / (s.heads / s.kv_heads);
        const auto shared = lane.template shared<float>(0, shared_values);
        const int rows_here = static_cast<int>(s.queries - row < query_tile ? s.queries - row : query_tile);
        const int wide = static_cast<int>(s.head);
        fill_plain<query_tile, head_tile>(lane, shared, 0, q + ((batch * s.queries + row) * s.heads + head) * s.head, s.heads * s.head, rows_here, wide, threads_most);
        const int own = lane.thread() / threads_of_rows * rows_each;
        const int column = lane.thread() % threads_of_rows;
        SeenKeys seen[rows_each];
        ORRERY_UNROLL
        for (int i = 0; i < rows_each; ++i) seen[i] = keys_seen(s, row + own + i);
        const Index end = keys_seen(s, row + rows_here - 1).end;
        float values[rows_each][columns_each] = {};
        float top[rows_each];
        float sum[rows_each] = {};
        ORRERY_UNROLL
        for (int i = 0; i < rows_each; ++i) top[i] = no_score;
        for (Index key = keys_seen(s, row).first / key_tile * key_tile; key < end; key += key_tile) {
            const int keys_here = static_cast<int>(s.keys - key < key_tile ? s.keys - key : key_tile);
            const Index from = ((batch * s.keys + key) * s.kv_heads + kv) * s.head;
            lane.sync();   // all have read the tile before
            fill_plain<key_tile, head_tile>(lane, shared, keys_at, k + from, s.kv_heads * s.head, keys_here, wide, threads_most);
            fill_plain<key_tile, head_tile>(lane, shared, values_at, v + from, s.kv_heads * s.head, keys_here, wide, threads_most);
            lane.sync();
            float scores[rows_each][keys_each] = {};
            multiply_plain_rows<head_tile>(shared, own * (head_tile + 1), keys_at + column * (head_tile + 1), wide, scores);
            ORRERY_UNROLL
            for (int i = 0; i < rows_each; ++i) weigh(lane, shared, scores[i], own + i, column, key, seen[i], top[i], sum[i], values[i]);
            lane.sync_warp();   // a row's eight threads are of one warp
            add_plain_weighted<head_tile, rows_each, key_tile>(shared, weights_at + own * weight_row, 1, weight_row, values_at, column, values);
        }
        ORRERY_UNROLL
        for (int i = 0; i < rows_each; ++i) {
            if (own + i < rows_here) write(lane, batch, row + own + i, head, column, top[i], sum[i], values[i]);
        }
    }

  private:
    // Scores of one row become weights in shared memory; what it has summed shrinks as the largest score grows.
    template <class Lane, class Shared>
    ORRERY_DEVICE void weigh(Lane& lane, const Shared& shared, const float (&scores)[keys_each], int own_row, int column, Index key, const SeenKeys& seen, float& top,
                             float& sum, float (&values)[columns_each]) const {
        float scaled[keys_each];
        float highest = top;
        ORRERY_UNROLL
        for (int j = 0; j < keys_each; ++j) {
            const Index at = key + column + threads_of_rows * j;
            scaled[j] = at >= seen.first && at < seen.end ? scores[j] * scale : no_score;
            highest = scaled[j] > highest ? scaled[j] : highest;
        }
        ORRERY_UNROLL
        for (int mask = 1; mask < threads_of_rows; mask *= 2) {
            const float other = lane.shuffle_xor(highest, mask);
            highest = other > highest ? other : highest;
        }
        const float base = highest == no_score ? 0.0F : highest;
        const float shrink = lane.exp2(top - base);
        sum *= shrink;
        ORRERY_UNROLL
        for (int c = 0; c < columns_each; ++c) values[c] *= shrink;
        float added = 0.0F;
        ORRERY_UNROLL
        for (int j = 0; j < keys_each; ++j) {
            const float weight = lane.exp2(scaled[j] - base);
            shared[weights_at + own_row * weight_row + column + threads_of_rows * j] = weight;
            added += weight;
        }
        ORRERY_UNROLL
        for (int mask = 1; mask < threads_of_rows; mask *= 2) added += lane.shuffle_xor(added, mask);
        sum += added;
        top = highest;
    }

    template <class Lane>
    ORRERY_DEVICE void write(Lane& lane, Index batch, Index row, Index head, int column, float top, float sum, const float (&values)[columns_each]) const {
        const float inverse = sum > 0.0F ? 1.0F / sum : 0.0F;   // a row that sees nothing is zero
        if (sums != nullptr && column == 0) {
            lane.store(sums + (batch * s.heads + head) * s.queries + row, sum > 0.0F ? top + log2_of_e * lane.log(sum) : -no_score);
        }
        float* out = y + ((batch * s.queries + row) * s.heads + head) * s.head;
        ORRERY_UNROLL
        for (int c = 0; c < columns_each; ++c) {
            const int at = column + threads_of_rows * c;
            if (at < s.head) lane.store(out + at, values[c] * inverse);
        }
    }
};

/// A block takes 32 keys of one head of keys and walks the rows of queries that see them in tiles of 32, of all heads of the
/// group; a thread has two rows of either. dK and dV stay in registers; dQ is added up in global memory, zero before.
template <int head_tile>
struct PlainBackward {
    static constexpr int threads_most = 128;
    static constexpr int tile = 32;
    static constexpr int rows_each = 2;
    static constexpr int keys_each = tile / threads_of_rows;
    static constexpr int columns_each = head_tile / threads_of_rows;
    static constexpr int tile_values = tile * (head_tile + 1);
    static constexpr int values_at = tile_values;
    static constexpr int queries_at = 2 * tile_values;
    static constexpr int slopes_at = 3 * tile_values;
    static constexpr int weight_row = tile + 1;
    static constexpr int weights_at = 4 * tile_values;                          // P, [query, key]
    static constexpr int score_slopes_at = weights_at + tile * weight_row;      // dS
    static constexpr int shared_values = score_slopes_at + tile * weight_row;
    static constexpr int shared_bytes = shared_values * static_cast<int>(sizeof(float));

    PrefillShape s;
    const float* q;
    const float* k;
    const float* v;
    const float* dy;
    const float* sums;    // of the forward pass, log2
    const float* delta;
    float* dq;
    float* dk;
    float* dv;
    float scale;          // 1 / sqrt(head) * log2(e)
    float head_factor;    // 1 / sqrt(head)

    [[nodiscard]] Grid grid() const { return {s.batch * s.kv_heads * ceil_div(s.keys, tile), threads_most, shared_bytes}; }

    template <class Lane>
    ORRERY_DEVICE void operator()(Lane& lane) const {
        const Index kv = lane.block() % s.kv_heads;
        const Index tiles = ceil_div(s.keys, tile);
        const Index key = lane.block() / s.kv_heads % tiles * tile;
        const Index batch = lane.block() / (s.kv_heads * tiles);
        const auto shared = lane.template shared<float>(0, shared_values);
        const int keys_here = static_cast<int>(s.keys - key < tile ? s.keys - key : tile);
        const int wide = static_cast<int>(s.head);
        const Index at = ((batch * s.keys + key) * s.kv_heads + kv) * s.head;
        fill_plain<tile, head_tile>(lane, shared, 0, k + at, s.kv_heads * s.head, keys_here, wide, threads_most);
        fill_plain<tile, head_tile>(lane, shared, values_at, v + at, s.kv_heads * s.head, keys_here, wide, threads_most);
        const int own = lane.thread() / threads_of_rows * rows_each;
        const int column = lane.thread() % threads_of_rows;
        float key_sums[rows_each][columns_each] = {};
        float value_sums[rows_each][columns_each] = {};
        const Index group = s.heads / s.kv_heads;
        for (Index head = kv * group; head < (kv + 1) * group; ++head) {
            for (Index row = 0; row < s.queries; row += tile) {
                const int rows_here = static_cast<int>(s.queries - row < tile ? s.queries - row : tile);
                if (keys_seen(s, row + rows_here - 1).end <= key || keys_seen(s, row).first >= key + keys_here) continue;
                const Index from = ((batch * s.queries + row) * s.heads + head) * s.head;
                lane.sync();   // all have read the tiles before
                fill_plain<tile, head_tile>(lane, shared, queries_at, q + from, s.heads * s.head, rows_here, wide, threads_most);
                fill_plain<tile, head_tile>(lane, shared, slopes_at, dy + from, s.heads * s.head, rows_here, wide, threads_most);
                lane.sync();
                weigh(lane, shared, (batch * s.heads + head) * s.queries, row, own, rows_here, column, key);
                lane.sync();
                add_plain_weighted<head_tile, rows_each, tile>(shared, weights_at + own, weight_row, 1, slopes_at, column, value_sums);
                add_plain_weighted<head_tile, rows_each, tile>(shared, score_slopes_at + own, weight_row, 1, queries_at, column, key_sums);
                float query_sums[rows_each][columns_each] = {};
                add_plain_weighted<head_tile, rows_each, tile>(shared, score_slopes_at + own * weight_row, 1, weight_row, 0, column, query_sums);
                ORRERY_UNROLL
                for (int i = 0; i < rows_each; ++i) {
                    if (own + i < rows_here) add_row(lane, dq + from + (own + i) * s.heads * s.head, column, query_sums[i]);
                }
            }
        }
        ORRERY_UNROLL
        for (int i = 0; i < rows_each; ++i) {
            if (own + i >= keys_here) continue;
            const Index to = ((batch * s.keys + key + own + i) * s.kv_heads + kv) * s.head;
            ORRERY_UNROLL
            for (int c = 0; c < columns_each; ++c) {
                const int place = column + threads_of_rows * c;
                if (place >= s.head) continue;
                lane.store(dk + to + place, key_sums[i][c] * head_factor);
                lane.store(dv + to + place, value_sums[i][c]);
            }
        }
    }

  private:
    // P and dS of two rows of queries.
    template <class Lane, class Shared>
    ORRERY_DEVICE void weigh(Lane& lane, const Shared& shared, Index of_head, Index row, int own, int rows_here, int column, Index key) const {
        float scores[rows_each][keys_each] = {};
        float slopes[rows_each][keys_each] = {};
        const int wide = static_cast<int>(s.head);
        multiply_plain_rows<head_tile>(shared, queries_at + own * (head_tile + 1), column * (head_tile + 1), wide, scores);
        multiply_plain_rows<head_tile>(shared, slopes_at + own * (head_tile + 1), values_at + column * (head_tile + 1), wide, slopes);
        ORRERY_UNROLL
        for (int i = 0; i < rows_each; ++i) {
            const SeenKeys seen = keys_seen(s, row + own + i);
            const bool there = own + i < rows_here;
            const float sum = there ? lane.load_again(sums + of_head + row + own + i) : 0.0F;
            const float dot = there ? lane.load_again(delta + of_head + row + own + i) : 0.0F;
            ORRERY_UNROLL
            for (int j = 0; j < keys_each; ++j) {
                const Index at = key + column + threads_of_rows * j;
                const bool sees = there && at >= seen.first && at < seen.end;
                const float weight = sees ? lane.exp2(scores[i][j] * scale - sum) : 0.0F;
                const int place = (own + i) * weight_row + column + threads_of_rows * j;
                shared[weights_at + place] = weight;
                shared[score_slopes_at + place] = weight * (slopes[i][j] - dot);
            }
        }
    }

    template <class Lane>
    ORRERY_DEVICE void add_row(Lane& lane, float* to, int column, const float (&values)[columns_each]) const {
        ORRERY_UNROLL
        for (int c = 0; c < columns_each; ++c) {
            const int place = column + threads_of_rows * c;
            if (place < s.head) lane.add_atomically(to + place, values[c] * head_factor);
        }
    }
};

}  // namespace orrery::cuda
