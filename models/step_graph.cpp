// Puts a training step together: kinds of layers, what each pipeline rank holds and in which order it runs.
#include "models/step_graph.hpp"

#include "models/activation_memory.hpp"
#include "models/layer_parameters.hpp"
#include "models/layer_tasks.hpp"
#include "models/pipeline_split.hpp"
#include "models/plan_problems.hpp"
#include "models/stage_placement.hpp"

#include <algorithm>

namespace orrery {
namespace {

/// Grows StepGraph::kinds by the layer kinds that the stages turn out to need.
class KindTable {
  public:
    KindTable(const Architecture& a, const LayerShape& shape, const LayerShape& encoder,
              const FrameworkProfile& framework, bool stops_early, std::vector<LayerGraph>& kinds)
        : a_(a), shape_(shape), encoder_(encoder), cross_entropy_bytes_(framework.cross_entropy_bytes), stops_early_(stops_early),
          kinds_(kinds) {}

    int add(LayerGraph layer) {
        kinds_.push_back(std::move(layer));
        variants_.push_back(std::nullopt);
        return static_cast<int>(kinds_.size()) - 1;
    }

    /// Another use of the head's matrix.
    int add_head_again() {
        LayerGraph again = head_layer(a_, shape_, cross_entropy_bytes_, false);
        again.name = "head again";
        return add(std::move(again));
    }

    int find(const LayerVariant& variant) {
        const auto known = std::find(variants_.begin(), variants_.end(), std::optional(variant));
        if (known != variants_.end()) return static_cast<int>(known - variants_.begin());
        const int kind = add(decoder_layer(a_, variant.encoder ? encoder_ : shape_, variant, stops_early_));
        variants_.back() = variant;
        return kind;
    }

