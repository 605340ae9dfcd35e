// Plans that arrange ranks, stages, contexts and experts in other ways: what each leaves of a layer, and what is refused.
#include "models/activation_memory.hpp"
#include "models/memory.hpp"
#include "models/pipeline_split.hpp"
#include "models/plan_problems.hpp"
#include "models/step_graph.hpp"
#include "tests/architectures.hpp"

#include <catch2/catch.hpp>

#include <algorithm>

using namespace orrery;

namespace {

Architecture plain_decoder() { return test::llama(16, 1024, 16, 8, 4096); }

Architecture small_mixture() {
    Architecture a = plain_decoder();
    a.experts = 8;
    a.experts_per_token = 2;
    a.expert_ffn = 1024;
    return a;
}

TrainingSpec plan_of(int pipeline, int data, int micro_batches) {
    TrainingSpec s;
    s.sequence = 2048;
    s.global_batch = data * micro_batches;
    s.parallelism.pipeline = pipeline;
    s.parallelism.data = data;
    return s;
}

template <class Change>
Problems refused(const Architecture& a, TrainingSpec spec, Change change) {
    change(spec);
    return plan_problems(a, spec);
}

bool tells(const Problems& problems, const std::string& place, const std::string& problem, const std::string& remedy) {
    const bool told = std::any_of(problems.begin(), problems.end(), [&](const Problem& p) {
        return p.place == "/workload" + place && p.problem.find(problem) != std::string::npos &&
               p.remedy.find(remedy) != std::string::npos;
    });
    for (const Problem& p : problems) {
        if (!told) UNSCOPED_INFO(p.place << ": " << p.problem << "; " << p.remedy);
    }
    return told;
}

StepGraph built(const Architecture& a, const TrainingSpec& s) {
    auto graph = build_step_graph(a, s, {});
    if (!graph.ok()) FAIL(graph.problems().front().place << ": " << graph.problems().front().problem);
    return std::move(graph).value();
}

/// Decoder layers of each pipeline rank.
std::vector<int> layers_of(const StepGraph& graph) {
    std::vector<int> layers;
    for (const StageGraph& stage : graph.stages) {
        layers.push_back(0);
        for (const Chunk& chunk : stage.chunks) {
            for (const LayerRun& run : chunk) {
                if (graph.kinds[static_cast<std::size_t>(run.kind)].is_decoder_layer) layers.back() += run.count;
            }
        }
    }
    return layers;
}

double exchanged(const std::vector<GraphTask>& tasks, Axis axis, CollectiveKind kind) {
    double bytes = 0.0;
    for (const GraphTask& task : tasks) {
        const auto* exchange = std::get_if<ExchangeTask>(&task.action);
        if (exchange != nullptr && exchange->axis == axis && exchange->collective.kind == kind)
            bytes += exchange->collective.size.si();
    }
    return bytes;
}

double flop_sum(const std::vector<GraphTask>& tasks) {
    double flop = 0.0;
    for (const GraphTask& task : tasks) {
        if (const auto* compute = std::get_if<ComputeTask>(&task.action)) {
            flop += flop_of(compute->work).si();
        }
    }
    return flop;
}

const LayerGraph& layer_named(const StepGraph& graph, std::string_view name) {
    for (const LayerGraph& kind : graph.kinds) {
        if (kind.name == name) return kind;
    }
    FAIL("no such layer");
    return graph.kinds.front();
}

}  // namespace

TEST_CASE("stages hold the layers that a plan gives them", "[models][split]") {
    // Method: by hand, after Megatron-Core's --decoder-first-pipeline-num-layers, -last- and --account-for-*.
    const Architecture a = plain_decoder();
    TrainingSpec s = plan_of(4, 1, 8);
    s.parallelism.stage_layers = {3, 5, 5, 3};
    CHECK(layers_of(built(a, s)) == std::vector<int>{3, 5, 5, 3});
    s = plan_of(4, 1, 8);
    s.parallelism.first_stage_layers = 3;
    s.parallelism.last_stage_layers = 1;
    CHECK(layers_of(built(a, s)) == std::vector<int>{3, 6, 6, 1});
    s = plan_of(3, 1, 8);
    s.parallelism.count_embedding = true;
    s.parallelism.count_head = true;
    CHECK(layers_of(built(a, s)) == std::vector<int>{5, 6, 5});
    s = plan_of(2, 1, 8);
    s.parallelism.schedule = PipelineSchedule::interleaved;
    s.parallelism.virtual_stages = 2;
    s.parallelism.first_stage_layers = 6;
    CHECK(layers_of(built(a, s)) == std::vector<int>{6, 10});
}

