// Options of a training: what each adds to memory and to the graph, and which do not go together.
#include "models/layer_shape.hpp"
#include "models/memory.hpp"
#include "models/step_graph.hpp"

#include <catch2/catch.hpp>

#include <algorithm>

using namespace orrery;

namespace {

Architecture option_model() {
    Architecture a;
    a.layers = 4;
    a.hidden = 1024;
    a.heads = 16;
    a.kv_heads = 16;
    a.head_size = 64;
    a.ffn = 4096;
    a.vocabulary = 32000;
    return a;
}

TrainingSpec option_spec() {
    TrainingSpec s;
    s.sequence = 4096;
    s.global_batch = 8;
    s.parallelism.data = 8;
    return s;
}

StepGraph option_graph(const TrainingSpec& s, const Architecture& a = option_model()) {
    auto graph = build_step_graph(a, s, {});
    if (!graph.ok()) FAIL(graph.problems().front().place + ": " + graph.problems().front().problem);
    return std::move(graph).value();
}

MemoryBreakdown option_memory(const TrainingSpec& s) { return memory_of(option_model(), s, {}, option_graph(s)); }

double option_parameters() { return count_parameters(option_model()).total; }

bool refuses(const TrainingSpec& s, const std::string& place, const std::string& word,
             const Architecture& a = option_model()) {
    const auto graph = build_step_graph(a, s, {});
    if (graph.ok()) return false;
    return std::any_of(graph.problems().begin(), graph.problems().end(), [&](const Problem& one) {
        return one.place == "/workload/" + place && one.problem.find(word) != std::string::npos && !one.remedy.empty();
    });
}

}  // namespace

TEST_CASE("an average of the weights is 4 bytes a parameter, shared as the optimizer", "[models][options]") {
    // Method: by hand: an fp32 copy.
    TrainingSpec s = option_spec();
    const double before = option_memory(s).optimizer.si();
    s.regularization.weight_average = true;
    const MemoryBreakdown m = option_memory(s);
    CHECK(m.optimizer.si() - before == Approx(4 * option_parameters()));
    CHECK(std::any_of(m.details.begin(), m.details.end(), [&](const MemoryDetail& one) {
        return one.name == "average of the weights" && one.size.si() == Approx(4 * option_parameters());
    }));
    s.parallelism.zero = 1;
    CHECK(option_memory(s).optimizer.si() == Approx(16 * option_parameters() / 8));
}

TEST_CASE("sharpness-aware steps run every micro-batch twice and keep the weights", "[models][options]") {
    // Method: arXiv 2010.01412, algorithm 1: two gradients a step; 2 bytes a parameter for the weights.
    TrainingSpec s = option_spec();
    const StepGraph plain = option_graph(s);
    const double weights = option_memory(s).weights.si();
    s.regularization.sharpness_aware = true;
    const StepGraph sam = option_graph(s);
    CHECK(sam.stages[0].passes.size() == 2 * plain.stages[0].passes.size());
    CHECK(sam.rounds == 2);
    CHECK(sam.model_flop == plain.model_flop);
    CHECK(sam.hardware_flop.si() == Approx(2 * plain.hardware_flop.si()));
    CHECK(option_memory(s).weights.si() - weights == Approx(2 * option_parameters()));
}

TEST_CASE("compressed gradients keep their error, 8-bit ones do not", "[models][options]") {
    // Method: by hand; fp32 error feedback of every entry.
    TrainingSpec s = option_spec();
    const double before = option_memory(s).gradients.si();
    for (const Compression kind : {Compression::power_sgd, Compression::top_k, Compression::one_bit}) {
        s.gradient_compression.kind = kind;
        CHECK(option_memory(s).gradients.si() - before == Approx(4 * option_parameters()));
    }
    s.gradient_compression.kind = Compression::fp8;
    CHECK(option_memory(s).gradients.si() == Approx(before));
}

TEST_CASE("packed documents attend to themselves only", "[models][options]") {
    // Method: sum of l^2 over sum of l: mean (1 + variation^2); pairs, and so attention's share of the flop, go with
    // it. Documents longer than the sequence are one of the sequence's length.
    TrainingSpec s = option_spec();
    CHECK(attended_length(s) == 4096);
    s.packing.mean_document = 512;
    CHECK(attended_length(s) == 512);
    s.packing.length_variation = 1.0;  // exponential lengths
    CHECK(attended_length(s) == 1024);
    s.packing.mean_document = 8192;
    CHECK(attended_length(s) == 4096);
    s.packing = {.mean_document = 512};
    const auto attention = [](const TrainingSpec& spec) {
        for (const LayerGraph& kind : option_graph(spec).kinds) {
            for (const GraphTask& task : kind.forward) {
                const auto* compute = std::get_if<ComputeTask>(&task.action);
                if (compute == nullptr) continue;
                if (const auto* work = std::get_if<Attention>(&compute->work)) return *work;
            }
        }
        return Attention{};
    };
    CHECK(attention(s).batch == 8);
    CHECK(attention(s).keys == 512);
    CHECK(attention(s).queries == 512);
    const double tokens = 8.0 * 4096;
    const double saved = 6.0 * 1024 * (4096 - 512) * 4;  // 6 h s per layer and token, causal halved
    CHECK(option_graph(option_spec()).model_flop.si() - option_graph(s).model_flop.si() ==
          Approx(tokens * saved).epsilon(0.002));
}

