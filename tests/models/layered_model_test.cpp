// Layered models: blocks of operators become the same step graph, parameters and arithmetic as their papers print.
#include "models/families.hpp"
#include "models/families/convolutional.hpp"

#include <catch2/catch.hpp>

using namespace orrery;

namespace {

TrainingSpec layered_spec(int data, int micro_batch, int micro_batches) {
    TrainingSpec spec;
    spec.precision = DataType::fp16;
    spec.micro_batch = micro_batch;
    spec.global_batch = data * micro_batch * micro_batches;
    spec.parallelism.data = data;
    return spec;
}

LayeredModel resnet_for(const TrainingSpec& spec) { return describe_family(ResNet{}, pass_shape(spec, FrameworkProfile{})); }

}  // namespace

TEST_CASE("ResNet-50 has the arithmetic of its paper", "[models][layered]") {
    // Method: He et al., arXiv 1512.03385, table 1 print 3.8e9 multiply-adds for one image; v1.5, with the stride in the
    // 3 x 3 convolution, has 4.09e9 (torchvision, GFLOPS of resnet50).
    const LayeredTotals totals = layered_totals(describe_family(ResNet{}, PassShape{}));
    CHECK(totals.forward_flop.si() / 2.0 == Approx(4.09e9).epsilon(0.02));
    // Both gradients of every convolution cost its forward again; only the stem needs no gradient of its input.
    CHECK(totals.useful_flop / totals.forward_flop == Approx(3.0).epsilon(0.03));
}

TEST_CASE("a layered model's graph runs each micro-batch forward and backward once", "[models][layered]") {
    // Method: counts by hand; model flop are those of one pass times passes and devices.
    const TrainingSpec spec = layered_spec(4, 8, 3);
    const LayeredModel model = resnet_for(spec);
    const auto graph = build_layered_graph(model, spec);
    REQUIRE(graph);
    CHECK(graph->stages.size() == 1);
    CHECK(graph->stages[0].passes.size() == 6);
    CHECK(graph->kinds.size() == model.blocks.size());
    CHECK(graph->model_flop.si() == Approx(12.0 * layered_totals(model).useful_flop.si()));
    CHECK(graph->hardware_flop == graph->model_flop);
}

TEST_CASE("recomputation of a layered model trades memory for one more forward", "[models][layered]") {
    // Method: every block but none is trained, so hardware flop grow by exactly the forward's.
    TrainingSpec spec = layered_spec(1, 16, 1);
    const LayeredModel model = resnet_for(spec);
    const Bytes whole = layered_activations(model, spec);
    spec.recompute = Recompute::full;
    const auto graph = build_layered_graph(model, spec);
    REQUIRE(graph);
    CHECK((graph->hardware_flop - graph->model_flop).si() == Approx(layered_totals(model).forward_flop.si()));
    CHECK(layered_activations(model, spec) < 0.5 * whole);
}

TEST_CASE("a layered model refuses what it cannot be split by, all at once", "[models][layered]") {
    // Method: places of the problems.
    TrainingSpec spec = layered_spec(4, 8, 1);
    spec.global_batch = 33;
    spec.precision = DataType::fp8;
    spec.recompute = Recompute::selective;
    spec.parallelism.pipeline = 2;
    spec.parallelism.virtual_stages = 2;
    spec.parallelism.tensor = 2;
    spec.parallelism.context = 2;
    const auto graph = build_layered_graph(resnet_for(spec), spec);
    REQUIRE(!graph);
    std::vector<std::string> places;
    for (const Problem& one : graph.problems()) places.push_back(one.place);
    CHECK(places == std::vector<std::string>{"/workload/parallelism/pipeline", "/workload/parallelism/virtual_stages",
                                             "/workload/parallelism/tensor", "/workload/parallelism/context",
                                             "/workload/global_batch", "/workload/precision", "/workload/recompute"});
}

TEST_CASE("a frozen operator has neither backward nor states", "[models][layered]") {
    // Method: by definition.
    const PassShape shape;
    const ModelOperator one = frozen(linear_operator(shape, "linear", 8, 4, 2));
    CHECK(one.backward.empty());
    LayeredModel model;
    model.blocks.push_back({"block", 1, {one}, {}});
    CHECK(layered_totals(model).frozen_parameters == 12.0);
}

TEST_CASE("a diffusion transformer's arithmetic is six per parameter and token, and its attention", "[models][layered]") {
    // Method: closed form, 6 P s + 12 L h s^2 without a mask (Chowdhery et al., arXiv 2204.02311, appendix B); modulation
    // and text see fewer rows than tokens, so parameters are those of the blocks' token-wise products.
    DiffusionTransformer model;
    model.layers = 4;
    model.hidden = 512;
    model.heads = 8;
    model.ffn = 2048;
    PassShape shape;
    shape.sequence = 4096;
    const double tokens = 4096.0;
    const double products = 4.0 * (4.0 * 512 * 512 + 2.0 * 512 * 2048);
    const double attention = 12.0 * 4 * 512 * tokens * tokens;
    const LayeredTotals totals = layered_totals(describe_family(model, shape));
    CHECK(totals.useful_flop.si() == Approx(6.0 * products * tokens + attention).epsilon(0.01));
}

TEST_CASE("splitting a diffusion transformer splits its arithmetic and, by tensor, its parameters", "[models][layered]") {
    // Method: halves, but for what every rank repeats (embeddings of time, the head).
    DiffusionTransformer model;
    PassShape whole;
    whole.sequence = 8192;
    PassShape halves = whole;
    halves.context = 2;
    const auto flop_of_pass = [&](const PassShape& shape) {
        return layered_totals(describe_family(model, shape)).useful_flop.si();
    };
    CHECK(flop_of_pass(halves) / flop_of_pass(whole) == Approx(0.5).epsilon(0.01));
    halves = whole;
    halves.tensor = 2;
    CHECK(flop_of_pass(halves) / flop_of_pass(whole) == Approx(0.5).epsilon(0.02));
}

TEST_CASE("Stable Diffusion's frozen text encoder has no gradients", "[models][layered]") {
    // Method: the frozen parameters are those of the text tower: 23 layers of 12 h^2 + 13 h and two tables.
    const LayeredTotals totals = layered_totals(describe_family(LatentUNet{}, PassShape{}));
    const double h = 1024.0;
    CHECK(totals.frozen_parameters == Approx(23.0 * (12.0 * h * h + 13.0 * h) + (49408.0 + 77.0) * h));
}
