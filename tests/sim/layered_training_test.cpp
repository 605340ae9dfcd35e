// A network of layers trained like any other model: estimate and play agree, folded and full too, memory and limits hold.
#include "sim/training.hpp"
#include "tests/sim/step_examples.hpp"

#include <catch2/catch.hpp>

using namespace orrery;

namespace {

Cluster layered_cluster(int nodes) {
    Cluster cluster = examples::cluster_of(nodes);
    Device& device = cluster.device;
    device.name = "test";
    device.year = 2020;
    device.matrix_peak[DataType::fp16] = FlopPerSecond::from_si(312e12);
    device.vector_peak = FlopPerSecond::from_si(19.5e12);
    device.memory_bandwidth = BytesPerSecond::from_si(2.0e12);
    device.memory_capacity = 80.0_GB;
    device.cache = 40.0_MB;
    device.cores = 108;
    device.scale_up_domain = 8;
    return cluster;
}

TrainingRun layered_run(int devices) {
    TrainingRun run;
    run.family = ResNet{};
    run.spec.precision = DataType::fp16;
    run.spec.micro_batch = 64;
    run.spec.global_batch = 64 * devices;
    run.spec.parallelism.data = devices;
    run.framework.reduces_by_all_reduce = true;
    run.framework.gradient_bucket_parameters = 6.5e6;
    return run;
}

Seconds step_of(const Cluster& cluster, const TrainingRun& run, Fidelity fidelity, const SimulateOptions& options = {}) {
    const auto answer = run_training(cluster, run, fidelity, options);
    REQUIRE(answer);
    return answer->outcome.step;
}

}  // namespace

TEST_CASE("a layered model's estimate and its play agree on an idle fabric", "[sim][layered]") {
    // Method: two ways through the same prices; the fabric's links are shared by nobody else.
    const Cluster cluster = layered_cluster(2);
    const TrainingRun run = layered_run(16);
    CHECK(step_of(cluster, run, Fidelity::fluid) / step_of(cluster, run, Fidelity::estimate) == Approx(1.0).epsilon(0.02));
}

TEST_CASE("every rank of a layered training plays to the step of the folded one", "[sim][layered]") {
    // Method: symmetry is exact.
    const Cluster cluster = layered_cluster(2);
    SimulateOptions full;
    full.detail = Detail::full;
    CHECK(step_of(cluster, layered_run(16), Fidelity::fluid, full) == step_of(cluster, layered_run(16), Fidelity::fluid));
}

TEST_CASE("more replicas of a layered model add a reduction and nothing else", "[sim][layered]") {
    // Method: weak scaling loses no more than the reduction of 25.6e6 gradients in 4 bytes at a tenth of the links' rate.
    const Seconds one = step_of(layered_cluster(1), layered_run(8), Fidelity::estimate);
    const Seconds many = step_of(layered_cluster(8), layered_run(64), Fidelity::estimate);
    CHECK(many >= one);
    CHECK(many - one < Bytes::from_si(2.0 * 4.0 * 25.6e6) / 5.0_GBps);
}

TEST_CASE("an answer about images counts images", "[sim][layered]") {
    // Method: by hand.
    const TrainingRun run = layered_run(8);
    const auto answer = run_training(layered_cluster(1), run, Fidelity::estimate, {});
    REQUIRE(answer);
    CHECK(answer->sample == "images");
    CHECK_FALSE(answer->has_tokens);
    CHECK(answer->tokens_per_s == Approx(512.0 / (answer->outcome.step / 1.0_s)));
    CHECK(answer->parameters == Approx(25557032));
    CHECK(answer->memory.activations > 2.0_GB);  // 11.1e6 values leave the convolutions of an image, kept about twice
    CHECK(answer->memory.activations < 6.0_GB);
}
