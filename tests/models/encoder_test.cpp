// Encoders, encoder-decoders, state-space layers and hybrids: work and parameters by hand.
#include "models/activation_memory.hpp"
#include "models/layer_parameters.hpp"
#include "models/layer_tasks.hpp"
#include "models/plan_problems.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <string>

using namespace orrery;

namespace {

Architecture small_encoder() {
    Architecture a;
    a.layers = 2;
    a.hidden = 256;
    a.heads = a.kv_heads = 4;
    a.head_size = 64;
    a.ffn = 1024;
    a.vocabulary = 1000;
    a.activation = Activation::gelu;
    a.positions = Positions::learned;
    a.positions_max = 512;
    a.norm = Norm::layer_norm;
    a.tied_embeddings = a.attention_bias = a.linear_bias = true;
    a.bidirectional = true;
    return a;
}

TrainingSpec small_spec() {
    TrainingSpec spec;
    spec.sequence = 128;
    spec.global_batch = spec.micro_batch = 8;
    return spec;
}

/// Multiply-adds of all products named `name` of one pass forward.
double product_size(const StepGraph& graph, const std::string& name) {
    double sum = 0.0;
    for (const auto& run : graph.stages[0].chunks[0]) {
        for (const GraphTask& task : graph.kinds[static_cast<std::size_t>(run.kind)].forward) {
            const auto* compute = std::get_if<ComputeTask>(&task.action);
            const auto* product = compute != nullptr ? std::get_if<MatrixMultiply>(&compute->work) : nullptr;
            if (product == nullptr || task.name != name) continue;
            sum += run.count * static_cast<double>(product->m * product->n) * static_cast<double>(product->k * product->batch);
        }
    }
    return sum;
}

StepGraph graph_of(const Architecture& a, const TrainingSpec& spec) {
    const Result<StepGraph> graph = build_step_graph(a, spec, FrameworkProfile{});
    REQUIRE(graph);
    return *graph;
}

std::vector<std::string> places_of(const Architecture& a, const TrainingSpec& spec) {
    std::vector<std::string> places;
    for (const Problem& problem : plan_problems(a, spec)) places.push_back(problem.place);
    return places;
}

}  // namespace

TEST_CASE("an encoder's attention has no mask, so its scores are twice a decoder's", "[models][encoder]") {
    // Method: 12 layer s h flop a token without a mask, half of it with one (arXiv 2204.02311, appendix B).
    const Architecture encoder = small_encoder();
    Architecture decoder = encoder;
    decoder.bidirectional = false;
    const double difference = (model_flop_per_token(encoder, 128, true) - model_flop_per_token(decoder, 128, true)).si();
    CHECK(difference == Approx(0.5 * 12.0 * 2 * 128 * 256));
}

TEST_CASE("a masked-language head multiplies the masked tokens only", "[models][encoder]") {
    // Method: 15 % of 8 x 128 tokens, rounded, by 256 by 1,024 (the vocabulary padded to 128).
    Architecture a = small_encoder();
    a.head_share = 0.15;
    CHECK(product_size(graph_of(a, small_spec()), "logits") == Approx(154.0 * 256 * 1024));
    a.head_transform = true;
    CHECK(product_size(graph_of(a, small_spec()), "head transform") == Approx(154.0 * 256 * 256));
}

TEST_CASE("padding that is left out costs nothing", "[models][encoder]") {
    // Method: half the tokens are half of every linear map.
    TrainingSpec spec = small_spec();
    const double whole = product_size(graph_of(small_encoder(), spec), "mlp up");
    spec.mean_sequence = 64;
    CHECK(product_size(graph_of(small_encoder(), spec), "mlp up") == Approx(0.5 * whole));
}

TEST_CASE("images are tokens of patches with one class token, whose head sees one a sample", "[models][encoder]") {
    // Method: a 16 x 16 patch of three channels by 256, 128 tokens of 8 images; 8 rows of the head.
    Architecture a = small_encoder();
    a.patch = 16;
    a.tied_embeddings = false;
    a.head_bias = true;
    const StepGraph graph = graph_of(a, small_spec());
    CHECK(product_size(graph, "patches") == Approx(8.0 * 128 * 256 * 768));
    CHECK(product_size(graph, "logits") == Approx(8.0 * 1024 * 256));
}

