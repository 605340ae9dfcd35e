// The table of optimizers: bytes kept and moved per parameter, preconditioners, and what a rank's memory makes of them.
#include "models/memory.hpp"
#include "models/optimizer.hpp"
#include "models/step_graph.hpp"

#include <catch2/catch.hpp>

#include <array>
#include <set>

using namespace orrery;

namespace {

Architecture optimizer_model() {
    Architecture a;
    a.layers = 2;
    a.hidden = 1024;
    a.heads = 16;
    a.kv_heads = 4;
    a.head_size = 64;
    a.ffn = 4096;
    a.vocabulary = 32000;
    return a;
}

// By hand, without norms: q and o 1024 x 1024, k and v 1024 x 256, gate, up and down 1024 x 4096; both vocabularies.
constexpr double layer_elements = 2.0 * 1024 * 1024 + 2.0 * 1024 * 256 + 3.0 * 1024 * 4096;
constexpr double vocabulary_elements = 32000.0 * 1024;

TrainingSpec optimizer_spec(Optimizer optimizer) {
    TrainingSpec s;
    s.sequence = 512;
    s.global_batch = 8;
    s.parallelism.data = 8;
    s.optimizer = optimizer;
    return s;
}

MemoryBreakdown optimizer_memory(const TrainingSpec& s) {
    const auto graph = build_step_graph(optimizer_model(), s, {});
    if (!graph.ok()) FAIL(graph.problems().front().problem);
    return memory_of(optimizer_model(), s, {}, *graph);
}

double parameters() { return count_parameters(optimizer_model()).total; }

}  // namespace

TEST_CASE("every optimizer has its rule and moment bytes as its paper gives them", "[models][optimizer]") {
    // Method: bytes per parameter of the moments: Adam 8 and 8-bit Adam 2 and a maximum per 2048 (arXiv 2110.02861,
    // table 1 and section 2.1), momentum 4, Adafactor none of full size (arXiv 1804.04235, section 4).
    std::set<Optimizer> seen;
    for (const OptimizerRule& rule : optimizer_rules()) CHECK(seen.insert(rule.kind).second);
    for (const auto& entry : EnumTable<Optimizer>::names) {
        INFO(entry.name);
        CHECK(optimizer_rule(entry.value).kind == entry.value);
    }
    CHECK(seen.size() == EnumTable<Optimizer>::names.size());
    CHECK(moment_bytes(Optimizer::adamw, {}) == 8.0);
    CHECK(moment_bytes(Optimizer::lamb, {}) == 8.0);
    CHECK(moment_bytes(Optimizer::lars, {}) == 4.0);
    CHECK(moment_bytes(Optimizer::sgd, {}) == 4.0);
    CHECK(moment_bytes(Optimizer::muon, {}) == 4.0);
    CHECK(moment_bytes(Optimizer::adafactor, {}) == 0.0);
    CHECK(moment_bytes(Optimizer::adam_8bit, {}) == Approx(2.0 * (1.0 + 4.0 / 2048)));
    OptimizerSettings half;
    half.first_moment = half.second_moment = DataType::bf16;
    CHECK(moment_bytes(Optimizer::adamw, half) == 4.0);
    CHECK(master_bytes(half) == 4.0);
    half.master = DataType::bf16;
    CHECK(master_bytes(half) == 0.0);
}

TEST_CASE("a rank's optimizer states are the paper's bytes per parameter, shared as ZeRO says", "[models][optimizer]") {
    // Method: by hand; 4 bytes of master and the moments, over 8 ranks with ZeRO-1; DeepSeek-V3's bf16 moments halve
    // them (arXiv 2412.19437, section 3.3.2).
    const double p = parameters();
    TrainingSpec s = optimizer_spec(Optimizer::adamw);
    CHECK(optimizer_memory(s).optimizer.si() == Approx(12 * p));
    s.parallelism.zero = 1;
    CHECK(optimizer_memory(s).optimizer.si() == Approx(12 * p / 8));
    s.optimizer_settings.first_moment = s.optimizer_settings.second_moment = DataType::bf16;
    CHECK(optimizer_memory(s).optimizer.si() == Approx(8 * p / 8));
    s.optimizer_settings.master = DataType::bf16;
    CHECK(optimizer_memory(s).optimizer.si() == Approx(4 * p / 8));
    s = optimizer_spec(Optimizer::adam_8bit);
    CHECK(optimizer_memory(s).optimizer.si() == Approx((4 + 2 + 8.0 / 2048) * p));
    s = optimizer_spec(Optimizer::lars);
    CHECK(optimizer_memory(s).optimizer.si() == Approx(8 * p));
}

TEST_CASE("Adafactor keeps rows and columns of each matrix", "[models][optimizer]") {
    // Method: arXiv 1804.04235: n + m numbers for an n x m matrix; by hand for this model.
    const double sides = 2 * (2 * 2048.0 + 2 * (1024 + 256) + 3 * (1024 + 4096)) + 2 * (32000 + 1024.0);
    const MemoryBreakdown m = optimizer_memory(optimizer_spec(Optimizer::adafactor));
    CHECK(m.optimizer.si() == Approx(4 * parameters() + 4 * sides));
}

