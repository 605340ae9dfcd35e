// Bottlenecks of 1 x 1, 3 x 3 and 1 x 1 convolutions in four stages, the last three at half the resolution each.
#include "models/families/resnet.hpp"

#include "models/families/convolutional.hpp"

namespace orrery {
namespace {

constexpr int expansion = 4;  // output channels of a bottleneck over the base width of its stage

struct Bottleneck {
    std::int64_t inner;
    std::int64_t outer;
    std::int64_t stride;
    bool projects;  // a 1 x 1 convolution on the shortcut
};

void add_bottleneck(Chain& chain, const ResNet& model, const Bottleneck& b) {
    const Image entry = chain.image();
    if (b.projects) {
        ChainStep shortcut{b.outer, 1, b.stride};
        shortcut.activation = false;
        chain.convolve("shortcut", shortcut);
        chain.set_image(entry);
    }
    chain.convolve("convolution 1x1", {b.inner, 1, 1});
    chain.convolve("convolution 3x3", {b.inner, 3, b.stride, model.groups});
    ChainStep last{b.outer, 1, 1};
    last.adds = true;
    if (model.squeeze_reduction == 0) {
        chain.convolve("convolution 1x1", last);
        return;
    }
    last.activation = false;
    last.adds = false;
    chain.convolve("convolution 1x1", last);
    chain.squeeze_excite(b.outer / model.squeeze_reduction);
    chain.sum();
}

}  // namespace

LayeredModel describe(const ResNet& model, const PassShape& shape) {
    LayeredModel layered;
    layered.sample = "images";
    Image image{1, model.image, model.image, 3};
    image = add_block(layered, shape, "stem", image, 1, [](Chain& chain) {
        ChainStep stem{64, 7, 2};
        stem.first = true;
        chain.convolve("stem convolution", stem);
        chain.pool("max pool", 2);
    });
    for (std::size_t stage = 0; stage < model.blocks.size(); ++stage) {
        const std::int64_t scale = std::int64_t{1} << stage;
        Bottleneck b{model.groups * model.width_per_group * scale, 64 * expansion * scale,
                     stage == 0 ? 1 : 2, true};
        const auto build = [&](Chain& chain) { add_bottleneck(chain, model, b); };
        image = add_block(layered, shape, "first bottleneck", image, 1, build);
        b.stride = 1;
        b.projects = false;
        if (model.blocks[stage] > 1) image = add_block(layered, shape, "bottleneck", image, model.blocks[stage] - 1, build);
    }
    add_classifier(layered, shape, image, model.classes);
    return layered;
}

}  // namespace orrery
