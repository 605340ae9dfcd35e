// A training step's graph: its arithmetic, bytes and parameters against closed forms, and what it refuses.
#include "models/step_graph.hpp"
#include "tests/architectures.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <set>

using namespace orrery;

namespace {

/// A dense decoder with round numbers, vocabulary already a multiple of 128 * 8.
Architecture small_llama() {
    Architecture a = test::llama(8, 1024, 16, 8, 4096);
    a.name = "small";
    return a;
}

Architecture small_gpt() { return test::gpt(8, 1024, 16, 32768, 2048); }

Architecture llama_405b() {
    Architecture a;
    a.layers = 126;
    a.hidden = 16384;
    a.heads = 128;
    a.kv_heads = 8;
    a.head_size = 128;
    a.ffn = 53248;
    a.vocabulary = 128256;
    return a;
}

TrainingSpec spec_of(int tensor, int context, int pipeline, int data) {
    TrainingSpec s;
    s.sequence = 2048;
    s.micro_batch = 2;
    s.global_batch = 2 * data * pipeline * 2;
    s.parallelism.tensor = tensor;
    s.parallelism.context = context;
    s.parallelism.pipeline = pipeline;
    s.parallelism.data = data;
    return s;
}

StepGraph graph_of(const Architecture& a, const TrainingSpec& s, const FrameworkProfile& f = {}) {
    auto graph = build_step_graph(a, s, f);
    if (!graph.ok()) FAIL(graph.problems().front().place << ": " << graph.problems().front().problem);
    return std::move(graph).value();
}

const LayerGraph& kind_of(const StepGraph& g, std::string_view name) {
    for (const auto& kind : g.kinds) {
        if (kind.name == name) return kind;
    }
    FAIL("no kind " << std::string(name));
    return g.kinds.front();
}

bool is_matrix_work(const Work& work) { return !std::holds_alternative<Streaming>(work); }

/// Arithmetic of products and attention in a task list.
double matrix_flop(const std::vector<GraphTask>& tasks) {
    double flop = 0;
    for (const auto& task : tasks) {
        const auto* compute = std::get_if<ComputeTask>(&task.action);
        if (compute != nullptr && is_matrix_work(compute->work)) flop += flop_of(compute->work).si();
    }
    return flop;
}

/// The same over the whole step and all ranks; attention excluded.
double product_flop_of_step(const StepGraph& g, const TrainingSpec& s) {
    double flop = 0;
    for (const auto& stage : g.stages) {
        for (const auto& chunk : stage.chunks) {
            for (const auto& run : chunk) {
                const auto& kind = g.kinds[static_cast<std::size_t>(run.kind)];
                for (const auto* tasks : {&kind.forward, &kind.backward}) {
                    for (const auto& task : *tasks) {
                        const auto* compute = std::get_if<ComputeTask>(&task.action);
                        if (compute == nullptr || !std::holds_alternative<MatrixMultiply>(compute->work)) continue;
                        flop += run.count * flop_of(compute->work).si();
                    }
                }
            }
        }
    }
    const Parallelism& p = s.parallelism;
    return flop * g.micro_batches * p.tensor * p.context * p.data;
}

double exchanged(const std::vector<GraphTask>& tasks, CollectiveKind kind, Axis axis) {
    double bytes = 0;
    for (const auto& task : tasks) {
        const auto* exchange = std::get_if<ExchangeTask>(&task.action);
        if (exchange != nullptr && exchange->collective.kind == kind && exchange->axis == axis) {
            bytes += exchange->collective.size.si();
        }
    }
    return bytes;
}

double streamed(const std::vector<GraphTask>& tasks, std::string_view name) {
    double bytes = 0;
    for (const auto& task : tasks) {
        const auto* compute = std::get_if<ComputeTask>(&task.action);
        if (compute == nullptr || (task.name != name && !name.empty())) continue;
        if (const auto* streaming = std::get_if<Streaming>(&compute->work)) bytes += streaming->bytes.si();
    }
    return bytes;
}

std::int64_t launches(const std::vector<GraphTask>& tasks) {
    std::int64_t kernels = 0;
    for (const auto& task : tasks) {
        const auto* compute = std::get_if<ComputeTask>(&task.action);
        if (compute == nullptr) continue;
        if (const auto* streaming = std::get_if<Streaming>(&compute->work)) kernels += streaming->kernels;
    }
    return kernels;
}

int layers_of(const StepGraph& g, const Chunk& chunk) {
    int layers = 0;
    for (const auto& run : chunk) {
        if (g.kinds[static_cast<std::size_t>(run.kind)].is_decoder_layer) layers += run.count;
    }
    return layers;
}

bool mentions(const Problems& problems, std::string_view place, std::string_view problem, std::string_view remedy) {
    return std::any_of(problems.begin(), problems.end(), [&](const Problem& p) {
        return p.place == place && p.problem.find(problem) != std::string::npos &&
               p.remedy.find(remedy) != std::string::npos;
    });
}

Problems problems_of(const Architecture& a, const TrainingSpec& s) {
    const auto result = build_step_graph(a, s, {});
    if (result.ok()) return {};
    return result.problems();
}

}  // namespace