TEST_CASE("every layer lies on one rank, or on two that mirror each other", "[models][split]") {
    // Method: conservation; parameters of all ranks together are those of the plain pipeline, twice with DualPipe.
    const Architecture a = plain_decoder();
    const auto total = [&](PipelineSchedule schedule) {
        TrainingSpec s = plan_of(4, 1, 8);
        s.parallelism.schedule = schedule;
        const StepGraph graph = built(a, s);
        double sum = 0.0;
        for (const StageGraph& stage : graph.stages) sum += stage.parameters;
        return sum;
    };
    const double once = total(PipelineSchedule::one_f_one_b);
    CHECK(total(PipelineSchedule::zb_h1) == once);
    CHECK(total(PipelineSchedule::zb_v) == once);
    CHECK(total(PipelineSchedule::dualpipe) == 2.0 * once);
    TrainingSpec s = plan_of(4, 1, 8);
    s.parallelism.schedule = PipelineSchedule::dualpipe;
    const StepGraph graph = built(a, s);
    CHECK(graph.stages[0].parameters == graph.stages[3].parameters);
    CHECK(layers_of(graph) == std::vector<int>{8, 8, 8, 8});
}

TEST_CASE("weights' gradients are half of a layer's backward products", "[models][schedule]") {
    // Method: each linear layer has one product for its input's gradient and one for its weights', of equal flop; what
    // attention does belongs to the inputs. 24 s b h^2-like: per token 2 flop a parameter.
    TrainingSpec s = plan_of(2, 1, 8);
    const StepGraph graph = built(plain_decoder(), s);
    const LayerGraph& layer = layer_named(graph, "layer");
    std::vector<GraphTask> weight;
    for (const GraphTask& task : layer.backward) {
        if (task.is_weight_gradient) weight.push_back(task);
    }
    const double matrices = layer.parameters - layer.replicated_parameters;
    CHECK(flop_sum(weight) / (2.0 * matrices * 2048.0) == Approx(1.0).epsilon(1e-3));
}

TEST_CASE("ZB-H1 peaks like 1F1B's first rank on every rank", "[models][memory]") {
    // Method: Qi et al., arXiv 2401.10241, section 2.1: as much as 1F1B at most; and M_W is 32 of M_B's 34 s b h for a GPT
    // with equal heads (table 1), so a rank whose weights' gradients are put off holds a little less.
    Architecture a = plain_decoder();
    TrainingSpec s = plan_of(4, 1, 16);
    const Bytes first = memory_of_stage(a, s, {}, built(a, s), 0).activations;
    s.parallelism.schedule = PipelineSchedule::zb_h1;
    const StepGraph graph = built(a, s);
    for (int stage = 0; stage < 4; ++stage) {
        const Bytes here = memory_of_stage(a, s, {}, graph, stage).activations;
        if (stage < 3) CHECK(here / first > 0.85);  // the last one's layers come with the head's logits
        if (stage < 3) CHECK(here / first < 1.0 + 1e-9);
    }
}

TEST_CASE("DualPipe holds parameters twice and shards optimizer states over both copies", "[models][memory]") {
    // Method: DeepSeek-V3, arXiv 2412.19437, table 2: parameters twice; with ZeRO-1 the states of a parameter are
    // spread over the replicas of both copies, so a rank's share does not grow.
    const Architecture a = plain_decoder();
    TrainingSpec s = plan_of(4, 2, 16);
    s.parallelism.zero = 1;
    const MemoryBreakdown plain = memory_of_stage(a, s, {}, built(a, s), 1);
    s.parallelism.schedule = PipelineSchedule::dualpipe;
    const MemoryBreakdown twice = memory_of_stage(a, s, {}, built(a, s), 1);
    CHECK(twice.weights / plain.weights == Approx(2.0));
    CHECK(twice.optimizer / plain.optimizer == Approx(1.0));
}

