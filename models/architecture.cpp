// What follows from the numbers of a decoder: parameters, useful arithmetic, which layers have a window.
#include "models/architecture.hpp"

#include "models/layer_parameters.hpp"

#include <algorithm>

namespace orrery {
namespace {

/// Mean number of keys that a query of layer `index` attends to, over a sequence.
double keys_per_query(const Architecture& a, int index, int sequence, bool causal_halved) {
    const auto s = static_cast<double>(sequence);
    const double w = is_windowed(a, index) ? std::min(static_cast<double>(a.window), s) : s;
    // The first w queries see a triangle, the others w keys each.
    return causal_halved ? w * (1.0 - 0.5 * w / s) : w;
}

double total(const LayerParameters& p) { return p.matrices + p.experts + p.vectors; }

}  // namespace

bool is_windowed(const Architecture& architecture, int index) {
    if (architecture.window <= 0) return false;
    if (architecture.window_every <= 0) return true;
    return index % architecture.window_every != architecture.window_every - 1;
}

ParameterCount count_parameters(const Architecture& a) {
    const auto hidden = static_cast<double>(a.hidden);
    const auto vocabulary = static_cast<double>(a.vocabulary);
    ParameterCount parameters;
    parameters.embedding = vocabulary * hidden;
    if (a.positions == Positions::learned) parameters.embedding += static_cast<double>(a.positions_max) * hidden;
    parameters.head = norm_parameters(a) + (a.tied_embeddings ? 0.0 : vocabulary * hidden);
    if (a.head_bias) parameters.head += vocabulary;
    double layers = 0.0;
    double active_layers = 0.0;
    for (int i = 0; i < a.layers; ++i) {
        const LayerParameters p = layer_parameters(a, i);
        layers += total(p);
        active_layers += total(p) - p.experts * (1.0 - active_share(a));
    }
    parameters.per_layer = layers / static_cast<double>(a.layers);
    for (int i = 0; i < a.prediction_layers; ++i) {
        const LayerParameters p = layer_parameters(a, a.layers - 1);
        layers += total(p) + prediction_parameters(a);
        active_layers += total(p) + prediction_parameters(a) - p.experts * (1.0 - active_share(a));
    }
    parameters.total = parameters.embedding + layers + parameters.head;
    parameters.active = parameters.embedding + active_layers + parameters.head;
    return parameters;
}

Flop model_flop_per_token(const Architecture& architecture, int sequence, bool causal_halved) {
    double flop = 6.0 * static_cast<double>(architecture.vocabulary) * static_cast<double>(architecture.hidden);
    for (int i = 0; i < architecture.layers; ++i) {
        flop += 3.0 * layer_forward_flop_per_token(architecture, i, sequence, causal_halved).si();
    }
    const double hidden = architecture.hidden;
    for (int i = 0; i < architecture.prediction_layers; ++i) {
        flop += 3.0 * layer_forward_flop_per_token(architecture, architecture.layers - 1, sequence, causal_halved).si();
        flop += 6.0 * (2.0 * hidden * hidden + static_cast<double>(architecture.vocabulary) * hidden);
    }
    return Flop::from_si(flop);
}

LayerParameters layer_parameters(const Architecture& a, int index) {
    const auto hidden = static_cast<double>(a.hidden);
    const double queries = static_cast<double>(a.heads) * a.head_size;
    const double keys = static_cast<double>(a.kv_heads) * a.head_size;
    const double matrices_per_mlp = is_gated(a.activation) ? 3.0 : 2.0;
    const AttentionParameters attention = attention_parameters(a);
    LayerParameters p;
    p.matrices = attention.by_heads + attention.replicated;
    p.vectors = norms_per_layer(a) * norm_parameters(a) + attention.vectors;
    if (a.attention_bias) p.vectors += queries + 2.0 * keys;
    if (a.linear_bias) p.vectors += hidden;
    if (a.qk_norm) p.vectors += 2.0 * a.head_size;
    if (!is_expert_layer(a, index)) {
        p.matrices += matrices_per_mlp * hidden * a.ffn;
        if (a.linear_bias) p.vectors += (matrices_per_mlp - 1.0) * a.ffn + hidden;
        return p;
    }
    const double expert = matrices_per_mlp * hidden * a.expert_ffn;
    p.matrices += hidden * a.experts + a.shared_experts * expert;
    p.experts = a.experts * expert;
    if (a.linear_bias) {
        p.vectors += a.experts;  // of the router
        p.experts += a.experts * ((matrices_per_mlp - 1.0) * a.expert_ffn + hidden);
    }
    return p;
}

AttentionParameters attention_parameters(const Architecture& a) {
    const auto hidden = static_cast<double>(a.hidden);
    const auto heads = static_cast<double>(a.heads);
    AttentionParameters p;
    p.by_heads = heads * a.output_head_size() * hidden;
    if (!a.has_latent_attention()) {
        p.by_heads += hidden * (heads + 2.0 * a.kv_heads) * a.head_size;
        return p;
    }
    const double queries = heads * a.query_head_size();
    if (a.latent_queries > 0) {
        p.replicated += hidden * a.latent_queries;
        p.by_heads += a.latent_queries * queries;
        p.vectors += a.latent_queries;
    } else {
        p.by_heads += hidden * queries;
    }
    p.replicated += hidden * (a.latent_keys + a.rotary_head_size);
    p.by_heads += a.latent_keys * heads * (a.head_size + a.output_head_size());
    p.vectors += a.latent_keys;
    return p;
}

double prediction_parameters(const Architecture& a) {
    return 2.0 * a.hidden * static_cast<double>(a.hidden) + 3.0 * norm_parameters(a);
}

Flop layer_forward_flop_per_token(const Architecture& a, int index, int sequence, bool causal_halved) {
    const LayerParameters p = layer_parameters(a, index);
    const double matrices = p.matrices + p.experts * active_share(a);
    return Flop::from_si(2.0 * matrices) + attention_flop_per_token(a, index, sequence, causal_halved);
}

Flop attention_flop_per_token(const Architecture& a, int index, int sequence, bool causal_halved) {
    const double width = 0.5 * static_cast<double>(a.heads) * (a.query_head_size() + a.output_head_size());
    return Flop::from_si(4.0 * width * keys_per_query(a, index, sequence, causal_halved));
}

double norm_parameters(const Architecture& a) {
    return (a.norm == Norm::layer_norm ? 2.0 : 1.0) * static_cast<double>(a.hidden);
}

int norms_per_layer(const Architecture& a) {
    const int before = a.parallel_block && !a.split_norms ? 1 : 2;
    return before + (a.post_norms ? 2 : 0);
}

bool is_expert_layer(const Architecture& a, int index) { return a.experts > 0 && index >= a.dense_layers; }

double active_share(const Architecture& a) {
    return a.experts > 0 ? static_cast<double>(a.experts_per_token) / static_cast<double>(a.experts) : 0.0;
}

}  // namespace orrery
