// Transforms of Winograd's convolution F(m x m, 3 x 3), m = 2 or 4: Lavin and Gray, "Fast Algorithms for Convolutional
// Neural Networks", CVPR 2016, arXiv 1509.09308, section 4. Sixteen channels at a time, one in each lane of a vector.
#pragma once

#include "kernels/reference/leaves.hpp"
#include "kernels/reference/operators.hpp"

#include <algorithm>
#include <cstring>

namespace orrery {

constexpr Index winograd_lanes = 16;
using WinogradVector = float __attribute__((vector_size(64)));

/// m = 2: points 0, 1, -1 and infinity; 16 products do what 36 multiplications did.
struct WinogradTwo {
    static constexpr int out = 2;
    static constexpr int tile = 4;
    static constexpr float filter[tile][3] = {{1, 0, 0}, {0.5F, 0.5F, 0.5F}, {0.5F, -0.5F, 0.5F}, {0, 0, 1}};
    ORRERY_INLINE static void input(const WinogradVector (&d)[tile], WinogradVector (&t)[tile]) {
        t[0] = d[0] - d[2];
        t[1] = d[1] + d[2];
        t[2] = d[2] - d[1];
        t[3] = d[1] - d[3];
    }
    ORRERY_INLINE static void output(const WinogradVector (&m)[tile], WinogradVector (&y)[out]) {
        y[0] = m[0] + m[1] + m[2];
        y[1] = m[1] - m[2] - m[3];
    }
};

/// m = 4: points 0, 1, -1, 2, -2 and infinity; 36 products do what 144 multiplications did. Factors up to 8 magnify what
/// sums have rounded: about a digit is lost (their table 4).
struct WinogradFour {
    static constexpr int out = 4;
    static constexpr int tile = 6;
    static constexpr float filter[tile][3] = {{0.25F, 0, 0},
                                              {-1.0F / 6.0F, -1.0F / 6.0F, -1.0F / 6.0F},
                                              {-1.0F / 6.0F, 1.0F / 6.0F, -1.0F / 6.0F},
                                              {1.0F / 24.0F, 1.0F / 12.0F, 1.0F / 6.0F},
                                              {1.0F / 24.0F, -1.0F / 12.0F, 1.0F / 6.0F},
                                              {0, 0, 1}};
    ORRERY_INLINE static void input(const WinogradVector (&d)[tile], WinogradVector (&t)[tile]) {
        const WinogradVector even = d[4] - 4.0F * d[2];
        const WinogradVector odd = d[3] - 4.0F * d[1];
        const WinogradVector far_even = d[4] - d[2];
        const WinogradVector far_odd = 2.0F * (d[3] - d[1]);
        t[0] = 4.0F * d[0] - 5.0F * d[2] + d[4];
        t[1] = even + odd;
        t[2] = even - odd;
        t[3] = far_even + far_odd;
        t[4] = far_even - far_odd;
        t[5] = 4.0F * d[1] - 5.0F * d[3] + d[5];
    }
    ORRERY_INLINE static void output(const WinogradVector (&m)[tile], WinogradVector (&y)[out]) {
        const WinogradVector near_sum = m[1] + m[2];
        const WinogradVector near_difference = m[1] - m[2];
        const WinogradVector far_sum = m[3] + m[4];
        const WinogradVector far_difference = m[3] - m[4];
        y[0] = m[0] + near_sum + far_sum;
        y[1] = near_difference + 2.0F * far_difference;
        y[2] = near_sum + 4.0F * far_sum;
        y[3] = near_difference + 8.0F * far_difference + m[5];
    }
};

/// `from` has `tile` x `tile` pixels of `channels` values each; value (i, j) of the transform lies `step` behind the last.
template <class Form>
ORRERY_INLINE void winograd_input_tile(const float* const* from, Index channels, float* to, Index step) {
    constexpr int tile = Form::tile;
    for (Index c = 0; c < channels; c += winograd_lanes) {
        const auto bytes = static_cast<std::size_t>(std::min(winograd_lanes, channels - c)) * sizeof(float);
        WinogradVector half[tile][tile];   // [column][row of the transform]
        for (int j = 0; j < tile; ++j) {
            WinogradVector column[tile] = {};
            for (int i = 0; i < tile; ++i) {
                if (bytes == sizeof(WinogradVector)) {
                    std::memcpy(&column[i], from[i * tile + j] + c, sizeof(WinogradVector));
                } else {
                    std::memcpy(&column[i], from[i * tile + j] + c, bytes);
                }
            }
            Form::input(column, half[j]);
        }
        for (int i = 0; i < tile; ++i) {
            WinogradVector row[tile];
            WinogradVector result[tile];
            for (int j = 0; j < tile; ++j) row[j] = half[j][i];
            Form::input(row, result);
            for (int j = 0; j < tile; ++j) {
                float* place = to + (i * tile + j) * step + c;
                if (bytes == sizeof(WinogradVector)) {
                    std::memcpy(place, &result[j], sizeof(WinogradVector));
                } else {
                    std::memcpy(place, &result[j], bytes);
                }
            }
        }
    }
}

/// The way back: `out` x `out` pixels of `filters` values each; null ones lie outside of the image.
template <class Form>
ORRERY_INLINE void winograd_output_tile(const float* from, Index step, Index filters, float* const* to) {
    constexpr int tile = Form::tile;
    constexpr int out = Form::out;
    for (Index c = 0; c < filters; c += winograd_lanes) {
        const auto bytes = static_cast<std::size_t>(std::min(winograd_lanes, filters - c)) * sizeof(float);
        WinogradVector half[tile][out];
        for (int j = 0; j < tile; ++j) {
            WinogradVector column[tile] = {};
            for (int i = 0; i < tile; ++i) {
                const float* place = from + (i * tile + j) * step + c;
                if (bytes == sizeof(WinogradVector)) {
                    std::memcpy(&column[i], place, sizeof(WinogradVector));
                } else {
                    std::memcpy(&column[i], place, bytes);
                }
            }
            Form::output(column, half[j]);
        }
        for (int i = 0; i < out; ++i) {
            WinogradVector row[tile];
            WinogradVector result[out];
            for (int j = 0; j < tile; ++j) row[j] = half[j][i];
            Form::output(row, result);
            for (int j = 0; j < out; ++j) {
                if (to[i * out + j] != nullptr) std::memcpy(to[i * out + j] + c, &result[j], bytes);
            }
        }
    }
}

}  // namespace orrery
