// Memory by part: per-layer formulas, schedules, sharding, and published profiles.
#include "models/memory.hpp"
#include "models/activation_memory.hpp"
#include "tests/architectures.hpp"

#include <catch2/catch.hpp>

#include <cmath>

using namespace orrery;

namespace {

/// GPT-3's stack as Korthikanti et al. describe it: unfused attention, dropout, 16 bit.
Architecture gpt3_175b() { return test::gpt(96, 12288, 96, 51200, 2048); }

Architecture llama2_7b(int layers) {
    Architecture a;
    a.layers = layers;
    a.hidden = 4096;
    a.heads = 32;
    a.kv_heads = 32;
    a.head_size = 128;
    a.ffn = 11008;
    a.vocabulary = 32000;
    return a;
}

TrainingSpec memory_spec(int tensor, int pipeline, int data, int micro_batches) {
    TrainingSpec s;
    s.sequence = 2048;
    s.global_batch = data * micro_batches;
    s.parallelism.tensor = tensor;
    s.parallelism.pipeline = pipeline;
    s.parallelism.data = data;
    return s;
}

MemoryBreakdown memory_with(const Architecture& a, const TrainingSpec& s, const FrameworkProfile& f = {}) {
    const auto graph = build_step_graph(a, s, f);
    if (!graph.ok()) FAIL(graph.problems().front().problem);
    return memory_of(a, s, f, *graph);
}

double layer_bytes(const Architecture& a, const TrainingSpec& s) {
    return layer_activations(a, layer_shape(a, s, {}), {}, false).si();
}

}  // namespace

TEST_CASE("a GPT layer keeps s b h (34 + 5 a s / h) bytes, and less as it is split", "[models][memory]") {
    // Method: Korthikanti et al., arXiv 2205.05198, table 2, for the shape of GPT-3.
    const Architecture a = gpt3_175b();
    const double s = 2048;
    const double h = 12288;
    const double core = 5.0 * 96 * s / h;
    TrainingSpec spec = memory_spec(1, 1, 1, 1);
    spec.flash_attention = false;
    CHECK(layer_bytes(a, spec) == Approx(s * h * (34 + core)));
    spec.parallelism.tensor = 8;
    CHECK(layer_bytes(a, spec) == Approx(s * h * (34 + core) / 8));
    spec.recompute = Recompute::selective;
    CHECK(layer_bytes(a, spec) == Approx(s * h * 34 / 8));
    spec.recompute = Recompute::none;
    spec.parallelism.sequence_parallel = false;
    CHECK(layer_bytes(a, spec) == Approx(s * h * (10 + 24.0 / 8 + core / 8)));
}

TEST_CASE("flash attention keeps one number per query and head instead of the scores", "[models][memory]") {
    // Method: Dao et al., arXiv 2205.14135: logarithm of the softmax's sum, fp32; no dropout masks either.
    const Architecture a = gpt3_175b();
    CHECK(layer_bytes(a, memory_spec(1, 1, 1, 1)) == Approx(2048.0 * 12288 * 32 + 4.0 * 2048 * 96));
}

TEST_CASE("mixed-precision Adam keeps 6 + 12/d bytes per parameter with fp32 gradients, 4 + 16/d with 16-bit ones",
          "[models][memory]") {
    // Method: table of Megatron-LM's distributed optimizer; ZeRO stages of Rajbhandari et al., arXiv 1910.02054.
    const Architecture a = llama2_7b(32);
    const double parameters = 6738415616.0;
    TrainingSpec s = memory_spec(1, 1, 8, 1);
    const auto states = [&](const FrameworkProfile& f) {
        const MemoryBreakdown m = memory_with(a, s, f);
        return std::array{m.weights.si() / parameters, m.gradients.si() / parameters, m.optimizer.si() / parameters};
    };
    CHECK(states({})[0] == Approx(2.0));
    CHECK(states({})[1] == Approx(4.0));
    CHECK(states({})[2] == Approx(12.0));
    s.parallelism.zero = 1;
    CHECK(states({})[2] == Approx(12.0 / 8));
    FrameworkProfile half;
    half.gradient_bytes = 2.0;
    CHECK(states(half)[1] == Approx(2.0));
    CHECK(states(half)[2] == Approx(16.0 / 8));
    s.optimizer = Optimizer::sgd;
    CHECK(states({})[2] == Approx(8.0 / 8));
    s.optimizer = Optimizer::adamw;
    s.precision = DataType::fp8;
    CHECK(states({})[0] == Approx(2.0 + 2.0));
    s.precision = DataType::fp32;
    CHECK(states({})[2] == Approx(8.0 / 8));
}

