// Flash attention, forward and backward, by tiles of queries and keys that stay in a core's own cache.
#include "kernels/reference/buffer.hpp"
#include "kernels/reference/operators.hpp"
#include "kernels/reference/stores.hpp"
#include "kernels/reference/team.hpp"

#include <cmath>
#include <limits>

namespace orrery {
namespace {

constexpr Index query_tile = 64;    // rows; with 128 keys a score tile is 32 KiB
constexpr Index key_tile = 128;

struct KeyRange {
    Index begin = 0;
    Index end = 0;
};

// Keys that query row `row` may see.
KeyRange keys_of_query(const AttentionShape& s, Index row) {
    const Index position = row + s.keys - s.queries;
    const Index end = s.causal ? std::clamp<Index>(position + 1, 0, s.keys) : s.keys;
    const Index begin = s.window > 0 ? std::clamp<Index>(position - s.window + 1, 0, end) : 0;
    return {begin, end};
}

// One row of a tile of scores: scaled, masked, exponentiated against the running maximum. Returns the sum.
ORRERY_CLONES float exponentiate(float* scores, Index from, Index to, Index width, float scale, float top) {
    for (Index j = 0; j < from; ++j) scores[j] = 0.0F;
    float sum = 0.0F;
    for (Index j = from; j < to; ++j) {
        const float e = vector_exp(scores[j] * scale - top);
        scores[j] = e;
        sum += e;
    }
    for (Index j = to; j < width; ++j) scores[j] = 0.0F;
    return sum;
}

ORRERY_CLONES float largest(const float* scores, Index from, Index to) {
    float top = -3e38F;
    for (Index j = from; j < to; ++j) top = scores[j] > top ? scores[j] : top;
    return top;
}

ORRERY_CLONES void scale_row(float* y, Index extent, float factor) {
    for (Index i = 0; i < extent; ++i) y[i] *= factor;
}

ORRERY_CLONES float dot_row(const float* a, const float* b, Index extent) {
    float sum = 0.0F;
    for (Index i = 0; i < extent; ++i) sum += a[i] * b[i];
    return sum;
}

// ds = p * (dp - delta) * scale, over the tile's row.
ORRERY_CLONES void score_gradient(const float* p, float* dp, Index extent, float delta, float scale) {
    for (Index j = 0; j < extent; ++j) dp[j] = p[j] * (dp[j] - delta) * scale;
}

struct TileSpace {
    std::vector<float> scores, gradients, tops, sums;
    explicit TileSpace(Index rows)
        : scores(static_cast<std::size_t>(rows * key_tile)), gradients(scores.size()), tops(static_cast<std::size_t>(rows)),
          sums(static_cast<std::size_t>(rows)) {}
};

// Where a row's visible keys lie inside the tile that begins at `first`.
KeyRange inside_tile(const KeyRange& keys, Index first, Index width) {
    const Index from = std::clamp<Index>(keys.begin - first, 0, width);
    return {from, std::clamp<Index>(keys.end - first, from, width)};
}

void forward_tile(const AttentionShape& s, Index b, Index h, Index row, const float* q, const float* k, const float* v,
                  float* y, float* sums, TileSpace& space) {
    const Index rows = std::min(query_tile, s.queries - row);
    const Index kv = h / (s.heads / s.kv_heads);
    const Index q_stride = s.heads * s.head;
    const Index kv_stride = s.kv_heads * s.head;
    const Index offset = (b * s.queries + row) * q_stride + h * s.head;
    const float scale = 1.0F / std::sqrt(static_cast<float>(s.head));
    std::fill_n(space.tops.begin(), rows, -3e38F);
    std::fill_n(space.sums.begin(), rows, 0.0F);
    for (Index i = 0; i < rows; ++i) std::fill_n(y + offset + i * q_stride, s.head, 0.0F);
    const Index first = keys_of_query(s, row).begin / key_tile * key_tile;
    const Index last = keys_of_query(s, row + rows - 1).end;
    for (Index t = first; t < last; t += key_tile) {
        const Index width = std::min(key_tile, last - t);
        const Index key_offset = (b * s.keys + t) * kv_stride + kv * s.head;
        sgemm(false, true, rows, width, s.head, q + offset, q_stride, k + key_offset, kv_stride, 0.0F, space.scores.data(),
              key_tile);
        for (Index i = 0; i < rows; ++i) {
            const auto at = static_cast<std::size_t>(i);
            const KeyRange seen = inside_tile(keys_of_query(s, row + i), t, width);
            float* scores = space.scores.data() + i * key_tile;
            const float before = space.tops[at];
            const float top = seen.end > seen.begin ? std::max(before, largest(scores, seen.begin, seen.end) * scale) : before;
            const float sum = exponentiate(scores, seen.begin, seen.end, width, scale, top);
            const float shrink = before <= -3e38F ? 0.0F : std::exp(before - top);
            space.sums[at] = space.sums[at] * shrink + sum;
            space.tops[at] = top;
            if (shrink != 1.0F) scale_row(y + offset + i * q_stride, s.head, shrink);
        }
        sgemm(false, false, rows, s.head, width, space.scores.data(), key_tile, v + key_offset, kv_stride, 1.0F, y + offset,
              q_stride);
    }
    for (Index i = 0; i < rows; ++i) {
        const auto at = static_cast<std::size_t>(i);
        const float sum = space.sums[at];
        if (sum > 0.0F) scale_row(y + offset + i * q_stride, s.head, 1.0F / sum);
        if (sums != nullptr) sums[(b * s.heads + h) * s.queries + row + i] = space.tops[at] + std::log(std::max(sum, 1e-37F));
    }
}

// All query tiles of one head of keys: dk and dv of that head belong to one thread.
void backward_head(const AttentionShape& s, Index b, Index kv, const float* q, const float* k, const float* v, const float* y,
                   const float* sums, const float* dy, float* dq, float* dk, float* dv, TileSpace& space) {
    const Index q_stride = s.heads * s.head;
    const Index kv_stride = s.kv_heads * s.head;
    const Index group = s.heads / s.kv_heads;
    const float scale = 1.0F / std::sqrt(static_cast<float>(s.head));
    for (Index j = 0; j < s.keys; ++j) {
        std::fill_n(dk + (b * s.keys + j) * kv_stride + kv * s.head, s.head, 0.0F);
        std::fill_n(dv + (b * s.keys + j) * kv_stride + kv * s.head, s.head, 0.0F);
    }
    for (Index h = kv * group; h < (kv + 1) * group; ++h) {
        for (Index row = 0; row < s.queries; row += query_tile) {
            const Index rows = std::min(query_tile, s.queries - row);
            const Index offset = (b * s.queries + row) * q_stride + h * s.head;
            for (Index i = 0; i < rows; ++i) std::fill_n(dq + offset + i * q_stride, s.head, 0.0F);
            for (Index i = 0; i < rows; ++i) {
                space.sums[static_cast<std::size_t>(i)] = dot_row(y + offset + i * q_stride, dy + offset + i * q_stride, s.head);
            }
            const Index last = keys_of_query(s, row + rows - 1).end;
            for (Index t = keys_of_query(s, row).begin / key_tile * key_tile; t < last; t += key_tile) {
                const Index width = std::min(key_tile, last - t);
                const Index at = (b * s.keys + t) * kv_stride + kv * s.head;
                float* p = space.scores.data();
                float* dp = space.gradients.data();
                sgemm(false, true, rows, width, s.head, q + offset, q_stride, k + at, kv_stride, 0.0F, p, key_tile);
                sgemm(false, true, rows, width, s.head, dy + offset, q_stride, v + at, kv_stride, 0.0F, dp, key_tile);
                for (Index i = 0; i < rows; ++i) {
                    const KeyRange seen = inside_tile(keys_of_query(s, row + i), t, width);
                    exponentiate(p + i * key_tile, seen.begin, seen.end, width, scale,
                                 sums[(b * s.heads + h) * s.queries + row + i]);
                    score_gradient(p + i * key_tile, dp + i * key_tile, width, space.sums[static_cast<std::size_t>(i)], scale);
                }
                sgemm(true, false, width, s.head, rows, p, key_tile, dy + offset, q_stride, 1.0F, dv + at, kv_stride);
                sgemm(true, false, width, s.head, rows, dp, key_tile, q + offset, q_stride, 1.0F, dk + at, kv_stride);
                sgemm(false, false, rows, s.head, width, dp, key_tile, k + at, kv_stride, 1.0F, dq + offset, q_stride);
            }
        }
    }
}

}  // namespace

void flash_attention(const AttentionShape& s, const float* q, const float* k, const float* v, float* y, float* sums) {
    const Index tiles = (s.queries + query_tile - 1) / query_tile;
    const Index extent = s.batch * s.heads * tiles;
    // Tiles further down see more keys: dealt out one by one, the longest first.
#pragma omp parallel
    {
        TileSpace space(query_tile);
#pragma omp for schedule(dynamic, 1)
        for (Index i = 0; i < extent; ++i) {
            const Index tile = tiles - 1 - i / (s.batch * s.heads);
            const Index lane = i % (s.batch * s.heads);
            forward_tile(s, lane / s.heads, lane % s.heads, tile * query_tile, q, k, v, y, sums, space);
        }
    }
}

void flash_attention_backward(const AttentionShape& s, const float* q, const float* k, const float* v, const float* y,
                              const float* sums, const float* dy, float* dq, float* dk, float* dv) {
#pragma omp parallel
    {
        TileSpace space(query_tile);
#pragma omp for schedule(dynamic, 1)
        for (Index lane = 0; lane < s.batch * s.kv_heads; ++lane) {
            backward_head(s, lane / s.kv_heads, lane % s.kv_heads, q, k, v, y, sums, dy, dq, dk, dv, space);
        }
    }
}

}  // namespace orrery
