// Convolution of images (or volumes), plain, grouped or depthwise, in its three passes, as work to be priced or done.
#pragma once

#include "hardware/data_type.hpp"

#include <cstdint>

namespace orrery {

/// Each needs the other two tensors of: input image, weights, output image.
enum class ConvolutionPass : std::uint8_t { forward, input_gradient, weight_gradient };

/// `batch` images of depth x height x width with `channels`, to `filters`, with "same" padding: each side of the output
/// is ceil(input / stride). Depth 1 is an image; `groups` = channels is depthwise. A transposed convolution is the
/// input gradient of the convolution that goes back.
struct Convolution {
    std::int64_t batch = 1;
    std::int64_t depth = 1;
    std::int64_t height = 1;
    std::int64_t width = 1;
    std::int64_t channels = 1;
    std::int64_t filters = 1;
    std::int64_t kernel_depth = 1;
    std::int64_t kernel_height = 1;
    std::int64_t kernel_width = 1;
    std::int64_t stride_depth = 1;
    std::int64_t stride = 1;           // along height and width
    std::int64_t groups = 1;
    ConvolutionPass pass = ConvolutionPass::forward;
    DataType type = DataType::bf16;
    bool operator==(const Convolution&) const = default;

    [[nodiscard]] bool is_depthwise() const { return groups > 1 && groups == channels; }
    [[nodiscard]] std::int64_t kernel_points() const { return kernel_depth * kernel_height * kernel_width; }
    [[nodiscard]] std::int64_t input_pixels() const { return batch * depth * height * width; }
    [[nodiscard]] std::int64_t output_pixels() const {
        const auto side = [](std::int64_t size, std::int64_t step) { return (size + step - 1) / step; };
        return batch * side(depth, stride_depth) * side(height, stride) * side(width, stride);
    }
    [[nodiscard]] std::int64_t weights() const { return filters * (channels / groups) * kernel_points(); }
};

}  // namespace orrery
