// What all convolution kernels share: their sizes as work, and the definition in float64 that judges them.
#pragma once

#include "kernels/reference/buffer.hpp"
#include "kernels/reference/kernel.hpp"
#include "kernels/reference/operators.hpp"

#include <algorithm>
#include <functional>
#include <span>

namespace orrery {

/// Of a case with the sizes "batch channels height width filters kernel stride" and, where there is an eighth, groups.
Convolution convolution_of(const KernelCase& kernel_case);

/// Length of a side of the output.
inline Index convolved_side(Index size, Index stride) { return (size + stride - 1) / stride; }

/// Zeros that "same" padding puts around a side of `size`; half of them, rounded down, stand before it.
inline Index padding_in_all(Index size, Index kernel, Index stride) {
    return std::max<Index>((convolved_side(size, stride) - 1) * stride + kernel - size, 0);
}
inline Index padding_before(Index size, Index kernel, Index stride) { return padding_in_all(size, kernel, stride) / 2; }

/// Order of an image in memory: a plane for each channel, or all channels of a pixel side by side.
enum class ImageLayout : std::uint8_t { channels_first, channels_last };

/// Hands each value of `x`, stored channels first, to `put(place with channels last, value)`.
template <class Put>
void channels_side_by_side(const Convolution& work, const float* x, const Put& put) {
    const Index plane = work.height * work.width;
    for (Index i = 0; i < work.input_pixels() * work.channels; ++i) {
        put((i / (plane * work.channels) * plane + i % plane) * work.channels + i / plane % work.channels, x[i]);
    }
}

/// Relative Frobenius error of the outputs `y`, of which some 2000 are judged; infinite where one is no number. `x` is
/// [batch, channels, height, width] and `w` [filters, channels / groups, kernel, kernel], whatever the kernel itself reads.
double convolution_error(const Convolution& work, std::span<const float> x, std::span<const float> w, std::span<const float> y, ImageLayout layout);

/// A kernel beside "convolution": without work, as it is another way to do the same, at the arithmetic of the definition, so
/// that rates compare. `run(i)` takes copy i of the pixels, channels last, and fills that of `y`.
PreparedKernel convolution_beside(const Convolution& work, int copies, const Shared<float>& x, const Shared<float>& w, const Shared<float>& y,
                                  double error_max, std::function<void(int)> run);

}  // namespace orrery
