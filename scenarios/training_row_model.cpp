// Model and software of a training row. Names of models, rows and sources decide nothing here.
#include "scenarios/training_row_model.hpp"

#include <array>
#include <cstdlib>

namespace orrery {
namespace {

// NeMo's and Megatron-Bridge's LoRA(dim=32), both releases that the tables hold.
constexpr int adapter_rank_default = 32;

/// "gqa sliding-window(128) alternating with full"
void read_window(const Row& row, Architecture& a) {
    constexpr std::string_view mark = "sliding-window(";
    const std::string text = row.lower("attention");
    const std::size_t at = text.find(mark);
    if (at == std::string::npos) return;
    a.window = std::max(0, std::atoi(text.c_str() + at + mark.size()));
    a.window_every = text.find("alternating") != std::string::npos ? 2 : 0;
}

void read_experts(const Row& row, Architecture& a) {
    a.experts = row.integer("n_experts").value_or(0);
    if (a.experts <= 1) {
        a.experts = 0;
        return;
    }
    a.experts_per_token = row.integer("top_k").value_or(1);
    a.expert_ffn = row.integer("expert_ff").value_or(a.ffn);
    a.shared_experts = row.integer("n_shared_experts").value_or(0);
    a.dense_layers = row.integer("n_dense_layers").value_or(0);
}

void read_latent_attention(const Row& row, Architecture& a) {
    const Row extra = row.member("arch_extra");
    a.latent_keys = extra.integer("kv_lora_rank").value_or(0);
    a.latent_queries = extra.integer("q_lora_rank").value_or(0);
    a.head_size = extra.integer("qk_nope_head_dim").value_or(a.head_size);
    a.rotary_head_size = extra.integer("qk_rope_head_dim").value_or(0);
    a.value_head_size = extra.integer("v_head_dim").value_or(0);
    a.prediction_layers = extra.integer("mtp_layers").value_or(0);
}

/// How tables write a module that selective recomputation names.
struct ModuleName {
    std::string_view text;
    bool RecomputeModules::*module;
};
constexpr std::array<ModuleName, 6> module_names{{
    {"core_attn", &RecomputeModules::attention_core},
    {"layernorm", &RecomputeModules::norms},
    {"mla_up_proj", &RecomputeModules::latent_up},
    {"mlp", &RecomputeModules::mlp},
    {"moe_act", &RecomputeModules::expert_activation},
    {"moe", &RecomputeModules::experts},
}};

/// "none", "full", "full-block:3", "selective", "selective:layernorm+moe_act"
void read_recompute(const Row& row, TrainingSpec& spec) {
    const std::string text = row.lower("recompute");
    if (text.empty() || text == "none") return;
    if (text.rfind("full-block:", 0) == 0) {
        spec.recompute_layers = std::atoi(text.c_str() + 11);
        spec.recompute = Recompute::block;
        return;
    }
    spec.recompute = text.rfind("full", 0) == 0 ? Recompute::full : Recompute::selective;
    const std::size_t colon = text.find(':');
    if (spec.recompute != Recompute::selective || colon == std::string::npos) return;
    const std::string list = "+" + text.substr(colon + 1) + "+";
    for (const ModuleName& name : module_names) {
        if (list.find("+" + std::string(name.text) + "+") != std::string::npos)
            spec.recompute_modules.*name.module = true;
    }
}

/// Year and month of a "nemo:26.04.01" container; 0 where there is none.
int nemo_release(const Row& row) {
    const std::string text = row.lower("framework_version");
    if (text.rfind("nemo:", 0) != 0 || text.size() < 10) return 0;
    return 100 * std::atoi(text.c_str() + 5) + std::atoi(text.c_str() + 8);
}

}  // namespace

bool is_jax(const Row& row) {
    return row.says("framework", "jax") || row.says("framework", "maxtext") || row.says("framework", "paxml");
}

Architecture architecture_of(const Row& row) {
    Architecture a;
    a.name = row.text("model");
    a.layers = *row.integer("n_layers");
    a.hidden = *row.integer("d_model");
    a.heads = *row.integer("n_heads");
    a.kv_heads = row.integer("n_kv_heads").value_or(a.heads);
    a.head_size = row.integer("d_head").value_or(a.hidden / std::max(1, a.heads));
    a.ffn = row.integer("d_ff").value_or(4 * a.hidden);
    a.vocabulary = *row.integer("vocab");
    a.activation = row.says("activation", "swiglu")  ? Activation::swiglu
                   : row.says("activation", "geglu") ? Activation::geglu
                                                     : Activation::gelu;
    const bool gated = is_gated(a.activation);
    a.positions = gated ? Positions::rotary : Positions::learned;
    a.positions_max = gated ? 0 : *row.integer("seq_len");
    a.norm = gated ? Norm::rms_norm : Norm::layer_norm;
    // Gated models go without biases, but those with the clamped gate that came with biased experts (gpt-oss's config).
    const bool clamped = row.says("activation", "clamped");
    a.attention_bias = a.linear_bias = !gated || clamped;
    a.tied_embeddings = row.flag("tied_embeddings").value_or(!gated);
    read_window(row, a);
    read_experts(row, a);
    if (row.says("attention", "mla")) read_latent_attention(row, a);
    return a;
}

std::string read_software(const Row& row, TrainingSpec& spec) {
    read_recompute(row, spec);
    if (row.says("optimizer", "muon")) spec.optimizer = Optimizer::muon;
    if (row.says("task", "lora")) spec.adapter_rank = adapter_rank_default;
    const bool has_experts = row.number("n_experts").value_or(0.0) > 1.0;
    if (!has_experts) return {};
    const std::string notes = row.lower("notes");
    spec.token_drop = notes.find("token drop") != std::string::npos && notes.find("dropless") == std::string::npos;
    const Row extra = row.member("measured_extra");
    const std::string graphs = extra.lower("cuda_graph_impl");
    if (graphs == "full_iteration") spec.launch_graphs = LaunchGraphs::full_iteration;
    if (graphs == "transformer_engine" || graphs == "local") spec.launch_graphs = LaunchGraphs::partial;
    spec.overlap.experts = extra.flag("moe_a2a_overlap");
    const std::string dispatcher = extra.lower("moe_flex_dispatcher_backend");
    if (dispatcher == "deepep") spec.token_dispatcher = TokenDispatcher::deep_ep;
    if (dispatcher == "hybridep") spec.token_dispatcher = TokenDispatcher::hybrid;
    if (extra.has("recipe_config")) return {};
    // Megatron-Bridge's recipes for rack-scale systems (scripts/performance/configs of each release): from 25.11 on
    // router and preprocessing are graphs, from 26.06 on one graph holds the step and exchanges are overlapped.
    const int release = row.says("intra_link", "nvl72") ? nemo_release(row) : 0;
    if (release >= 2511) spec.launch_graphs = LaunchGraphs::partial;
    if (release >= 2606) {
        spec.launch_graphs = LaunchGraphs::full_iteration;
        spec.overlap.experts = true;
    }
    return "software recipe not stated: its release's";
}

}  // namespace orrery
