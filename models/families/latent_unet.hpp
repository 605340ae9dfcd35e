// The denoiser of latent diffusion: a U-Net of residual convolutions and transformers with cross attention.
#pragma once

#include "hardware/fields.hpp"
#include "models/layered_model.hpp"

#include <string_view>
#include <vector>

namespace orrery {

/// Rombach et al., arXiv 2112.10752, as Stable Diffusion 2 has it; latents are computed beforehand, the text encoder
/// runs frozen beside it.
struct LatentUNet {
    static constexpr std::string_view family = "latent-unet";
    static constexpr std::string_view doc = "U-Net of latent diffusion with cross attention to a text (Stable Diffusion)";
    std::vector<int> multipliers{1, 2, 4, 4};   // channels of each level over `channels`
    int channels = 320;
    int residual_blocks = 2;                    // of each level going down; one more going up
    int attention_levels = 3;                   // from the top, that have transformers
    int head_size = 64;
    int latent = 64;                            // side of the latent image
    int latent_channels = 4;
    int text_width = 1024;                      // of a token of the text
    int text_tokens = 77;
    int text_layers = 23;                       // of the frozen encoder that run; 0: texts are encoded beforehand
    int text_encoder_width = 1024;
    int text_vocabulary = 49408;
    bool operator==(const LatentUNet&) const = default;

    static constexpr auto fields() {
        using L = LatentUNet;
        return std::tuple{
            field("multipliers", &L::multipliers, count, "Channels of each level over those of the top."),
            field("channels", &L::channels, count, "Channels of the top level."),
            field("residual_blocks", &L::residual_blocks, count, "Residual blocks of a level on the way down."),
            field("attention_levels", &L::attention_levels, non_negative, "Levels from the top that have transformers."),
            field("head_size", &L::head_size, count, "Width of an attention head."),
            field("latent", &L::latent, count, "Side of the latent image."),
            field("latent_channels", &L::latent_channels, count, "Channels of the latent image."),
            field("text_width", &L::text_width, count, "Width of a text token that cross attention reads."),
            field("text_tokens", &L::text_tokens, count, "Tokens of a text."),
            field("text_layers", &L::text_layers, non_negative, "Layers of the frozen text encoder; 0: encoded beforehand."),
            field("text_encoder_width", &L::text_encoder_width, count, "Width of the text encoder."),
            field("text_vocabulary", &L::text_vocabulary, count, "Rows of its embedding."),
        };
    }
};

LayeredModel describe(const LatentUNet& model, const PassShape& shape);

}  // namespace orrery
