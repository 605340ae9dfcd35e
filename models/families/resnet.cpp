// A residual backbone and a classifier.
#include "models/families/resnet.hpp"

#include "models/families/residual_stages.hpp"

namespace orrery {

LayeredModel describe(const ResNet& model, const PassShape& shape) {
    LayeredModel layered;
    layered.sample = "images";
    ResidualStages stages;
    stages.blocks = model.blocks;
    stages.strides.resize(model.blocks.size(), 2);
    stages.groups = model.groups;
    stages.width_per_group = model.width_per_group;
    stages.squeeze_reduction = model.squeeze_reduction;
    const std::vector<Image> left = add_residual_stages(layered, shape, model.image, model.image, stages);
    add_classifier(layered, shape, left.back(), model.classes);
    return layered;
}

}  // namespace orrery