TEST_CASE("the products of a step are 6 flop per matrix parameter and token, however it is spread", "[models][graph]") {
    // Method: conservation; 2 forward and 4 backward per parameter and token, embedding look-up not counted.
    const Architecture a = small_llama();
    const double h = a.hidden;
    const double matrices = a.layers * (h * (16 + 2 * 8) * 64 + 16 * 64 * h + 3 * h * a.ffn) + h * a.vocabulary;
    for (const auto& s : {spec_of(1, 1, 1, 1), spec_of(8, 1, 1, 2), spec_of(2, 2, 2, 1), spec_of(4, 4, 4, 1)}) {
        const StepGraph g = graph_of(a, s);
        const double tokens = static_cast<double>(s.global_batch) * s.sequence;
        CHECK(product_flop_of_step(g, s) == Approx(6.0 * matrices * tokens));
        // The rest of the model's arithmetic is attention: 12 h s per layer and token, half of it below the diagonal.
        CHECK(g.model_flop.si() == Approx((6.0 * matrices + a.layers * 12.0 * h * s.sequence / 2) * tokens));
        CHECK(g.hardware_flop == g.model_flop);
    }
}

TEST_CASE("context parallelism shares attention evenly", "[models][graph]") {
    // Method: all pairs of a causal sequence, s (s + 1) / 2, over the context ranks (chunks early and late paired).
    const Architecture a = small_llama();
    for (const int context : {1, 2, 8}) {
        const TrainingSpec s = spec_of(1, context, 1, 1);
        const StepGraph graph = graph_of(a, s);
        for (const auto& task : kind_of(graph, "layer").forward) {
            if (task.name != "attention") continue;
            const auto& work = std::get<Attention>(std::get<ComputeTask>(task.action).work);
            CHECK(work.queries == 2048 / context);
            CHECK(work.keys == 2048);
            const double q = static_cast<double>(work.queries);
            const double pairs = q * (2048.0 - (q - 1.0) / 2.0) * work.causal_imbalance;
            CHECK(pairs * context == Approx(2048.0 * (2048.0 + context) / 2.0));
        }
    }
}

