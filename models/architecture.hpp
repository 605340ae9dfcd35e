// A decoder transformer as numbers: what `config.json` says of it, and what follows (parameters, flop per token).
#pragma once

#include "hardware/fields.hpp"
#include "hardware/units.hpp"

#include <array>
#include <cstdint>
#include <string>

namespace orrery {

enum class Activation : std::uint8_t { gelu, relu, swiglu, geglu };
template <>
struct EnumTable<Activation> {
    static constexpr std::array<EnumName<Activation>, 4> names{{
        {Activation::gelu, "gelu", "one up-projection, GELU"},
        {Activation::relu, "relu", "one up-projection, ReLU"},
        {Activation::swiglu, "swiglu", "gate and up-projection, SiLU (Shazeer, arXiv 2002.05202)"},
        {Activation::geglu, "geglu", "gate and up-projection, GELU (Shazeer, arXiv 2002.05202)"},
    }};
};
constexpr bool is_gated(Activation a) { return a == Activation::swiglu || a == Activation::geglu; }

enum class Positions : std::uint8_t { none, learned, rotary, alibi };
template <>
struct EnumTable<Positions> {
    static constexpr std::array<EnumName<Positions>, 4> names{{
        {Positions::none, "none", "no position information"},
        {Positions::learned, "learned", "a table added to the embedding"},
        {Positions::rotary, "rotary", "queries and keys rotated (Su et al., arXiv 2104.09864)"},
        {Positions::alibi, "alibi", "linear bias on the scores (Press et al., arXiv 2108.12409)"},
    }};
};

enum class Norm : std::uint8_t { layer_norm, rms_norm, layer_norm_weight };
template <>
struct EnumTable<Norm> {
    static constexpr std::array<EnumName<Norm>, 3> names{{
        {Norm::layer_norm, "layer-norm", "mean and variance, weight and bias"},
        {Norm::rms_norm, "rms-norm", "root mean square, weight only"},
        {Norm::layer_norm_weight, "layer-norm-weight", "mean and variance, weight only (MPT)"},
    }};
};

/// Counts; every default is the simplest decoder. `experts` = 0 is a dense model.
struct Architecture {
    std::string name;
    int layers = 1;
    int hidden = 1;
    int heads = 1;
    int kv_heads = 1;
    int head_size = 1;
    int ffn = 1;                       // inner width of the (dense) MLP
    int vocabulary = 1;
    int positions_max = 0;             // rows of a learned position table
    Activation activation = Activation::swiglu;
    Positions positions = Positions::rotary;
    Norm norm = Norm::rms_norm;
    bool tied_embeddings = false;
    bool attention_bias = false;       // bias on QKV
    bool linear_bias = false;          // bias on the other linear layers of a block
    bool head_bias = false;            // bias on the output matrix (Phi-2)
    bool qk_norm = false;              // a norm on each head's queries and keys
    bool parallel_block = false;       // attention and MLP side by side, added once (GPT-J, Falcon)
    bool split_norms = false;          // of a parallel block: attention and MLP have a norm each (GPT-NeoX, Falcon 40B)
    bool post_norms = false;           // a second norm after each block (Gemma 2)
    int window = 0;                    // keys a windowed layer looks back to
    int window_every = 0;              // of this many layers, all but the last are windowed; 0: all if window > 0
    int experts = 0;
    int experts_per_token = 0;
    int expert_ffn = 0;
    int shared_experts = 0;            // of width expert_ffn each
    int dense_layers = 0;              // first layers with the plain MLP
    int latent_keys = 0;               // latent attention (DeepSeek-V2, arXiv 2405.04434): keys and values pass through it
    int latent_queries = 0;            // of latent attention: queries pass through it; 0: projected directly
    int rotary_head_size = 0;          // of latent attention: rotated part of a head, beside head_size
    int value_head_size = 0;           // of latent attention: width of a value head; 0: head_size
    int prediction_layers = 0;         // multi-token prediction (DeepSeek-V3, arXiv 2412.19437): layers past the last
    bool operator==(const Architecture&) const = default;

