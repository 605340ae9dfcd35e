// The families of layered models: plain structs with fields(), each in a file of models/families; one line here each.
#pragma once

#include "models/families/detector.hpp"
#include "models/families/diffusion_transformer.hpp"
#include "models/families/dlrm.hpp"
#include "models/families/efficientnet.hpp"
#include "models/families/gnmt.hpp"
#include "models/families/latent_unet.hpp"
#include "models/families/resnet.hpp"
#include "models/families/rnnt.hpp"
#include "models/families/unet.hpp"
#include "models/layered_model.hpp"

#include <string_view>
#include <variant>
#include <vector>

namespace orrery {

/// A new family: models/families/NAME.{hpp,cpp} with a struct that has `family` (its name in files), `doc` and fields(),
/// and a function describe(); then its struct here.
using ModelFamily = std::variant<ResNet, EfficientNet, Ssd, RetinaNet, MaskRcnn, UNet, LatentUNet,
                                 DiffusionTransformer, Dlrm, Gnmt, RnnTransducer>;

/// The network as blocks of operators for one pass.
LayeredModel describe_family(const ModelFamily& family, const PassShape& shape);

/// Trainable and frozen parameters of the whole model.
double family_parameters(const ModelFamily& family);

/// The line about one's own family.
std::string_view family_doc(const ModelFamily& family);

/// Name in files, and one line about each.
struct FamilyLine {
    std::string_view name;
    std::string_view doc;
};
std::vector<FamilyLine> families();

}  // namespace orrery