TEST_CASE("frozen first layers keep nothing, have no states, and run forward only", "[models][options]") {
    // Method: by hand; with all but one layer frozen, states are those of that layer and the head.
    TrainingSpec s = option_spec();
    s.frozen.first_layers = 3;
    const StepGraph graph = option_graph(s);
    const double layer = 4.0 * 1024 * 1024 + 3.0 * 1024 * 4096 + 2 * 1024;
    const double trained = layer + 32000.0 * 1024 + 1024;
    CHECK(graph.stages[0].parameters - graph.stages[0].frozen_parameters == Approx(trained));
    CHECK(option_memory(s).optimizer.si() == Approx(12 * trained));
    CHECK(option_memory(s).weights.si() == Approx(2 * option_parameters()));
    for (const LayerGraph& kind : graph.kinds) {
        if (kind.name == "layer (frozen)" || kind.name == "embedding") CHECK(kind.backward.empty());
    }
    // Of a layer's 6 flop a parameter and token 2 are left.
    const double whole = option_graph(option_spec()).model_flop.si();
    const double forward = 2.0 * (layer - 2 * 1024) + 2.0 * 1024 * 4096;
    CHECK(whole - graph.model_flop.si() == Approx(8.0 * 4096 * 3 * 2 * forward).epsilon(0.002));
    s.frozen = {.embedding = true};
    CHECK(option_memory(s).optimizer.si() == Approx(12 * (option_parameters() - 32000.0 * 1024)));
}

TEST_CASE("dropout masks, label smoothing and padding change what they say", "[models][options]") {
    // Method: by hand: two one-byte masks of s h a layer, 8 bytes a logit, multiples of 128 x tensor or as set.
    TrainingSpec s = option_spec();
    const double before = option_memory(s).activations.si();
    s.regularization.dropout = 0.1;
    CHECK(option_memory(s).activations.si() - before == Approx(4 * 2 * 4096.0 * 1024));
    CHECK(padded_vocabulary(option_model(), 1) == 32000);
    CHECK(padded_vocabulary(option_model(), 8) == 32768);
    CHECK(padded_vocabulary(option_model(), 8, 1) == 32000);
    const auto loss_bytes = [](const TrainingSpec& spec) {
        double sum = 0.0;
        for (const LayerGraph& kind : option_graph(spec).kinds) {
            for (const auto* tasks : {&kind.forward, &kind.backward}) {
                for (const GraphTask& task : *tasks) {
                    const auto* compute = std::get_if<ComputeTask>(&task.action);
                    const bool is_loss = task.name.substr(0, 13) == "cross entropy";
                    if (is_loss) sum += std::get<Streaming>(compute->work).bytes.si();
                }
            }
        }
        return sum;
    };
    const double plain = loss_bytes(s);
    s.regularization.label_smoothing = true;
    CHECK(loss_bytes(s) - plain == Approx(8.0 * 4096 * 32000));
}

TEST_CASE("options that cannot act are refused with a remedy", "[models][options]") {
    // Method: one mistake at a time; the place and a word of each message.
    TrainingSpec s = option_spec();
    s.optimizer_settings.first_moment = DataType::int8;
    CHECK(refuses(s, "optimizer_settings/first_moment", "int8"));
    s = option_spec();
    s.optimizer_settings.second_moment = DataType::fp64;
    CHECK(refuses(s, "optimizer_settings/second_moment", "fp64"));
    s = option_spec();
    s.optimizer_settings.master = DataType::fp8;
    CHECK(refuses(s, "optimizer_settings/master", "fp8"));
    s = option_spec();
    s.optimizer = Optimizer::adam_8bit;
    s.optimizer_settings.second_moment = DataType::bf16;
    CHECK(refuses(s, "optimizer_settings/first_moment", "its own"));
    s = option_spec();
    s.optimizer_settings.preconditioner_size = 512;
    s.optimizer_settings.preconditioner_interval = 5;
    CHECK(refuses(s, "optimizer_settings/preconditioner_size", "no preconditioner"));
    CHECK(refuses(s, "optimizer_settings/preconditioner_interval", "no preconditioner"));
    s = option_spec();
    s.gradient_compression.kind = Compression::power_sgd;
    s.parallelism.zero = 1;
    CHECK(refuses(s, "gradient_compression/kind", "into shards"));
    s.gradient_compression.kind = Compression::fp8;
    CHECK(!refuses(s, "gradient_compression/kind", "into shards"));
    s.parallelism.zero = 3;
    CHECK(refuses(s, "gradient_compression/kind", "into shards"));
    s = option_spec();
    s.frozen.first_layers = 4;
    CHECK(refuses(s, "frozen/first_layers", "none to train"));
    s.frozen.first_layers = 1;
    s.adapter_rank = 8;
    CHECK(refuses(s, "frozen/first_layers", "adapters"));
    s = option_spec();
    s.frozen.embedding = true;
    Architecture tied = option_model();
    tied.tied_embeddings = true;
    CHECK(refuses(s, "frozen/embedding", "ties", tied));
    s = option_spec();
    s.packing.mean_document = 512;
    s.flash_attention = false;
    CHECK(refuses(s, "packing/mean_document", "unfused"));
    s = option_spec();
    s.packing.length_variation = 1.0;
    CHECK(refuses(s, "packing/length_variation", "only used"));
    s = option_spec();
    s.parallelism.split_vocabulary = false;
    CHECK(refuses(s, "parallelism/split_vocabulary", "not sharded"));
    s = option_spec();
    s.adapter_rank = 8;
    s.regularization.sharpness_aware = true;
    CHECK(refuses(s, "regularization/sharpness_aware", "adapters"));
}
