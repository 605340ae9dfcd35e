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
