// Activation memory: per layer by formula, per rank by walking its schedule.
#include "models/activation_memory.hpp"

#include <algorithm>
#include <numeric>
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

/// Of one layer of a kind.
ChunkActivations one_layer(const LayerGraph& kind, double whole, const LayerSizes& sizes) {
    ChunkActivations one;
    if (kind.is_decoder_layer) {
        if (kind.backward.empty()) return one;  // frozen, and all below it: nothing is kept for gradients
        one.for_weights = std::min(kind.expert_parameters > 0.0 ? sizes.expert_for_weights : sizes.dense_for_weights, whole);
        one.layers = kind.is_recomputed ? sizes.input : whole;
        one.recomputed = kind.is_recomputed ? std::max(whole - sizes.input, 0.0) : 0.0;
        one.has_layers = true;
        one.layer_count = 1;
    } else if (kind.name == "head") {
        one.head = 2.0 * sizes.input + kept_per_logit * sizes.logits;
        one.for_weights = sizes.input + kept_per_logit * sizes.logits;
        one.has_head = true;
    }
    return one;
}

ChunkActivations chunk_activations(const StepGraph& graph, const Chunk& chunk, const LayerSizes& sizes) {
    ChunkActivations sum;
    for (const LayerRun& run : chunk) {
        const auto kind = static_cast<std::size_t>(run.kind);
        sum.add(one_layer(graph.kinds[kind], sizes.kinds[kind], sizes), run.count);
    }
    return sum;
}

/// Keeps the larger of two moments.
void take_larger(ActivationPeak& peak, double activations, Bytes weights, Bytes gradients) {
    const Bytes held = Bytes::from_si(activations);
    if (held + weights + gradients > peak.activations + peak.weights + peak.gradients)
        peak = {held, weights, gradients, {}};
}

