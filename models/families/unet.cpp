// Down one side, up the other, joined by concatenation.
#include "models/families/unet.hpp"

#include "models/families/convolutional.hpp"

namespace orrery {
namespace {

void add_pair(Chain& chain, std::int64_t filters, std::int64_t stride, bool first) {
    ChainStep step{filters, 3, stride};
    step.first = first;
    chain.convolve("convolution 3", step);
    chain.convolve("convolution 3", {filters, 3, 1});
}

void add_output(LayeredModel& layered, const PassShape& shape, const Image& image, int classes) {
    add_block(layered, shape, "output", image, 1, [&](Chain& chain) {
        ChainStep last{classes, 1, 1};
        last.norm = ImageNorm::none;
        last.activation = ImageActivation::none;
        last.biased = true;
        chain.convolve("output 1x1", last);
        const double elements = chain.image().elements() * static_cast<double>(shape.samples);
        // Dice and cross entropy in fp32: softmax, both sums, and their gradients.
        chain.add(streaming_operator(shape, "loss", elements, {12.0, 8.0, 4.0, 12}));
    });
}

}  // namespace

LayeredModel describe(const UNet& model, const PassShape& shape) {
    LayeredModel layered;
    layered.sample = model.depth > 1 ? "volumes" : "images";
    Image image{model.depth, model.height, model.width, model.channels};
    std::vector<Image> skips;
    for (std::size_t level = 0; level < model.filters.size(); ++level) {
        image = add_block(layered, shape, "encoder level", image, 1, [&](Chain& chain) {
            add_pair(chain, model.filters[level], level == 0 ? 1 : 2, level == 0);
        });
        skips.push_back(image);
    }
    for (std::size_t level = model.filters.size() - 1; level-- > 0;) {
        image = add_block(layered, shape, "decoder level", image, 1, [&](Chain& chain) {
            ChainStep up{model.filters[level], 2, 2};
            up.transposed = true;
            up.norm = ImageNorm::none;
            up.activation = ImageActivation::none;
            chain.convolve("transposed convolution", up);
            Image joined = skips[level];
            chain.add(streaming_operator(shape, "concatenate",
                                         2.0 * joined.elements() * static_cast<double>(shape.samples), {2.0, 2.0, 0.0, 1}));
            joined.channels *= 2;
            chain.set_image(joined);
            add_pair(chain, model.filters[level], 1, false);
        });
        if (level > 0 && static_cast<int>(level) <= model.deep_supervision) add_output(layered, shape, image, model.classes);
    }
    add_output(layered, shape, image, model.classes);
    return layered;
}

}  // namespace orrery
