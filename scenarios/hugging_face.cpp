// Reads config.json of the families that the model folder can describe. Defaults of absent keys are those of
// the family's Config class in transformers (src/transformers/models/FAMILY/configuration_FAMILY.py, release 4.45).
#include "scenarios/hugging_face.hpp"

#include "scenarios/bind.hpp"
#include "scenarios/hugging_face_reader.hpp"
#include "scenarios/json.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>
#include <utility>

namespace orrery {
namespace {

/// What the activation function's name means; gated families multiply it with a second up-projection.
void read_activation(ConfigReader& config, std::string_view key, std::string_view fallback, bool gated,
                     Architecture& a) {
    const std::string name = config.text(key, fallback);
    const bool gelu = name.rfind("gelu", 0) == 0;  // gelu, gelu_new, gelu_fast, gelu_pytorch_tanh: one cost
    if (gated && (name == "silu" || name == "swish")) {
        a.activation = Activation::swiglu;
    } else if (gelu) {
        a.activation = gated ? Activation::geglu : Activation::gelu;
    } else if (!gated && name == "relu") {
        a.activation = Activation::relu;
    } else {
        config.problem(key, "is \"" + name + "\", which this family's cost model does not know",
                       gated ? "use silu, or gelu and its variants" : "use relu, or gelu and its variants");
    }
}

/// hidden_size, num_hidden_layers, num_attention_heads, vocab_size.
void read_sizes(ConfigReader& config, Architecture& a) {
    a.hidden = config.required("hidden_size", "width of the residual stream");
    a.layers = config.required("num_hidden_layers", "decoder layers");
    a.heads = config.required("num_attention_heads", "query heads");
    a.vocabulary = config.required("vocab_size", "rows of the embedding");
}

/// Width of a head: the key if it is there, else `fallback`, else hidden / heads.
void read_head_size(ConfigReader& config, int fallback, Architecture& a) {
    if (config.has("head_dim") || fallback > 0) {
        a.head_size = config.optional("head_dim", fallback);
        return;
    }
    a.head_size = std::max(a.hidden / a.heads, 1);
    if (config.problems().empty() && a.hidden % a.heads != 0) {
        config.problem("num_attention_heads",
                       std::to_string(a.heads) + " heads do not divide the hidden size of " + std::to_string(a.hidden),
                       "give head_dim, or a number of heads that divides");
    }
}

/// The shape that Llama set: RMS norms, rotary positions, gated MLP, grouped queries. `kv_heads` 0: as many as heads.
void read_llama_shape(ConfigReader& config, int kv_heads, int head_size, bool tied, Architecture& a) {
    read_sizes(config, a);
    a.ffn = config.required("intermediate_size", "inner width of the MLP");
    a.kv_heads = config.optional("num_key_value_heads", kv_heads > 0 ? kv_heads : a.heads);
    read_head_size(config, head_size, a);
    a.tied_embeddings = config.flag("tie_word_embeddings", tied);
    a.norm = Norm::rms_norm;
    a.positions = Positions::rotary;
}

void read_llama(ConfigReader& config, Architecture& a) {
    read_llama_shape(config, 0, 0, false, a);
    read_activation(config, "hidden_act", "silu", true, a);
    a.attention_bias = config.flag("attention_bias", false);
    a.linear_bias = config.flag("mlp_bias", false);
}

void read_mistral(ConfigReader& config, Architecture& a) {
    read_llama_shape(config, 8, 0, false, a);
    read_activation(config, "hidden_act", "silu", true, a);
    a.window = config.is_null("sliding_window") ? 0 : config.optional("sliding_window", 4096);
}

void read_mixtral(ConfigReader& config, Architecture& a) {
    read_llama_shape(config, 8, 0, false, a);
    read_activation(config, "hidden_act", "silu", true, a);
    a.window = config.optional("sliding_window", 0);
    a.experts = config.optional("num_local_experts", 8);
    a.experts_per_token = config.optional("num_experts_per_tok", 2);
    a.expert_ffn = a.ffn;
}

/// Qwen's switch for windows in the upper layers; models with mixed layers in that order cannot be told here.
void read_qwen_window(ConfigReader& config, Architecture& a) {
    if (!config.flag("use_sliding_window", false)) return;
    const int full_layers = config.optional("max_window_layers", 28, 0);
    if (full_layers >= a.layers) return;
    if (full_layers > 0) {
        config.problem("max_window_layers",
                       "makes only the layers from " + std::to_string(full_layers) + " on windowed",
                       "set use_sliding_window to false, or max_window_layers to 0");
        return;
    }
    a.window = config.is_null("sliding_window") ? 0 : config.optional("sliding_window", 4096);
}

void read_qwen2(ConfigReader& config, Architecture& a) {
    read_llama_shape(config, 32, 0, false, a);
    read_activation(config, "hidden_act", "silu", true, a);
    a.attention_bias = true;
    read_qwen_window(config, a);
}

void read_qwen3(ConfigReader& config, Architecture& a) {
    read_llama_shape(config, 32, 128, false, a);
    read_activation(config, "hidden_act", "silu", true, a);
    a.attention_bias = config.flag("attention_bias", false);
    a.qk_norm = true;
    read_qwen_window(config, a);
}

void read_qwen3_moe(ConfigReader& config, Architecture& a) {
    read_llama_shape(config, 4, 0, false, a);
    read_activation(config, "hidden_act", "silu", true, a);
    a.attention_bias = config.flag("attention_bias", false);
    a.qk_norm = true;
    a.experts = config.optional("num_experts", 128);
    a.experts_per_token = config.optional("num_experts_per_tok", 8);
    a.expert_ffn = config.required("moe_intermediate_size", "inner width of one expert");
    if (config.optional("decoder_sparse_step", 1) != 1) {
        config.problem("decoder_sparse_step", "mixes dense and expert layers", "only 1 can be modelled");
    }
    if (config.has("mlp_only_layers") && !config.json().find("mlp_only_layers")->empty()) {
        config.problem("mlp_only_layers", "mixes dense and expert layers", "only an empty list can be modelled");
    }
    read_qwen_window(config, a);
}

/// Latent attention, first layers dense, then routed and shared experts.
void read_deepseek(ConfigReader& config, Architecture& a) {
    read_sizes(config, a);
    a.ffn = config.required("intermediate_size", "inner width of the dense layers' MLP");
    a.kv_heads = a.heads;
    a.latent_keys = config.required("kv_lora_rank", "width of the latent of keys and values");
    a.latent_queries = config.has("q_lora_rank") ? config.required("q_lora_rank", "width of the latent of queries") : 0;
    a.head_size = config.required("qk_nope_head_dim", "part of a head without positions");
    a.rotary_head_size = config.required("qk_rope_head_dim", "rotated part of a head");
    a.value_head_size = config.required("v_head_dim", "width of a value head");
    a.tied_embeddings = config.flag("tie_word_embeddings", false);
    read_activation(config, "hidden_act", "silu", true, a);
    a.experts = config.optional("n_routed_experts", 0, 0);
    a.prediction_layers = config.optional("num_nextn_predict_layers", 0, 0);
    if (a.experts == 0) return;
    a.experts_per_token = config.required("num_experts_per_tok", "experts that each token visits");
    a.expert_ffn = config.required("moe_intermediate_size", "inner width of one expert");
    a.shared_experts = config.optional("n_shared_experts", 0, 0);
    a.dense_layers = config.optional("first_k_dense_replace", 0, 0);
    if (config.optional("moe_layer_freq", 1) != 1) {
        config.problem("moe_layer_freq", "mixes dense and expert layers", "only 1 can be modelled");
    }
}

void read_gpt_oss(ConfigReader& config, Architecture& a) {
    read_llama_shape(config, 8, 64, false, a);
    read_activation(config, "hidden_act", "silu", true, a);
    a.attention_bias = a.linear_bias = config.flag("attention_bias", true);
    a.experts = config.optional("num_local_experts", 128);
    a.experts_per_token = config.optional("num_experts_per_tok", 4);
    a.expert_ffn = a.ffn;
    a.window = config.is_null("sliding_window") ? 0 : config.optional("sliding_window", 128);
    a.window_every = a.window > 0 ? 2 : 0;
}

void read_gemma(ConfigReader& config, Architecture& a) {
    read_llama_shape(config, 16, 256, true, a);
    // "hidden_act" of the first Gemma files was a mistake that the library overrides: the models use GELU.
    read_activation(config, "hidden_activation", "gelu_pytorch_tanh", true, a);
    a.attention_bias = config.flag("attention_bias", false);
}

void read_gemma2(ConfigReader& config, Architecture& a) {
    read_llama_shape(config, 4, 256, true, a);
    read_activation(config, "hidden_activation", "gelu_pytorch_tanh", true, a);
    a.attention_bias = config.flag("attention_bias", false);
    a.post_norms = true;
    a.window = config.is_null("sliding_window") ? 0 : config.optional("sliding_window", 4096);
    a.window_every = a.window > 0 ? 2 : 0;
}

void read_phi3(ConfigReader& config, Architecture& a) {
    read_llama_shape(config, 0, 0, false, a);
    read_activation(config, "hidden_act", "silu", true, a);
    a.window = config.optional("sliding_window", 0);
}

void read_phi(ConfigReader& config, Architecture& a) {
    read_sizes(config, a);
    a.ffn = config.required("intermediate_size", "inner width of the MLP");
    a.kv_heads = config.optional("num_key_value_heads", a.heads);
    read_head_size(config, 0, a);
    read_activation(config, "hidden_act", "gelu_new", false, a);
    a.tied_embeddings = config.flag("tie_word_embeddings", false);
    a.norm = Norm::layer_norm;
    a.parallel_block = true;
    a.attention_bias = a.linear_bias = a.head_bias = true;
}

void read_gpt2(ConfigReader& config, Architecture& a) {
    a.hidden = config.required("n_embd", "width of the residual stream");
    a.layers = config.required("n_layer", "decoder layers");
    a.heads = config.required("n_head", "attention heads");
    a.vocabulary = config.required("vocab_size", "rows of the embedding");
    a.positions_max = config.optional("n_positions", 1024);
    a.kv_heads = a.heads;
    a.ffn = config.optional("n_inner", 4 * a.hidden);
    read_head_size(config, 0, a);
    read_activation(config, "activation_function", "gelu_new", false, a);
    a.tied_embeddings = config.flag("tie_word_embeddings", true);
    a.positions = Positions::learned;
    a.norm = Norm::layer_norm;
    a.attention_bias = a.linear_bias = true;
}

void read_gpt_neox(ConfigReader& config, Architecture& a) {
    read_sizes(config, a);
    a.ffn = config.required("intermediate_size", "inner width of the MLP");
    a.kv_heads = a.heads;
    read_head_size(config, 0, a);
    read_activation(config, "hidden_act", "gelu", false, a);
    a.tied_embeddings = config.flag("tie_word_embeddings", false);
    a.norm = Norm::layer_norm;
    a.parallel_block = a.split_norms = config.flag("use_parallel_residual", true);
    a.attention_bias = config.flag("attention_bias", true);
    a.linear_bias = true;
}

void read_falcon(ConfigReader& config, Architecture& a) {
    read_sizes(config, a);
    const bool grouped = config.flag("new_decoder_architecture", false);
    const bool one_key_head = config.flag("multi_query", true);
    a.ffn = config.optional("ffn_hidden_size", 4 * a.hidden);
    a.kv_heads = grouped ? config.optional("num_kv_heads", a.heads) : one_key_head ? 1 : a.heads;
    read_head_size(config, 0, a);
    read_activation(config, "activation", "gelu", false, a);
    a.tied_embeddings = config.flag("tie_word_embeddings", true);
    a.norm = Norm::layer_norm;
    a.positions = config.flag("alibi", false) ? Positions::alibi : Positions::rotary;
    a.parallel_block = grouped || config.flag("parallel_attn", true);
    a.split_norms = grouped && config.optional("num_ln_in_parallel_attn", 2) == 2;
    a.attention_bias = a.linear_bias = config.flag("bias", false);
}

void read_mpt(ConfigReader& config, Architecture& a) {
    a.hidden = config.required("d_model", "width of the residual stream");
    a.layers = config.required("n_layers", "decoder layers");
    a.heads = config.required("n_heads", "attention heads");
    a.vocabulary = config.required("vocab_size", "rows of the embedding");
    a.ffn = config.optional("expansion_ratio", 4) * a.hidden;
    ConfigReader attention = config.member("attn_config");
    const std::string kind = attention.text("attn_type", "multihead_attention");
    a.kv_heads = kind == "multiquery_attention" ? 1 : attention.optional("kv_n_heads", a.heads);
    const bool alibi = attention.flag("alibi", true);
    config.take_problems(attention);
    read_head_size(config, 0, a);
    a.activation = Activation::gelu;
    a.tied_embeddings = config.flag("tie_word_embeddings", true);
    a.positions = alibi ? Positions::alibi : Positions::learned;
    a.positions_max = alibi ? 0 : config.optional("max_seq_len", 2048);
    const bool no_bias = config.flag("no_bias", true);
    a.norm = no_bias ? Norm::layer_norm_weight : Norm::layer_norm;
    a.attention_bias = a.linear_bias = !no_bias;
}

struct Family {
    std::string_view model_type;
    void (*read)(ConfigReader&, Architecture&);
};

constexpr std::array<Family, 24> decoder_families{{
    {"bert", read_bert},
    {"deepseek_v2", read_deepseek},
    {"deepseek_v3", read_deepseek},
    {"falcon", read_falcon},
    {"gemma", read_gemma},
    {"gemma2", read_gemma2},
    {"gpt2", read_gpt2},
    {"gpt_neox", read_gpt_neox},
    {"gpt_oss", read_gpt_oss},
    {"jamba", read_jamba},
    {"llama", read_llama},
    {"mamba", read_mamba},
    {"mamba2", read_mamba2},
    {"mistral", read_mistral},
    {"mixtral", read_mixtral},
    {"mpt", read_mpt},
    {"nemotron_h", read_nemotron_h},
    {"phi", read_phi},
    {"phi3", read_phi3},
    {"qwen2", read_qwen2},
    {"qwen3", read_qwen3},
    {"qwen3_moe", read_qwen3_moe},
    {"t5", read_t5},
    {"vit", read_vit},
}};

std::string family_list() {
    std::string list;
    for (const Family& family : decoder_families) list += (list.empty() ? "" : ", ") + std::string(family.model_type);
    return list;
}

/// What must hold between values whatever the family.
void check_shape(ConfigReader& config, const Architecture& a) {
    if (!config.problems().empty()) return;
    if (a.kv_heads > a.heads || a.heads % a.kv_heads != 0) {
        config.problem("num_key_value_heads",
                       std::to_string(a.kv_heads) + " do not divide the " + std::to_string(a.heads) + " query heads",
                       "use a divisor of " + std::to_string(a.heads));
    }
    if (a.experts > 0 && a.experts_per_token > a.experts) {
        config.problem("num_experts_per_tok",
                       std::to_string(a.experts_per_token) + " of " + std::to_string(a.experts) + " experts",
                       "use at most " + std::to_string(a.experts));
    }
}

}  // namespace

Result<Architecture> read_hugging_face(const std::string& file) {
    const Result<Json> json = parse_json_file(file);
    if (!json) return json.problems();
    const std::string place = file + ":";
    Problems problems;
    if (!expect_object(*json, place, problems)) return problems;
    ConfigReader config(*json, place);
    if (!config.has("model_type")) {
        return Problem{pointer_to(place, "model_type"), "is missing",
                       "write the family of the model, one of: " + family_list()};
    }
    const std::string type = config.text("model_type", "");
    if (!config.problems().empty()) return config.problems();
    for (const Family& family : decoder_families) {
        if (family.model_type != type) continue;
        Architecture architecture;
        family.read(config, architecture);
        check_shape(config, architecture);
        if (!config.problems().empty()) return config.problems();
        return architecture;
    }
    return Problem{pointer_to(place, "model_type"), "\"" + type + "\" is not a family that can be read",
                   "use one of: " + family_list()};
}

std::vector<std::string> hugging_face_families() {
    std::vector<std::string> names;
    for (const Family& family : decoder_families) names.emplace_back(family.model_type);
    return names;
}

}  // namespace orrery
