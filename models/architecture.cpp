// What follows from the numbers of a model: parameters, useful arithmetic, what each layer is made of.
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
    const bool causal = causal_halved && !a.bidirectional && !is_encoder_layer(a, index);
    return causal ? w * (1.0 - 0.5 * w / s) : w;
}

double total(const LayerParameters& p) { return p.matrices + p.experts + p.vectors; }

double matrices_per_mlp(const Architecture& a) { return is_gated(a.activation) ? 3.0 : 2.0; }

void add_attention(const Architecture& a, LayerParameters& p) {
    const AttentionParameters attention = attention_parameters(a);
    p.matrices += attention.by_heads + attention.replicated;
    p.vectors += attention.vectors;
    const double heads = static_cast<double>(a.heads) + 2.0 * a.kv_heads;
    if (a.attention_bias) p.vectors += heads * a.head_size;
    if (a.linear_bias) p.vectors += a.hidden;
    if (a.qk_norm) p.vectors += 2.0 * a.head_size;
}

void add_mlp(const Architecture& a, LayerParameters& p) {
    const double hidden = a.hidden;
    p.matrices += matrices_per_mlp(a) * hidden * a.ffn;
    if (a.linear_bias) p.vectors += (matrices_per_mlp(a) - 1.0) * a.ffn + hidden;
}

void add_experts(const Architecture& a, LayerParameters& p) {
    const double hidden = a.hidden;
    const double expert = matrices_per_mlp(a) * hidden * a.expert_ffn;
    p.matrices += hidden * a.experts + a.shared_experts * expert;
    p.experts = a.experts * expert;
    if (a.linear_bias) {
        p.vectors += a.experts;  // of the router
        p.experts += a.experts * ((matrices_per_mlp(a) - 1.0) * a.expert_ffn + hidden);
    }
}

}  // namespace

LayerPart layer_part(const Architecture& a, int index) {
    if (a.pattern.empty()) return LayerPart::whole;
    switch (a.pattern[static_cast<std::size_t>(index) % a.pattern.size()]) {
        case 'A': return LayerPart::attention;
        case 'F': return LayerPart::mlp;
        case 'E': return LayerPart::experts;
        default: return LayerPart::state_space;
    }
}

bool is_encoder_layer(const Architecture& a, int index) { return index < a.encoder_layers; }

bool is_windowed(const Architecture& architecture, int index) {
    if (architecture.window <= 0) return false;
    if (architecture.window_every <= 0) return true;
    return index % architecture.window_every != architecture.window_every - 1;
}

ParameterCount count_parameters(const Architecture& a) {
    const auto hidden = static_cast<double>(a.hidden);
    const auto vocabulary = static_cast<double>(a.vocabulary);
    ParameterCount parameters;
    parameters.embedding = (a.patch > 0 ? 0.0 : vocabulary * hidden) + embedding_extras(a);
    parameters.head = head_extras(a) + (a.tied_embeddings ? 0.0 : vocabulary * hidden);
    if (a.head_bias) parameters.head += vocabulary;
    double layers = 0.0;
    double active_layers = 0.0;
    for (int i = 0; i < a.stack(); ++i) {
        const LayerParameters p = layer_parameters(a, i);
        layers += total(p);
        active_layers += total(p) - p.experts * (1.0 - active_share(a));
    }
    parameters.per_layer = layers / static_cast<double>(a.stack());
    for (int i = 0; i < a.prediction_layers; ++i) {
        const LayerParameters p = layer_parameters(a, a.stack() - 1);
        layers += total(p) + prediction_parameters(a);
        active_layers += total(p) + prediction_parameters(a) - p.experts * (1.0 - active_share(a));
    }
    parameters.total = parameters.embedding + layers + parameters.head;
    parameters.active = parameters.embedding + active_layers + parameters.head;
    return parameters;
}

Flop model_flop_per_token(const Architecture& architecture, int sequence, bool causal_halved) {
    const double seen = architecture.patch > 0 ? 1.0 / static_cast<double>(sequence) : architecture.head_share;
    double flop = 6.0 * seen * static_cast<double>(architecture.vocabulary) * static_cast<double>(architecture.hidden);
    for (int i = 0; i < architecture.stack(); ++i) {
        flop += 3.0 * layer_forward_flop_per_token(architecture, i, sequence, causal_halved).si();
    }
    const double hidden = architecture.hidden;
    for (int i = 0; i < architecture.prediction_layers; ++i) {
        flop += 3.0 * layer_forward_flop_per_token(architecture, architecture.stack() - 1, sequence, causal_halved).si();
        flop += 6.0 * (2.0 * hidden * hidden + static_cast<double>(architecture.vocabulary) * hidden);
    }
    return Flop::from_si(flop);
}

