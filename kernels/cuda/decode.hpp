// Decode attention: one query of each sequence against pages of cached keys and values, split over keys where sequences
// are few.
#pragma once

#include "kernels/cuda/attention.hpp"

namespace orrery::cuda {

constexpr int page_of_tokens = 16;   // of vLLM (Kwon et al., arXiv 2309.06180)
constexpr int queries_of_warp = 16;  // heads of one group that share a walk over the keys; rows of the matrix instruction

struct DecodeShape {
    Index batch, heads, kv_heads, head, keys, window;
    [[nodiscard]] ORRERY_BOTH Index group() const { return heads / kv_heads; }
    [[nodiscard]] ORRERY_BOTH Index parts_of_group() const { return ceil_div(group(), queries_of_warp); }
    [[nodiscard]] ORRERY_BOTH Index pages() const { return ceil_div(keys, page_of_tokens); }   // of a sequence
    [[nodiscard]] ORRERY_BOTH Index first_key() const { return window > 0 && keys > window ? keys - window : 0; }
    [[nodiscard]] ORRERY_BOTH Index lanes() const { return batch * kv_heads * parts_of_group(); }
};

/// What the splits of a sequence leave for the second kernel: [lane, split, row of 16].
struct DecodeParts {
    float* values;   // times head
    float* tops;     // in powers of two
    float* sums;
};

/// Splits of the keys, so that each processor has two blocks, but no warp less than two pages.
inline Index decode_splits(const DecodeShape& s, int processors) {
    const Index pages = s.pages() - s.first_key() / page_of_tokens;
    const Index wanted = s.lanes() > 0 ? ceil_div(2 * Index{processors}, s.lanes()) : 1;
    const Index most = pages / 8 > 1 ? pages / 8 : 1;
    return wanted < most ? wanted : most;
}

/// A block takes one group of heads of one sequence and one split of its keys; each of its warps walks every fourth page
/// with three pages in flight.
template <int head_tile>
struct DecodePages {
    static constexpr int threads_most = 128;
    static constexpr int warps = threads_most / warp_lanes;
    static constexpr int stages = 3;
    static constexpr int tile_values = page_of_tokens * head_tile;
    static constexpr int warp_values = stages * 2 * tile_values;
    static constexpr int query_at = 0;   // before the pages come: with heads of 128, 96 KiB in all, which any GPU from Ampere on can give a block
    static constexpr int merge_floats = queries_of_warp * (head_tile + 2);   // of one warp
    static constexpr int shared_values = warps * warp_values;
    static constexpr int shared_bytes = shared_values * static_cast<int>(sizeof(Bf16));
    static_assert(warps * merge_floats * sizeof(float) <= shared_bytes);

    DecodeShape s;
    const Bf16* q;                // [batch, heads, head]
    const Bf16* keys;             // [page, kv_head, token of the page, head]
    const Bf16* values;
    const std::int32_t* pages;    // [batch, page of the sequence]
    Bf16* y;
    DecodeParts parts;            // used where splits > 1
    Index splits;
    float scale;                  // 1 / sqrt(head) * log2(e)

    [[nodiscard]] Grid grid() const { return {s.lanes() * splits, threads_most, shared_bytes}; }

    template <class Lane>
    ORRERY_DEVICE void operator()(Lane& lane) const {
        const Index split = lane.block() % splits;
        const Index part = lane.block() / splits % s.parts_of_group();
        const Index kv = lane.block() / (splits * s.parts_of_group()) % s.kv_heads;
        const Index batch = lane.block() / (splits * s.parts_of_group() * s.kv_heads);
        const Index first_head = kv * s.group() + part * queries_of_warp;
        const int rows_here = static_cast<int>(s.group() - part * queries_of_warp < queries_of_warp ? s.group() - part * queries_of_warp : queries_of_warp);
        const auto shared = lane.template shared<Bf16>(0, shared_values);
        fill_tile<queries_of_warp, head_tile>(lane, shared, query_at, {q + (batch * s.heads + first_head) * s.head, s.head, rows_here, static_cast<int>(s.head),
                                              s.head % chunk_values == 0}, lane.thread(), threads_most);
        lane.commit_copies();
        lane.template wait_copies<0>();
        lane.sync();
        std::uint32_t queries[head_tile / 16][4];
        ORRERY_UNROLL
        for (int step = 0; step < head_tile / 16; ++step) left_fragment<head_tile>(lane, shared, query_at, 0, step, queries[step]);
        lane.sync();   // all warps have read the queries: their room is a page's

        RowsOfWarp<head_tile> rows;
        walk_pages(lane, shared, batch, kv, split, queries, rows);
        add_up_rows(lane, rows);
        lane.sync();   // pages have been read by all: their room serves to merge
        merge_warps(lane, rows, batch, first_head, rows_here);
    }

  private:
    template <class Lane, class Shared>
    ORRERY_DEVICE void fill_page(Lane& lane, const Shared& shared, Index batch, Index kv, Index page, Index end_page, int stage) const {
        if (page < end_page) {
            const Index place = lane.load_again(pages + batch * s.pages() + page);
            const Index at = (place * s.kv_heads + kv) * page_of_tokens * s.head;
            const Index left = s.keys - page * page_of_tokens;
            const int here = static_cast<int>(left < page_of_tokens ? left : page_of_tokens);
            const int to = lane.warp() * warp_values + stage * 2 * tile_values;
            const bool wide = s.head % chunk_values == 0;
            fill_tile<page_of_tokens, head_tile>(lane, shared, to, {keys + at, s.head, here, static_cast<int>(s.head), wide}, lane.lane(), warp_lanes);
            fill_tile<page_of_tokens, head_tile>(lane, shared, to + tile_values, {values + at, s.head, here, static_cast<int>(s.head), wide}, lane.lane(),
                                                 warp_lanes);
        }
        lane.commit_copies();
    }