TEST_CASE("tensor parallel exchanges carry 2 s b h bytes as Megatron's do", "[models][graph]") {
    // Method: Korthikanti et al., arXiv 2205.05198, section 4.2.2: two all-reduces each way, or two all-gathers and two
    // reduce-scatters each way with sequence parallelism, plus the half of two more gathers that nothing hides.
    const Architecture a = small_llama();
    TrainingSpec s = spec_of(4, 1, 1, 1);
    const double message = 2.0 * s.sequence * s.micro_batch * a.hidden;
    const StepGraph split = graph_of(a, s);
    const auto& layer = kind_of(split, "layer");
    CHECK(exchanged(layer.forward, CollectiveKind::all_gather, Axis::tensor) == Approx(2 * message));
    CHECK(exchanged(layer.forward, CollectiveKind::reduce_scatter, Axis::tensor) == Approx(2 * message));
    CHECK(exchanged(layer.backward, CollectiveKind::all_gather, Axis::tensor) == Approx(3 * message));
    CHECK(exchanged(layer.backward, CollectiveKind::reduce_scatter, Axis::tensor) == Approx(2 * message));
    s.parallelism.sequence_parallel = false;
    const StepGraph whole = graph_of(a, s);
    const auto& plain = kind_of(whole, "layer");
    for (const auto* tasks : {&plain.forward, &plain.backward}) {
        CHECK(exchanged(*tasks, CollectiveKind::all_reduce, Axis::tensor) == Approx(2 * message));
        CHECK(exchanged(*tasks, CollectiveKind::all_gather, Axis::tensor) == 0);
    }
    Architecture parallel = a;
    parallel.parallel_block = true;
    const StepGraph once = graph_of(parallel, s);
    CHECK(exchanged(kind_of(once, "layer").forward, CollectiveKind::all_reduce, Axis::tensor) == Approx(message));
}

TEST_CASE("streaming operators move the bytes of the training model", "[models][graph]") {
    // Method: by hand; T tokens, h wide, u = tensor with sequence parallelism: norms 2 x 4 h T / u forward, 2 x 6
    // backward; residuals 2 x 6 and 2 x 4; gated activation 6 f T / t and 10; rotary 4 (a + k) d T / t; twelve
    // launches.
    const Architecture a = small_llama();
    const TrainingSpec s = spec_of(4, 1, 1, 1);
    const StepGraph g = graph_of(a, s);
    const auto& layer = kind_of(g, "layer");
    const double T = 2.0 * 2048.0;
    const double h = 1024.0;
    CHECK(streamed(layer.forward, "attention norm") + streamed(layer.forward, "mlp norm") == Approx(8 * h * T / 4));
    CHECK(streamed(layer.backward, "attention norm") + streamed(layer.backward, "mlp norm") == Approx(12 * h * T / 4));
    CHECK(streamed(layer.forward, "residual") == Approx(12 * h * T / 4));
    CHECK(streamed(layer.backward, "residual") == Approx(8 * h * T / 4));
    CHECK(streamed(layer.forward, "activation") == Approx(6 * 4096 * T / 4));
    CHECK(streamed(layer.backward, "activation") == Approx(10 * 4096 * T / 4));
    CHECK(streamed(layer.forward, "rotary") == Approx(4 * (16 + 8) * 64 * T / 4));
    CHECK(launches(layer.forward) == 12);
    CHECK(launches(layer.backward) == 12);
    const auto& embedding = kind_of(g, "embedding");
    CHECK(streamed(embedding.forward, "") + streamed(embedding.backward, "") == Approx(16 * h * T));
    const auto& head = kind_of(g, "head");
    CHECK(streamed(head.forward, "") + streamed(head.backward, "") == Approx(14 * 32768 * T / 4 + 10 * h * T / 4));
}

TEST_CASE("unfused attention writes its scores, and selective recomputation redoes just that", "[models][graph]") {
    // Method: by hand; S = b a s^2 scores: products of 2 S d flop, two forward and four backward, 9 S and 11 S bytes of
    // softmax and dropout, and 12 h T bytes of transposes.
    TrainingSpec s = spec_of(1, 1, 1, 1);
    s.flash_attention = false;
    const Architecture a = small_gpt();
    const double T = 2.0 * 2048.0;
    const double scores = 2.0 * 16.0 * 2048.0 * 2048.0;
    const double linear = 2.0 * T * (4.0 * 1024 * 1024 + 2.0 * 1024 * 4096);
    const StepGraph g = graph_of(a, s);
    const auto& layer = kind_of(g, "layer");
    CHECK(matrix_flop(layer.forward) == Approx(linear + 2 * 2 * scores * 64));
    CHECK(matrix_flop(layer.backward) == Approx(2 * linear + 4 * 2 * scores * 64));
    CHECK(streamed(layer.forward, "softmax") == Approx(9 * scores));
    CHECK(streamed(layer.backward, "softmax gradient") == Approx(11 * scores));
    CHECK(streamed(layer.forward, "transposes") == Approx(12 * 1024 * T));
    CHECK(streamed(layer.forward, "residual") == Approx(14 * 1024 * T));
    CHECK(launches(layer.forward) == 12);
    s.recompute = Recompute::selective;
    const StepGraph redone = graph_of(a, s);
    const auto& again = kind_of(redone, "layer");
    CHECK(matrix_flop(again.backward) == Approx(2 * linear + 6 * 2 * scores * 64));
    CHECK(streamed(again.backward, "softmax") == Approx(9 * scores));
    CHECK(redone.hardware_flop.si() - redone.model_flop.si() == Approx(8 * 4 * 1024 * 1024.0 * s.global_batch * 2048));
    s.flash_attention = true;
    const StepGraph fused = graph_of(a, s);
    CHECK(fused.hardware_flop == fused.model_flop);
}

