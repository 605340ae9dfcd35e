// What a training step's graph says of latent attention, prediction layers, adapters and named recomputation.
#include "models/memory.hpp"
#include "models/pipeline_split.hpp"
#include "models/step_graph.hpp"
#include "tests/architectures.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <numeric>

using namespace orrery;

namespace {

/// A small DeepSeek-V3: latent attention, one dense layer, eight experts and a shared one.
Architecture small_latent() {
    Architecture a;
    a.layers = 5;
    a.hidden = 1024;
    a.heads = a.kv_heads = 8;
    a.head_size = 64;
    a.rotary_head_size = 32;
    a.value_head_size = 48;
    a.latent_keys = 256;
    a.latent_queries = 384;
    a.ffn = 4096;
    a.vocabulary = 32768;
    a.experts = 8;
    a.experts_per_token = 2;
    a.expert_ffn = 512;
    a.shared_experts = 1;
    a.dense_layers = 1;
    return a;
}

Architecture small_dense() { return test::llama(4, 1024, 16, 16, 4096); }

TrainingSpec mixture_spec(int tensor, int data, int expert) {
    TrainingSpec s;
    s.sequence = 2048;
    s.global_batch = data;
    s.parallelism.tensor = tensor;
    s.parallelism.data = data;
    s.parallelism.expert = expert;
    return s;
}

StepGraph mixture_graph(const Architecture& a, const TrainingSpec& s) {
    auto graph = build_step_graph(a, s, {});
    if (!graph.ok()) FAIL(graph.problems().front().place << ": " << graph.problems().front().problem);
    return std::move(graph).value();
}

double flop_in(const std::vector<GraphTask>& tasks, OperatorClass part) {
    double sum = 0.0;
    for (const GraphTask& task : tasks) {
        const auto* compute = std::get_if<ComputeTask>(&task.action);
        if (compute != nullptr && compute->part == part) sum += flop_of(compute->work).si();
    }
    return sum;
}

double matrix_flop(const StepGraph& g, bool backward) {
    double sum = 0.0;
    for (const Chunk& chunk : g.stages[0].chunks) {
        for (const LayerRun& run : chunk) {
            const LayerGraph& kind = g.kinds[static_cast<std::size_t>(run.kind)];
            const auto& tasks = backward ? kind.backward : kind.forward;
            sum += run.count * (flop_in(tasks, OperatorClass::matrix) + flop_in(tasks, OperatorClass::head));
        }
    }
    return sum;
}

int count_named(const std::vector<GraphTask>& tasks, std::string_view name) {
    return static_cast<int>(
        std::count_if(tasks.begin(), tasks.end(), [&](const GraphTask& t) { return t.name == name; }));
}

bool has_problem(const Architecture& a, const TrainingSpec& s, const std::string& place, std::string_view text) {
    const auto graph = build_step_graph(a, s, {});
    if (graph.ok()) return false;
    const Problems& all = graph.problems();
    return std::any_of(all.begin(), all.end(), [&](const Problem& p) {
        return p.place == "/workload" + place && p.problem.find(text) != std::string::npos && !p.remedy.empty();
    });
}

}  // namespace

TEST_CASE("forward products of a latent-attention mixture are two flop per active matrix parameter",
          "[models][graph]") {
    // Method: closed form; every matrix of the model but the embedding meets each token once, experts 2 of 8.
    Architecture a = small_latent();
    for (const int prediction : {0, 1}) {
        a.prediction_layers = prediction;
        const StepGraph g = mixture_graph(a, mixture_spec(1, 4, 4));
        const ParameterCount p = count_parameters(a);
        const double norms = 5 * (2 * 1024.0 + 256 + 384) + 1024 + prediction * (5 * 1024.0 + 256 + 384);
        const double matrices = p.active - norms - p.embedding + prediction * p.embedding;  // the head once more
        CHECK(matrix_flop(g, false) == Approx(2.0 * 2048 * matrices));
        CHECK(matrix_flop(g, true) == Approx(4.0 * 2048 * matrices));
    }
}

TEST_CASE("the parameters of all ranks are those of the model, whatever the tensor and expert degrees",
          "[models][graph]") {
    // Method: conservation; experts and split matrices add up over ranks, what is replicated is held by each tensor
    // rank.
    Architecture a = small_latent();
    a.prediction_layers = 1;
    for (const int tensor : {1, 2, 4}) {
        const StepGraph g = mixture_graph(a, mixture_spec(tensor, 8, 8));
        const StageGraph& stage = g.stages[0];
        const double split = stage.parameters - stage.replicated_parameters - stage.expert_parameters;
        CHECK(tensor * split + stage.replicated_parameters + 8 * stage.expert_parameters ==
              Approx(count_parameters(a).total));
    }
}

