// Recommenders and recurrent networks: what their papers and benchmark code print, and counts by hand.
#include "models/families.hpp"
#include "models/families/recurrent.hpp"

#include <catch2/catch.hpp>

#include <algorithm>

using namespace orrery;

namespace {

PassShape pass_of(std::int64_t samples, std::int64_t replicas) {
    PassShape shape;
    shape.samples = samples;
    shape.replicas = replicas;
    shape.type = DataType::fp16;
    return shape;
}

std::size_t count_named(const std::vector<GraphTask>& tasks, std::string_view name) {
    return static_cast<std::size_t>(
        std::count_if(tasks.begin(), tasks.end(), [&](const GraphTask& task) { return task.name == name; }));
}

}  // namespace

TEST_CASE("time steps of an LSTM wait for each other, unless a persistent kernel keeps the weights", "[models][recurrent]") {
    // Method: one product a step at 128 sequences, one for all steps at 32; parameters 4 h (i + h + 2) each way.
    const RecurrentLayer layer{50, 256, 512, 2};
    const ModelOperator stepwise = lstm_operator(pass_of(128, 1), "LSTM", layer);
    CHECK(count_named(stepwise.forward, "state gates") == 2 * 50);
    CHECK(count_named(stepwise.backward, "state gradient") == 2 * 50);
    CHECK(stepwise.parameters == 2.0 * 4 * 512 * (256 + 512 + 2));
    const ModelOperator persistent = lstm_operator(pass_of(32, 1), "LSTM", layer);
    CHECK(count_named(persistent.forward, "state gates") == 2);
    // The same arithmetic a sequence either way.
    LayeredModel a;
    a.blocks.push_back({"LSTM", 1, {stepwise}, {}});
    LayeredModel b;
    b.blocks.push_back({"LSTM", 1, {persistent}, {}});
    CHECK(layered_totals(a).useful_flop.si() == Approx(4.0 * layered_totals(b).useful_flop.si()));
}

TEST_CASE("GNMT's arithmetic is six per weight and step, and the logits", "[models][recurrent]") {
    // Method: 2 flop a matrix parameter and token forward, three times that with both gradients; embeddings are free.
    PassShape shape = pass_of(128, 1);
    shape.sequence = 25;
    const LayeredTotals totals = layered_totals(describe_family(Gnmt{}, shape));
    const double weights = totals.parameters - 32320.0 * 1024;
    CHECK(totals.useful_flop.si() == Approx(6.0 * weights * 128 * 25).epsilon(0.01));
}

TEST_CASE("a recommender's tables are shared out, and its pooled rows go around", "[models][recommender]") {
    // Method: 3 tables of 1,000 rows of 128 over 4 ranks; 512 samples x 3 tables x 128 values x 2 bytes to exchange.
    Dlrm model;
    model.tables = {1000, 1000, 1000};
    const LayeredModel layered = describe_family(model, pass_of(512, 4));
    const ModelOperator& tables = layered.blocks[0].operators[0];
    CHECK(tables.sharded_parameters == 3000.0 * 128 / 4);
    REQUIRE(count_named(tables.forward, "pooled embeddings all-to-all") == 1);
    const auto& exchange = std::get<ExchangeTask>(tables.forward.back().action);
    CHECK(exchange.collective.size.si() == 512.0 * 3 * 128 * 2);
    CHECK(exchange.axis == Axis::data_context);
    // One rank alone exchanges nothing.
    CHECK(count_named(describe_family(model, pass_of(512, 1)).blocks[0].operators[0].forward,
                      "pooled embeddings all-to-all") == 0);
}

TEST_CASE("tables that are shared out are neither reduced nor stepped over by the optimizer", "[models][recommender]") {
    // Method: what is trained densely are the MLPs alone, 2.4 million in MLPerf's DLRM.
    TrainingSpec spec;
    spec.precision = DataType::fp16;
    spec.micro_batch = 512;
    spec.global_batch = 2048;
    spec.parallelism.data = 4;
    Dlrm model;
    model.tables.assign(26, 100000);
    const auto graph = build_layered_graph(describe_family(model, pass_shape(spec, FrameworkProfile{})), spec);
    REQUIRE(graph);
    const StageGraph& stage = graph->stages[0];
    CHECK(stage.expert_parameters == 26e5 * 128 / 4);
    CHECK(stage.frozen_expert_parameters == stage.expert_parameters);
    CHECK(stage.parameters - stage.frozen_parameters == Approx(2.38e6).epsilon(0.01));
    CHECK(graph->parameters_total == Approx(26e5 * 128 + 2.38e6).epsilon(1e-3));
}

TEST_CASE("many lookups a table cost reads, not messages; cross layers replace pairs", "[models][recommender]") {
    // Method: the exchange is of pooled rows, whatever the lookups; a cross layer has 2 x 512 x width weights and a bias.
    Dlrm one;
    one.tables.assign(26, 1000);
    Dlrm many = one;
    many.lookups.assign(26, 10);
    const auto tables = [](const Dlrm& model) { return describe_family(model, pass_of(64, 8)).blocks[0].operators[0]; };
    const auto rows = [](const ModelOperator& op) {
        return std::get<Gather>(std::get<ComputeTask>(op.forward[0].action).work).rows;
    };
    CHECK(rows(tables(one)) == 64 * 26);
    CHECK(rows(tables(many)) == 64 * (260 + 26) / 2);
    CHECK(std::get<ExchangeTask>(tables(one).forward.back().action).collective ==
          std::get<ExchangeTask>(tables(many).forward.back().action).collective);
    Dlrm crossed = one;
    crossed.cross_layers = 3;
    const double width = 27.0 * 128;
    const double wider = 1024.0 * (width - (27.0 * 26 / 2 + 128));  // the top MLP's input
    CHECK(family_parameters(crossed) - family_parameters(one) == Approx(3.0 * (2.0 * 512 * width + width) + wider));
}