TEST_CASE("full recomputation repeats the forward pass, block only that of some layers", "[models][graph]") {
    // Method: backward's arithmetic grows by the forward's; FSDP's early stop leaves out the last product.
    TrainingSpec s = spec_of(2, 1, 2, 1);
    const Architecture a = small_llama();
    const StepGraph kept = graph_of(a, s);
    const auto& layer = kind_of(kept, "layer");
    s.recompute = Recompute::full;
    const StepGraph redone = graph_of(a, s);
    const auto& again = kind_of(redone, "layer (recomputed)");
    CHECK(again.is_recomputed);
    CHECK(matrix_flop(again.backward) == Approx(matrix_flop(layer.backward) + matrix_flop(layer.forward)));
    CHECK(exchanged(again.backward, CollectiveKind::reduce_scatter, Axis::tensor) ==
          Approx(2 * exchanged(layer.forward, CollectiveKind::reduce_scatter, Axis::tensor)));
    const double head = 6.0 * 1024 * 32768 * s.global_batch * 2048;
    CHECK(redone.hardware_flop.si() - head == Approx((redone.model_flop.si() - head) * 4.0 / 3.0));
    s.recompute = Recompute::block;
    s.recompute_layers = 1;
    const StepGraph some = graph_of(a, s);
    for (const auto& stage : some.stages) {
        int recomputed = 0;
        for (const auto& run : stage.chunks.front()) {
            if (some.kinds[static_cast<std::size_t>(run.kind)].is_recomputed) recomputed += run.count;
        }
        CHECK(recomputed == 1);
    }
    CHECK((some.hardware_flop - some.model_flop) / (redone.hardware_flop - redone.model_flop) == Approx(2.0 / 8.0));
    TrainingSpec fsdp = spec_of(1, 1, 1, 2);
    fsdp.parallelism.fsdp = true;
    fsdp.recompute = Recompute::full;
    const StepGraph sharded = graph_of(a, fsdp);
    const StepGraph unsharded = graph_of(a, spec_of(1, 1, 1, 2));
    const auto& early = kind_of(sharded, "layer (recomputed)");
    const double down = 2.0 * 2 * 2048 * 1024 * 4096.0;
    CHECK(matrix_flop(early.backward) - matrix_flop(kind_of(unsharded, "layer").backward) ==
          Approx(matrix_flop(early.forward) - down));
}

