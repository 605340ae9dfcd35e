// The seven stages of EfficientNet-B0, scaled.
#include "models/families/efficientnet.hpp"

#include "models/families/convolutional.hpp"

#include <algorithm>
#include <array>
#include <cmath>

namespace orrery {
namespace {

struct EfficientStage {
    int expansion;
    int kernel;
    int stride;
    int channels;
    int blocks;
};
// Tan & Le, arXiv 1905.11946, table 1.
constexpr std::array<EfficientStage, 7> efficient_stages{{
    {1, 3, 1, 16, 1}, {6, 3, 2, 24, 2}, {6, 5, 2, 40, 2}, {6, 3, 2, 80, 3}, {6, 5, 1, 112, 3}, {6, 5, 2, 192, 4},
    {6, 3, 1, 320, 1}}};

/// Channels are multiples of 8, never less than 90 % of the scaled number (the authors' round_filters).
std::int64_t scaled_channels(double channels, double factor) {
    const double wanted = channels * factor;
    auto rounded = std::max<std::int64_t>(8, static_cast<std::int64_t>(wanted + 4.0) / 8 * 8);
    if (static_cast<double>(rounded) < 0.9 * wanted) rounded += 8;
    return rounded;
}

ChainStep swish_step(std::int64_t filters, std::int64_t kernel, std::int64_t stride) {
    ChainStep step{filters, kernel, stride};
    step.activation = ImageActivation::swish;
    return step;
}

void add_inverted_bottleneck(Chain& chain, const EfficientNet& model, const EfficientStage& stage, std::int64_t output,
                             bool is_first) {
    const std::int64_t input = chain.image().channels;
    const std::int64_t expanded = input * stage.expansion;
    if (stage.expansion > 1) chain.convolve("expand 1x1", swish_step(expanded, 1, 1));
    ChainStep depthwise = swish_step(expanded, stage.kernel, is_first ? stage.stride : 1);
    depthwise.groups = expanded;
    chain.convolve("depthwise convolution", depthwise);
    chain.squeeze_excite(std::max<std::int64_t>(1, (model.wide_squeeze ? expanded : input) / 4));
    ChainStep project{output, 1, 1};
    project.activation = ImageActivation::none;
    project.adds = !is_first || (stage.stride == 1 && input == output);
    chain.convolve("project 1x1", project);
}

}  // namespace

LayeredModel describe(const EfficientNet& model, const PassShape& shape) {
    LayeredModel layered;
    layered.sample = "images";
    Image image = add_block(layered, shape, "stem", {1, model.image, model.image, 3}, 1, [&](Chain& chain) {
        ChainStep stem = swish_step(scaled_channels(32, model.width_factor), 3, 2);
        stem.first = true;
        chain.convolve("stem convolution", stem);
    });
    for (const EfficientStage& stage : efficient_stages) {
        const std::int64_t output = scaled_channels(stage.channels, model.width_factor);
        const int blocks = static_cast<int>(std::ceil(stage.blocks * model.depth_factor));
        image = add_block(layered, shape, "first inverted bottleneck", image, 1,
                          [&](Chain& chain) { add_inverted_bottleneck(chain, model, stage, output, true); });
        if (blocks == 1) continue;
        image = add_block(layered, shape, "inverted bottleneck", image, blocks - 1,
                          [&](Chain& chain) { add_inverted_bottleneck(chain, model, stage, output, false); });
    }
    image = add_block(layered, shape, "head", image, 1, [&](Chain& chain) {
        chain.convolve("head 1x1", swish_step(scaled_channels(1280, model.width_factor), 1, 1));
    });
    add_classifier(layered, shape, image, model.classes);
    return layered;
}

}  // namespace orrery