    [[nodiscard]] bool has_latent_attention() const { return latent_keys > 0; }
    [[nodiscard]] int query_head_size() const { return head_size + (has_latent_attention() ? rotary_head_size : 0); }
    [[nodiscard]] int output_head_size() const { return value_head_size > 0 ? value_head_size : head_size; }

    static constexpr auto fields() {
        using A = Architecture;
        return std::tuple{
            field("name", &A::name, any_value, "Name in answers."),
            required_field("layers", &A::layers, count, "Decoder layers."),
            required_field("hidden", &A::hidden, count, "Width of the residual stream."),
            required_field("heads", &A::heads, count, "Query heads."),
            required_field("kv_heads", &A::kv_heads, count, "Key and value heads; fewer than heads: grouped queries."),
            required_field("head_size", &A::head_size, count, "Width of one head."),
            required_field("ffn", &A::ffn, count, "Inner width of the MLP."),
            required_field("vocabulary", &A::vocabulary, count, "Rows of the embedding, before padding."),
            field("positions_max", &A::positions_max, non_negative, "Rows of a learned position table."),
            field("activation", &A::activation, any_value, "Activation of the MLP; gated ones have three matrices."),
            field("positions", &A::positions, any_value, "How positions enter."),
            field("norm", &A::norm, any_value, "Kind of normalisation."),
            field("tied_embeddings", &A::tied_embeddings, any_value, "Head and embedding share one matrix."),
            field("attention_bias", &A::attention_bias, any_value, "Bias on the QKV projection."),
            field("linear_bias", &A::linear_bias, any_value, "Bias on the other linear layers of a block."),
            field("head_bias", &A::head_bias, any_value, "Bias on the output matrix."),
            field("qk_norm", &A::qk_norm, any_value, "Norm on each head's queries and keys."),
            field("parallel_block", &A::parallel_block, any_value, "Attention and MLP side by side."),
            field("split_norms", &A::split_norms, any_value, "A parallel block with a norm for each of its two halves."),
            field("post_norms", &A::post_norms, any_value, "A norm after each block as well."),
            field("window", &A::window, non_negative, "Keys that a windowed layer looks back to; 0: no window."),
            field("window_every", &A::window_every, non_negative,
                  "Of this many layers all but the last are windowed; 0: all of them, if there is a window."),
            field("experts", &A::experts, non_negative, "Experts of a mixture layer; 0: dense."),
            field("experts_per_token", &A::experts_per_token, non_negative, "Experts that each token visits."),
            field("expert_ffn", &A::expert_ffn, non_negative, "Inner width of one expert."),
            field("shared_experts", &A::shared_experts, non_negative, "Experts that every token visits."),
            field("dense_layers", &A::dense_layers, non_negative, "First layers with the plain MLP."),
            field("latent_keys", &A::latent_keys, non_negative,
                  "Width of the latent that keys and values are made of; 0: plain attention."),
            field("latent_queries", &A::latent_queries, non_negative,
                  "Width of the latent that queries are made of, with latent_keys; 0: none."),
            field("rotary_head_size", &A::rotary_head_size, non_negative,
                  "Rotated part of a latent-attention head, beside head_size."),
            field("value_head_size", &A::value_head_size, non_negative,
                  "Width of a value head where it differs (latent attention); 0: head_size."),
            field("prediction_layers", &A::prediction_layers, non_negative,
                  "Layers that predict further tokens during training, each with a use of the head."),
        };
    }
};

/// Trainable parameters. Exact for the families that can be read from Hugging Face.
struct ParameterCount {
    double embedding = 0;      // token (and learned position) tables
    double per_layer = 0;      // mean over layers
    double head = 0;           // output matrix, 0 if tied, and the last norm
    double total = 0;
    double active = 0;         // that one token meets
};
ParameterCount count_parameters(const Architecture& architecture);

/// Useful arithmetic of one training step per token: 6 per active matrix parameter, plus attention scores
/// (12 s h per layer non-causal, half of it causal), no recomputation.
/// Chowdhery et al., "PaLM", arXiv 2204.02311, appendix B; causal halving as in Dao, arXiv 2307.08691.
Flop model_flop_per_token(const Architecture& architecture, int sequence, bool causal_halved);

/// True if layer `index` looks back only `window` keys.
bool is_windowed(const Architecture& architecture, int index);

}  // namespace orrery
