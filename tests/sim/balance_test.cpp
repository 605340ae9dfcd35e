// Balanced stages, and what hybrid sharding exchanges.
#include "sim/balance.hpp"
#include "hardware/rng.hpp"
#include "sim/price.hpp"
#include "tests/hardware/devices.hpp"
#include "tests/sim/step_examples.hpp"

#include <algorithm>
#include <functional>
#include <numeric>

using namespace orrery;
using namespace orrery::examples;

namespace {

double longest_run(const std::vector<Seconds>& times, const std::vector<int>& sizes, Seconds first, Seconds last) {
    double longest = 0.0;
    std::size_t at = 0;
    for (std::size_t piece = 0; piece < sizes.size(); ++piece) {
        double sum = (piece == 0 ? first.si() : 0.0) + (piece + 1 == sizes.size() ? last.si() : 0.0);
        for (int i = 0; i < sizes[piece]; ++i) sum += times[at++].si();
        longest = std::max(longest, sum);
    }
    return longest;
}

/// All ways to cut `layers` into `pieces` runs.
void for_each_cut(int layers, int pieces, std::vector<int>& sizes, const std::function<void()>& visit) {
    if (pieces == 1) {
        sizes.push_back(layers);
        visit();
        sizes.pop_back();
        return;
    }
    for (int own = 0; own <= layers; ++own) {
        sizes.push_back(own);
        for_each_cut(layers - own, pieces - 1, sizes, visit);
        sizes.pop_back();
    }
}

TrainingRun heavy_headed(int pipeline, int micro_batches) {
    TrainingRun run;
    Architecture& a = run.architecture;
    a.layers = 24;
    a.hidden = 2048;
    a.heads = 16;
    a.kv_heads = 16;
    a.head_size = 128;
    a.ffn = 8192;
    a.vocabulary = 256000;  // a head of several layers' time
    run.spec.sequence = 2048;
    run.spec.global_batch = micro_batches;
    run.spec.parallelism.pipeline = pipeline;
    return run;
}

}  // namespace

TEST_CASE("balanced cuts are the best of all cuts", "[sim][balance]") {
    // Method: exhaustive search over 40 seeded random layers and pieces.
    Rng rng = Rng::stream(7, "cuts", 0);
    for (int i = 0; i < 40; ++i) {
        const int layers = 4 + static_cast<int>(rng.uniform() * 7.0);
        const int pieces = 1 + static_cast<int>(rng.uniform() * 5.0);
        std::vector<Seconds> times;
        for (int l = 0; l < layers; ++l) times.push_back((0.5 + rng.uniform()) * 1.0_ms);
        const Seconds first = rng.uniform() * 1.0_ms;
        const Seconds last = rng.uniform() * 4.0_ms;
        double best = 1e9;
        std::vector<int> sizes;
        for_each_cut(layers, pieces, sizes, [&] { best = std::min(best, longest_run(times, sizes, first, last)); });
        const std::vector<int> cut = balanced_cuts(times, pieces, first, last);
        CHECK(std::accumulate(cut.begin(), cut.end(), 0) == layers);
        CHECK(longest_run(times, cut, first, last) == Approx(best));
    }
}

TEST_CASE("a heavy head takes layers off the last stage, and the step is shorter", "[sim][balance]") {
    // Method: against equal shares of the same plan, in the simulation.
    Cluster cluster = cluster_of(1);
    cluster.device = test::a100();
    TrainingRun run = heavy_headed(8, 32);
    const auto equal = run_training(cluster, run, Fidelity::fluid, {});
    REQUIRE(equal.ok());
    run.spec.parallelism.balance = true;
    const auto layers = balanced_stage_layers(cluster, run);
    REQUIRE(layers.ok());
    CHECK(layers->back() < 3);
    const auto balanced = run_training(cluster, run, Fidelity::fluid, {});
    REQUIRE(balanced.ok());
    CHECK(balanced->outcome.step < equal->outcome.step * 0.9);
    CHECK(balanced->notes.back().find("balanced by their time") != std::string::npos);
}

TEST_CASE("a plan that cannot be built is not balanced either", "[sim][balance]") {
    // Method: the plan's own problems come out.
    Cluster cluster = cluster_of(1);
    cluster.device = test::a100();
    TrainingRun run = heavy_headed(8, 32);
    run.spec.parallelism.balance = true;
    run.spec.parallelism.tensor = 3;
    const auto answer = run_training(cluster, run, Fidelity::estimate, {});
    REQUIRE_FALSE(answer.ok());
    CHECK(answer.problems().front().place == "/workload/parallelism/tensor");
}

TEST_CASE("hybrid sharding gathers inside a copy and sums shards across copies", "[sim][price]") {
    // Method: by hand: 32 replicas in copies of 8: reduce-scatter of the whole gradient over 8 neighbours, all-reduce of
    // an eighth of it over 4 ranks that lie on four nodes.
    Cluster cluster = cluster_of(4);
    cluster.device = test::a100();
    TrainingRun run = heavy_headed(1, 32);
    run.spec.parallelism.data = 32;
    run.spec.parallelism.fsdp = true;
    run.spec.parallelism.shard = 8;
    const auto graph = training_graph(run);
    REQUIRE(graph.ok());
    const StepProgram program = price_step(cluster, *graph, run.spec, {});
    double scattered = 0.0;
    double summed = 0.0;
    for (const Exchange& exchange : program.exchanges) {
        if (exchange.collective.kind == CollectiveKind::reduce_scatter) {
            CHECK(exchange.axis == Axis::shard);
            scattered += exchange.collective.size.si();
        }
        if (exchange.collective.kind == CollectiveKind::all_reduce) {
            CHECK(exchange.axis == Axis::shard_peers);
            summed += exchange.collective.size.si();
        }
    }
    CHECK(scattered > 0.0);
    CHECK(summed == Approx(scattered / 8.0));
    CHECK(group_of(run.spec.parallelism, Axis::shard, 9) == std::vector<RankId>{8, 9, 10, 11, 12, 13, 14, 15});
    CHECK(group_of(run.spec.parallelism, Axis::shard_peers, 9) == std::vector<RankId>{1, 9, 17, 25});
    const StepOutcome folded = played(cluster, program, Detail::folded);
    const StepOutcome full = played(cluster, program, Detail::full);
    CHECK(folded.step / full.step == Approx(1.0).epsilon(1e-9));
    CHECK(estimate(program).step / full.step == Approx(1.0).epsilon(0.03));
}