TEST_CASE("Ulysses sends each token's heads once each way, whatever the degree", "[models][context]") {
    // Method: Jacobs et al., arXiv 2309.14509, section 3.2: with N tokens, four all-to-alls of N h / P on each of P ranks
    // forward (queries, keys, values, result), here with grouped keys; and attention's flop are those of one rank in P.
    const Architecture a = plain_decoder();
    TrainingSpec s = plan_of(1, 1, 8);
    const double alone = flop_sum(layer_named(built(a, s), "layer").forward);
    for (const int degree : {2, 4, 8}) {
        s.parallelism.context = degree;
        s.parallelism.context_kind = ContextKind::ulysses;
        const StepGraph graph = built(a, s);
        const LayerGraph& layer = layer_named(graph, "layer");
        const double values = 2048.0 / degree * (16 * 64 + 2 * 8 * 64 + 16 * 64);
        CHECK(exchanged(layer.forward, Axis::context, CollectiveKind::all_to_all) == Approx(2.0 * values));
        CHECK(exchanged(layer.backward, Axis::context, CollectiveKind::all_to_all) == Approx(2.0 * values));
        CHECK(flop_sum(layer.forward) * degree == Approx(alone));
    }
    s.parallelism.context = 16;  // two ranks need each of the eight key heads
    const StepGraph graph = built(a, s);
    const double values = 2048.0 / 16 * (16 * 64 + 2 * 16 * 64 + 16 * 64);
    CHECK(exchanged(layer_named(graph, "layer").forward, Axis::context, CollectiveKind::all_to_all) == Approx(2.0 * values));
}

TEST_CASE("gathered contexts move a sequence's keys and values", "[models][context]") {
    // Method: "Llama 3", arXiv 2407.21783, 3.3.2: all-gather of keys and values, 2 b s (2 h_kv) bytes in 16 bit.
    TrainingSpec s = plan_of(1, 1, 8);
    s.parallelism.context = 4;
    s.parallelism.context_kind = ContextKind::all_gather;
    const StepGraph graph = built(plain_decoder(), s);
    const LayerGraph& layer = layer_named(graph, "layer");
    const double bytes = 2.0 * 2048 * 2 * 8 * 64;
    CHECK(exchanged(layer.forward, Axis::context, CollectiveKind::all_gather) == Approx(bytes));
    CHECK(exchanged(layer.backward, Axis::context, CollectiveKind::reduce_scatter) == Approx(bytes));
}

TEST_CASE("splitting experts keeps their arithmetic and halves what a rank holds of them", "[models][experts]") {
    // Method: conservation: a rank computes twice the rows of half the width, and holds half the parameters of twice as
    // many experts' worth; tokens are gathered over the two ranks ahead of it and scattered after.
    const Architecture a = small_mixture();
    TrainingSpec s = plan_of(1, 8, 4);
    s.parallelism.expert = 4;
    const StepGraph whole_graph = built(a, s);
    s.parallelism.expert_tensor = 2;
    const StepGraph split_graph = built(a, s);
    const LayerGraph& whole = layer_named(whole_graph, "expert layer");
    const LayerGraph& split = layer_named(split_graph, "expert layer");
    CHECK(flop_sum(split.forward) == Approx(flop_sum(whole.forward)));
    CHECK(split.expert_parameters * 2.0 == whole.expert_parameters);
    const double rows = 2.0 * 2048.0;  // routed copies of one rank
    CHECK(exchanged(split.forward, Axis::expert_tensor, CollectiveKind::all_gather) == Approx(2.0 * 2.0 * rows * 1024.0));
    CHECK(exchanged(split.forward, Axis::expert_tensor, CollectiveKind::reduce_scatter) ==
          Approx(2.0 * 2.0 * rows * 1024.0));
    CHECK(exchanged(split.forward, Axis::expert, CollectiveKind::all_to_all) ==
          exchanged(whole.forward, Axis::expert, CollectiveKind::all_to_all));
}