    template <class Lane, class Shared>
    ORRERY_DEVICE void walk_pages(Lane& lane, const Shared& shared, Index batch, Index kv, Index split, const std::uint32_t (&queries)[head_tile / 16][4],
                                  RowsOfWarp<head_tile>& rows) const {
        const SeenKeys all{s.first_key(), s.keys};
        const auto take = [&](int step, std::uint32_t (&left)[4]) {
            ORRERY_UNROLL
            for (int i = 0; i < 4; ++i) left[i] = queries[step][i];
        };
        const SeenKeys seen[2] = {all, all};
        const Index first_page = s.first_key() / page_of_tokens;
        const Index share = ceil_div(s.pages() - first_page, splits);
        const Index begin = first_page + split * share;
        const Index end = begin + share < s.pages() ? begin + share : s.pages();
        Index page = begin + lane.warp();
        for (int i = 0; i < stages - 1; ++i) fill_page(lane, shared, batch, kv, page + Index{i} * warps, end, i);
        for (int stage = 0; page < end; page += warps, stage = (stage + 1) % stages) {
            lane.template wait_copies<stages - 2>();
            lane.sync_warp();
            fill_page(lane, shared, batch, kv, page + Index{stages - 1} * warps, end, (stage + stages - 1) % stages);
            const int at = lane.warp() * warp_values + stage * 2 * tile_values;
            attend_tile<head_tile, page_of_tokens>(lane, shared, at, at + tile_values, take, page * page_of_tokens, seen, scale, rows);
        }
        lane.template wait_copies<0>();
    }

    // Each warp's rows lie in shared memory as values, then tops, then sums.
    template <class Lane>
    ORRERY_DEVICE void merge_warps(Lane& lane, const RowsOfWarp<head_tile>& rows, Index batch, Index first_head, int rows_here) const {
        const auto merged = lane.template shared<float>(0, warps * merge_floats);
        const int own = lane.warp() * merge_floats;
        constexpr int tops_at = queries_of_warp * head_tile;
        ORRERY_UNROLL
        for (int r = 0; r < 2; ++r) {
            const int row = lane.lane() / 4 + 8 * r;
            ORRERY_UNROLL
            for (int j = 0; j < head_tile / 8; ++j) {
                merged[own + row * head_tile + 8 * j + lane.lane() % 4 * 2] = rows.values[j][2 * r];
                merged[own + row * head_tile + 8 * j + lane.lane() % 4 * 2 + 1] = rows.values[j][2 * r + 1];
            }
            if (lane.lane() % 4 == 0) {
                merged[own + tops_at + row] = rows.top[r];
                merged[own + tops_at + queries_of_warp + row] = rows.sum[r];
            }
        }
        lane.sync();
        for (int i = lane.thread(); i < rows_here * head_tile; i += threads_most) {
            const int row = i / head_tile;
            const int column = i % head_tile;
            if (column >= s.head) continue;
            float top = no_score;
            for (int w = 0; w < warps; ++w) {
                const float other = merged[w * merge_floats + tops_at + row];
                top = other > top ? other : top;
            }
            float sum = 0.0F;
            float value = 0.0F;
            for (int w = 0; w < warps && top != no_score; ++w) {
                const float factor = lane.exp2(merged[w * merge_floats + tops_at + row] - top);
                sum += factor * merged[w * merge_floats + tops_at + queries_of_warp + row];
                value += factor * merged[w * merge_floats + row * head_tile + column];
            }
            if (splits == 1) {
                lane.store(y + (batch * s.heads + first_head + row) * s.head + column, lane.narrow(sum > 0.0F ? value / sum : 0.0F));
                continue;
            }
            const Index at = lane.block() * queries_of_warp + row;   // blocks are [lane, split]
            lane.store(parts.values + at * s.head + column, value);
            if (column == 0) {
                lane.store(parts.tops + at, top);
                lane.store(parts.sums + at, sum);
            }
        }
    }
};

/// One block for each head of each sequence: its splits become one.
struct CombineSplits {
    static constexpr int threads_most = 128;
    DecodeShape s;
    DecodeParts parts;
    Bf16* y;
    Index splits;

    [[nodiscard]] Grid grid() const { return {s.batch * s.heads, threads_most, 0}; }

    template <class Lane>
    ORRERY_DEVICE void operator()(Lane& lane) const {
        const Index head = lane.block() % s.heads;
        const Index batch = lane.block() / s.heads;
        const Index in_group = head % s.group();
        const Index of_block = ((batch * s.kv_heads + head / s.group()) * s.parts_of_group() + in_group / queries_of_warp) * splits;
        const Index row = in_group % queries_of_warp;
        float top = no_score;
        for (Index i = 0; i < splits; ++i) {
            const float other = lane.load_again(parts.tops + (of_block + i) * queries_of_warp + row);
            top = other > top ? other : top;
        }
        for (Index column = lane.thread(); column < s.head; column += threads_most) {
            float sum = 0.0F;
            float value = 0.0F;
            for (Index i = 0; i < splits && top != no_score; ++i) {
                const Index at = (of_block + i) * queries_of_warp + row;
                const float factor = lane.exp2(lane.load_again(parts.tops + at) - top);
                sum += factor * lane.load_again(parts.sums + at);
                value += factor * lane.load(parts.values + at * s.head + column);
            }
            lane.store(y + (batch * s.heads + head) * s.head + column, lane.narrow(sum > 0.0F ? value / sum : 0.0F));
        }
    }
};

}  // namespace orrery::cuda
