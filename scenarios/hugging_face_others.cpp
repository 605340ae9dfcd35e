// config.json of encoders, encoder-decoders, state-space models and hybrids. Defaults of absent keys are those of the
// family's Config class in transformers, release 4.45 (Nemotron-H: of the file beside its checkpoint).
#include "scenarios/hugging_face_reader.hpp"

#include <algorithm>

namespace orrery {
namespace {

/// Sizes that BERT and ViT name alike.
void read_encoder(ConfigReader& config, Architecture& a) {
    a.hidden = config.optional("hidden_size", 768);
    a.layers = config.optional("num_hidden_layers", 12);
    a.heads = a.kv_heads = config.optional("num_attention_heads", 12);
    a.head_size = std::max(a.hidden / a.heads, 1);
    if (config.problems().empty() && a.hidden % a.heads != 0) {
        config.problem("num_attention_heads",
                       std::to_string(a.heads) + " heads do not divide the hidden size of " + std::to_string(a.hidden),
                       "give a number of heads that divides");
    }
    a.ffn = config.optional("intermediate_size", 3072);
    const std::string name = config.text("hidden_act", "gelu");
    a.activation = name == "relu" ? Activation::relu : Activation::gelu;
    if (name != "relu" && name.rfind("gelu", 0) != 0) {
        config.problem("hidden_act", "is \"" + name + "\", which this family's cost model does not know",
                       "use relu, or gelu and its variants");
    }
    a.norm = Norm::layer_norm;
    a.bidirectional = true;
    a.positions = Positions::learned;
    a.linear_bias = a.attention_bias = true;
}

/// A model of mixers alone has no attention: one head stands for none.
void without_attention(Architecture& a) {
    a.heads = a.kv_heads = 1;
    a.head_size = a.hidden;
    a.ffn = 1;
    a.pattern = "M";
    a.norm = Norm::rms_norm;
    a.positions = Positions::none;
}

/// Latent width of Mamba-1's steps: a number, or "auto": hidden / 16 rounded up.
int step_rank(ConfigReader& config, std::string_view key, int hidden) {
    const auto found = config.json().find(key);
    const bool is_auto = found == config.json().end() || found->is_null() || (found->is_string() && *found == "auto");
    return is_auto ? (hidden + 15) / 16 : config.required(key, "latent width of the steps");
}

}  // namespace

void read_bert(ConfigReader& config, Architecture& a) {
    read_encoder(config, a);
    a.vocabulary = config.optional("vocab_size", 30522);
    a.positions_max = config.optional("max_position_embeddings", 512);
    a.token_types = config.optional("type_vocab_size", 2);
    a.tied_embeddings = config.flag("tie_word_embeddings", true);
    a.embedding_norm = a.pooler = a.head_transform = a.head_bias = true;
    // Devlin et al., arXiv 1810.04805, section 3.1: 15 % of the tokens are masked and predicted.
    a.head_share = 0.15;
}

void read_vit(ConfigReader& config, Architecture& a) {
    read_encoder(config, a);
    a.attention_bias = config.flag("qkv_bias", true);
    a.patch = config.optional("patch_size", 16);
    a.channels = config.optional("num_channels", 3);
    const int side = config.optional("image_size", 224) / std::max(a.patch, 1);
    a.positions_max = side * side + 1;
    const auto labels = config.json().find("id2label");
    const bool listed = labels != config.json().end() && labels->is_object() && !labels->empty();
    a.vocabulary = config.optional("num_labels", listed ? static_cast<int>(labels->size()) : 2);
    a.head_bias = true;
}

void read_t5(ConfigReader& config, Architecture& a) {
    a.hidden = config.optional("d_model", 512);
    a.encoder_layers = config.optional("num_layers", 6);
    a.layers = config.optional("num_decoder_layers", a.encoder_layers);
    a.heads = a.kv_heads = config.optional("num_heads", 8);
    a.head_size = config.optional("d_kv", 64);
    a.ffn = config.optional("d_ff", 2048);
    a.vocabulary = config.optional("vocab_size", 32128);
    a.relative_buckets = config.optional("relative_attention_num_buckets", 32);
    a.tied_embeddings = config.flag("tie_word_embeddings", true);
    a.positions = Positions::relative;
    a.norm = Norm::rms_norm;
    const std::string name = config.text("feed_forward_proj", "relu");
    a.activation = name == "relu" ? Activation::relu : name == "gelu" ? Activation::gelu : Activation::geglu;
    if (name != "relu" && name != "gelu" && name != "gated-gelu") {
        config.problem("feed_forward_proj", "is \"" + name + "\", which this family's cost model does not know",
                       "use relu, gelu or gated-gelu");
    }
}

void read_mamba(ConfigReader& config, Architecture& a) {
    a.hidden = config.optional("hidden_size", 768);
    a.layers = config.optional("num_hidden_layers", 32);
    a.vocabulary = config.optional("vocab_size", 50280);
    a.tied_embeddings = config.flag("tie_word_embeddings", true);
    without_attention(a);
    a.state_space.inner = config.optional("intermediate_size", config.optional("expand", 2) * a.hidden);
    a.state_space.state = config.optional("state_size", 16);
    a.state_space.convolution = config.optional("conv_kernel", 4);
    a.state_space.rank = step_rank(config, "time_step_rank", a.hidden);
}

void read_mamba2(ConfigReader& config, Architecture& a) {
    a.hidden = config.optional("hidden_size", 4096);
    a.layers = config.optional("num_hidden_layers", 64);
    a.vocabulary = config.optional("vocab_size", 32768);
    a.tied_embeddings = config.flag("tie_word_embeddings", false);
    without_attention(a);
    a.state_space.inner = config.optional("expand", 2) * a.hidden;
    a.state_space.state = config.optional("state_size", 128);
    a.state_space.convolution = config.optional("conv_kernel", 4);
    a.state_space.groups = config.optional("n_groups", 8);
    a.state_space.heads = config.optional("num_heads", 128);
    a.state_space.chunk = config.optional("chunk_size", 256);
    if (config.problems().empty() && a.state_space.inner != a.state_space.heads * config.optional("head_dim", 64)) {
        config.problem("num_heads", "times head_dim is not expand x hidden_size = " + std::to_string(a.state_space.inner),
                       "make the product equal");
    }
}

void read_jamba(ConfigReader& config, Architecture& a) {
    a.hidden = config.optional("hidden_size", 4096);
    const int layers = config.optional("num_hidden_layers", 32);
    a.layers = 2 * layers;  // blocks: a mixer and an MLP each
    a.vocabulary = config.optional("vocab_size", 65536);
    a.heads = config.optional("num_attention_heads", 32);
    a.kv_heads = config.optional("num_key_value_heads", 8);
    a.head_size = std::max(a.hidden / a.heads, 1);
    a.ffn = a.expert_ffn = config.optional("intermediate_size", 14336);
    a.tied_embeddings = config.flag("tie_word_embeddings", false);
    a.positions = Positions::none;
    a.norm = Norm::rms_norm;
    a.activation = Activation::swiglu;
    a.experts = config.optional("num_experts", 16);
    a.experts_per_token = config.optional("num_experts_per_tok", 2);
    a.state_space.inner = config.optional("mamba_expand", 2) * a.hidden;
    a.state_space.state = config.optional("mamba_d_state", 16);
    a.state_space.convolution = config.optional("mamba_d_conv", 4);
    a.state_space.rank = step_rank(config, "mamba_dt_rank", a.hidden);
    a.state_space.inner_norms = true;
    const int attention_period = config.optional("attn_layer_period", 8);
    const int attention_offset = config.optional("attn_layer_offset", 4, 0);
    const int expert_period = config.optional("expert_layer_period", 2);
    const int expert_offset = config.optional("expert_layer_offset", 1, 0);
    if (!config.problems().empty()) return;
    for (int i = 0; i < layers; ++i) {
        a.pattern += i % attention_period == attention_offset ? 'A' : 'M';
        a.pattern += a.experts > 1 && i % expert_period == expert_offset ? 'E' : 'F';
    }
}

void read_nemotron_h(ConfigReader& config, Architecture& a) {
    a.hidden = config.required("hidden_size", "width of the residual stream");
    const std::string written = config.text("hybrid_override_pattern", "");
    for (const char letter : written) {
        if (letter == 'M') a.pattern += 'M';
        if (letter == '*') a.pattern += 'A';
        if (letter == '-') a.pattern += 'F';
    }
    if (written.empty() || a.pattern.size() != written.size()) {
        config.problem("hybrid_override_pattern", "is \"" + written + "\"", "write one letter a block: M, * or -");
    }
    a.layers = config.optional("num_hidden_layers", static_cast<int>(std::max<std::size_t>(a.pattern.size(), 1)));
    a.vocabulary = config.required("vocab_size", "rows of the embedding");
    a.heads = config.required("num_attention_heads", "query heads");
    a.kv_heads = config.required("num_key_value_heads", "key and value heads");
    a.head_size = config.optional(config.has("head_dim") ? "head_dim" : "attention_head_dim", 128);
    a.ffn = config.required("intermediate_size", "inner width of the MLP");
    a.tied_embeddings = config.flag("tie_word_embeddings", false);
    a.positions = Positions::none;
    a.norm = Norm::rms_norm;
    a.activation = Activation::relu2;
    a.state_space.heads = config.required("mamba_num_heads", "heads of the mixer");
    a.state_space.inner = a.state_space.heads * config.optional("mamba_head_dim", 64);
    a.state_space.state = config.optional("ssm_state_size", 128);
    a.state_space.groups = config.optional("n_groups", 8);
    a.state_space.convolution = config.optional("conv_kernel", 4);
    a.state_space.chunk = config.optional("chunk_size", 128);
}

}  // namespace orrery
