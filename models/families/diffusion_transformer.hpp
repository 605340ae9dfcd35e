// Diffusion transformers: DiT for images, Wan for video.
#pragma once

#include "hardware/fields.hpp"
#include "models/layered_model.hpp"

#include <string_view>

namespace orrery {

/// Peebles & Xie, arXiv 2212.09748 (adaptive norms from time and class); with cross attention to a text as in Wan 2.1
/// (arXiv 2503.20314), whose blocks share one projection of time. Tokens of a sample: TrainingSpec::sequence.
struct DiffusionTransformer {
    static constexpr std::string_view family = "diffusion-transformer";
    static constexpr std::string_view doc = "transformer that denoises patches (DiT, Wan)";
    int layers = 28;
    int hidden = 1152;
    int heads = 16;
    int ffn = 4608;
    int patch_values = 16;         // numbers of one patch of the latent: channels x patch volume
    int output_values = 32;        // numbers that are predicted for it
    int classes = 1000;            // of a class embedding; 0: none
    int text_width = 0;            // of a text token; 0: no cross attention
    int text_tokens = 512;
    bool shared_modulation = false;  // one projection of time for all blocks, with an offset of each (Wan)
    bool query_norms = false;      // root-mean-square norms on queries and keys
    bool operator==(const DiffusionTransformer&) const = default;

    static constexpr auto fields() {
        using D = DiffusionTransformer;
        return std::tuple{
            field("layers", &D::layers, count, "Transformer blocks."),
            field("hidden", &D::hidden, count, "Width of a token."),
            field("heads", &D::heads, count, "Attention heads."),
            field("ffn", &D::ffn, count, "Inner width of the MLP."),
            field("patch_values", &D::patch_values, count, "Numbers of one patch of the latent."),
            field("output_values", &D::output_values, count, "Numbers predicted for one patch."),
            field("classes", &D::classes, non_negative, "Rows of the class embedding; 0: none."),
            field("text_width", &D::text_width, non_negative, "Width of a text token; 0: no cross attention."),
            field("text_tokens", &D::text_tokens, count, "Tokens of a text."),
            field("shared_modulation", &D::shared_modulation, any_value, "One projection of time for all blocks."),
            field("query_norms", &D::query_norms, any_value, "Norms on queries and keys."),
        };
    }
};

LayeredModel describe(const DiffusionTransformer& model, const PassShape& shape);

}  // namespace orrery