TEST_CASE("Shampoo keeps four factors a block and SOAP four a matrix", "[models][optimizer]") {
    // Method: by hand. One 2048 x 512 matrix in blocks of 1024: two blocks of 1024 x 512, each with factors of 1024 and
    // 512 and as many roots (arXiv 2309.06497, section 2). SOAP: 2 m^2 + 2 n^2 (arXiv 2409.11321, section 6).
    const std::array<MatrixShape, 1> one{{{2048, 512, 1, false}}};
    const MatrixCost shampoo = matrix_cost(Optimizer::shampoo, {}, one);
    CHECK(shampoo.bytes.si() == Approx(4.0 * 2 * 2 * (1024.0 * 1024 + 512.0 * 512)));
    CHECK(shampoo.products.si() == Approx(4.0 * (512.0 * 2 * 1024 * 1024 + 2048.0 * 512 * 512)));
    CHECK(shampoo.refresh.si() == Approx(11.0 * 2 * (1024.0 * 1024 * 1024 + 512.0 * 512 * 512) / 50));
    const MatrixCost soap = matrix_cost(Optimizer::soap, {}, one);
    CHECK(soap.bytes.si() == Approx(4.0 * 2 * (2048.0 * 2048 + 512.0 * 512)));
    CHECK(soap.products.si() == Approx(8.0 * (2048.0 * 2048 * 512 + 512.0 * 512 * 2048)));
    OptimizerSettings often;
    often.preconditioner_interval = 1;
    CHECK(matrix_cost(Optimizer::soap, often, one).refresh.si() == Approx(10 * soap.refresh.si()));
    OptimizerSettings short_side;
    short_side.preconditioner_size = 1000;
    CHECK(matrix_cost(Optimizer::soap, short_side, one).bytes.si() == Approx(4.0 * 2 * 512.0 * 512));
    CHECK(matrix_cost(Optimizer::adamw, {}, one).bytes.si() == 0.0);
    CHECK(matrix_cost(Optimizer::adamw, {}, one).tensors == 1.0);
}

TEST_CASE("a step moves what its algorithm reads and writes beyond AdamW", "[models][optimizer]") {
    // Method: by hand; AdamW moves 30 bytes a parameter (gradient 4, master 8, moments 16, weight 2).
    CHECK(moved_beyond_adamw(Optimizer::adamw, {}) == 0.0);
    CHECK(moved_beyond_adamw(Optimizer::adam, {}) == 0.0);
    CHECK(moved_beyond_adamw(Optimizer::sgd, {}) == -8.0);
    CHECK(moved_beyond_adamw(Optimizer::adam_8bit, {}) == Approx(-16.0 + 4.0 * (1.0 + 4.0 / 2048)));
    CHECK(moved_beyond_adamw(Optimizer::lamb, {}) == 20.0);  // update twice, weights once more, two norms
    CHECK(moved_beyond_adamw(Optimizer::lars, {}) == 0.0);   // a moment less, two norms more
    OptimizerSettings half;
    half.first_moment = half.second_moment = DataType::bf16;
    CHECK(moved_beyond_adamw(Optimizer::adamw, half) == -8.0);
}

TEST_CASE("the matrices of a stage are its parameters but for norms", "[models][optimizer]") {
    // Method: conservation, against the closed count above, whole and split over 4 tensor ranks.
    for (const int tensor : {1, 4}) {
        TrainingSpec s = optimizer_spec(Optimizer::adamw);
        s.parallelism.tensor = tensor;
        s.vocabulary_multiple = 1;
        const auto graph = build_step_graph(optimizer_model(), s, {});
        REQUIRE(graph.ok());
        double elements = 0.0;
        for (const MatrixShape& one : stage_matrices(*graph, graph->stages[0])) elements += one.elements();
        CHECK(elements == Approx((2 * layer_elements + 2 * vocabulary_elements) / tensor));
        const double norms = 5.0 * 1024;
        CHECK(graph->stages[0].parameters == Approx(elements + norms));
    }
}

TEST_CASE("experts, latents and adapters have matrices too", "[models][optimizer]") {
    // Method: conservation: elements of all matrices and the vectors of the model are all its trained parameters.
    Architecture a = optimizer_model();
    a.experts = 8;
    a.experts_per_token = 2;
    a.expert_ffn = 512;
    a.shared_experts = 1;
    TrainingSpec s = optimizer_spec(Optimizer::soap);
    s.parallelism.expert = 4;
    const auto graph = build_step_graph(a, s, {});
    REQUIRE(graph.ok());
    double elements = 0.0;
    double of_experts = 0.0;
    for (const MatrixShape& one : stage_matrices(*graph, graph->stages[0])) {
        elements += one.elements();
        if (one.is_expert) of_experts += one.elements();
    }
    CHECK(of_experts == Approx(graph->stages[0].expert_parameters));
    CHECK(elements == Approx(graph->stages[0].parameters - 5.0 * 1024));
    s = optimizer_spec(Optimizer::adamw);
    s.adapter_rank = 16;
    const auto adapted = build_step_graph(optimizer_model(), s, {});
    REQUIRE(adapted.ok());
    elements = 0.0;
    for (const MatrixShape& one : stage_matrices(*adapted, adapted->stages[0])) elements += one.elements();
    CHECK(elements == Approx(adapted->stages[0].parameters - adapted->stages[0].frozen_parameters));
}