TEST_CASE("what does not go with an arrangement is named", "[models][graph]") {
    // Method: one mistake each, against place, problem and remedy.
    using S = TrainingSpec;
    const Architecture a = plain_decoder();
    const TrainingSpec base = plan_of(4, 2, 8);
    CHECK(tells(refused(a, base, [](S& s) { s.parallelism.stage_layers = {4, 4, 4, 3}; }), "/parallelism/stage_layers",
                "4 stages with 15 layers", "4 numbers that add up to 16"));
    CHECK(tells(refused(a, base, [](S& s) { s.parallelism.first_stage_layers = 3; }),
                "/parallelism/first_stage_layers", "leaves 13 layers", "stage_layers"));
    CHECK(tells(refused(a, base, [](S& s) { s.parallelism.count_embedding = true; }), "/parallelism/count_embedding",
                "leaves 17 layers", "stage_layers"));
    CHECK(tells(refused(a, base, [](S& s) {
                    s.parallelism.count_head = true;
                    s.parallelism.balance = true;
                }),
                "/parallelism/stage_layers", "one of several", "keep one"));
    CHECK(tells(refused(a, base, [](S& s) {
                    s.parallelism.pipeline = 1;
                    s.parallelism.last_stage_layers = 3;
                }),
                "/parallelism/last_stage_layers", "without a pipeline", "pipeline above 1"));
    CHECK(tells(refused(a, base, [](S& s) {
                    s.parallelism.schedule = PipelineSchedule::zb_v;
                    s.parallelism.first_stage_layers = 4;
                }),
                "/parallelism/schedule", "no first or last rank", "stage_layers"));
    CHECK(tells(refused(a, base, [](S& s) {
                    s.parallelism.schedule = PipelineSchedule::zb_v;
                    s.parallelism.virtual_stages = 2;
                }),
                "/parallelism/virtual_stages", "two chunks per rank of its own", "leave virtual_stages out"));
    CHECK(tells(refused(a, base, [](S& s) {
                    s.parallelism.schedule = PipelineSchedule::dualpipe;
                    s.global_batch = 12;
                }),
                "/global_batch", "6 micro-batches; dualpipe needs an even number, at least 2 x pipeline = 8", "use 16"));
    CHECK(tells(refused(a, base, [](S& s) {
                    s.parallelism.schedule = PipelineSchedule::dualpipe;
                    s.parallelism.pipeline = 3;
                }),
                "/parallelism/pipeline", "3 is odd", "2 or 4"));
    CHECK(tells(refused(a, base, [](S& s) {
                    s.parallelism.schedule = PipelineSchedule::zb_h1;
                    s.parallelism.pipeline = 1;
                }),
                "/parallelism/schedule", "zb-h1 without a pipeline", "1f1b"));
    CHECK(tells(refused(a, base, [](S& s) {
                    s.parallelism.schedule = PipelineSchedule::zb_h1;
                    s.parallelism.zero = 3;
                }),
                "/parallelism/schedule", "needs whole parameters", "zero 1 or 2"));
    CHECK(tells(refused(a, base, [](S& s) {
                    s.parallelism.context = 3;
                    s.sequence = 3072;
                    s.parallelism.context_kind = ContextKind::ulysses;
                }),
                "/parallelism/context", "3 does not divide the 16 attention heads", "2 or 4"));
    CHECK(tells(refused(a, base, [](S& s) { s.parallelism.order = {RankAxis::tensor, RankAxis::tensor}; }),
                "/parallelism/order", "repeats tensor", "once"));
    CHECK(tells(refused(a, base, [](S& s) { s.parallelism.order = {RankAxis::tensor, RankAxis::pipeline}; }),
                "/parallelism/order", "leaves out data", "once"));
    CHECK(tells(refused(a, base, [](S& s) { s.parallelism.expert_tensor = 2; }), "/parallelism/expert_tensor",
                "no experts", "1"));
}

TEST_CASE("split experts and their order of ranks have conditions of their own", "[models][graph]") {
    // Method: one mistake each.
    using S = TrainingSpec;
    const Architecture a = small_mixture();
    TrainingSpec base = plan_of(2, 8, 4);
    base.parallelism.expert = 4;
    CHECK(tells(refused(a, base, [](S& s) { s.parallelism.expert_tensor = 3; }), "/parallelism/expert_tensor",
                "expert x expert_tensor = 12 does not divide", "2"));
    CHECK(tells(refused(a, base, [](S& s) { s.parallelism.expert_tensor = 3; }), "/parallelism/expert_tensor",
                "experts' width of 1024", "2 or 4"));
    CHECK(tells(refused(a, base,
                        [](S& s) {
                            s.parallelism.order = {RankAxis::tensor, RankAxis::context, RankAxis::pipeline,
                                                   RankAxis::expert, RankAxis::data};
                            s.parallelism.tensor = 2;
                        }),
                "/parallelism/order", "different stages", "pipeline last"));
}
