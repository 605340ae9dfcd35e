// Passes with sharded parameters in closed form, against their code played instruction by instruction.
#include "sim/block_time.hpp"
#include "sim/sharded_pass.hpp"
#include "sim/training.hpp"
#include "tests/architectures.hpp"
#include "tests/hardware/devices.hpp"
#include "tests/sim/step_examples.hpp"

using namespace orrery;
using namespace orrery::examples;

namespace {

/// A GPT of 48 layers, fully sharded on four nodes; two kinds of layers where some of them are recomputed.
TrainingRun sharded_gpt(int micro_batch, int shard, int zero, int recompute_layers) {
    TrainingRun run;
    run.architecture = test::gpt(48, 4096, 32, 50304, 2048);
    TrainingSpec& s = run.spec;
    s.sequence = 2048;
    s.micro_batch = micro_batch;
    s.recompute = recompute_layers > 0 ? Recompute::block : Recompute::none;
    s.recompute_layers = recompute_layers;
    s.parallelism.data = 16;
    s.parallelism.tensor = 2;
    s.parallelism.fsdp = true;
    s.parallelism.zero = zero;
    s.parallelism.shard = shard;
    s.global_batch = 16 * micro_batch;
    return run;
}

Seconds played(const StepProgram& program) {
    Seconds sum{};
    for (const PassProgram& pass : program.stages.front().passes) {
        if (pass.pass.micro_batch == 0) sum += block_time(program, program.blocks[static_cast<std::size_t>(pass.block)].code).total;
    }
    return sum;
}

Seconds counted(const Cluster& cluster, const TrainingRun& run, const StepGraph& graph) {
    const LayerPrices prices = Pricer(cluster, graph, run.spec, run.framework).price_kinds();
    std::vector<ShardedLayer> layers;
    for (std::size_t i = 0; i < graph.kinds.size(); ++i) layers.push_back(sharded_layer(graph.kinds[i].is_decoder_layer, prices, prices.layers[i]));
    std::vector<const ShardedLayer*> kinds;
    for (const ShardedLayer& layer : layers) kinds.push_back(&layer);
    const Pricer pricer(cluster, graph, run.spec, run.framework);
    KnownExchanges known;
    ShardedPasses passes(pricer, kinds, known);
    const Chunk& chunk = graph.stages.front().chunks.front();
    return passes.forward(chunk).all + passes.backward(chunk).all;
}

}  // namespace

TEST_CASE("alike sharded layers counted take the time that playing each of them takes", "[sim][sharded]") {
    // Method: block_time() of the step's own code, walked layer by layer; passes bound by kernels and by exchanges,
    // sharded over all ranks and over copies, with exchanges prefetched and without, with contention.
    Cluster cluster = cluster_of(4);
    cluster.device = test::a100();
    for (const double overlap : {0.3, 1.0}) {
        for (const int micro_batch : {1, 2, 8}) {
            for (const int shard : {0, 8}) {
                for (const int zero : {0, 2}) {
                    for (const int recompute_layers : {0, 17}) {
                        TrainingRun run = sharded_gpt(micro_batch, shard, zero, recompute_layers);
                        run.spec.parallelism.fsdp = overlap == 1.0 || zero == 2;
                        if (!run.spec.parallelism.fsdp) run.spec.parallelism.zero = 3;
                        run.framework.gradient_overlap = overlap;
                        run.framework.contention = 0.2;
                        const Result<StepGraph> graph = training_graph(run);
                        REQUIRE(graph.ok());
                        const StepProgram program = price_step(cluster, *graph, run.spec, run.framework);
                        INFO("micro-batch " << micro_batch << ", shard " << shard << ", zero " << zero << ", recomputed " << recompute_layers);
                        CHECK(counted(cluster, run, *graph) / 1.0_s == Approx(played(program) / 1.0_s).epsilon(1e-11));
                    }
                }
            }
        }
    }
}
