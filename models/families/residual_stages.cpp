// He et al., arXiv 1512.03385, table 1: a 7 x 7 stem, pooling, stages of blocks with a shortcut each.
#include "models/families/residual_stages.hpp"

namespace orrery {
namespace {

constexpr int expansion = 4;  // output channels of a bottleneck over the base width of its stage

struct ResidualBlock {
    std::int64_t inner;
    std::int64_t outer;
    std::int64_t stride;
    bool projects;  // a 1 x 1 convolution on the shortcut
};

void add_shortcut(Chain& chain, const ResidualStages& stages, const ResidualBlock& b) {
    if (!b.projects) return;
    const Image entry = chain.image();
    ChainStep shortcut{b.outer, 1, b.stride};
    shortcut.norm = stages.norm;
    shortcut.activation = ImageActivation::none;
    chain.convolve("shortcut", shortcut);
    chain.set_image(entry);
}

void add_basic_block(Chain& chain, const ResidualStages& stages, const ResidualBlock& b) {
    add_shortcut(chain, stages, b);
    ChainStep step{b.outer, 3, b.stride};
    step.norm = stages.norm;
    chain.convolve("convolution 3x3", step);
    step.stride = 1;
    step.adds = true;
    chain.convolve("convolution 3x3", step);
}

void add_bottleneck(Chain& chain, const ResidualStages& stages, const ResidualBlock& b) {
    add_shortcut(chain, stages, b);
    ChainStep step{b.inner, 1, 1};
    step.norm = stages.norm;
    chain.convolve("convolution 1x1", step);
    step.kernel = 3;
    step.stride = b.stride;
    step.groups = stages.groups;
    chain.convolve("convolution 3x3", step);
    ChainStep last{b.outer, 1, 1};
    last.norm = stages.norm;
    last.adds = stages.squeeze_reduction == 0;
    if (last.adds) {
        chain.convolve("convolution 1x1", last);
        return;
    }
    last.activation = ImageActivation::none;
    chain.convolve("convolution 1x1", last);
    chain.squeeze_excite(b.outer / stages.squeeze_reduction);
    chain.sum();
}

}  // namespace

std::vector<Image> add_residual_stages(LayeredModel& model, const PassShape& shape, std::int64_t height,
                                       std::int64_t width, const ResidualStages& stages) {
    std::vector<Image> left;
    Image image = add_block(model, shape, "stem", {1, height, width, 3}, 1, [&](Chain& chain) {
        ChainStep stem{64, 7, 2};
        stem.first = true;
        stem.norm = stages.norm;
        chain.convolve("stem convolution", stem);
        chain.pool("max pool", 2);
    });
    for (std::size_t stage = 0; stage < stages.blocks.size(); ++stage) {
        const std::int64_t scale = std::int64_t{1} << stage;
        ResidualBlock b{stages.groups * stages.width_per_group * scale, 64 * scale * (stages.bottleneck ? expansion : 1),
                        stages.strides[stage], true};
        b.projects = b.stride > 1 || image.channels != b.outer;
        const auto build = [&](Chain& chain) {
            if (stages.bottleneck) {
                add_bottleneck(chain, stages, b);
            } else {
                add_basic_block(chain, stages, b);
            }
        };
        image = add_block(model, shape, "first residual block", image, 1, build);
        b.stride = 1;
        b.projects = false;
        if (stages.blocks[stage] > 1)
            image = add_block(model, shape, "residual block", image, stages.blocks[stage] - 1, build);
        left.push_back(image);
    }
    return left;
}

}  // namespace orrery
