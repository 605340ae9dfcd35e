// The residual backbone that classifiers and detectors share: stem, then stages of bottlenecks or basic blocks.
#pragma once

#include "models/families/convolutional.hpp"

#include <vector>

namespace orrery {

struct ResidualStages {
    std::vector<int> blocks;
    std::vector<int> strides{1, 2, 2, 2};  // of each stage's first block
    int groups = 1;
    int width_per_group = 64;
    int squeeze_reduction = 0;
    bool bottleneck = true;                // else two 3 x 3 convolutions (ResNet-18 and -34)
    ImageNorm norm = ImageNorm::statistics;
};

/// Appends stem and stages for an image of three channels; what leaves each stage, in order.
std::vector<Image> add_residual_stages(LayeredModel& model, const PassShape& shape, std::int64_t height,
                                       std::int64_t width, const ResidualStages& stages);

}  // namespace orrery
