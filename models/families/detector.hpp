// Object detectors on a residual backbone: SSD, RetinaNet and Mask R-CNN.
#pragma once

#include "hardware/fields.hpp"
#include "models/layered_model.hpp"

#include <string_view>
#include <vector>

namespace orrery {

/// Liu et al., arXiv 1512.02325, with a residual backbone to its third stage at stride 8 (MLPerf, NVIDIA).
struct Ssd {
    static constexpr std::string_view family = "ssd";
    static constexpr std::string_view doc = "single-shot detector with a residual backbone (SSD300)";
    std::vector<int> blocks{3, 4, 6};
    bool bottleneck = true;       // of the backbone: ResNet-50; else ResNet-34
    int image = 300;
    int classes = 81;
    bool operator==(const Ssd&) const = default;
    static constexpr auto fields() {
        using S = Ssd;
        return std::tuple{
            field("blocks", &S::blocks, count, "Residual blocks of the backbone's first three stages."),
            field("bottleneck", &S::bottleneck, any_value, "Bottlenecks (ResNet-50) or pairs of 3 x 3 (ResNet-34)."),
            field("image", &S::image, count, "Side of a square image in pixels."),
            field("classes", &S::classes, count, "Classes with the background."),
        };
    }
};

/// Lin et al., arXiv 1708.02002: a feature pyramid and two towers of four convolutions over all its levels.
struct RetinaNet {
    static constexpr std::string_view family = "retinanet";
    static constexpr std::string_view doc = "one-stage detector on a feature pyramid (RetinaNet)";
    std::vector<int> blocks{3, 4, 6, 3};
    int groups = 32;
    int width_per_group = 4;
    int image = 800;
    int classes = 264;            // OpenImages of MLPerf
    int anchors = 9;              // per place
    int frozen_stages = 1;        // stem and so many stages are not trained
    bool operator==(const RetinaNet&) const = default;
    static constexpr auto fields() {
        using R = RetinaNet;
        return std::tuple{
            field("blocks", &R::blocks, count, "Residual blocks of the backbone's stages."),
            field("groups", &R::groups, count, "Groups of its 3 x 3 convolutions."),
            field("width_per_group", &R::width_per_group, count, "Channels per group of the first stage."),
            field("image", &R::image, count, "Side of a square image in pixels."),
            field("classes", &R::classes, count, "Classes."),
            field("anchors", &R::anchors, count, "Boxes per place."),
            field("frozen_stages", &R::frozen_stages, non_negative, "Stages after the stem that are not trained."),
        };
    }
};

/// He et al., arXiv 1703.06870, with a feature pyramid: proposals, a box head and a mask head on sampled regions.
struct MaskRcnn {
    static constexpr std::string_view family = "mask-rcnn";
    static constexpr std::string_view doc = "two-stage detector with masks on a feature pyramid (Mask R-CNN)";
    std::vector<int> blocks{3, 4, 6, 3};
    int height = 800;             // of a padded image
    int width = 1216;
    int classes = 81;
    int regions = 512;            // sampled per image for the box head
    int mask_regions = 128;       // of these with an object
    int frozen_stages = 1;
    bool operator==(const MaskRcnn&) const = default;
    static constexpr auto fields() {
        using M = MaskRcnn;
        return std::tuple{
            field("blocks", &M::blocks, count, "Residual blocks of the backbone's stages."),
            field("height", &M::height, count, "Pixels of a padded image."),
            field("width", &M::width, count, "Pixels of a padded image."),
            field("classes", &M::classes, count, "Classes with the background."),
            field("regions", &M::regions, count, "Regions per image that the box head sees."),
            field("mask_regions", &M::mask_regions, count, "Regions per image that the mask head sees."),
            field("frozen_stages", &M::frozen_stages, non_negative, "Stages after the stem that are not trained."),
        };
    }
};

LayeredModel describe(const Ssd& model, const PassShape& shape);
LayeredModel describe(const RetinaNet& model, const PassShape& shape);
LayeredModel describe(const MaskRcnn& model, const PassShape& shape);

}  // namespace orrery
