// Prices convolutions as implicit matrix products: Chetlur et al., "cuDNN: Efficient Primitives for Deep Learning",
// arXiv 1410.0759 (section 3); layouts and padding: NVIDIA, "Convolutional Layers User's Guide", DU-09796.
#include "hardware/work_kinds/convolution_model.hpp"

#include "hardware/work_kinds/matrix_multiply_model.hpp"

#include <algorithm>

namespace orrery {
namespace {

// Channels that one pass of a matrix instruction's tile takes in: groups narrower than it share one product.
constexpr std::int64_t packed_channels = 32;
// Matrix units read whole 16-byte vectors of channels (DU-09796, section "Channels In And Out").
constexpr double vector_bytes = 16.0;
// Share of the fp32 vector peak that depthwise kernels reach: address arithmetic and loads beside one multiply-add for
// each value; weight gradients also reduce over the whole batch. Fitted on published EfficientNet trainings, 2026-11.
constexpr double depthwise_efficiency = 0.12;
constexpr double depthwise_gradient_efficiency = 0.04;

// Multiplications of a 3 x 3 convolution by 4 x 4 tiles for 2 x 2 outputs: 16 instead of 36 (Lavin & Gray,
// arXiv 1509.09308).
constexpr double winograd_share = 16.0 / 36.0;

std::int64_t padded(std::int64_t channels, DataType type) {
    const auto grain = static_cast<std::int64_t>(vector_bytes / element_bytes(type));
    return (channels + grain - 1) / grain * grain;
}

double depthwise_seconds(const Machine& vector, const GemmParameters& parameters, const Convolution& work) {
    const bool reduces = work.pass == ConvolutionPass::weight_gradient;
    const double efficiency = reduces ? depthwise_gradient_efficiency : depthwise_efficiency;
    const double compute = vector.peak > 0.0 ? convolution_flop(work) / (vector.peak * efficiency) : 0.0;
    const double memory = vector.bandwidth > 0.0
                              ? convolution_bytes(work) / (vector.bandwidth * parameters.memory_efficiency)
                              : 0.0;
    return std::max(compute, memory) + parameters.tile_overhead.si();
}

}  // namespace

double convolution_flop(const Convolution& work) {
    return 2.0 * static_cast<double>(work.output_pixels()) * static_cast<double>(work.weights());
}

double convolution_bytes(const Convolution& work) {
    const double values = static_cast<double>(work.input_pixels()) * static_cast<double>(work.channels) +
                          static_cast<double>(work.output_pixels()) * static_cast<double>(work.filters) +
                          static_cast<double>(work.weights());
    return values * element_bytes(work.type);
}

double least_multiplications(const Convolution& work) {
    const bool plain = work.kernel_depth == 1 && work.kernel_height == 3 && work.kernel_width == 3 && work.stride == 1 &&
                       work.stride_depth == 1 && work.groups == 1;
    return plain && work.type == DataType::fp32 ? winograd_share : 1.0;
}

MatrixMultiply implicit_product(const Convolution& work) {
    const std::int64_t own = work.channels / work.groups;
    const std::int64_t merged = work.groups > 1 ? std::clamp<std::int64_t>(packed_channels / own, 1, work.groups) : 1;
    const std::int64_t channels = padded(own * merged, work.type);
    const std::int64_t filters = padded(work.filters / work.groups * merged, work.type);
    MatrixMultiply product;
    product.batch = std::max<std::int64_t>(work.groups / merged, 1);
    product.type = work.type;
    product.output_element_bytes = element_bytes(work.type);
    const std::int64_t points = work.kernel_points();
    switch (work.pass) {
        case ConvolutionPass::forward:
            product.m = work.output_pixels();
            product.n = filters;
            product.k = channels * points;
            break;
        case ConvolutionPass::input_gradient: {
            // Each input pixel meets the share of the kernel that its place in the stride lets it meet.
            const std::int64_t thinning = std::max<std::int64_t>(work.input_pixels() / work.output_pixels(), 1);
            product.m = work.input_pixels();
            product.n = channels;
            product.k = std::max<std::int64_t>(filters * points / thinning, 1);
            break;
        }
        case ConvolutionPass::weight_gradient:
            product.m = filters;
            product.n = channels * points;
            product.k = work.output_pixels();
            break;
    }
    return product;
}

double convolution_seconds(const Machine& matrix, const Machine& vector, const GemmParameters& parameters,
                           const Convolution& work) {
    if (work.is_depthwise()) return depthwise_seconds(vector, parameters, work);
    MatrixMultiply product = implicit_product(work);
    product.k = std::max<std::int64_t>(
        1, static_cast<std::int64_t>(static_cast<double>(product.k) * least_multiplications(work)));
    return indexed_multiply_seconds(matrix, parameters, product, convolution_bytes(work));
}

}  // namespace orrery
