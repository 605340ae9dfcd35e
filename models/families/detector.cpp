// Heads over the maps that a residual backbone gives.
#include "models/families/detector.hpp"

#include "models/families/residual_stages.hpp"

#include <array>

namespace orrery {
namespace {

constexpr std::int64_t pyramid_channels = 256;

ChainStep plain_convolution(std::int64_t filters, std::int64_t kernel, std::int64_t stride, bool activation) {
    ChainStep step{filters, kernel, stride};
    step.norm = ImageNorm::none;
    step.activation = activation ? ImageActivation::relu : ImageActivation::none;
    step.biased = true;
    return step;
}

/// Parameters of an operator that is run again on another map.
void share(ModelBlock& block) {
    for (ModelOperator& one : block.operators) one.parameters = 0.0;
}

/// Lin et al., arXiv 1612.03144: 1 x 1 on each map, sums from the top, 3 x 3 on each.
std::vector<Image> add_pyramid(LayeredModel& layered, const PassShape& shape, const std::vector<Image>& maps) {
    std::vector<Image> levels;
    for (const Image& map : maps) {
        levels.push_back(add_block(layered, shape, "pyramid level", map, 1, [&](Chain& chain) {
            chain.convolve("lateral 1x1", plain_convolution(pyramid_channels, 1, 1, false));
            chain.sum();
            chain.convolve("pyramid 3x3", plain_convolution(pyramid_channels, 3, 1, false));
        }));
    }
    return levels;
}

/// Boxes and scores of a level: places x anchors, matched to the truth, with their loss.
void add_detection_loss(LayeredModel& layered, const PassShape& shape, double scores, int kernels) {
    add_block(layered, shape, "detection loss", {}, 1, [&](Chain& chain) {
        chain.add(streaming_operator(shape, "detection loss", scores * static_cast<double>(shape.samples),
                                     {8.0, 4.0, 2.0, kernels}));
    });
}

/// Layers on sampled regions: `pooled` places of a region out of four neighbours each.
void add_region_pooling(Chain& chain, const PassShape& shape, double regions, double pooled) {
    chain.add(streaming_operator(shape, "region align", regions * pooled * pooled * pyramid_channels, {5.0, 6.0, 0.0, 5}));
}

void add_box_head(LayeredModel& layered, const PassShape& shape, const MaskRcnn& model) {
    const std::int64_t rows = shape.samples * model.regions;
    add_block(layered, shape, "box head", {}, 1, [&](Chain& chain) {
        add_region_pooling(chain, shape, static_cast<double>(rows), 7.0);
        chain.add(linear_operator(shape, "box linear", rows, 1024, 7 * 7 * pyramid_channels));
        chain.add(linear_operator(shape, "box linear", rows, 1024, 1024));
        chain.add(linear_operator(shape, "box outputs", rows, 5L * model.classes, 1024));
        chain.add(streaming_operator(shape, "box loss", static_cast<double>(rows * model.classes * 5), {6.0, 3.0, 2.0, 20}));
    });
}

void add_mask_head(LayeredModel& layered, const PassShape& shape, const MaskRcnn& model) {
    PassShape regions = shape;
    regions.samples = shape.samples * model.mask_regions;
    add_block(layered, regions, "mask head", {1, 14, 14, pyramid_channels}, 1, [&](Chain& chain) {
        add_region_pooling(chain, shape, static_cast<double>(regions.samples), 14.0);
        for (int i = 0; i < 4; ++i) chain.convolve("mask 3x3", plain_convolution(256, 3, 1, true));
        ChainStep up = plain_convolution(256, 2, 2, true);
        up.transposed = true;
        chain.convolve("mask transposed convolution", up);
        chain.convolve("mask 1x1", plain_convolution(model.classes, 1, 1, false));
        const double elements = chain.image().elements() * static_cast<double>(regions.samples);
        chain.add(streaming_operator(regions, "mask loss", elements, {2.0, 2.0, 1.0, 10}));
    });
}

}  // namespace

LayeredModel describe(const Ssd& model, const PassShape& shape) {
    LayeredModel layered;
    layered.sample = "images";
    ResidualStages stages;
    stages.blocks = model.blocks;
    stages.strides = {1, 2, 1};
    stages.bottleneck = model.bottleneck;
    Image image = add_residual_stages(layered, shape, model.image, model.image, stages).back();
    // Extra layers: 1 x 1 to half the width, 3 x 3 to the next map; maps of 38, 19, 10, 5, 3, 1 with their boxes.
    constexpr std::array<std::int64_t, 5> inner{256, 256, 128, 128, 128};
    constexpr std::array<std::int64_t, 6> boxes{4, 6, 6, 6, 4, 4};
    std::vector<Image> maps{image};
    for (std::size_t i = 0; i < inner.size(); ++i) {
        image = add_block(layered, shape, "extra layer", image, 1, [&](Chain& chain) {
            chain.convolve("extra 1x1", {inner[i], 1, 1});
            chain.convolve("extra 3x3", {2 * inner[i], 3, i < 3 ? 2L : 1L});
        });
        if (i == 3) image = {1, 3, 3, image.channels};
        if (i == 4) image = {1, 1, 1, image.channels};
        maps.push_back(image);
    }
    double scores = 0.0;
    for (std::size_t i = 0; i < maps.size(); ++i) {
        add_block(layered, shape, "box outputs", maps[i], 1, [&](Chain& chain) {
            chain.convolve("places 3x3", plain_convolution(boxes[i] * 4, 3, 1, false));
            chain.set_image(maps[i]);
            chain.convolve("classes 3x3", plain_convolution(boxes[i] * model.classes, 3, 1, false));
        });
        scores += static_cast<double>(maps[i].height * maps[i].width * boxes[i]) * (model.classes + 4.0);
    }
    add_detection_loss(layered, shape, scores, 40);
    return layered;
}

LayeredModel describe(const RetinaNet& model, const PassShape& shape) {
    LayeredModel layered;
    layered.sample = "images";
    ResidualStages stages;
    stages.blocks = model.blocks;
    stages.strides.resize(model.blocks.size(), 2);
    stages.groups = model.groups;
    stages.width_per_group = model.width_per_group;
    stages.norm = ImageNorm::frozen;
    const std::vector<Image> left = add_residual_stages(layered, shape, model.image, model.image, stages);
    std::size_t untrained = model.frozen_stages > 0 ? 1 : 0;  // the stem
    for (int i = 0; i < model.frozen_stages; ++i) untrained += model.blocks[static_cast<std::size_t>(i)] > 1 ? 2 : 1;
    freeze_blocks(layered, untrained);
    std::vector<Image> levels = add_pyramid(layered, shape, {left[1], left[2], left[3]});
    for (int i = 0; i < 2; ++i) {  // two coarser levels
        levels.push_back(add_block(layered, shape, "coarse level", levels.back(), 1, [&](Chain& chain) {
            chain.convolve("coarse 3x3", plain_convolution(pyramid_channels, 3, 2, false));
        }));
    }
    double scores = 0.0;
    for (std::size_t i = 0; i < levels.size(); ++i) {
        for (const std::int64_t outputs : {std::int64_t{4}, std::int64_t{model.classes}}) {
            add_block(layered, shape, "tower", levels[i], 1, [&](Chain& chain) {
                for (int n = 0; n < 4; ++n) chain.convolve("tower 3x3", plain_convolution(pyramid_channels, 3, 1, true));
                chain.convolve("tower outputs", plain_convolution(outputs * model.anchors, 3, 1, false));
                scores += chain.image().elements();
            });
            if (i > 0) share(layered.blocks.back());
        }
    }
    add_detection_loss(layered, shape, scores, 40);
    return layered;
}

LayeredModel describe(const MaskRcnn& model, const PassShape& shape) {
    LayeredModel layered;
    layered.sample = "images";
    ResidualStages stages;
    stages.blocks = model.blocks;
    stages.strides.resize(model.blocks.size(), 2);
    stages.norm = ImageNorm::frozen;
    const std::vector<Image> left = add_residual_stages(layered, shape, model.height, model.width, stages);
    std::size_t untrained = model.frozen_stages > 0 ? 1 : 0;
    for (int i = 0; i < model.frozen_stages; ++i) untrained += model.blocks[static_cast<std::size_t>(i)] > 1 ? 2 : 1;
    freeze_blocks(layered, untrained);
    std::vector<Image> levels = add_pyramid(layered, shape, left);
    Image coarse = levels.back();
    coarse.height = (coarse.height + 1) / 2;
    coarse.width = (coarse.width + 1) / 2;
    levels.push_back(coarse);
    constexpr std::int64_t anchors = 3;
    double scores = 0.0;
    for (std::size_t i = 0; i < levels.size(); ++i) {
        add_block(layered, shape, "proposals", levels[i], 1, [&](Chain& chain) {
            chain.convolve("proposals 3x3", plain_convolution(pyramid_channels, 3, 1, true));
            chain.convolve("proposals 1x1", plain_convolution(anchors * 5, 1, 1, false));
            scores += chain.image().elements();
        });
        if (i > 0) share(layered.blocks.back());
    }
    // Sorting, decoding, suppressing and matching boxes, image by image and level by level: 1,500 small kernels for an
    // image in eager PyTorch, 300 where they are batched; the larger one from published steps that half precision does
    // not shorten (NVIDIA DeepLearningExamples, Mask R-CNN), the smaller from MLPerf v1.0 steps.
    const int kernels = 100 + (shape.fused_kernels ? 300 : 1500) * static_cast<int>(shape.samples);
    add_detection_loss(layered, shape, scores, kernels);
    add_box_head(layered, shape, model);
    add_mask_head(layered, shape, model);
    return layered;
}

}  // namespace orrery