TEST_CASE("8-bit training types its layers, keeps the head wide and casts what it multiplies", "[models][graph]") {
    // Method: inspection; one cast each way per product, none in 16 bit.
    TrainingSpec s = spec_of(2, 1, 1, 1);
    s.precision = DataType::fp8;
    const StepGraph g = graph_of(small_llama(), s);
    int casts = 0;
    for (const auto& task : kind_of(g, "layer").forward) {
        const auto* compute = std::get_if<ComputeTask>(&task.action);
        if (compute == nullptr) continue;
        if (compute->part == OperatorClass::cast) ++casts;
        if (const auto* product = std::get_if<MatrixMultiply>(&compute->work)) CHECK(product->type == DataType::fp8);
        if (const auto* core = std::get_if<Attention>(&compute->work)) CHECK(core->type == DataType::bf16);
    }
    CHECK(casts == 4);
    for (const auto& task : kind_of(g, "head").forward) {
        const auto* compute = std::get_if<ComputeTask>(&task.action);
        if (compute == nullptr) continue;
        if (const auto* product = std::get_if<MatrixMultiply>(&compute->work)) {
            CHECK(product->type == DataType::bf16);
            CHECK(compute->part == OperatorClass::head);
        }
    }
    s.precision = DataType::bf16;
    const StepGraph wide = graph_of(small_llama(), s);
    for (const auto& task : kind_of(wide, "layer").forward) {
        const auto* compute = std::get_if<ComputeTask>(&task.action);
        CHECK((compute == nullptr || compute->part != OperatorClass::cast));
    }
}

TEST_CASE("weight gradients are added into fp32 where the framework does so", "[models][graph]") {
    // Method: inspection of the one product that writes them.
    FrameworkProfile framework;
    for (const bool interleaves : {true, false}) {
        framework.interleaves_gradient_accumulation = interleaves;
        const StepGraph g = graph_of(small_llama(), spec_of(1, 1, 1, 1), framework);
        for (const auto& task : kind_of(g, "layer").backward) {
            if (task.name != "qkv weight gradient") continue;
            const auto& product = std::get<MatrixMultiply>(std::get<ComputeTask>(task.action).work);
            CHECK(product.output_element_bytes == (interleaves ? 8.0 : 2.0));
            CHECK(product.m == 2048);
            CHECK(product.n == 1024);
            CHECK(product.k == 4096);
        }
    }
}

TEST_CASE("all stages together hold the model's parameters", "[models][graph]") {
    // Method: conservation; split ones times tensor, replicated ones once, a tied embedding twice with a pipeline.
    for (const Architecture& a : {small_llama(), small_gpt()}) {
        for (const auto& s : {spec_of(1, 1, 1, 1), spec_of(8, 1, 2, 1), spec_of(2, 1, 8, 1)}) {
            const StepGraph g = graph_of(a, s);
            double held = 0;
            for (const auto& stage : g.stages) {
                held += (stage.parameters - stage.replicated_parameters) * s.parallelism.tensor +
                        stage.replicated_parameters;
            }
            const bool copied = a.tied_embeddings && s.parallelism.pipeline > 1;
            CHECK(held == Approx(count_parameters(a).total + (copied ? 32768.0 * 1024.0 : 0.0)));
            CHECK(g.tied_embedding_exchange == copied);
            CHECK(g.tied_embedding_bytes.si() == Approx(copied ? 4.0 * 32768 * 1024 / s.parallelism.tensor : 0.0));
        }
    }
}

TEST_CASE("fewer key-value heads than tensor ranks are replicated", "[models][graph]") {
    // Method: by hand; 8 KV heads over 16 ranks leave one each, as in Llama 3.1 405B with tensor 16.
    TrainingSpec s = spec_of(16, 1, 1, 1);
    const StepGraph g = graph_of(small_llama(), s);
    for (const auto& task : kind_of(g, "layer").forward) {
        if (task.name != "qkv") continue;
        CHECK(std::get<MatrixMultiply>(std::get<ComputeTask>(task.action).work).n == (1 + 2) * 64);
    }
}

