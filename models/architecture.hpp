// A transformer (decoder, encoder, both, or mixed with state-space layers) as numbers, and what follows from them.
#pragma once

#include "hardware/fields.hpp"
#include "hardware/units.hpp"

#include <array>
#include <cstdint>
#include <string>

namespace orrery {

enum class Activation : std::uint8_t { gelu, relu, relu2, swiglu, geglu };
template <>
struct EnumTable<Activation> {
    static constexpr std::array<EnumName<Activation>, 5> names{{
        {Activation::gelu, "gelu", "one up-projection, GELU"},
        {Activation::relu, "relu", "one up-projection, ReLU"},
        {Activation::relu2, "relu2", "one up-projection, ReLU squared (So et al., arXiv 2109.08668)"},
        {Activation::swiglu, "swiglu", "gate and up-projection, SiLU (Shazeer, arXiv 2002.05202)"},
        {Activation::geglu, "geglu", "gate and up-projection, GELU (Shazeer, arXiv 2002.05202)"},
    }};
};
constexpr bool is_gated(Activation a) { return a == Activation::swiglu || a == Activation::geglu; }

enum class Positions : std::uint8_t { none, learned, rotary, alibi, relative };
template <>
struct EnumTable<Positions> {
    static constexpr std::array<EnumName<Positions>, 5> names{{
        {Positions::none, "none", "no position information"},
        {Positions::learned, "learned", "a table added to the embedding"},
        {Positions::rotary, "rotary", "queries and keys rotated (Su et al., arXiv 2104.09864)"},
        {Positions::alibi, "alibi", "linear bias on the scores (Press et al., arXiv 2108.12409)"},
        {Positions::relative, "relative", "learned bias by distance, `relative_buckets` a head (T5, arXiv 1910.10683)"},
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

/// A state-space mixer (Mamba). `rank` > 0: Mamba-1 (Gu & Dao, arXiv 2312.00752), one state per channel, its step made
/// from a latent of that width; else Mamba-2 (Dao & Gu, arXiv 2405.21060), one step per head.
struct StateSpace {
    int inner = 0;            // width of the mixer; 0: the model has none
    int state = 128;          // values of state per channel
    int heads = 1;            // of Mamba-2; inner / heads channels each
    int groups = 1;           // of Mamba-2: heads that share input and output projections of the state
    int convolution = 4;      // taps of the causal convolution ahead of the scan
    int chunk = 256;          // tokens that the scan handles as one matrix
    int rank = 0;             // of Mamba-1
    bool inner_norms = false; // of Mamba-1: norms of step, input and output projections (Jamba, arXiv 2403.19887)
    bool operator==(const StateSpace&) const = default;

    static constexpr auto fields() {
        using S = StateSpace;
        return std::tuple{
            field("inner", &S::inner, non_negative, "Width of the mixer; 0: no state-space layers."),
            field("state", &S::state, count, "Values of state per channel."),
            field("heads", &S::heads, count, "Heads of Mamba-2."),
            field("groups", &S::groups, count, "Groups of heads that share the state's projections (Mamba-2)."),
            field("convolution", &S::convolution, count, "Taps of the convolution ahead of the scan."),
            field("chunk", &S::chunk, count, "Tokens that the scan handles as one matrix (Mamba-2)."),
            field("rank", &S::rank, non_negative, "Width of the latent that makes a channel's step; 0: Mamba-2."),
            field("inner_norms", &S::inner_norms, any_value, "Norms on the projections inside the mixer (Mamba-1)."),
        };
    }
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
    bool bidirectional = false;        // every token attends to all of its sequence: an encoder
    int token_types = 0;               // rows of a table added to the embedding (BERT's segments)
    bool embedding_norm = false;       // a norm after the embedding, none after the last layer (BERT)
    bool pooler = false;               // a square layer and a two-way classifier on the first token (BERT)
    bool head_transform = false;       // a square layer, activation and norm ahead of the output matrix (BERT)
    double head_share = 1.0;           // of the tokens that the head predicts: the masked ones of an encoder
    int patch = 0;                     // side of an image patch (ViT): tokens are patches, the head sees one a sequence
    int channels = 3;                  // of the image
    int encoder_layers = 0;            // of an encoder ahead of the decoder, whose layers then attend to its output too
    int relative_buckets = 0;          // of Positions::relative, per head, one table a stack
    std::string pattern;               // blocks of a hybrid, repeated: M state space, A attention, F MLP, E experts
    StateSpace state_space;
    bool operator==(const Architecture&) const = default;

    [[nodiscard]] int stack() const { return encoder_layers + layers; }  // layers of both stacks, the encoder's first
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
            field("bidirectional", &A::bidirectional, any_value, "Every token attends to all of its sequence (encoders)."),
            field("token_types", &A::token_types, non_negative, "Rows of a second table added to the embedding."),
            field("embedding_norm", &A::embedding_norm, any_value, "A norm after the embedding, none after the last layer."),
            field("pooler", &A::pooler, any_value, "A square layer and a two-way classifier on the first token."),
            field("head_transform", &A::head_transform, any_value,
                  "A square layer, its activation and a norm ahead of the output matrix."),
            field("head_share", &A::head_share, fraction, "Share of the tokens that the head predicts (masked ones)."),
            field("patch", &A::patch, non_negative,
                  "Side of an image patch in pixels; patches are the tokens, with one class token, and `vocabulary` the "
                  "classes. 0: tokens are looked up."),
            field("channels", &A::channels, count, "Channels of the image, with patch."),
            field("encoder_layers", &A::encoder_layers, non_negative,
                  "Layers of an encoder, to whose output every decoder layer attends besides."),
            field("relative_buckets", &A::relative_buckets, non_negative, "Distances of a learned bias, per head and stack."),
            field("pattern", &A::pattern, any_value,
                  "Blocks of a hybrid in order, repeated over `layers` blocks, each with a norm and a residual: M state "
                  "space, A attention, F MLP, E experts. Empty: every layer is attention and MLP."),
            field("state_space", &A::state_space, any_value, "The state-space mixer of M blocks."),
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

/// What layer `index` of the stack is made of: a whole layer, or one block of a hybrid's pattern.
enum class LayerPart : std::uint8_t { whole, attention, mlp, experts, state_space };
LayerPart layer_part(const Architecture& architecture, int index);

/// True for the layers of an encoder that stands ahead of a decoder.
bool is_encoder_layer(const Architecture& architecture, int index);

/// True if layer `index` looks back only `window` keys.
bool is_windowed(const Architecture& architecture, int index);

}  // namespace orrery
