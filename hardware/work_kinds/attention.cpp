// Prices fused attention: prefill is bound by tiles of the score matrix, decode by streaming cached keys and values.
//
// Prefill (FlashAttention-2, Dao, arXiv 2307.08691): blocks of some query rows walk the visible keys in tiles.
//   comp = max(all padded pairs at peak e, the longest block alone on its core) (1 + small (128/d - 1)) (1 + window 128/w)
//          + o max(blocks / S, 1)
//   t    = (comp^q + mem^q)^(1/q)
// Decode (flash-decoding, Dao et al., 2023): one block per batch entry, KV head, 64 rows of the query group and split;
// libraries without a kernel for a large group run one block per query head.
//   split = clip(floor(S / blocks), 1, ceil(L / chunk)),    waves = max(blocks split / S, 1)
//   t = norm(waves max(bytes of a block / f1, flop of a block / rate), unique bytes / (B beta)) + o waves
#include "hardware/work_kinds/attention_model.hpp"

#include <algorithm>
#include <cmath>

namespace orrery {
namespace {

constexpr double window_measured = 128.0;  // keys of the window in the tables that window_penalty is fitted to
constexpr double head_grain = 32.0;      // kernels pad the head size to this
constexpr double group_rows = 64.0;      // query rows of a group that one block holds
constexpr double decode_norm = 4.0;      // overlap of cores and memory
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

// Short walks under a window do not fill the pipeline of a tile: a fixed cost per walk, so less per key for wide windows.
double window_cost(const PrefillParameters& parameters, const Attention& work) {
    if (work.window <= 0 || work.window >= work.keys) return 1.0;
    return 1.0 + parameters.window_penalty * window_measured / static_cast<double>(work.window);
}

// Keys that the tile of query rows [first, first + tile) walks, rounded up to whole tiles.
double tile_keys(const Attention& work, double first, double tile) {
    const auto keys = static_cast<double>(work.keys);
    const double offset = std::max(keys - static_cast<double>(work.queries), 0.0);
    const double last = std::min(first + tile, static_cast<double>(work.queries));
    const double end = work.causal ? std::min(offset + last, keys) : keys;
    double begin = 0.0;
    if (work.window > 0) begin = std::max(offset + first - static_cast<double>(work.window) + 1.0, 0.0);
    return round_up(end, tile) - std::floor(std::min(begin, end) / tile) * tile;
}

struct PaddedArea {
    double pairs;         // of all query tiles, per batch entry and head
    double keys_longest;  // of the tile that walks the most
};

// Sums tile_keys over all query tiles. Without a window it is linear in the tile's number; with one it is constant
// after the window has filled, so the tiles before are summed one by one.
PaddedArea padded_area(const Attention& work, double tile) {
    const double tiles = std::ceil(static_cast<double>(work.queries) / tile);
    const double last = tile_keys(work, (tiles - 1.0) * tile, tile);
    if (work.window <= 0 || work.window >= work.keys) {
        return {tiles * tile * 0.5 * (tile_keys(work, 0.0, tile) + last), last};
    }
    const double filling = std::min(tiles, std::ceil(static_cast<double>(work.window) / tile) + 1.0);
    const double longest = tile_keys(work, (filling - 1.0) * tile, tile);
    const double filled = 0.5 * (tile_keys(work, 0.0, tile) + longest);
    return {tile * (filling * filled + (tiles - filling) * longest), longest};
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
    const double tile = parameters.query_rows;
    const double lanes = static_cast<double>(work.batch) * static_cast<double>(work.heads);
    const double head = 0.5 * static_cast<double>(work.head_size + work.value_head_size);
    const double padded_head = round_up(head, head_grain);
    const double shape = std::max(1.0 + parameters.small_head_penalty * (128.0 / padded_head - 1.0), 0.25) *
                         window_cost(parameters, work);
    const PaddedArea area = padded_area(work, tile);
    const double pair_seconds = 4.0 * padded_head * shape / (machine.peak * parameters.matrix_efficiency);
    const double all = lanes * area.pairs * work.causal_imbalance * pair_seconds;
    const double longest = tile * area.keys_longest * machine.cores * pair_seconds;
    const double blocks = lanes * std::ceil(static_cast<double>(work.queries) / tile);
    const double compute =
        std::max(all, longest) + parameters.tile_overhead.si() * std::max(blocks / machine.cores, 1.0);
    const double io = 2.0 * lanes * static_cast<double>(work.queries) * head * element_bytes(work.type) +
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
    const bool grouped = static_cast<double>(work.heads) / kv_heads <= parameters.group_max;
    const double readers = grouped ? std::ceil(rows / group_rows) : rows;  // blocks that read the same keys
    const double lanes = batch * kv_heads * readers;
    const double split = std::clamp(std::floor(machine.cores / lanes), 1.0, std::ceil(keys / parameters.chunk));
    const double waves = std::max(lanes * split / machine.cores, 1.0);
    const double bytes = kv_bytes(work, keys);
    const double flop = 2.0 * batch * static_cast<double>(work.heads) * static_cast<double>(work.queries) * keys *
                        static_cast<double>(work.head_size + work.value_head_size);
    const double block_bytes = bytes * readers / (lanes * split);
    const double block_flop = flop / (lanes * split);
    const double rate = (grouped ? parameters.core_rate : parameters.single_rate).si() /
                        (work.kv_type == work.type ? 1.0 : parameters.conversion_cost);
    const double in_cores = waves * std::max(block_bytes / parameters.core_feed.si(), block_flop / rate);
    const double hit =
        machine.cache > 0.0 ? std::clamp(1.0 - bytes / (machine.cache * kv_cache_share), 0.0, 1.0) : 0.0;
    const double memory = machine.bandwidth > 0.0 ? bytes / (machine.bandwidth * parameters.memory_efficiency) *
                                                        (1.0 - hit + hit / parameters.cache_speedup)
                                                  : 0.0;
    return attention_join(in_cores, memory, decode_norm) + parameters.split_overhead.si() * waves;
}

}  // namespace orrery