TEST_CASE("Llama 3.1 405B on 16 x 8 virtual stages has one slot each", "[models][graph]") {
    // Method: "The Llama 3 Herd of Models", arXiv 2407.21783, section 3.3.2: 126 layers, so that embedding and head
    // count as a layer each on 128 virtual stages; 405.85e9 parameters (model card).
    TrainingSpec s;
    s.sequence = 8192;
    s.global_batch = 2048;
    s.parallelism.tensor = 8;
    s.parallelism.pipeline = 16;
    s.parallelism.data = 128;
    s.parallelism.virtual_stages = 8;
    s.parallelism.schedule = PipelineSchedule::interleaved;
    const StepGraph g = graph_of(llama_405b(), s);
    CHECK(g.micro_batches == 16);
    CHECK(g.parameters_total == Approx(405.85e9).epsilon(0.0005));
    int layers = 0;
    for (std::size_t stage = 0; stage < 16; ++stage) {
        REQUIRE(g.stages[stage].chunks.size() == 8);
        for (std::size_t chunk = 0; chunk < 8; ++chunk) {
            const bool end = (stage == 0 && chunk == 0) || (stage == 15 && chunk == 7);
            CHECK(layers_of(g, g.stages[stage].chunks[chunk]) == (end ? 0 : 1));
            layers += layers_of(g, g.stages[stage].chunks[chunk]);
        }
    }
    CHECK(layers == 126);
    CHECK(g.stages[0].chunks[0].front().kind == 0);
    CHECK(g.kinds[static_cast<std::size_t>(g.stages[15].chunks[7].back().kind)].name == "head");
    CHECK(g.boundary_message.si() == Approx(2.0 * 8192 * 16384 / 8));
}

TEST_CASE("layers that do not divide differ by one over the stages, least on the last", "[models][graph]") {
    // Method: by hand; 8 layers on 3 stages are 3 + 3 + 2, on 7 stages one each and one more on the sixth.
    TrainingSpec s = spec_of(1, 1, 3, 1);
    const StepGraph g = graph_of(small_llama(), s);
    CHECK(layers_of(g, g.stages[0].chunks[0]) == 3);
    CHECK(layers_of(g, g.stages[1].chunks[0]) == 3);
    CHECK(layers_of(g, g.stages[2].chunks[0]) == 2);
    const TrainingSpec many = spec_of(1, 1, 7, 1);
    const StepGraph wide = graph_of(small_llama(), many);
    CHECK(layers_of(wide, wide.stages[5].chunks[0]) == 2);
    CHECK(layers_of(wide, wide.stages[6].chunks[0]) == 1);
    const TrainingSpec slots = spec_of(1, 1, 5, 1);  // 8 + 2 slots on 5 stages
    const StepGraph slotted = graph_of(small_llama(), slots);
    CHECK(layers_of(slotted, slotted.stages[0].chunks[0]) == 1);
    CHECK(layers_of(slotted, slotted.stages[2].chunks[0]) == 2);
    CHECK(layers_of(slotted, slotted.stages[4].chunks[0]) == 1);
}

TEST_CASE("windowed layers alternate with full ones", "[models][graph]") {
    // Method: Gemma 2 (arXiv 2408.00118): every other layer looks back 4096 keys; here 512 of 2048.
    Architecture a = small_llama();
    a.window = 512;
    a.window_every = 2;
    const StepGraph g = graph_of(a, spec_of(1, 1, 1, 1));
    CHECK(g.kinds.size() == 4);
    const auto window_of = [&](std::string_view name) {
        for (const auto& task : kind_of(g, name).forward) {
            if (task.name == "attention") return std::get<Attention>(std::get<ComputeTask>(task.action).work).window;
        }
        return std::int64_t{-1};
    };
    CHECK(window_of("layer (window)") == 512);
    CHECK(window_of("layer") == 0);
    CHECK(g.stages[0].chunks[0].size() == 10);  // embedding, 8 alternating layers, head
}

TEST_CASE("stage messages are 2 b s h / context bytes, split by sequence parallelism", "[models][graph]") {
    // Method: by hand; Megatron 2021 splits them over the tensor group and gathers after.
    const Architecture a = small_llama();
    TrainingSpec s = spec_of(4, 2, 2, 1);
    const double message = 2.0 * 2 * 2048 * 1024 / 2;
    CHECK(graph_of(a, s).boundary_message.si() == Approx(message / 4));
    s.parallelism.sequence_parallel = false;
    CHECK(graph_of(a, s).boundary_message.si() == Approx(message));
    FrameworkProfile megatron_2021;
    megatron_2021.pipeline_scatter_gather = true;
    CHECK(graph_of(a, s, megatron_2021).boundary_message.si() == Approx(message / 4));
    CHECK(graph_of(a, spec_of(4, 2, 1, 1)).boundary_message.si() == 0);
}

