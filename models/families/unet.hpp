// Convolutional encoder-decoders with skips for segmentation: U-Net of MLPerf (KiTS19) and nnU-Net, in 2-D and 3-D.
#pragma once

#include "hardware/fields.hpp"
#include "models/layered_model.hpp"

#include <string_view>
#include <vector>

namespace orrery {

/// Ronneberger et al., arXiv 1505.04597; Isensee et al., "nnU-Net", arXiv 1904.08128: two convolutions with instance
/// norm a level, the first of which halves the image; transposed convolutions back up.
struct UNet {
    static constexpr std::string_view family = "unet";
    static constexpr std::string_view doc = "convolutional encoder-decoder with skips (U-Net, nnU-Net), images or volumes";
    std::vector<int> filters{32, 64, 128, 256, 320, 320};  // of each level, from the top
    int depth = 1;            // 1: images
    int height = 128;
    int width = 128;
    int channels = 1;         // of the input
    int classes = 3;
    int deep_supervision = 0; // further levels with an output of their own
    bool operator==(const UNet&) const = default;

    static constexpr auto fields() {
        using U = UNet;
        return std::tuple{
            field("filters", &U::filters, count, "Channels of each level, from the full resolution down."),
            field("depth", &U::depth, count, "Voxels along the third axis; 1: images."),
            field("height", &U::height, count, "Pixels of a patch."),
            field("width", &U::width, count, "Pixels of a patch."),
            field("channels", &U::channels, count, "Channels of the input."),
            field("classes", &U::classes, count, "Channels of the output."),
            field("deep_supervision", &U::deep_supervision, non_negative, "Further levels that have an output."),
        };
    }
};

LayeredModel describe(const UNet& model, const PassShape& shape);

}  // namespace orrery
