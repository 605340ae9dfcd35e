// Convolution of images whose channels lie side by side: in 16-bit formats as an implicit product by the matrix
// instruction, in fp32 by multiply-adds on tiles in shared memory; patches exist in shared memory only.
//
// Chetlur et al., "cuDNN: Efficient Primitives for Deep Learning", arXiv 1410.0759, section 3.
#pragma once

#include "kernels/cuda/multiply.hpp"

namespace orrery::cuda {

/// Images [batch, height, width, channels] to [batch, out_height, out_width, filters]; weights are [kernel row, kernel
/// column, channel, filter]. `above` and `left` zeros stand before the first row and column.
struct ConvolutionShape {
    int batch, height, width, channels, filters, kernel, stride, out_height, out_width, above, left;
    [[nodiscard]] ORRERY_BOTH Index pixels() const { return Index{batch} * out_height * out_width; }
    [[nodiscard]] ORRERY_BOTH int depth() const { return kernel * kernel * channels; }
};

/// Where the patch of an output pixel begins; `image` is below zero beyond the last pixel.
struct PatchPlace {
    int image, row, column;
};
ORRERY_DEVICE PatchPlace patch_of(const ConvolutionShape& s, Index pixel) {
    if (pixel >= s.pixels()) return {-1, 0, 0};
    const Index plane = Index{s.out_height} * s.out_width;
    const int image = static_cast<int>(pixel / plane);
    const int at = static_cast<int>(pixel - image * plane);
    return {image, at / s.out_width * s.stride - s.above, at % s.out_width * s.stride - s.left};
}

/// Index of value `k` of a patch in the images; below zero where it is padding.
ORRERY_DEVICE Index value_of_patch(const ConvolutionShape& s, const PatchPlace& place, int k) {
    const int point = k / s.channels;
    const int row = place.row + point / s.kernel;
    const int column = place.column + point % s.kernel;
    const bool inside = place.image >= 0 && k < s.depth() && row >= 0 && row < s.height && column >= 0 && column < s.width;
    return inside ? ((Index{place.image} * s.height + row) * s.width + column) * s.channels + (k - point * s.channels) : -1;
}

/// A block takes 128 pixels and 128 filters.
template <class Format>
struct ConvolutionTiles : ProductTiles<Format> {
    using Tiles = ProductTiles<Format>;
    ConvolutionShape s;
    const Format* x;
    const Format* w;
    Format* y;

    ConvolutionTiles(const ConvolutionShape& shape, const Format* images, const Format* weights, Format* out) : s(shape), x(images), w(weights), y(out) {}

    [[nodiscard]] Grid grid() const {
        return {ceil_div(s.pixels(), Tiles::tile_rows) * ceil_div(s.filters, Tiles::tile_columns), Tiles::threads_most, Tiles::shared_bytes};
    }

    template <class Lane>
    ORRERY_DEVICE void operator()(Lane& lane) const {
        constexpr int chunks = Tiles::tile_depth / chunk_values;                   // of a row of the tile
        constexpr int rows_each = Tiles::tile_rows * chunks / Tiles::threads_most; // that a thread fills, of one chunk
        const Index tiles = ceil_div(s.pixels(), Tiles::tile_rows);
        const Index pixel = lane.block() % tiles * Tiles::tile_rows;
        const Index filter = lane.block() / tiles * Tiles::tile_columns;
        const auto shared = lane.template shared<Bf16>(0, Tiles::stages * Tiles::stage_values);
        const int chunk = lane.thread() % chunks;
        PatchPlace places[rows_each];
        ORRERY_UNROLL
        for (int i = 0; i < rows_each; ++i) places[i] = patch_of(s, pixel + row_of(lane.thread(), i));
        const auto fill = [&](int step, int at) {
            const int k = step * Tiles::tile_depth + chunk * chunk_values;
            ORRERY_UNROLL
            for (int i = 0; i < rows_each; ++i) fill_chunk(lane, shared, at + place_in_tile<Tiles::tile_depth>(row_of(lane.thread(), i), chunk), places[i], k);
            const int left = s.depth() - step * Tiles::tile_depth;
            const Index columns = s.filters - filter;
            fill_tile<Tiles::tile_depth, Tiles::tile_columns>(
                lane, shared, at + Tiles::right_at,
                {reinterpret_cast<const Bf16*>(w) + Index{step} * Tiles::tile_depth * s.filters + filter, s.filters, left < Tiles::tile_depth ? left : Tiles::tile_depth,
                 static_cast<int>(columns < Tiles::tile_columns ? columns : Tiles::tile_columns), s.filters % chunk_values == 0},
                lane.thread(), Tiles::threads_most);
        };
        float sums[4][4][4] = {};
        this->multiply(lane, shared, static_cast<int>(ceil_div(s.depth(), Tiles::tile_depth)), fill, sums);
        this->write_sums(lane, y, pixel, s.pixels(), filter, s.filters, sums);
    }