TEST_CASE("FSDP shards all 16 bytes, but gathers layers, and with a pipeline keeps 6 bytes whole", "[models][memory]") {
    // Method: by hand; a layer of Llama 2 7B has 202,383,360 parameters.
    const Architecture a = llama2_7b(32);
    TrainingSpec s = memory_spec(1, 1, 64, 1);
    s.parallelism.fsdp = true;
    const MemoryBreakdown m = memory_with(a, s);
    const double layer = 202383360.0;
    const double shard = 6738415616.0 / 64;
    CHECK(m.weights.si() == Approx(4 * shard + 2 * 2 * layer));
    CHECK(m.gradients.si() == Approx(4 * shard + 2 * layer));
    CHECK(m.optimizer.si() == Approx(8 * shard));
    s.parallelism.shard = 8;
    CHECK(memory_with(a, s).optimizer.si() == Approx(8 * 6738415616.0 / 8));
    TrainingSpec piped = memory_spec(1, 4, 16, 8);
    piped.parallelism.fsdp = true;
    const MemoryBreakdown p = memory_with(a, piped);
    const double stage = 8 * layer + 32000.0 * 4096;  // the first one, with the embedding, holds most in flight
    CHECK(p.stage == 0);
    CHECK(p.weights.si() == Approx(4 * stage / 16 + 2 * stage));
    CHECK(p.gradients.si() == Approx(4 * stage / 16 + 4 * stage));
}

TEST_CASE("activations in flight follow the schedule", "[models][memory]") {
    // Method: closed forms; 1F1B's first stage holds p micro-batches of L/p layers (the whole depth once), interleaving
    // 1 + (p - 1)/(p v) of it (Korthikanti et al., section 4.2.3), GPipe m micro-batches.
    const Architecture a = llama2_7b(32);
    TrainingSpec s = memory_spec(1, 4, 1, 16);
    const double layer = layer_bytes(a, s);
    const double messages = 2 * 2.0 * 2048 * 4096;
    CHECK(memory_with(a, s).activations.si() == Approx(32 * layer + messages));
    s.parallelism.schedule = PipelineSchedule::interleaved;
    s.parallelism.virtual_stages = 2;
    CHECK(memory_with(a, s).activations.si() == Approx(32 * layer * (1 + 3.0 / 8) + messages));
    s.parallelism.schedule = PipelineSchedule::gpipe;
    s.parallelism.virtual_stages = 1;
    const MemoryBreakdown gpipe = memory_with(a, s);
    CHECK(gpipe.stage == 3);  // which also keeps every micro-batch's logits
    const double head = 2 * 2.0 * 2048 * 4096 + 4.0 * 2048 * 32000;
    CHECK(gpipe.activations.si() == Approx(16 * (8 * layer + head) + 4.0 * 2048 * 32000 + messages));
}

TEST_CASE("full recomputation keeps each layer's input and one layer whole", "[models][memory]") {
    // Method: 2 s b h per layer and micro-batch (Korthikanti et al., table 2, last row), and the working layer.
    const Architecture a = llama2_7b(32);
    TrainingSpec s = memory_spec(1, 4, 1, 16);
    const double layer = layer_bytes(a, s);
    const double input = 2.0 * 2048 * 4096;
    s.recompute = Recompute::full;
    CHECK(memory_with(a, s).activations.si() == Approx(32 * input + (layer - input) + 2 * input));
    s.recompute = Recompute::block;
    s.recompute_layers = 2;
    CHECK(memory_with(a, s).activations.si() == Approx(4 * (2 * input + 6 * layer) + (layer - input) + 2 * input));
}

TEST_CASE("profiles shipped with Galvatron are met within 8 % without a pipeline", "[models][memory]") {
    // Method: Hetu-Galvatron, memory_profiling_bf16_llama2-7b_all.json (commit cea12ff): Llama 2 7B cut to one or two
    // layers, 8 GPUs, 8 sequences of 2048, fully sharded, vocabulary split: model states + peak activations in MiB as
    // allocated, so without context and communicators.
    struct Row {
        int layers, tensor, data;
        bool recomputes;
        double measured_mib;
    };
    const std::array<Row, 10> rows{{{1, 1, 8, false, 904.3 + 1357.1},
                                    {2, 1, 8, false, 1292.4 + 1835.7},
                                    {1, 2, 4, false, 968.5 + 1264.2},
                                    {2, 2, 4, false, 1356.5 + 1714.3},
                                    {1, 4, 2, false, 1032.6 + 1201.9},
                                    {2, 4, 2, false, 1420.7 + 1651.9},
                                    {1, 8, 1, false, 1161.0 + 1171.7},
                                    {2, 8, 1, false, 1549.1 + 1621.7},
                                    {1, 1, 8, true, 904.3 + 1377.1},
                                    {2, 1, 8, true, 1292.4 + 1448.6}}};
    double sum = 0;
    FrameworkProfile galvatron;
    galvatron.fused_kernels = false;
    galvatron.prefetched_units = 0;
    for (const Row& row : rows) {
        TrainingSpec s = memory_spec(row.tensor, 1, row.data, 1);
        s.micro_batch = 8 / row.data;
        s.global_batch = 8;
        s.parallelism.fsdp = true;
        if (row.recomputes) s.recompute = Recompute::full;
        const MemoryBreakdown m = memory_with(llama2_7b(row.layers), s, galvatron);
        const double error = (m.total() - m.other) / 1.0_MiB / row.measured_mib - 1.0;
        INFO("layers " << row.layers << ", tensor " << row.tensor << ", recomputed " << row.recomputes);
        CHECK(std::abs(error) < 0.08);
        sum += std::abs(error);
    }
    CHECK(sum / rows.size() < 0.04);
}