LayerParameters layer_parameters(const Architecture& a, int index) {
    const LayerPart part = layer_part(a, index);
    const bool is_whole = part == LayerPart::whole;
    LayerParameters p;
    p.vectors = norms_of_layer(a, index) * norm_parameters(a);
    if (part == LayerPart::state_space) {
        p.matrices = state_space_parameters(a).matrices();
        p.vectors += state_space_parameters(a).vectors;
        return p;
    }
    if (is_whole || part == LayerPart::attention) {
        const bool cross = a.encoder_layers > 0 && !is_encoder_layer(a, index);
        add_attention(a, p);
        if (cross) add_attention(a, p);
    }
    if (part == LayerPart::attention) return p;
    if (is_expert_layer(a, index)) {
        add_experts(a, p);
    } else {
        add_mlp(a, p);
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

Flop cross_attention_flop_per_token(const Architecture& a, int keys) {
    return Flop::from_si(2.0 * static_cast<double>(a.heads) * (a.query_head_size() + a.output_head_size()) * keys);
}

Flop attention_flop_per_token(const Architecture& a, int index, int sequence, bool causal_halved) {
    const LayerPart part = layer_part(a, index);
    // The scan updates and reads each value of state once a token: a product and a sum each.
    if (part == LayerPart::state_space) return Flop::from_si(4.0 * a.state_space.inner * a.state_space.state);
    if (part == LayerPart::mlp || part == LayerPart::experts) return {};
    const double width = 0.5 * static_cast<double>(a.heads) * (a.query_head_size() + a.output_head_size());
    return Flop::from_si(4.0 * width * keys_per_query(a, index, sequence, causal_halved));
}

double norm_parameters(const Architecture& a) {
    return (a.norm == Norm::layer_norm ? 2.0 : 1.0) * static_cast<double>(a.hidden);
}

int norms_of_layer(const Architecture& a, int index) {
    if (layer_part(a, index) != LayerPart::whole) return a.post_norms ? 2 : 1;
    const int before = a.parallel_block && !a.split_norms ? 1 : 2;
    const int cross = a.encoder_layers > 0 && !is_encoder_layer(a, index) ? 1 : 0;
    return before + cross + (a.post_norms ? 2 : 0);
}

bool is_expert_layer(const Architecture& a, int index) {
    const LayerPart part = layer_part(a, index);
    if (part != LayerPart::whole) return part == LayerPart::experts;
    return a.experts > 0 && index >= a.dense_layers;
}

double embedding_extras(const Architecture& a) {
    const double hidden = a.hidden;
    double extras = static_cast<double>(a.token_types) * hidden;
    if (a.positions == Positions::learned) extras += static_cast<double>(a.positions_max) * hidden;
    if (a.positions == Positions::relative) {
        extras += static_cast<double>(a.relative_buckets) * a.heads * (a.encoder_layers > 0 ? 2.0 : 1.0);
    }
    if (a.embedding_norm) extras += norm_parameters(a);
    // A product over the pixels of a patch with its bias, and the class token.
    if (a.patch > 0) extras += (static_cast<double>(a.patch) * a.patch * a.channels + 2.0) * hidden;
    return extras;
}

double head_extras(const Architecture& a) {
    const double hidden = a.hidden;
    double extras = a.embedding_norm ? 0.0 : norm_parameters(a);
    if (a.encoder_layers > 0 && !a.embedding_norm) extras += norm_parameters(a);  // after the encoder
    if (a.pooler) extras += hidden * hidden + hidden + 2.0 * (hidden + 1.0);
    if (a.head_transform) extras += hidden * hidden + hidden + norm_parameters(a);
    return extras;
}

double active_share(const Architecture& a) {
    return a.experts > 0 ? static_cast<double>(a.experts_per_token) / static_cast<double>(a.experts) : 0.0;
}

}  // namespace orrery
