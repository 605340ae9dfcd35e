// Prices fused attention: prefill is bound by tiles of the score matrix, decode by streaming cached keys and values.
//
// Prefill (FlashAttention-2, Dao, arXiv 2307.08691): blocks of 128 query rows walk the visible keys in steps of 128.
//   comp = max(all padded pairs at peak e, the longest block alone on its core) + o ceil(blocks / S)
//   t    = ((comp (1 + small (128/d - 1)))^q + mem^q)^(1/q)
// Decode (flash-decoding, Dao et al., 2023): one block per batch entry, KV head, 64 rows of the query group and split.
//   split = clip(floor(S / blocks), 1, ceil(L / chunk)), t = waves active bytes-per-block / min(B beta, active f1).
#include "hardware/work_kinds/attention_model.hpp"

#include <algorithm>
#include <cmath>

namespace orrery {
namespace {

constexpr double query_tile = 128.0;     // rows of a block of threads
constexpr double key_tile = 128.0;       // keys of one step
constexpr double decode_rows = 64.0;     // query heads of one group that share a block
constexpr double decode_matrix_efficiency = 0.25;  // of the 16-bit peak, single-row tiles of decode kernels
constexpr double kv_cache_share = 0.5;   // of the last level that keys and values can hold
constexpr std::int64_t decode_queries_max = 8;  // speculation included

double round_up(double value, double grain) { return std::ceil(value / grain) * grain; }

double attention_join(double a, double b, double norm) {
    const double large = std::max(a, b);
    const double small = std::min(a, b);
    if (small <= 0.0 || norm >= 32.0) return large;
    return large * std::pow(1.0 + std::pow(small / large, norm), 1.0 / norm);
}

double kv_bytes(const Attention& work, double keys) {
    return static_cast<double>(work.batch) * static_cast<double>(work.kv_heads) * keys *
           static_cast<double>(work.head_size + work.value_head_size) * element_bytes(work.kv_type);
}

// Keys that some query may look at.
double keys_touched(const Attention& work) {
    const auto keys = static_cast<double>(work.keys);
    if (work.window <= 0) return keys;
    return std::min(keys, static_cast<double>(work.window) + static_cast<double>(work.queries) - 1.0);
}

// Keys that the tile of query rows [first, first + 128) walks, rounded up to whole steps.
double tile_keys(const Attention& work, double first) {
    const auto keys = static_cast<double>(work.keys);
    const double offset = std::max(keys - static_cast<double>(work.queries), 0.0);
    const double last = std::min(first + query_tile, static_cast<double>(work.queries));
    const double end = work.causal ? std::min(offset + last, keys) : keys;
    double begin = 0.0;
    if (work.window > 0) begin = std::max(offset + first - static_cast<double>(work.window) + 1.0, 0.0);
    return round_up(end, key_tile) - std::floor(std::min(begin, end) / key_tile) * key_tile;
}

struct PaddedArea {
    double pairs;         // of all query tiles, per batch entry and head
    double keys_longest;  // of the tile that walks the most
};

// Sums tile_keys over all query tiles; it is linear in the tile's number but near the ends, so long sequences are
// summed by the trapezoid rule over at most 32 tiles.
PaddedArea padded_area(const Attention& work) {
    const double tiles = std::ceil(static_cast<double>(work.queries) / query_tile);
    PaddedArea area{0.0, 0.0};
    if (!work.causal && work.window <= 0) {
        area.keys_longest = tile_keys(work, 0.0);
        area.pairs = tiles * query_tile * area.keys_longest;
        return area;
    }
    if (work.window <= 0) {
        const double first = tile_keys(work, 0.0);
        const double last = tile_keys(work, (tiles - 1.0) * query_tile);
        area.keys_longest = last;
        area.pairs = tiles * query_tile * 0.5 * (first + last);
        return area;
    }
    const double samples = std::min(tiles, 32.0);
    for (double i = 0.0; i < samples; i += 1.0) {
        const double tile = std::floor((i + 0.5) * tiles / samples);
        const double keys = tile_keys(work, tile * query_tile);
        area.pairs += keys;
        area.keys_longest = std::max(area.keys_longest, keys);
    }
    area.pairs *= query_tile * tiles / samples;
    return area;
}

}  // namespace

bool is_decode(const Attention& work) { return !work.backward && work.queries <= decode_queries_max; }

double visible_pairs(const Attention& work) {
    const auto queries = static_cast<double>(work.queries);
    const auto keys = static_cast<double>(work.keys);
    const double window = work.window > 0 ? std::min(static_cast<double>(work.window), keys) : keys;
    if (!work.causal) return queries * window;
    // Query i of the last `queries` positions sees min(offset + i + 1, window) keys.
    const double offset = std::max(keys - queries, 0.0);
    const double ramp = std::clamp(window - offset, 0.0, queries);  // queries whose past is shorter than the window
    return ramp * (offset + 0.5 * (ramp + 1.0)) + (queries - ramp) * window;
}

double prefill_seconds(const Machine& machine, const PrefillParameters& parameters, const Attention& work) {
    const double lanes = static_cast<double>(work.batch) * static_cast<double>(work.heads);
    const auto sizes = static_cast<double>(work.head_size + work.value_head_size);
    const PaddedArea area = padded_area(work);
    const double rate = machine.peak * parameters.matrix_efficiency;
    const double all = 2.0 * lanes * sizes * area.pairs * work.causal_imbalance / rate;
    const double longest = 2.0 * sizes * query_tile * area.keys_longest * machine.cores / rate;
    const double blocks = lanes * std::ceil(static_cast<double>(work.queries) / query_tile);
    const double head = 0.5 * sizes;
    const double small_heads = std::max(1.0 + parameters.small_head_penalty * (128.0 / head - 1.0), 0.25);
    const double compute =
        (std::max(all, longest) + parameters.tile_overhead.si() * std::ceil(blocks / machine.cores)) * small_heads;
    const double io = lanes * static_cast<double>(work.queries) * sizes * element_bytes(work.type) +
                      kv_bytes(work, keys_touched(work));
    const double memory =
        machine.bandwidth > 0.0 ? io / (machine.bandwidth * parameters.memory_efficiency) : 0.0;
    return attention_join(compute, memory, parameters.overlap_norm);
}

double decode_seconds(const Machine& machine, const DecodeParameters& parameters, const Attention& work) {
    const auto batch = static_cast<double>(work.batch);
    const auto kv_heads = static_cast<double>(work.kv_heads);
    const double rows = static_cast<double>(work.heads) / kv_heads * static_cast<double>(work.queries);
    const double keys = keys_touched(work);
    const double lanes = batch * kv_heads * std::ceil(rows / decode_rows);
    const double split = std::clamp(std::floor(machine.cores / lanes), 1.0, std::ceil(keys / parameters.chunk));
    const double blocks = lanes * split;
    const double waves = std::ceil(blocks / machine.cores);
    const double active = std::min(blocks, machine.cores);
    const double bytes = kv_bytes(work, keys);
    const double per_block = bytes * std::ceil(rows / decode_rows) / blocks;
    const double from_memory = machine.bandwidth > 0.0 ? machine.bandwidth * parameters.memory_efficiency
                                                       : parameters.core_feed.si() * active;
    const double hit =
        machine.cache > 0.0 ? std::clamp(1.0 - bytes / (machine.cache * kv_cache_share), 0.0, 1.0) : 0.0;
    const double supply = from_memory / (1.0 - hit + hit / parameters.cache_speedup);
    const double read = waves * active * per_block / std::min(supply, active * parameters.core_feed.si());
    const double flop = 2.0 * batch * static_cast<double>(work.heads) * static_cast<double>(work.queries) * keys *
                        static_cast<double>(work.head_size + work.value_head_size);
    const double compute = flop / (machine.peak * decode_matrix_efficiency);
    return std::max(read, compute) + parameters.split_overhead.si() * waves;
}

std::array<float, 6> prefill_place(const Attention& work) {
    const auto log2_of = [](double value) { return static_cast<float>(std::log2(std::max(value, 1.0))); };
    return {log2_of(static_cast<double>(work.batch)),
            log2_of(static_cast<double>(work.heads)),
            log2_of(static_cast<double>(work.kv_heads)) * 0.5F,
            log2_of(static_cast<double>(work.queries)),
            log2_of(0.5 * static_cast<double>(work.head_size + work.value_head_size)) * 4.0F,
            log2_of(visible_pairs(work) / static_cast<double>(work.queries)) +
                (work.kv_type == work.type ? 0.0F : 0.5F)};
}

std::array<float, 6> decode_place(const Attention& work) {
    const auto log2_of = [](double value) { return static_cast<float>(std::log2(std::max(value, 1.0))); };
    return {log2_of(static_cast<double>(work.batch)),
            log2_of(static_cast<double>(work.heads) * static_cast<double>(work.queries)),
            log2_of(static_cast<double>(work.kv_heads)),
            log2_of(keys_touched(work)),
            log2_of(0.5 * static_cast<double>(work.head_size + work.value_head_size)) * 2.0F,
            work.kv_type == work.type ? 0.0F : 1.0F};
}

}  // namespace orrery