TEST_CASE("an eager stack keeps more per layer, as Galvatron's profiles show", "[models][memory]") {
    // Method: difference of its one- and two-layer activations: 1343.2 - 828.6 MiB with tensor 1, 1407.3 - 860.7
    // with 2.
    FrameworkProfile eager;
    eager.fused_kernels = false;
    TrainingSpec s = memory_spec(1, 1, 8, 1);
    const auto kept = [&] {
        return layer_activations(llama2_7b(1), layer_shape(llama2_7b(1), s, eager), eager, false);
    };
    CHECK(kept() / 1.0_MiB == Approx(1343.2 - 828.6).epsilon(0.06));
    s.parallelism.tensor = 2;
    s.micro_batch = 2;
    CHECK(kept() / 1.0_MiB == Approx(1407.3 - 860.7).epsilon(0.06));
}

TEST_CASE("Llama 3.1 405B on tensor 8, pipeline 16 is told by its parts", "[models][memory]") {
    // Method: by hand for the published plan of "Llama 3" (arXiv 2407.21783, table 4) with eight virtual stages: every
    // one of the 16 x 8 chunk passes is in flight on the first stage, of which 16 x 7 hold a layer each and 16 the
    // embedding, so activations alone exceed an 80 GB device, while states are far below it.
    Architecture a;
    a.layers = 126;
    a.hidden = 16384;
    a.heads = 128;
    a.kv_heads = 8;
    a.head_size = 128;
    a.ffn = 53248;
    a.vocabulary = 128256;
    TrainingSpec s = memory_spec(8, 16, 128, 16);
    s.sequence = 8192;
    s.parallelism.schedule = PipelineSchedule::interleaved;
    s.parallelism.virtual_stages = 8;
    s.parallelism.zero = 1;
    const MemoryBreakdown m = memory_with(a, s);
    const double T = 8192;
    const double layer =
        2 * T * (4 * 16384.0 / 8 + (128 + 16) * 128 / 8.0 + 128 * 128 / 8.0 + 4 * 53248 / 8.0) + 4 * T * 16;
    CHECK(layer_bytes(a, s) == Approx(layer));
    const double layer_parameters =
        16384.0 * (128 + 16) * 128 / 8 + 16384.0 * 16384 / 8 + 3 * 16384.0 * 53248 / 8 + 2 * 16384;
    CHECK(m.weights / 1.0_GB == Approx(2 * 8 * layer_parameters / 1e9).epsilon(0.01));
    CHECK(m.gradients / m.weights == Approx(2.0));
    CHECK(m.optimizer / m.weights == Approx(6.0 / 128));
    CHECK(m.activations / 1.0_GB > 70.0);
    CHECK(m.activations / 1.0_GB < 100.0);
    CHECK(m.other / 1.0_GB > 0.6);
    CHECK(m.other / 1.0_GB < 8.0);
    s.parallelism.virtual_stages = 1;
    s.parallelism.schedule = PipelineSchedule::one_f_one_b;
    s.recompute = Recompute::full;
    CHECK(memory_with(a, s).total() < 80.0_GB);
}

TEST_CASE("experts are sharded over the ranks that hold the same ones", "[models][memory]") {
    // Method: by hand; of 8 experts 2 on each of 4 expert ranks, whose optimizer states 8 / 4 ranks share.
    Architecture a = llama2_7b(2);
    a.experts = 8;
    a.experts_per_token = 2;
    a.expert_ffn = 1024;
    TrainingSpec s = memory_spec(1, 1, 8, 1);
    s.parallelism.expert = 4;
    s.parallelism.zero = 1;
    const double experts = 2 * 2 * 3 * 4096.0 * 1024;
    const double dense = count_parameters(a).total - 4 * experts;
    const MemoryBreakdown m = memory_with(a, s);
    CHECK(m.weights.si() == Approx(2 * (dense + experts)));
    CHECK(m.optimizer.si() == Approx(12 * (dense / 8 + experts / 2)));
}

TEST_CASE("what a process holds besides grows with its communicators and activations", "[models][memory]") {
    // Method: difference; one device has no communicator.
    const Architecture a = llama2_7b(4);
    const MemoryBreakdown alone = memory_with(a, memory_spec(1, 1, 1, 1));
    CHECK((alone.other - 0.05 * alone.activations) / 1.0_GB == Approx(0.6));
    const MemoryBreakdown two = memory_with(a, memory_spec(2, 1, 2, 1));
    CHECK((two.other - 0.05 * two.activations) / 1.0_GB == Approx(0.6 + 3 * 0.301989888));
}