  private:
    const Architecture& a_;
    const LayerShape& shape_;
    const LayerShape& encoder_;
    double cross_entropy_bytes_;
    bool stops_early_;
    std::vector<LayerGraph>& kinds_;
    std::vector<std::optional<LayerVariant>> variants_;
};

void append_layer(Chunk& chunk, int kind) {
    if (!chunk.empty() && chunk.back().kind == kind) {
        ++chunk.back().count;
    } else {
        chunk.push_back({kind, 1});
    }
}

/// True for the layers that the plan recomputes: all, or the first `recompute_layers` of each pipeline rank.
bool is_recomputed_layer(const TrainingSpec& spec, int layers_before_on_rank) {
    if (spec.recompute == Recompute::full) return true;
    return spec.recompute == Recompute::block && layers_before_on_rank < spec.recompute_layers;
}

LayerVariant variant_of(const Architecture& a, int index, bool recomputed) {
    LayerVariant variant;
    variant.part = layer_part(a, index);
    variant.encoder = is_encoder_layer(a, index);
    variant.windowed = is_windowed(a, index);
    variant.experts = is_expert_layer(a, index);
    variant.recomputed = recomputed;
    return variant;
}

/// The head, and after it each prediction layer with another use of the head.
void append_head(const Architecture& a, const TrainingSpec& spec, KindTable& kinds, int head, Chunk& chunk) {
    append_layer(chunk, head);
    if (a.prediction_layers == 0) return;
    LayerVariant variant = variant_of(a, a.stack() - 1, spec.recompute == Recompute::full);
    variant.prediction = true;
    const int layer = kinds.find(variant);
    const int again = kinds.add_head_again();
    for (int i = 0; i < a.prediction_layers; ++i) {
        append_layer(chunk, layer);
        append_layer(chunk, again);
    }
}

/// The same layer, neither trained nor passed by gradients.
LayerVariant frozen_variant(LayerVariant variant) {
    variant.frozen = true;
    variant.recomputed = false;
    return variant;
}

void fill_stages(const Architecture& a, const TrainingSpec& spec, KindTable& kinds, int embedding, int head,
                 StepGraph& graph) {
    const Parallelism& plan = spec.parallelism;
    const int total = plan.model_stages();
    const auto split = stage_layers(a, plan);
    graph.stages.resize(static_cast<std::size_t>(plan.pipeline));
    for (StageGraph& stage : graph.stages) stage.chunks.resize(static_cast<std::size_t>(plan.chunks_per_rank()));
    std::vector<int> layers_on_rank(static_cast<std::size_t>(plan.pipeline), 0);
    int index = 0;
    for (int v = 0; v < total; ++v) {
        const int layers = split[static_cast<std::size_t>(v)];
        for (const VirtualStage& place : places_of(plan, v)) {
            const auto rank = static_cast<std::size_t>(place.stage);
            Chunk& chunk = graph.stages[rank].chunks[static_cast<std::size_t>(place.chunk)];
            if (v == 0) append_layer(chunk, embedding);
            for (int i = index; i < index + layers; ++i) {
                const LayerVariant variant = variant_of(a, i, is_recomputed_layer(spec, layers_on_rank[rank]++));
                append_layer(chunk, kinds.find(i < spec.frozen.first_layers ? frozen_variant(variant) : variant));
            }
            if (v == total - 1) append_head(a, spec, kinds, head, chunk);
        }
        index += layers;
    }
    ORRERY_CHECK(index == a.stack());
}

void count_stages(StepGraph& graph) {
    for (auto& stage : graph.stages) {
        for (const auto& chunk : stage.chunks) {
            for (const auto& run : chunk) {
                const LayerGraph& kind = graph.kinds[static_cast<std::size_t>(run.kind)];
                stage.parameters += run.count * kind.parameters;
                stage.replicated_parameters += run.count * kind.replicated_parameters;
                stage.expert_parameters += run.count * kind.expert_parameters;
                stage.frozen_parameters += run.count * kind.frozen_parameters;
                if (kind.frozen_parameters > 0.0) stage.frozen_expert_parameters += run.count * kind.expert_parameters;
            }
        }
    }
}

void order_passes(const TrainingSpec& spec, StepGraph& graph) {
    const Parallelism& plan = spec.parallelism;
    for (const Schedule& schedule : schedules()) {
        if (schedule.kind != plan.schedule) continue;
        for (int stage = 0; stage < plan.pipeline; ++stage) {
            graph.stages[static_cast<std::size_t>(stage)].passes =
                schedule.passes(stage, plan.pipeline, plan.virtual_stages, graph.micro_batches);
        }
    }
}

/// Arithmetic per parameter of making a momentum matrix orthogonal: five rounds of X X^T, its square, and their product
/// with X, by the shorter side. Liu et al., "Muon is Scalable for LLM Training", arXiv 2502.16982, section 2.
Flop orthogonal_flop_per_parameter(const Architecture& a) {
    constexpr double rounds = 5.0;
    const double inner = a.experts > 0 ? a.expert_ffn : a.ffn;
    const double shorter = std::min<double>(a.hidden, inner);
    const double longer = std::max<double>(a.hidden, inner);
    return Flop::from_si(rounds * (4.0 * shorter + 2.0 * shorter * shorter / longer));
}

/// Forward arithmetic of layer `index` over the step: its own tokens, and of a decoder's second attention the scores.
double layer_flop(const Architecture& a, const TrainingSpec& spec, int index) {
    const bool encoder = is_encoder_layer(a, index);
    const int sequence = encoder ? spec.encoder_length() : spec.computed_sequence();
    const int seen = encoder ? sequence : attended_length(spec);
    double per_token = layer_forward_flop_per_token(a, index, seen, true).si();
    if (a.encoder_layers > 0 && !encoder) per_token += cross_attention_flop_per_token(a, spec.encoder_length()).si();
    return per_token * sequence * spec.global_batch;
}

/// Of it, scores and their product with the values.
double core_flop(const Architecture& a, const TrainingSpec& spec, int index) {
    const bool encoder = is_encoder_layer(a, index);
    const int sequence = encoder ? spec.encoder_length() : spec.computed_sequence();
    const int seen = encoder ? sequence : attended_length(spec);
    return attention_flop_per_token(a, index, seen, true).si() * sequence * spec.global_batch;
}

/// Useful arithmetic of the step, and the same with every forward pass that the plan repeats.
void count_flop(const Architecture& a, const TrainingSpec& spec, StepGraph& graph) {
    const double tokens = static_cast<double>(spec.global_batch) * spec.computed_sequence();
    const double left_out = spec.regularization.layer_drop;
    const bool core = spec.recompute == Recompute::selective && !spec.flash_attention;
    const double recomputed = spec.recompute == Recompute::full ? 1.0 : 0.0;
    double layers = 0.0;
    double cores = 0.0;
    double repeated = 0.0;
    double saved = 0.0;  // by frozen first layers, which have no backward, and by layers left out at random
    for (int i = 0; i < a.stack(); ++i) {
        const double forward = layer_flop(a, spec, i);
        const bool frozen = i < spec.frozen.first_layers;
        layers += forward;
        cores += core_flop(a, spec, i);
        saved += (frozen ? 2.0 : 0.0) * forward + (frozen ? 1.0 : 3.0) * left_out * forward;
        if (frozen) continue;
        repeated += (1.0 - left_out) * (recomputed * forward + (core ? core_flop(a, spec, i) : 0.0));
    }
    graph.model_flop = tokens * model_flop_per_token(a, attended_length(spec), true);
    if (a.encoder_layers > 0) {  // two sequences: layer by layer instead
        const double head = 6.0 * static_cast<double>(a.vocabulary) * a.hidden * tokens;
        graph.model_flop = Flop::from_si(3.0 * layers + head);
    }
    graph.model_flop -= Flop::from_si(saved);
    if (spec.adapter_rank > 0) {  // no weight gradients: 4 instead of 6 per active matrix parameter
        graph.model_flop -= (graph.model_flop - Flop::from_si(3.0 * cores)) / 3.0;
    }
    if (spec.recompute == Recompute::block) {
        double share = 0.0;
        for (const auto& stage : graph.stages) {
            for (const auto& chunk : stage.chunks) {
                for (const auto& run : chunk) {
                    if (graph.kinds[static_cast<std::size_t>(run.kind)].is_recomputed) share += run.count;
                }
            }
        }
        share /= spec.parallelism.copies();  // each layer is run by one of its copies
        repeated += share * layer_flop(a, spec, a.stack() - 1);
    }
    graph.hardware_flop = graph.model_flop + Flop::from_si(repeated);
}

}  // namespace

void repeat_rounds(const TrainingSpec& spec, StepGraph& graph) {
    if (!spec.regularization.sharpness_aware) return;
    for (StageGraph& stage : graph.stages) {
        std::vector<SchedulePass> again = stage.passes;
        for (SchedulePass& pass : again) pass.micro_batch += graph.micro_batches;
        stage.passes.insert(stage.passes.end(), again.begin(), again.end());
    }
    graph.micro_batches *= 2;
    graph.rounds = 2;
    graph.hardware_flop = graph.hardware_flop * 2.0;
}

std::vector<MatrixShape> stage_matrices(const StepGraph& graph, const StageGraph& stage) {
    std::vector<MatrixShape> all;
    for (const Chunk& chunk : stage.chunks) {
        for (const LayerRun& run : chunk) {
            for (MatrixShape matrix : graph.kinds[static_cast<std::size_t>(run.kind)].matrices) {
                matrix.count *= run.count;
                all.push_back(matrix);
            }
        }
    }
    return all;
}

Result<StepGraph> build_step_graph(const Architecture& architecture, const TrainingSpec& spec,
                                   const FrameworkProfile& framework) {
    Problems problems = plan_problems(architecture, spec);
    if (!problems.empty()) return problems;
    const Parallelism& plan = spec.parallelism;
    const LayerShape shape = layer_shape(architecture, spec, framework);
    StepGraph graph;
    const LayerShape encoder = architecture.encoder_layers > 0 ? encoder_shape(architecture, spec, framework) : shape;
    KindTable kinds(architecture, shape, encoder, framework, plan.fsdp, graph.kinds);
    const int embedding = kinds.add(
        embedding_layer(architecture, shape, spec.frozen.embedding || spec.frozen.first_layers > 0));
    const bool shares = architecture.tied_embeddings && plan.joins_ends();
    const int head = kinds.add(head_layer(architecture, shape, framework.cross_entropy_bytes, !shares));
    fill_stages(architecture, spec, kinds, embedding, head, graph);
    count_stages(graph);
    graph.micro_batches = spec.micro_batches();
    graph.experts_per_token = architecture.experts > 0 ? architecture.experts_per_token : 0;
    order_passes(spec, graph);
    if (plan.pipeline > 1) {
        const bool split = shape.sequence_parallel || framework.pipeline_scatter_gather;
        graph.boundary_message = Bytes::from_si(shape.element_bytes * static_cast<double>(shape.tokens) *
                                                static_cast<double>(shape.hidden) / (split ? plan.tensor : 1));
    }
    graph.tied_embedding_exchange = architecture.tied_embeddings && !plan.joins_ends();
    if (graph.tied_embedding_exchange) {
        graph.tied_embedding_bytes = Bytes::from_si(framework.gradient_bytes * static_cast<double>(shape.vocabulary) *
                                                    static_cast<double>(shape.hidden));
    }
    if (spec.offload.activation_layers > 0) {
        for (StageGraph& stage : graph.stages) {
            stage.offloaded = offloaded_activations(architecture, spec, framework, graph, stage);
        }
    }
    graph.muon_flop_per_parameter = orthogonal_flop_per_parameter(architecture);
    graph.parameters_total = count_parameters(architecture).total;
    count_flop(architecture, spec, graph);
    repeat_rounds(spec, graph);
    return graph;
}

}  // namespace orrery