TEST_CASE("keys, values and their gradients go around the context ring", "[models][graph]") {
    // Method: by hand; 2 (K and V) x 8 heads x 64 x 2 bytes x b s, twice that backward.
    const StepGraph g = graph_of(small_llama(), spec_of(1, 4, 1, 1));
    const double kv = 2.0 * 8 * 64 * 2 * 2 * 2048;
    CHECK(exchanged(kind_of(g, "layer").forward, CollectiveKind::all_gather, Axis::context) == Approx(kv));
    CHECK(exchanged(kind_of(g, "layer").backward, CollectiveKind::all_gather, Axis::context) == Approx(2 * kv));
}

TEST_CASE("experts compute each routed copy once and exchange it twice each way", "[models][graph]") {
    // Method: by hand; 8 experts, 2 per token, 4 expert ranks: 2 T rows of three h x f products, messages of 2 T h x 2
    // bytes.
    Architecture a = small_llama();
    a.experts = 8;
    a.experts_per_token = 2;
    a.expert_ffn = 512;
    TrainingSpec s = spec_of(1, 1, 1, 4);
    s.parallelism.expert = 4;
    const StepGraph g = graph_of(a, s);
    const auto& layer = kind_of(g, "expert layer");
    const double T = 2.0 * 2048;
    double grouped = 0;
    for (const auto& task : layer.forward) {
        const auto* compute = std::get_if<ComputeTask>(&task.action);
        if (compute == nullptr) continue;
        if (std::holds_alternative<GroupedMatrixMultiply>(compute->work)) grouped += flop_of(compute->work).si();
    }
    CHECK(grouped == Approx(2.0 * 2 * T * 3 * 1024 * 512));
    for (const auto* tasks : {&layer.forward, &layer.backward}) {
        CHECK(exchanged(*tasks, CollectiveKind::all_to_all, Axis::expert) == Approx(2 * (2 * T * 1024 * 2)));
    }
    CHECK(layer.expert_parameters == Approx(2.0 * 3 * 1024 * 512));
    CHECK(g.stages[0].expert_parameters == Approx(8 * layer.expert_parameters));
    const double held = g.stages[0].parameters + 3 * g.stages[0].expert_parameters;
    CHECK(held == Approx(count_parameters(a).total));
    CHECK(launches(layer.forward) == 16);
    a.dense_layers = 3;
    const StepGraph mixed = graph_of(a, s);
    CHECK(mixed.stages[0].chunks[0].size() == 4);
    CHECK(mixed.stages[0].chunks[0][1].count == 3);
}