TEST_CASE("with adapters the model's own matrices get no weight gradients", "[models][graph]") {
    // Method: by hand; backward is one product instead of two, and each linear map has two thin ones beside it.
    const Architecture a = small_dense();
    TrainingSpec s = mixture_spec(1, 1, 1);
    const double whole = matrix_flop(mixture_graph(a, s), true);
    s.adapter_rank = 16;
    const StepGraph g = mixture_graph(a, s);
    const double thin = 4.0 * 16 * ((1024.0 + 3 * 1024) + 2 * 1024 + (1024.0 + 2 * 4096) + (4096.0 + 1024));
    CHECK(matrix_flop(g, true) == Approx(whole / 2.0 + 2.0 * 2.0 * 2048 * thin));
    CHECK(g.stages[0].parameters - g.stages[0].frozen_parameters == Approx(thin));
    CHECK(g.stages[0].frozen_parameters == Approx(count_parameters(a).total));
}

TEST_CASE("frozen parameters have no gradients and no optimizer states", "[models][memory]") {
    // Method: by hand; 18 bytes a trained parameter (2 weight, 4 gradient, 12 optimizer), 2 a frozen one.
    const Architecture a = small_dense();
    TrainingSpec s = mixture_spec(1, 1, 1);
    s.adapter_rank = 16;
    const FrameworkProfile f;
    const StepGraph g = mixture_graph(a, s);
    const double trained = g.stages[0].parameters - g.stages[0].frozen_parameters;
    const MemoryBreakdown m = memory_of(a, s, f, g);
    CHECK(m.weights.si() == Approx(2.0 * g.stages[0].parameters));
    CHECK(m.gradients.si() == Approx(4.0 * trained));
    CHECK(m.optimizer.si() == Approx(12.0 * trained));
}

TEST_CASE("up-projections made again leave only latents behind", "[models][memory]") {
    // Method: by hand; heads x (96 + 96 + 48) values a token in 16 bit are no longer kept, in each of 5 layers.
    const Architecture a = small_latent();
    TrainingSpec s = mixture_spec(1, 4, 4);
    const FrameworkProfile f;
    const auto kept = [&]() { return memory_of(a, s, f, mixture_graph(a, s)).activations.si(); };
    const double whole = kept();
    s.recompute = Recompute::selective;
    s.recompute_modules.latent_up = true;
    CHECK(whole - kept() == Approx(5 * 2.0 * 2048 * 8 * (96 + 96 + 48)));
}

TEST_CASE("named modules are made again in backward and others are not", "[models][graph]") {
    // Method: counts of the forward kernels' names in the backward pass.
    TrainingSpec s = mixture_spec(1, 4, 4);
    s.recompute = Recompute::selective;
    s.recompute_modules.latent_up = true;
    s.recompute_modules.expert_activation = true;
    const StepGraph g = mixture_graph(small_latent(), s);
    const auto layer = std::find_if(g.kinds.begin(), g.kinds.end(), [](const LayerGraph& k) { return k.has_experts; });
    REQUIRE(layer != g.kinds.end());
    CHECK(count_named(layer->backward, "query up") == 1);
    CHECK(count_named(layer->backward, "key up") == 1);
    CHECK(count_named(layer->backward, "query down") == 0);
    CHECK(count_named(layer->backward, "expert up") == 0);
    CHECK(count_named(layer->backward, "expert activation") == 4);  // routed and shared: gradient and again
}

TEST_CASE("stages of a model with prediction layers leave room for them and the heads", "[models][pipeline]") {
    // Method: published layout of DeepSeek-V3 on 16 stages: 4 layers each, the last 1, prediction layer and loss.
    const std::vector<int> split = pipeline_split(61, 16, 1);
    CHECK(split.front() == 4);
    CHECK(split.back() == 1);
    for (const int stages : {2, 4, 8, 16, 32}) {
        const std::vector<int> any = pipeline_split(61, stages, 1);
        CHECK(std::accumulate(any.begin(), any.end(), 0) == 61);
    }
}

TEST_CASE("settings of mixtures and adapters that cannot act are refused", "[models][graph]") {
    // Method: one mistake each.
    TrainingSpec s = mixture_spec(1, 1, 1);
    s.token_dispatcher = TokenDispatcher::hybrid;
    CHECK(has_problem(small_dense(), s, "/token_dispatcher", "no experts"));
    s = mixture_spec(1, 1, 1);
    s.token_drop = true;
    CHECK(has_problem(small_dense(), s, "/token_drop", "no experts"));
    s = mixture_spec(1, 1, 1);
    s.overlap.experts = true;
    CHECK(has_problem(small_dense(), s, "/overlap/experts", "no experts"));
    s = mixture_spec(1, 1, 1);
    s.recompute_modules.norms = true;
    CHECK(has_problem(small_dense(), s, "/recompute_modules", "selective"));
    s = mixture_spec(1, 1, 1);
    s.adapter_rank = 5000;
    CHECK(has_problem(small_dense(), s, "/adapter_rank", "width"));
}
