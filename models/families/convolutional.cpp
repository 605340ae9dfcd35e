// Convolutions in chains, with the traffic of batch normalisation and activations.
//
// Values moved per element (Ioffe & Szegedy, arXiv 1502.03167): statistics read the image, applying them reads and
// writes it: 3; backward reads image and gradient for the two sums and again for the result: 5. An activation apart:
// 2 forward, 3 backward (gradient and output read, gradient written). A sum apart: 3 forward, and backward nothing but
// the sum of the gradients of both paths (3). Fused, the activation rides along free and the sum reads one more image.
// Where convolutions do the statistics on what they write and apply the norm to what they read (cuDNN's fused
// operators), only a sum's result and its gradient are moved.
#include "models/families/convolutional.hpp"

#include <utility>

namespace orrery {
namespace {

ElementCosts norm_costs(const PassShape& shape, const ChainStep& step) {
    const bool activates = step.activation != ImageActivation::none;
    const double act = activates ? 1.0 : 0.0;
    const double sum = step.adds ? 1.0 : 0.0;
    const bool frozen_norm = step.norm == ImageNorm::frozen;
    if (shape.fused_convolutions) return {2.0 * sum + 0.5, frozen_norm ? 1.0 : 2.0 + sum, 1.0, 1};
    const double norm_forward = frozen_norm ? 2.0 : 3.0;
    const double norm_backward = frozen_norm ? 2.0 : 5.0;
    if (shape.fused_kernels) return {norm_forward + sum, norm_backward + sum + (frozen_norm ? act : 0.0), 1.0, frozen_norm ? 1 : 2};
    const int kernels = (frozen_norm ? 1 : 2) + (activates ? 1 : 0) + (step.adds ? 1 : 0);
    return {norm_forward + 2.0 * act + 3.0 * sum, norm_backward + 3.0 * act + 3.0 * sum, 1.0 + act, kernels};
}

}  // namespace

ModelOperator norm_operator(const PassShape& shape, double elements, std::int64_t channels, const ChainStep& step) {
    const double trained = step.norm == ImageNorm::statistics ? 2.0 * static_cast<double>(channels) : 0.0;
    return streaming_operator(shape, "image norm", elements, norm_costs(shape, step), trained);
}

void freeze_blocks(LayeredModel& model, std::size_t end) {
    for (std::size_t i = 0; i < end; ++i) {
        for (ModelOperator& one : model.blocks[i].operators) one = frozen(std::move(one));
    }
}

void Chain::convolve(std::string_view name, const ChainStep& step) {
    ConvolutionShape c;
    const bool solid = image_.depth > 1;
    const std::int64_t enlarged = step.transposed ? step.stride : 1;
    c.depth = image_.depth * (solid ? enlarged : 1);
    c.height = image_.height * enlarged;
    c.width = image_.width * enlarged;
    c.channels = image_.channels;
    c.filters = step.filters;
    c.kernel = step.kernel;
    c.kernel_depth = solid ? step.kernel : 1;
    c.stride = step.stride;
    c.stride_depth = solid ? step.stride : 1;
    c.groups = step.groups;
    c.biased = step.biased;
    c.transposed = step.transposed;
    c.needs_input_gradient = !step.first;
    operators_.push_back(convolution_operator(shape_, name, c));
    const auto side = [&](std::int64_t size, std::int64_t stride) {
        return step.transposed ? size * stride : (size + stride - 1) / stride;
    };
    image_ = {side(image_.depth, solid ? step.stride : 1), side(image_.height, step.stride),
              side(image_.width, step.stride), step.filters};
    const double elements = image_.elements() * static_cast<double>(shape_.samples);
    if (step.norm != ImageNorm::none) {
        operators_.push_back(norm_operator(shape_, elements, step.filters, step));
    } else if (step.activation != ImageActivation::none) {
        operators_.push_back(streaming_operator(shape_, "activation", elements, {2.0, 3.0, 1.0, 1}));
    }
}

void Chain::pool(std::string_view name, std::int64_t stride) {
    const double before = image_.elements() * static_cast<double>(shape_.samples);
    const auto side = [&](std::int64_t size) { return size > 1 ? (size + stride - 1) / stride : size; };
    image_ = {side(image_.depth), side(image_.height), side(image_.width), image_.channels};
    const double after = image_.elements() * static_cast<double>(shape_.samples);
    operators_.push_back(streaming_operator(shape_, name, before + after, {1.0, 1.5, 0.5, 1}));
}

void Chain::squeeze_excite(std::int64_t inner) {
    const double elements = image_.elements() * static_cast<double>(shape_.samples);
    operators_.push_back(streaming_operator(shape_, "squeeze", elements, {1.0, 1.0, 0.0, 1}));
    operators_.push_back(linear_operator(shape_, "squeeze linear", shape_.samples, inner, image_.channels));
    operators_.push_back(linear_operator(shape_, "excite linear", shape_.samples, image_.channels, inner));
    operators_.push_back(streaming_operator(shape_, "excite", elements, {2.0, 4.0, 1.0, 1}));
}

void Chain::sum() {
    const double elements = image_.elements() * static_cast<double>(shape_.samples);
    const ElementCosts costs = shape_.fused_kernels ? ElementCosts{3.0, 3.0, 1.0, 1} : ElementCosts{5.0, 6.0, 1.0, 2};
    operators_.push_back(streaming_operator(shape_, "residual", elements, costs));
}

void add_classifier(LayeredModel& model, const PassShape& shape, const Image& image, std::int64_t classes) {
    add_block(model, shape, "classifier", image, 1, [&](Chain& chain) {
        const double elements = image.elements() * static_cast<double>(shape.samples);
        chain.add(streaming_operator(shape, "average", elements, {1.0, 1.0, 0.0, 1}));
        chain.add(linear_operator(shape, "classifier", shape.samples, classes, image.channels));
        const double scores = static_cast<double>(shape.samples) * static_cast<double>(classes);
        chain.add(streaming_operator(shape, "loss", scores, {6.0, 3.0, 2.0, 3}));
    });
}

}  // namespace orrery