  private:
    ORRERY_DEVICE static int row_of(int thread, int i) {
        constexpr int chunks = Tiles::tile_depth / chunk_values;
        return thread / chunks + i * (Tiles::threads_most / chunks);
    }

    // Eight values of a patch: one piece of memory where channels come in whole vectors.
    template <class Lane, class Shared>
    ORRERY_DEVICE void fill_chunk(Lane& lane, const Shared& shared, int to, const PatchPlace& place, int k) const {
        const auto* from = reinterpret_cast<const Bf16*>(x);
        if (s.channels % chunk_values == 0) {
            const Index at = value_of_patch(s, place, k);
            lane.copy_later(&shared[to], from + (at < 0 ? 0 : at), at >= 0);
            return;
        }
        for (int j = 0; j < chunk_values; ++j) {
            const Index at = value_of_patch(s, place, k + j);
            shared[to + j] = at < 0 ? Bf16{0} : lane.load_again(from + at);
        }
    }
};

/// A block takes 64 pixels and 64 filters, a thread four of each.
struct PlainConvolution {
    static constexpr int threads_most = 256;
    static constexpr int tile = 64;
    static constexpr int tile_depth = 16;
    static constexpr int row = tile + 4;   // of shared memory: rows of pixels begin in different banks, at multiples of 16 bytes
    static constexpr int weights_at = tile_depth * row;
    static constexpr int shared_values = 2 * tile_depth * row;

    ConvolutionShape s;
    const float* x;
    const float* w;
    float* y;

    [[nodiscard]] Grid grid() const {
        return {ceil_div(s.pixels(), tile) * ceil_div(s.filters, tile), threads_most, shared_values * static_cast<int>(sizeof(float))};
    }

    template <class Lane>
    ORRERY_DEVICE void operator()(Lane& lane) const {
        const Index tiles = ceil_div(s.pixels(), tile);
        const Index pixel = lane.block() % tiles * tile;
        const int filter = static_cast<int>(lane.block() / tiles * tile);
        const auto shared = lane.template shared<float>(0, shared_values);
        const PatchPlace place = patch_of(s, pixel + lane.thread() / 4);
        const int own_pixel = lane.thread() / 16 * 4;
        const int own_filter = lane.thread() % 16 * 4;
        float sums[4][4] = {};
        for (int depth = 0; depth < s.depth(); depth += tile_depth) {
            fill(lane, shared, place, filter, depth);
            lane.sync();
            ORRERY_UNROLL
            for (int k = 0; k < tile_depth; ++k) {
                ORRERY_UNROLL
                for (int i = 0; i < 4; ++i) {
                    ORRERY_UNROLL
                    for (int j = 0; j < 4; ++j) sums[i][j] += shared[k * row + own_pixel + i] * shared[weights_at + k * row + own_filter + j];
                }
            }
            lane.sync();
        }
        for (int i = 0; i < 4; ++i) {
            if (pixel + own_pixel + i >= s.pixels()) continue;
            for (int j = 0; j < 4; ++j) {
                if (filter + own_filter + j < s.filters) lane.store(y + (pixel + own_pixel + i) * s.filters + filter + own_filter + j, sums[i][j]);
            }
        }
    }

  private:
    // Four values of a patch and four of a row of weights for each thread.
    template <class Lane, class Shared>
    ORRERY_DEVICE void fill(Lane& lane, const Shared& shared, const PatchPlace& place, int filter, int depth) const {
        const int k = lane.thread() % 4 * 4;
        for (int j = 0; j < 4; ++j) {
            const Index at = value_of_patch(s, place, depth + k + j);
            shared[(k + j) * row + lane.thread() / 4] = at < 0 ? 0.0F : lane.load_again(x + at);
        }
        const int line = lane.thread() / 16;
        const int column = lane.thread() % 16 * 4;
        for (int j = 0; j < 4; ++j) {
            const bool there = depth + line < s.depth() && filter + column + j < s.filters;
            shared[weights_at + line * row + column + j] = there ? lane.load_again(w + Index{depth + line} * s.filters + filter + column + j) : 0.0F;
        }
    }
};

}  // namespace orrery::cuda