/// A pass of `chunk` while `held` is there, the pass's own part included.
void meet_pass(ActivationPeak& peak, double held, const ChunkActivations& chunk, bool backward, double logits,
               const GatheredBytes& gathered) {
    if (chunk.has_head) {
        take_larger(peak, held + working_per_logit * logits, gathered.head_weights, {});
        // Later the softmax has become its gradient in place, and the head's own is made from it.
        if (backward) take_larger(peak, held, gathered.head_weights, gathered.head_gradients);
    }
    if (chunk.has_layers) {
        take_larger(peak, held - chunk.head + (backward ? chunk.recomputed : 0.0), gathered.layer_weights,
                    backward ? gathered.layer_gradients : Bytes{});
    }
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
        meet_pass(peak, held, chunk, pass.backward, logits, gathered);
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

KindActivations kind_activations(const Architecture& a, const TrainingSpec& spec, const FrameworkProfile& framework,
                                 const StepGraph& graph) {
    const LayerSizes sizes = layer_sizes(a, spec, framework, graph);
    KindActivations all{{}, sizes.input, sizes.logits};
    for (std::size_t i = 0; i < graph.kinds.size(); ++i) {
        all.kinds.push_back(one_layer(graph.kinds[i], sizes.kinds[i], sizes));
    }
    return all;
}

void ChunkActivations::add(const ChunkActivations& one, int layers_alike) {
    layers += layers_alike * one.layers;
    head += one.head;
    for_weights += layers_alike * one.for_weights;
    recomputed = std::max(recomputed, one.recomputed);
    layer_count += layers_alike * one.layer_count;
    has_layers = has_layers || one.has_layers;
    has_head = has_head || one.has_head;
}

/// Moments that another one of the same chunk and way covers chunk by chunk are left out.
FullMoments fullest_moments(std::span<const SchedulePass> passes, int chunks) {
    FullMoments moments;
    std::vector<FullMoment>& kept = moments.all;
    const auto count_of_chunks = static_cast<std::size_t>(chunks);
    std::vector<int> held(2 * count_of_chunks, 0);
    const auto covers = [](const std::vector<int>& more, const std::vector<int>& less) {
        for (std::size_t i = 0; i < more.size(); ++i) {
            if (more[i] < less[i]) return false;
        }
        return true;
    };
    for (const SchedulePass& pass : passes) {
        const auto own = static_cast<std::size_t>(pass.chunk);
        if (pass.part == PassPart::weight) {
            --held[count_of_chunks + own];
            continue;
        }
        if (!pass.backward) ++held[own];
        const auto rivals = [&](const FullMoment& one) { return one.chunk == pass.chunk && one.backward == pass.backward; };
        const bool is_covered = std::any_of(kept.begin(), kept.end(), [&](const FullMoment& one) { return rivals(one) && covers(one.held, held); });
        if (!is_covered) {
            std::erase_if(kept, [&](const FullMoment& one) { return rivals(one) && covers(held, one.held); });
            kept.push_back({held, std::accumulate(held.begin(), held.begin() + chunks, 0), pass.chunk, pass.backward});
        }
        int& most = pass.backward ? moments.most_backward : moments.most_forward;
        most = std::max(most, std::accumulate(held.begin(), held.begin() + chunks, 0));
        if (!pass.backward) continue;
        --held[own];
        if (pass.part == PassPart::input) ++held[count_of_chunks + own];
        moments.splits_backward = moments.splits_backward || pass.part != PassPart::whole;
    }
    return moments;
}

void keep_full_passes(const FullMoments& moments, std::span<const ChunkActivations> chunks, std::vector<FullPass>& passes) {
    passes.clear();
    const ChunkActivations& first = chunks.front();
    const auto is_like_first = [&](const ChunkActivations& one) {
        return one.kept() == first.kept() && one.has_layers && !one.has_head && one.recomputed == first.recomputed;
    };
    if (!moments.splits_backward && std::all_of(chunks.begin(), chunks.end(), is_like_first)) {   // whichever they are
        passes.push_back({moments.most_forward * first.kept(), 0, false});
        passes.push_back({moments.most_backward * first.kept(), 0, true});
        return;
    }
    const auto are_alike = [](const ChunkActivations& a, const ChunkActivations& b) {   // to meet_pass()
        return a.has_head == b.has_head && a.has_layers == b.has_layers && a.head == b.head && a.recomputed == b.recomputed;
    };
    const double usual = chunks[chunks.size() / 2].kept();   // most chunks keep as much
    std::vector<std::pair<std::size_t, double>> others;      // and how much more
    for (std::size_t i = 0; i < chunks.size(); ++i) {
        if (const double kept = chunks[i].kept(); kept != usual) others.emplace_back(i, kept - usual);
    }
    for (const FullMoment& moment : moments.all) {
        double held = usual * moment.micro_batches;
        for (const auto& [chunk, more] : others) held += moment.held[chunk] * more;
        if (moments.splits_backward) {
            for (std::size_t i = 0; i < chunks.size(); ++i) held += moment.held[chunks.size() + i] * chunks[i].for_weights;
        }
        const auto own = static_cast<std::size_t>(moment.chunk);
        const auto known = std::find_if(passes.begin(), passes.end(), [&](const FullPass& one) {
            return one.backward == moment.backward && are_alike(chunks[one.chunk], chunks[own]);
        });
        if (known == passes.end()) passes.push_back({held, own, moment.backward});
        else known->held = std::max(known->held, held);
    }
}

ActivationPeak peak_of_passes(std::span<const FullPass> passes, std::span<const ChunkActivations> chunks, double logits,
                              const GatheredBytes& gathered) {
    ActivationPeak peak;
    for (const FullPass& one : passes) meet_pass(peak, one.held, chunks[one.chunk], one.backward, logits, gathered);
    return peak;
}

/// Gathered input and the gradient before it is scattered; one message received, one being sent; of context
/// parallelism, one layer's gathered keys and values, or what an all-to-all has received beside what it sent.
Bytes passing_buffers(const LayerShape& shape, Bytes boundary_message) {
    Bytes sum = 2.0 * boundary_message;
    if (shape.sequence_parallel) sum += 2.0 * Bytes::from_si(shape.element_bytes * elements(shape.tokens, shape.hidden));
    if (shape.context > 1 && shape.context_kind != ContextKind::ring) {
        const std::int64_t width = shape.trades_heads() ? shape.heads * 2 + shape.kv_heads * 2 : shape.kv_heads * 2;
        const std::int64_t rows = shape.trades_heads() ? shape.tokens : shape.batch * shape.sequence;
        sum += Bytes::from_si(shape.element_bytes * elements(rows, width * shape.head_size));
    }
    return sum;
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
    peak.activations += passing_buffers(shape, graph.boundary_message);
    return peak;
}

}  // namespace orrery
