// Activation memory: per layer by formula, per rank by walking its schedule.
#include "models/activation_memory.hpp"

#include <algorithm>
#include <vector>

namespace orrery {
namespace {

// Bytes per logit: the fp32 softmax is kept from forward to backward; another fp32 copy, its source or its gradient,
// lives while the head runs. Published profiles of one layer grow by 4.0 kept and 4.4 to 4.5 working bytes a logit.
constexpr double kept_per_logit = 4.0;
constexpr double working_per_logit = 4.0;

// What eager stacks keep beyond the textbook layer, in bytes per T h / tensor: fp32 copies in norms, rotated copies of
// queries and keys. From one- and two-layer profiles shipped with Hetu-Galvatron (Llama 2 7B, bf16): 27 with tensor 1,
// 31 with tensor 2 to 8.
constexpr double eager_layer_bytes = 30.0;

double elements(std::int64_t rows, std::int64_t width) {
    return static_cast<double>(rows) * static_cast<double>(width);
}

/// Rows that routed experts keep: sorted input, inner values, output before it is summed; then the shared experts.
double expert_activations(const Architecture& a, const LayerShape& s, double inner) {
    if (s.remakes.experts) return 0.0;
    if (s.remakes.expert_activation) inner -= 1.0;
    const double routed = elements(s.expert_rows, s.hidden) * 2.0 + inner * elements(s.expert_rows, s.expert_ffn);
    const double shared = inner * elements(s.tokens, a.shared_experts * std::int64_t{1} * a.expert_ffn) / s.tensor;
    return s.element_bytes * (routed + shared);
}

/// Queries, keys and values; of latent attention the latents too, and these alone where the rest is made again.
double attention_inputs(const Architecture& a, const LayerShape& s) {
    if (!a.has_latent_attention()) return elements(s.tokens, (s.heads + 2 * s.kv_heads) * s.head_size);
    const std::int64_t latent =
        std::int64_t{2} * a.latent_queries + std::int64_t{2} * a.latent_keys + a.rotary_head_size;
    const double latents = elements(s.norm_tokens(), latent);  // before and after their norms
    return latents + (s.remakes.latent_up ? 0.0 : elements(s.tokens, s.heads * (2 * s.head_size + s.value_head_size)));
}

/// What the weights' gradients of one layer wait for, once the inputs' gradients are done: each product's input and the
/// gradient of its output. 32 s b h of a GPT's 34 (Qi et al., arXiv 2401.10241, table 1). Queries, keys and values are
/// counted as one product, latent projections by their inputs and outputs.
double weight_gradient_inputs(const Architecture& a, const LayerShape& s, bool expert_layer) {
    const double stream = elements(s.norm_tokens(), s.hidden);
    const double gated = is_gated(a.activation) ? 2.0 : 1.0;
    double values = stream + attention_inputs(a, s);                        // into attention
    values += elements(s.tokens, s.heads * s.value_head_size) + stream;     // out of it
    if (!expert_layer) return s.element_bytes * (values + 2.0 * stream + (gated + 1.0) * elements(s.tokens, s.ffn));
    const std::int64_t shared = std::int64_t{a.shared_experts} * a.expert_ffn / s.tensor;
    values += 2.0 * elements(s.expert_rows, s.hidden) + (gated + 1.0) * elements(s.expert_rows, s.expert_ffn);
    if (shared > 0) values += 2.0 * stream + (gated + 1.0) * elements(s.tokens, shared);
    return s.element_bytes * values;
}

/// What one pass of a chunk keeps, and what it needs besides while it runs.
struct ChunkActivations {
    double layers = 0.0;      // kept by decoder layers
    double head = 0.0;        // kept by the head
    double for_weights = 0.0; // of a backward pass in two halves: kept from the first to the second
    double recomputed = 0.0;  // one whole layer while it is done again
    double output = 0.0;      // sent on and still held
    double offloaded = 0.0;   // of the layers': on the host from the end of forward to backward
    int layer_count = 0;
    bool has_layers = false;
    bool has_head = false;
    [[nodiscard]] double kept() const { return layers + head + output; }
    /// Of the offloaded part, what is on the device while the pass runs: the layer that goes and the next one.
    [[nodiscard]] double passing() const { return layer_count == 0 ? 0.0 : std::min(offloaded, 2.0 * layers / layer_count); }
};

struct LayerSizes {
    std::vector<double> kinds;  // what each kind of layer keeps
    double input;               // the residual stream of one micro-batch on one rank
    double logits;              // count
    double dense_for_weights;
    double expert_for_weights;
};

/// Scores that eager attention keeps: softmax, dropout mask and dropout's output, 5 bytes a score in 16 bit; without
/// dropout the softmax alone.
double score_bytes(const LayerShape& s, std::int64_t keys) {
    const double per_score = s.dropout ? 2.0 * s.element_bytes + 1.0 : s.element_bytes;
    return per_score * elements(s.batch * s.heads, s.queries) * static_cast<double>(keys);
}

/// What one block of a hybrid keeps: the residual and its norm, and what its mixer or MLP works on.
double block_bytes(const Architecture& a, const LayerShape& s, LayerPart part) {
    double values = (a.post_norms ? 3.0 : 2.0) * elements(s.norm_tokens(), s.hidden);
    double bytes = 0.0;
    switch (part) {
        case LayerPart::whole: break;
        case LayerPart::attention:
            values += attention_inputs(a, s) + elements(s.tokens, s.heads * s.value_head_size);
            bytes = s.flash ? 4.0 * elements(s.tokens, s.heads) : score_bytes(s, s.sequence);
            break;
        case LayerPart::mlp: values += (is_gated(a.activation) ? 4.0 : 2.0) * elements(s.tokens, s.ffn); break;
        case LayerPart::experts: bytes = expert_activations(a, s, is_gated(a.activation) ? 4.0 : 2.0); break;
        case LayerPart::state_space:  // gate and channels, channels convolved, scanned, gated
            values += 5.0 * elements(s.tokens, a.state_space.inner / s.tensor);
            break;
    }
    return bytes + s.element_bytes * values;
}

/// What attention to an encoder's output keeps: norm, residual, queries, keys and values, result, scores.
double cross_bytes(const Architecture& a, const LayerShape& s) {
    if (s.memory_tokens == 0) return 0.0;
    const double values = (a.post_norms ? 3.0 : 2.0) * elements(s.norm_tokens(), s.hidden) +
                          2.0 * elements(s.tokens, s.heads * s.head_size) +
                          2.0 * elements(s.memory_tokens, s.kv_heads * s.head_size);
    return s.element_bytes * values + (s.flash ? 0.0 : score_bytes(s, s.memory_sequence));
}

/// What each kind of layer of the graph keeps.
std::vector<double> kind_sizes(const Architecture& a, const TrainingSpec& spec, const FrameworkProfile& framework,
                               const StepGraph& graph) {
    const LayerShape shape = layer_shape(a, spec, framework);
    const LayerShape encoder = a.encoder_layers > 0 ? encoder_shape(a, spec, framework) : shape;
    std::vector<double> sizes;
    for (const LayerGraph& kind : graph.kinds) {
        const LayerShape& s = kind.is_encoder ? encoder : shape;
        const bool experts = kind.expert_parameters > 0.0;
        sizes.push_back(!kind.is_decoder_layer          ? 0.0
                        : kind.part != LayerPart::whole ? block_bytes(a, s, kind.part)
                                                        : layer_activations(a, s, framework, experts).si() + cross_bytes(a, s));
    }
    return sizes;
}

ChunkActivations chunk_activations(const StepGraph& graph, const Chunk& chunk, const LayerSizes& sizes) {
    ChunkActivations sum;
    for (const LayerRun& run : chunk) {
        const LayerGraph& kind = graph.kinds[static_cast<std::size_t>(run.kind)];
        if (kind.is_decoder_layer) {
            if (kind.backward.empty()) continue;  // frozen, and all below it: nothing is kept for gradients
            const bool has_experts = kind.expert_parameters > 0.0;
            const double whole = sizes.kinds[static_cast<std::size_t>(run.kind)];
            const double for_weights = has_experts ? sizes.expert_for_weights : sizes.dense_for_weights;
            sum.for_weights += run.count * std::min(for_weights, whole);
            sum.layers += run.count * (kind.is_recomputed ? sizes.input : whole);
            if (kind.is_recomputed) sum.recomputed = std::max(sum.recomputed, whole - sizes.input);
            sum.has_layers = true;
            sum.layer_count += run.count;
        } else if (kind.name == "head") {
            sum.head = 2.0 * sizes.input + kept_per_logit * sizes.logits;
            sum.for_weights += sizes.input + kept_per_logit * sizes.logits;
            sum.has_head = true;
        }
    }
    return sum;
}

/// Keeps the larger of two moments.
void take_larger(ActivationPeak& peak, double activations, Bytes weights, Bytes gradients) {
    const Bytes held = Bytes::from_si(activations);
    if (held + weights + gradients > peak.activations + peak.weights + peak.gradients)
        peak = {held, weights, gradients, {}};
}

ActivationPeak walk_passes(const StageGraph& stage, const std::vector<ChunkActivations>& chunks, double logits,
                           const GatheredBytes& gathered) {
    double held = 0.0;
    double away = 0.0;
    double away_max = 0.0;
    ActivationPeak peak;
    for (const SchedulePass& pass : stage.passes) {
        const ChunkActivations& chunk = chunks[static_cast<std::size_t>(pass.chunk)];
        if (pass.part == PassPart::weight) {
            held -= chunk.for_weights;
            continue;
        }
        if (!pass.backward) {
            held += chunk.kept() - chunk.offloaded + chunk.passing();
            away += chunk.offloaded;
            away_max = std::max(away_max, away);
        } else {
            held += chunk.passing();
        }
        if (chunk.has_head) {
            take_larger(peak, held + working_per_logit * logits, gathered.head_weights, {});
            // Later the softmax has become its gradient in place, and the head's own is made from it.
            if (pass.backward) take_larger(peak, held, gathered.head_weights, gathered.head_gradients);
        }
        if (chunk.has_layers) {
            take_larger(peak, held - chunk.head + (pass.backward ? chunk.recomputed : 0.0), gathered.layer_weights,
                        pass.backward ? gathered.layer_gradients : Bytes{});
        }
        held -= chunk.passing();
        if (pass.backward) {
            held -= chunk.kept() - chunk.offloaded - (pass.part == PassPart::input ? chunk.for_weights : 0.0);
            away -= chunk.offloaded;
        }
    }
    peak.offloaded = Bytes::from_si(away_max);
    return peak;
}

LayerSizes layer_sizes(const Architecture& a, const TrainingSpec& spec, const FrameworkProfile& framework,
                       const StepGraph& graph) {
    const LayerShape shape = layer_shape(a, spec, framework);
    return {kind_sizes(a, spec, framework, graph),
            shape.element_bytes * elements(shape.norm_tokens(), shape.hidden),
            elements(shape.head_tokens, shape.vocabulary),
            weight_gradient_inputs(a, shape, false),
            a.experts > 0 ? weight_gradient_inputs(a, shape, true) : 0.0};
}

}  // namespace

std::vector<Bytes> offloaded_activations(const Architecture& a, const TrainingSpec& spec,
                                         const FrameworkProfile& framework, const StepGraph& graph,
                                         const StageGraph& stage) {
    const LayerSizes sizes = layer_sizes(a, spec, framework, graph);
    std::vector<ChunkActivations> chunks;
    int layers = 0;
    for (const Chunk& chunk : stage.chunks) {
        chunks.push_back(chunk_activations(graph, chunk, sizes));
        layers += chunks.back().layer_count;
    }
    const double share = layers == 0 ? 0.0 : std::min(1.0, static_cast<double>(spec.offload.activation_layers) / layers);
    std::vector<Bytes> offloaded;
    for (const ChunkActivations& chunk : chunks) offloaded.push_back(Bytes::from_si(share * chunk.layers));
    return offloaded;
}

Bytes layer_activations(const Architecture& a, const LayerShape& s, const FrameworkProfile& framework,
                        bool expert_layer) {
    const double stream = elements(s.norm_tokens(), s.hidden);
    const double inner = is_gated(a.activation) ? 4.0 : 2.0;
    const double norms = a.parallel_block && !a.split_norms ? 1.0 : 2.0;
    double values = (a.parallel_block ? 1.0 : 2.0) * stream + norms * stream;  // residuals and what the norms give
    if (s.remakes.norms) values -= norms * stream;
    values += attention_inputs(a, s);
    values += elements(s.tokens, s.heads * s.value_head_size);  // what attention gives
    if (a.post_norms) values += 2.0 * stream;
    if (!expert_layer && !s.remakes.mlp) values += inner * elements(s.tokens, s.ffn);
    double bytes = s.element_bytes * values;
    if (expert_layer) bytes += expert_activations(a, s, inner);
    if (s.dropout) bytes += 2.0 * stream;  // one byte of mask at two places
    if (s.flash) {
        bytes += 4.0 * elements(s.tokens, s.heads);  // logarithm of the softmax's sum
    } else if (!s.rematerializes_core) {
        bytes += score_bytes(s, s.sequence);
    }
    if (!framework.fused_kernels && s.flash) bytes += eager_layer_bytes * elements(s.tokens, s.hidden) / s.tensor;
    return Bytes::from_si(bytes);
}

ActivationPeak activation_peak(const Architecture& a, const TrainingSpec& spec, const FrameworkProfile& framework,
                               const StepGraph& graph, int stage, const GatheredBytes& gathered) {
    const LayerShape shape = layer_shape(a, spec, framework);
    const LayerSizes sizes = layer_sizes(a, spec, framework, graph);
    const StageGraph& rank = graph.stages[static_cast<std::size_t>(stage)];
    std::vector<ChunkActivations> chunks;
    chunks.reserve(rank.chunks.size());
    for (const Chunk& chunk : rank.chunks) {
        chunks.push_back(chunk_activations(graph, chunk, sizes));
        if (!rank.offloaded.empty()) chunks.back().offloaded = rank.offloaded[chunks.size() - 1].si();
        if (framework.keeps_stage_outputs && graph.stages.size() > 1 && !chunks.back().has_head)
            chunks.back().output = sizes.input;
    }
    ActivationPeak peak = walk_passes(rank, chunks, sizes.logits, gathered);
    const Bytes sequence = Bytes::from_si(shape.element_bytes * elements(shape.tokens, shape.hidden));
    if (shape.sequence_parallel) peak.activations += 2.0 * sequence;  // gathered input, gradient before it is scattered
    peak.activations += 2.0 * graph.boundary_message;                 // one message received, one being sent
    if (shape.context > 1 && shape.context_kind != ContextKind::ring) {
        // One layer's gathered keys and values, or what an all-to-all has received beside what it sent.
        const std::int64_t width = shape.trades_heads() ? shape.heads * 2 + shape.kv_heads * 2 : shape.kv_heads * 2;
        const std::int64_t rows = shape.trades_heads() ? shape.tokens : shape.batch * shape.sequence;
        peak.activations += Bytes::from_si(shape.element_bytes * elements(rows, width * shape.head_size));
    }
    return peak;
}

}  // namespace orrery
