// Residual convolutional networks of bottleneck blocks: ResNet v1.5, ResNeXt, SE-ResNeXt.
#pragma once

#include "hardware/fields.hpp"
#include "models/layered_model.hpp"

#include <string_view>
#include <vector>

namespace orrery {

/// He et al., arXiv 1512.03385 (v1.5: the stride is in the 3 x 3 convolution); groups: Xie et al., arXiv 1611.05431;
/// squeeze and excitation: Hu et al., arXiv 1709.01507.
struct ResNet {
    static constexpr std::string_view family = "resnet";
    static constexpr std::string_view doc = "residual network of bottleneck blocks (ResNet v1.5, ResNeXt, SE-ResNeXt)";
    std::vector<int> blocks{3, 4, 6, 3};  // bottlenecks of each of the four stages
    int groups = 1;
    int width_per_group = 64;             // of the 3 x 3 convolution in the first stage
    int squeeze_reduction = 0;            // 0: no squeeze and excitation
    int image = 224;                      // pixels of a side
    int classes = 1000;
    bool operator==(const ResNet&) const = default;

    static constexpr auto fields() {
        using R = ResNet;
        return std::tuple{
            field("blocks", &R::blocks, count, "Bottleneck blocks of each stage."),
            field("groups", &R::groups, count, "Groups of the 3 x 3 convolutions; more than 1: ResNeXt."),
            field("width_per_group", &R::width_per_group, count, "Channels per group of the first stage."),
            field("squeeze_reduction", &R::squeeze_reduction, non_negative,
                  "Channels over the width of squeeze and excitation; 0: none."),
            field("image", &R::image, count, "Side of a square image in pixels."),
            field("classes", &R::classes, count, "Outputs of the last layer."),
        };
    }
};

LayeredModel describe(const ResNet& model, const PassShape& shape);

}  // namespace orrery