TEST_CASE("a plan that cannot be built names every reason and the nearest values that work", "[models][graph]") {
    // Method: one mistake each, and all together.
    const Architecture a = small_llama();
    const auto with = [&](auto change) {
        TrainingSpec s = spec_of(2, 1, 2, 2);
        change(s);
        return problems_of(a, s);
    };
    using S = TrainingSpec;
    CHECK(with([](S&) {}).empty());
    CHECK(mentions(with([](S& s) { s.parallelism.tensor = 3; }), "/workload/parallelism/tensor", "16 attention heads",
                   "2 or 4"));
    CHECK(mentions(with([](S& s) { s.parallelism.tensor = 3; }), "/workload/parallelism/tensor", "8 key-value heads",
                   "2 or 4"));
    CHECK(mentions(with([](S& s) { s.parallelism.tensor = 3; }), "/workload/parallelism/tensor", "1024 hidden width",
                   "2 or 4"));
    CHECK(mentions(with([](S& s) { s.parallelism.tensor = 3; }), "/workload/parallelism/tensor", "4096 MLP width",
                   "2 or 4"));
    CHECK(
        mentions(with([](S& s) { s.parallelism.context = 3; }), "/workload/sequence", "multiple of 6", "2046 or 2052"));
    CHECK(
        mentions(with([](S& s) { s.sequence = 2047; }), "/workload/sequence", "sequence parallelism", "2046 or 2048"));
    CHECK(mentions(with([](S& s) { s.global_batch = 7; }), "/workload/global_batch", "2 x 2", "4 or 8"));
    CHECK(mentions(with([](S& s) { s.parallelism.virtual_stages = 2; }), "/workload/parallelism/virtual_stages", "1f1b",
                   "1f1b-interleaved"));
    CHECK(mentions(with([](S& s) {
                       s.parallelism.virtual_stages = 2;
                       s.parallelism.pipeline = 1;
                       s.parallelism.schedule = PipelineSchedule::interleaved;
                   }),
                   "/workload/parallelism/virtual_stages", "without a pipeline", "pipeline above 1"));
    CHECK(mentions(with([](S& s) {
                       s.parallelism.virtual_stages = 2;
                       s.parallelism.schedule = PipelineSchedule::interleaved;
                       s.global_batch = 12;
                   }),
                   "/workload/global_batch", "3 micro-batches", "8 or 16"));
    CHECK(mentions(with([](S& s) {
                       s.parallelism.pipeline = 12;
                       s.global_batch = 48;
                   }),
                   "/workload/parallelism/pipeline", "12 stages for 8 layers", "8"));
    CHECK(mentions(with([](S& s) { s.recompute_layers = 2; }), "/workload/recompute_layers", "block", "block"));
    CHECK(
        mentions(with([](S& s) { s.recompute = Recompute::block; }), "/workload/recompute_layers", "is 0", "how many"));
    CHECK(mentions(with([](S& s) {
                       s.parallelism.fsdp = true;
                       s.parallelism.zero = 1;
                   }),
                   "/workload/parallelism/zero", "fsdp", "leave zero out"));
    CHECK(mentions(with([](S& s) { s.parallelism.zero = 4; }), "/workload/parallelism/zero", "is 4", "0, 1, 2 or 3"));
    CHECK(mentions(with([](S& s) {
                       s.parallelism.zero = 1;
                       s.parallelism.shard = 3;
                   }),
                   "/workload/parallelism/shard", "data x context = 2", "2"));
    CHECK(mentions(with([](S& s) { s.parallelism.shard = 2; }), "/workload/parallelism/shard", "nothing is sharded",
                   "zero"));
    CHECK(mentions(with([](S& s) { s.parallelism.expert = 2; }), "/workload/parallelism/expert", "no experts", "1"));
    CHECK(mentions(with([](S& s) { s.precision = DataType::int4; }), "/workload/precision", "int4", "bf16"));
    CHECK(mentions(with([](S& s) { s.parallelism.data = 0; }), "/workload/parallelism/data", "is 0", "from 1"));
    const Problems all = with([](S& s) {
        s.parallelism.tensor = 3;
        s.global_batch = 7;
        s.parallelism.virtual_stages = 2;
        s.precision = DataType::int8;
    });
    std::set<std::string> places;
    for (const auto& p : all) places.insert(p.place);
    CHECK(places.size() ==
          4 + 1);  // tensor, global_batch, virtual_stages, precision, and the sequence that 3 does not divide
    TrainingSpec s = spec_of(1, 1, 1, 1);
    s.sequence = 4096;
    CHECK(mentions(problems_of(small_gpt(), s), "/workload/sequence", "2048 positions", "2048 or less"));
}

TEST_CASE("experts that do not divide are named", "[models][graph]") {
    // Method: one mistake each.
    Architecture a = small_llama();
    a.experts = 8;
    a.experts_per_token = 2;
    a.expert_ffn = 512;
    TrainingSpec s = spec_of(1, 1, 1, 6);
    s.parallelism.expert = 3;
    CHECK(mentions(problems_of(a, s), "/workload/parallelism/expert", "8 experts", "2 or 4"));
    s.parallelism.expert = 4;
    CHECK(mentions(problems_of(a, s), "/workload/parallelism/expert", "tensor x context x data = 6", "3 or 6"));
    s.parallelism.expert = 2;
    a.experts_per_token = 0;
    CHECK(mentions(problems_of(a, s), "/workload/model", "8 experts, but 0", "from 1"));
}
