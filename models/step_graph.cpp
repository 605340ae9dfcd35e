// Puts a training step together: kinds of layers, what each pipeline rank holds and in which order it runs.
#include "models/step_graph.hpp"

#include "models/activation_memory.hpp"
#include "models/layer_parameters.hpp"
#include "models/layer_tasks.hpp"
#include "models/plan_problems.hpp"
#include "models/stage_layout.hpp"

#include <algorithm>

namespace orrery {
namespace {

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

void add_messages(const Architecture& architecture, const LayerShape& shape, const Parallelism& plan,
                  const FrameworkProfile& framework, StepGraph& graph) {
    graph.boundary_message = Bytes{};
    if (plan.pipeline > 1) {
        const bool split = shape.sequence_parallel || framework.pipeline_scatter_gather;
        graph.boundary_message = Bytes::from_si(shape.element_bytes * static_cast<double>(shape.tokens) *
                                                static_cast<double>(shape.hidden) / (split ? plan.tensor : 1));
    }
    graph.tied_embedding_exchange = architecture.tied_embeddings && !plan.joins_ends();
    graph.tied_embedding_bytes = Bytes{};
    if (graph.tied_embedding_exchange) {
        graph.tied_embedding_bytes = Bytes::from_si(framework.gradient_bytes * static_cast<double>(shape.vocabulary) *
                                                    static_cast<double>(shape.hidden));
    }
}

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
    const RoleGraphs roles(architecture, spec, framework);
    const LayerShape& shape = roles.shape();
    StepGraph graph;
    StageLayout layout = stage_layout(architecture, spec);
    for (const LayerRole& role : layout.roles) graph.kinds.push_back(roles.graph_of(role));
    for (auto& chunks : layout.stages) graph.stages.emplace_back().chunks = std::move(chunks);
    count_stages(graph);
    graph.micro_batches = spec.micro_batches();
    graph.experts_per_token = architecture.experts > 0 ? architecture.experts_per_token : 0;
    order_passes(spec, graph);
    add_messages(architecture, shape, plan, framework, graph);
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
