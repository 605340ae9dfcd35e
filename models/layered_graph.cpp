// Turns a list of blocks into the step graph that prices and simulations read.
#include "models/layered_model.hpp"

#include "models/option_problems.hpp"

#include <algorithm>

namespace orrery {
namespace {

// A fused attention's backward makes the scores again: five products where four are useful (Dao, arXiv 2307.08691).
constexpr double useful_share_of_attention_backward = 0.8;

double useful_flop_of(const GraphTask& task) {
    const auto* compute = std::get_if<ComputeTask>(&task.action);
    if (compute == nullptr || std::holds_alternative<Streaming>(compute->work) ||
        std::holds_alternative<Gather>(compute->work))
        return 0.0;
    const auto* attention = std::get_if<Attention>(&compute->work);
    const double share = attention != nullptr && attention->backward ? useful_share_of_attention_backward : 1.0;
    return share * flop_of(compute->work).si();
}

double flop_of_tasks(const std::vector<GraphTask>& tasks) {
    double sum = 0.0;
    for (const GraphTask& task : tasks) sum += useful_flop_of(task);
    return sum;
}

bool is_recomputed_block(const ModelBlock& block, const TrainingSpec& spec) {
    if (spec.recompute != Recompute::full) return false;
    return std::any_of(block.operators.begin(), block.operators.end(),
                       [](const ModelOperator& one) { return !one.backward.empty(); });
}

LayerGraph layer_of_block(const ModelBlock& block, const TrainingSpec& spec) {
    LayerGraph layer;
    layer.name = block.name;
    layer.is_decoder_layer = true;
    layer.is_recomputed = is_recomputed_block(block, spec);
    for (const ModelOperator& one : block.operators) {
        layer.forward.insert(layer.forward.end(), one.forward.begin(), one.forward.end());
        layer.parameters += one.parameters + one.sharded_parameters;
        layer.replicated_parameters += one.parameters;
        layer.expert_parameters += one.sharded_parameters;
        if (one.frozen) layer.frozen_parameters += one.parameters;
        // Rows of sharded tables are updated by their own backward: no dense gradient, no pass of the optimizer.
        layer.frozen_parameters += one.sharded_parameters;
    }
    if (layer.is_recomputed) layer.backward = layer.forward;
    for (auto one = block.operators.rbegin(); one != block.operators.rend(); ++one) {
        layer.backward.insert(layer.backward.end(), one->backward.begin(), one->backward.end());
    }
    layer.launches_forward = launches_of(layer.forward);
    layer.launches_backward = launches_of(layer.backward);
    return layer;
}

Problems layered_problems(const LayeredModel& model, const TrainingSpec& spec) {
    Problems problems;
    const Parallelism& plan = spec.parallelism;
    const auto refuse = [&](const char* key, int degree, bool allowed, const char* what) {
        if (degree == 1 || allowed) return;
        problems.push_back({std::string("/workload/parallelism/") + key,
                            "is " + std::to_string(degree) + ", and this family of models cannot be " + what,
                            std::string("write \"") + key + "\": 1: the devices become data-parallel replicas"});
    };
    refuse("pipeline", plan.pipeline, false, "cut into pipeline stages");
    refuse("virtual_stages", plan.virtual_stages, false, "cut into virtual stages");
    refuse("tensor", plan.tensor, model.splits_tensor, "split by tensor parallelism");
    refuse("context", plan.context, model.splits_context, "split along a sequence");
    const std::int64_t per_pass = static_cast<std::int64_t>(plan.data) * spec.micro_batch;
    if (spec.micro_batch < 1 || spec.global_batch < 1 || spec.global_batch % std::max<std::int64_t>(per_pass, 1) != 0) {
        problems.push_back({"/workload/global_batch",
                            "is " + std::to_string(spec.global_batch) + ", not a multiple of micro_batch x data = " +
                                std::to_string(per_pass),
                            "write a multiple of " + std::to_string(per_pass)});
    }
    const DataType type = spec.precision;
    if (type != DataType::fp32 && type != DataType::tf32 && type != DataType::fp16 && type != DataType::bf16) {
        problems.push_back({"/workload/precision",
                            "training this family of models in " + std::string(name_of(type)) + " is not modelled",
                            "use bf16, fp16, tf32 or fp32"});
    }
    if (spec.recompute == Recompute::selective || spec.recompute == Recompute::block) {
        problems.push_back({"/workload/recompute", "is a choice that only decoder transformers have",
                            "write \"none\" or \"full\""});
    }
    if (plan.splits_backward()) {
        problems.push_back({"/workload/parallelism/schedule", "orders a pipeline, which this family of models has none of",
                            "leave it out"});
    }
    if (spec.offload.any()) {
        problems.push_back({"/workload/offload", "is modelled for decoder transformers only", "leave it out"});
    }
    for (Problem& one : layered_option_problems(spec)) problems.push_back(std::move(one));
    return problems;
}

void order_layered_passes(StepGraph& graph) {
    for (int i = 0; i < graph.micro_batches; ++i) {
        graph.stages[0].passes.push_back({false, i, 0});
        graph.stages[0].passes.push_back({true, i, 0});
    }
}

}  // namespace

double launches_of(const std::vector<GraphTask>& tasks) {
    double sum = 0.0;
    for (const GraphTask& task : tasks) {
        const auto* compute = std::get_if<ComputeTask>(&task.action);
        const auto* streaming = compute != nullptr ? std::get_if<Streaming>(&compute->work) : nullptr;
        sum += streaming != nullptr ? static_cast<double>(streaming->kernels) : 1.0;
    }
    return sum;
}

LayeredTotals layered_totals(const LayeredModel& model) {
    LayeredTotals totals;
    for (const ModelBlock& block : model.blocks) {
        for (const ModelOperator& one : block.operators) {
            const double forward = flop_of_tasks(one.forward);
            totals.parameters += block.count * (one.parameters + one.sharded_parameters);
            if (one.frozen) totals.frozen_parameters += block.count * one.parameters;
            totals.forward_flop += Flop::from_si(block.count * forward);
            totals.useful_flop += Flop::from_si(block.count * (forward + flop_of_tasks(one.backward)));
        }
    }
    return totals;
}

PassShape pass_shape(const TrainingSpec& spec, const FrameworkProfile& framework) {
    PassShape shape;
    shape.samples = spec.micro_batch;
    shape.sequence = spec.sequence;
    shape.type = spec.precision;
    shape.element_bytes = spec.precision == DataType::fp32 || spec.precision == DataType::tf32 ? 4.0 : 2.0;
    shape.flash_attention = spec.flash_attention;
    shape.fused_kernels = framework.fused_kernels;
    shape.fused_convolutions = framework.fused_convolutions;
    shape.tensor = spec.parallelism.tensor;
    shape.context = spec.parallelism.context;
    shape.replicas = spec.parallelism.data;
    return shape;
}

Result<StepGraph> build_layered_graph(const LayeredModel& model, const TrainingSpec& spec) {
    Problems problems = layered_problems(model, spec);
    if (!problems.empty()) return problems;
    StepGraph graph;
    graph.micro_batches = spec.micro_batches();
    graph.stages.resize(1);
    StageGraph& stage = graph.stages[0];
    Chunk chunk;
    double repeated = 0.0;
    for (const ModelBlock& block : model.blocks) {
        LayerGraph layer = layer_of_block(block, spec);
        chunk.push_back({static_cast<int>(graph.kinds.size()), block.count});
        stage.parameters += block.count * layer.parameters;
        stage.replicated_parameters += block.count * layer.replicated_parameters;
        stage.expert_parameters += block.count * layer.expert_parameters;
        stage.frozen_parameters += block.count * layer.frozen_parameters;
        stage.frozen_expert_parameters += block.count * layer.expert_parameters;
        if (layer.is_recomputed) repeated += block.count * flop_of_tasks(layer.forward);
        graph.kinds.push_back(std::move(layer));
    }
    stage.chunks.push_back(std::move(chunk));
    order_layered_passes(graph);
    const double passes = static_cast<double>(graph.micro_batches) * spec.parallelism.devices();
    graph.parameters_total = (stage.parameters - stage.expert_parameters) * spec.parallelism.tensor +
                             stage.expert_parameters * spec.parallelism.data;
    graph.model_flop = passes * layered_totals(model).useful_flop;
    graph.hardware_flop = graph.model_flop + Flop::from_si(passes * repeated);
    repeat_rounds(spec, graph);
    return graph;
}

Bytes layered_activations(const LayeredModel& model, const TrainingSpec& spec) {
    Bytes kept;
    Bytes largest;
    for (const ModelBlock& block : model.blocks) {
        Bytes own;
        Bytes working;
        for (const ModelOperator& one : block.operators) {
            if (!one.backward.empty()) own += one.kept;
            working = std::max(working, one.working);
        }
        const bool again = is_recomputed_block(block, spec);
        kept += static_cast<double>(block.count) * (again ? block.input : own);
        largest = std::max(largest, working + (again ? own : Bytes{}));
    }
    return kept + largest;
}

}  // namespace orrery