TEST_CASE("a decoder attends to its encoder's tokens, however many they are", "[models][encoder]") {
    // Method: keys and values of the encoder's 8 x 512 tokens in each decoder layer; arithmetic from layer counts.
    Architecture a = small_encoder();
    a.bidirectional = false;
    a.encoder_layers = 3;
    a.positions = Positions::relative;
    a.relative_buckets = 32;
    TrainingSpec spec = small_spec();
    spec.encoder_sequence = 512;
    const StepGraph graph = graph_of(a, spec);
    CHECK(product_size(graph, "cross keys") == Approx(2.0 * 8 * 512 * 512 * 256));
    CHECK(product_size(graph, "mlp up") == Approx((3.0 * 512 + 2.0 * 128) * 8 * 1024 * 256));
    CHECK(graph.stages[0].parameters == Approx(count_parameters(a).total + 24.0 * 256));  // 24 rows of padding
    // One attention and one norm more in each of the two decoder layers.
    const LayerParameters with = layer_parameters(a, 3);
    const LayerParameters without = layer_parameters(a, 0);
    CHECK(with.matrices - without.matrices == Approx(4.0 * 256 * 256));
    CHECK(with.vectors - without.vectors == Approx(4.0 * 256 + 2.0 * 256));
}

TEST_CASE("a scan is linear in the sequence, attention is not", "[models][state_space]") {
    // Method: arithmetic per token at two lengths.
    Architecture a = small_encoder();
    a.bidirectional = false;
    a.pattern = "M";
    a.state_space.inner = 512;
    a.state_space.heads = 8;
    CHECK(model_flop_per_token(a, 4096, true) == model_flop_per_token(a, 128, true));
    a.pattern = "A";
    CHECK(model_flop_per_token(a, 4096, true) > model_flop_per_token(a, 128, true));
}

TEST_CASE("a hybrid holds what its blocks hold", "[models][state_space]") {
    // Method: a mixer, an attention and an MLP block, each a layer of its own kind; tensor ranks add up to the whole.
    Architecture a = small_encoder();
    a.bidirectional = false;
    a.pattern = "MAF";
    a.layers = 6;
    a.state_space.inner = 512;
    a.state_space.heads = 8;
    a.state_space.groups = 2;
    const StepGraph graph = graph_of(a, small_spec());
    CHECK(graph.kinds.size() == 5);
    CHECK(graph.stages[0].parameters == Approx(count_parameters(a).total + 24.0 * 256));
    TrainingSpec spec = small_spec();
    spec.parallelism.tensor = 2;
    const StageGraph half = graph_of(a, spec).stages[0];
    const double split = half.parameters - half.replicated_parameters;
    CHECK(2.0 * split + half.replicated_parameters == Approx(count_parameters(a).total + 24.0 * 256));
    CHECK(product_size(graph, "scan scores") > 0.0);
}

TEST_CASE("plans that these models cannot have are refused with the place", "[models][encoder]") {
    // Method: places of the problems.
    using Places = std::vector<std::string>;
    Architecture a = small_encoder();
    TrainingSpec spec = small_spec();
    spec.encoder_sequence = 64;
    spec.mean_sequence = 200;
    CHECK(places_of(a, spec) == Places{"/workload/encoder_sequence", "/workload/mean_sequence"});
    a.encoder_layers = 2;
    spec = small_spec();
    spec.parallelism.pipeline = 2;
    CHECK(places_of(a, spec) == Places{"/workload/parallelism/pipeline"});
    spec.parallelism.pipeline = 1;
    spec.parallelism.context = 2;
    CHECK(places_of(a, spec) == Places{"/workload/parallelism/context"});
    a = small_encoder();
    a.pattern = "MX";
    CHECK(places_of(a, small_spec()) == Places{"/workload/model", "/workload/model"});
    a.pattern = "M";
    a.state_space.inner = 511;
    a.state_space.heads = 7;
    spec = small_spec();
    spec.parallelism.tensor = 2;
    CHECK(places_of(a, spec).size() == 2);
    a.state_space.inner = 512;
    a.state_space.heads = 8;
    spec.parallelism.tensor = 1;
    spec.parallelism.context = 2;
    CHECK(places_of(a, spec) == Places{"/workload/parallelism/context"});
}
