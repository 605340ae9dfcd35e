// What tells shapes of work apart beyond the physics: sizes, alignment, and how they fill tiles and waves.
#include "hardware/residuals.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

namespace orrery {
namespace {

std::int32_t held(std::int64_t size) {
    return static_cast<std::int32_t>(std::clamp<std::int64_t>(size, 0, std::numeric_limits<std::int32_t>::max()));
}

float octaves(double size) { return std::log2(std::max(static_cast<float>(size), 1.0F)); }

// The power of two that divides a size, at most `most`: kernels are chosen by it.
float alignment(std::int32_t size, int most) {
    return size <= 0 ? 0.0F : static_cast<float>(std::min(std::countr_zero(static_cast<std::uint32_t>(size)), most));
}

float tiles_of(float size, float tile) { return std::ceil(size / tile); }

// Share of the cores' places that `blocks` fill over whole waves.
float wave_fill(float blocks, float cores) { return blocks / (std::ceil(blocks / cores) * cores); }

float tile_fill(float size, float tile) { return size / (tiles_of(size, tile) * tile); }

// Waves on a log scale, where more than a few are all alike.
float wave_octaves(float blocks, float cores) { return std::min(octaves(static_cast<double>(blocks / cores) + 1.0), 4.0F); }

}  // namespace

Shape shape_of(const MatrixMultiply& work) { return {held(work.m * work.batch), held(work.n), held(work.k)}; }

Shape shape_of(const GroupedMatrixMultiply& work) {
    return {held(work.rows), held(work.rows_max), held(work.groups), held(work.n), held(work.k)};
}

Shape shape_of(const Attention& work) {
    return {held(work.batch),
            held(work.heads),
            held(work.kv_heads),
            held(work.queries),
            held(work.keys),
            held(work.head_size),
            held(work.window),
            held(work.value_head_size * 4 + (work.kv_type != work.type ? 2 : 0) + (work.causal ? 1 : 0))};
}

Shape shape_of(const Streaming& work) {
    const double bytes = work.bytes.si();
    const double intensity = bytes > 0.0 ? 1000.0 * work.flop.si() / bytes : 0.0;
    return {held(static_cast<std::int64_t>(std::min(bytes / 1024.0, 1e15))), held(work.kernels),
            held(std::llround(std::min(intensity, 1e9))), held(std::llround(100.0 * work.fresh_share))};
}

Features product_features(const Shape& shape, double cores_of_device) {
    const auto cores = static_cast<float>(cores_of_device);
    const auto m = static_cast<float>(shape[0]);
    const auto n = static_cast<float>(shape[1]);
    const auto fill = [&](float rows, float columns) {
        return wave_fill(tiles_of(m, rows) * tiles_of(n, columns), cores);
    };
    return {octaves(shape[0]),        octaves(shape[1]),        octaves(shape[2]),
            alignment(shape[0], 7),   alignment(shape[1], 8),   alignment(shape[2], 8),
            fill(128.0F, 256.0F),     fill(128.0F, 128.0F),     fill(256.0F, 128.0F),
            fill(64.0F, 128.0F),      fill(64.0F, 64.0F),       tile_fill(m, 128.0F),
            tile_fill(n, 128.0F),     wave_octaves(tiles_of(m, 128.0F) * tiles_of(n, 128.0F), cores)};
}

Features grouped_features(const Shape& shape, double cores_of_device) {
    const auto cores = static_cast<float>(cores_of_device);
    const auto rows = static_cast<float>(shape[0]);
    const auto fullest = static_cast<float>(shape[1]);
    const float groups = std::max(static_cast<float>(std::min(shape[2], shape[0])), 1.0F);
    const auto n = static_cast<float>(shape[3]);
    const float mean = rows / groups;
    const float tiles = groups * tiles_of(mean, 128.0F);
    const float blocks = tiles * tiles_of(n, 128.0F);
    return {octaves(shape[0]),        octaves(fullest),          octaves(groups),
            octaves(n),               octaves(shape[4]),         octaves(mean),
            alignment(shape[3], 8),   alignment(shape[4], 8),    tile_fill(mean, 64.0F),
            tile_fill(mean, 128.0F),  wave_fill(blocks, cores),  wave_octaves(blocks, cores),
            octaves(fullest / mean)};
}

Features prefill_features(const Shape& shape, double cores_of_device) {
    const auto cores = static_cast<float>(cores_of_device);
    const auto queries = static_cast<float>(shape[3]);
    const float lanes = static_cast<float>(shape[0]) * static_cast<float>(shape[1]);
    const float blocks = lanes * tiles_of(queries, 128.0F);
    const bool windowed = shape[6] > 0 && shape[6] < shape[4];
    const auto head = static_cast<float>(shape[5]);
    return {octaves(shape[0]),
            octaves(shape[1]),
            octaves(shape[2]),
            octaves(shape[3]),
            octaves(shape[4]),
            octaves(head),
            octaves(windowed ? shape[6] : shape[4]),
            windowed ? 1.0F : 0.0F,
            (shape[7] & 2) != 0 ? 1.0F : 0.0F,
            wave_fill(blocks, cores),
            wave_octaves(blocks, cores),
            tile_fill(queries, 128.0F),
            octaves(static_cast<float>(shape[1]) / std::max(static_cast<float>(shape[2]), 1.0F)),
            tile_fill(head, 64.0F),
            octaves(lanes),
            alignment(shape[5], 6)};
}

// The arithmetic of a byte tells kernels apart: what they read, write and compute.
Features streaming_features(const Shape& shape, double) {
    return {octaves(shape[0]), octaves(shape[1]), octaves(shape[2]), 0.05F * static_cast<float>(shape[3])};
}

Features decode_features(const Shape& shape, double cores_of_device) {
    const auto cores = static_cast<float>(cores_of_device);
    const auto batch = static_cast<float>(shape[0]);
    const auto heads = static_cast<float>(shape[1]);
    const float kv_heads = std::max(static_cast<float>(shape[2]), 1.0F);
    const bool windowed = shape[6] > 0 && shape[6] < shape[4];
    const auto touched = static_cast<float>(windowed ? shape[6] : shape[4]);
    return {octaves(batch),
            octaves(heads * static_cast<float>(shape[3])),
            octaves(kv_heads),
            octaves(touched),
            octaves(shape[5]),
            windowed ? 1.0F : 0.0F,
            (shape[7] & 2) != 0 ? 1.0F : 0.0F,
            octaves(heads / kv_heads),
            wave_fill(batch * kv_heads, cores),
            wave_fill(batch * heads, cores),
            wave_octaves(batch * kv_heads, cores),
            octaves(shape[4]),
            octaves(batch * kv_heads * touched)};
}

}  // namespace orrery
