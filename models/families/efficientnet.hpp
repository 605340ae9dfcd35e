// EfficientNet: inverted bottlenecks with depthwise convolutions and squeeze-excitation, scaled in width and depth.
#pragma once

#include "hardware/fields.hpp"
#include "models/layered_model.hpp"

#include <string_view>

namespace orrery {

/// Tan & Le, arXiv 1905.11946 (table 1 and the scaling coefficients of section 4).
struct EfficientNet {
    static constexpr std::string_view family = "efficientnet";
    static constexpr std::string_view doc = "inverted bottlenecks with depthwise convolutions (EfficientNet)";
    double width_factor = 1.0;   // B0 1.0, B4 1.4
    double depth_factor = 1.0;   // B0 1.0, B4 1.8
    int image = 224;             // B0 224, B4 380
    bool wide_squeeze = false;   // squeeze to a quarter of the expanded channels, not of the block's input (NVIDIA WideSE)
    int classes = 1000;
    bool operator==(const EfficientNet&) const = default;

    static constexpr auto fields() {
        using E = EfficientNet;
        return std::tuple{
            field("width_factor", &E::width_factor, positive, "Channels over those of B0."),
            field("depth_factor", &E::depth_factor, positive, "Blocks per stage over those of B0."),
            field("image", &E::image, count, "Side of a square image in pixels."),
            field("wide_squeeze", &E::wide_squeeze, any_value, "Squeeze by the expanded channels (WideSE)."),
            field("classes", &E::classes, count, "Outputs of the last layer."),
        };
    }
};

LayeredModel describe(const EfficientNet& model, const PassShape& shape);

}  // namespace orrery
