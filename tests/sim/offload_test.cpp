// States and activations in the host's memory: against the published figures of ZeRO-Offload and ZeRO-Infinity.
#include "sim/price_offload.hpp"
#include "sim/training.hpp"
#include "tests/hardware/devices.hpp"
#include "tests/sim/step_examples.hpp"
#include "tests/architectures.hpp"

using namespace orrery;
using namespace orrery::examples;

namespace {

/// DGX-2 as the papers used it: 1.5 TB of DDR4-2666 in twelve channels, PCIe 3.0 x16, four devices to a link.
Node dgx2_host() {
    Node node;
    node.title = "DGX-2";
    node.devices = 16;
    node.scale_up_domain = 16;
    node.nics = 8;
    node.nic_bandwidth = 12.5_GBps;
    node.nic_kind = "infiniband";
    node.host_memory = Bytes::from_si(1.5e12);
    node.host_memory_bandwidth = 256.0_GBps;
    node.host_link_bandwidth = 15.75_GBps;
    node.devices_per_host_link = 4;
    node.local_storage = Bytes::from_si(30e12);
    node.local_storage_bandwidth = 25.6_GBps;
    return node;
}

/// NVIDIA V100 SXM 32 GB datasheet.
Device v100_32() {
    Device d = test::a100();
    d.name = "v100";
    d.matrix_peak[DataType::fp16] = 125.0_TFLOPps;
    d.memory_capacity = 32.0_GB;
    d.memory_bandwidth = 900.0_GBps;
    return d;
}

Cluster dgx2_with(int devices) {
    Cluster cluster;
    cluster.device = v100_32();
    cluster.node = dgx2_host();
    cluster.node.devices = devices;
    cluster.node.scale_up_domain = devices;
    FabricSpec spec;
    spec.topology = "rail-optimized";
    Result<Fabric> fabric = build_fabric(spec, cluster.node, 1, 150.0_GBps, nullptr);
    REQUIRE(fabric.ok());
    cluster.fabric = *fabric;
    return cluster;
}

/// GPT-2 stacks of ZeRO-Offload's table 3: 4096 wide, 50 layers for 10 B parameters, 65 for 13 B.
TrainingRun offloaded_gpt(int layers, int devices, int micro_batch, int micro_batches) {
    TrainingRun run;
    run.architecture = test::gpt(layers, 4096, 32, 50304, 1024);
    TrainingSpec& s = run.spec;
    s.sequence = 1024;
    s.micro_batch = micro_batch;
    s.global_batch = micro_batch * micro_batches * devices;
    s.precision = DataType::fp16;
    s.optimizer = Optimizer::adam;
    s.recompute = Recompute::full;
    s.parallelism.data = devices;
    s.parallelism.zero = 2;
    s.offload.optimizer = OffloadTarget::host;
    return run;
}

TrainingAnswer answered(const Cluster& cluster, const TrainingRun& run, Fidelity fidelity = Fidelity::estimate) {
    const auto answer = run_training(cluster, run, fidelity, {});
    if (!answer.ok()) FAIL(answer.problems().front().place << ": " << answer.problems().front().problem);
    return *answer;
}

}  // namespace

TEST_CASE("Adam on a DGX-2's host takes the published times", "[sim][offload]") {
    // Method: Ren et al., arXiv 2101.06840, table 4, CPU-Adam: 0.22 s for 1 B parameters, 2.57 s for 10 B.
    const Node node = dgx2_host();
    CHECK(host_adam_time(node, 1, 1e9) / 1.0_s == Approx(0.22).epsilon(0.15));
    CHECK(host_adam_time(node, 1, 10e9) / 1.0_s == Approx(2.57).epsilon(0.15));
    CHECK(host_adam_time(node, 16, 1e9) / host_adam_time(node, 1, 16e9) == Approx(1.0));  // one host for all
}

TEST_CASE("devices behind one switch share its link to the host", "[sim][offload]") {
    // Method: Rajbhandari et al., arXiv 2104.07857: 12 GB/s for one device of a DGX-2, 3 GB/s for each of sixteen; its
    // drives give each 1.6 GB/s.
    const Node node = dgx2_host();
    CHECK(host_copy_rate(node, 1) / 1.0_GBps == Approx(12.0).epsilon(0.01));
    CHECK(host_copy_rate(node, 16) / 1.0_GBps == Approx(3.0).epsilon(0.01));
    CHECK(drive_rate(node, 16) / 1.0_GBps == Approx(1.6));
}

TEST_CASE("13 billion parameters train on one V100 of 32 GB with their states on the host, and not without",
          "[sim][offload]") {
    // Method: abstract of Ren et al., arXiv 2101.06840: more than 13 B on one device. By hand: 2 bytes a parameter stay,
    // 16 go (fp32 gradients, master, two moments).
    TrainingRun run = offloaded_gpt(65, 1, 1, 8);
    const TrainingAnswer away = answered(dgx2_with(1), run);
    CHECK(away.fits);
    CHECK(away.memory.weights / Bytes::from_si(2.0 * away.parameters) == Approx(1.0).epsilon(0.01));
    CHECK(away.host_memory / Bytes::from_si(16.0 * away.parameters) == Approx(1.0).epsilon(0.01));
    run.spec.offload = {};
    CHECK_FALSE(answered(dgx2_with(1), run).fits);
}

TEST_CASE("at a large batch the host's Adam is all that 10 billion offloaded parameters cost", "[sim][offload]") {
    // Method: Ren et al., arXiv 2101.06840, table 4 (2.57 s for 10 B) and section 5: gradients leave behind backward and
    // parameters return behind the step, so compute is what it is without offload.
    TrainingRun run = offloaded_gpt(50, 1, 8, 64);
    const TrainingAnswer away = answered(dgx2_with(1), run);
    run.spec.offload = {};
    const TrainingAnswer stays = answered(dgx2_with(1), run);
    const Seconds adam = part_of(away.outcome, TimePart::optimizer);
    CHECK(adam / 1.0_s == Approx(2.57).epsilon(0.15));
    const Seconds own_adam = part_of(stays.outcome, TimePart::optimizer);
    CHECK((away.outcome.step - adam) / (stays.outcome.step - own_adam) == Approx(1.0).epsilon(0.01));
}

TEST_CASE("offloaded steps play as they are estimated", "[sim][offload]") {
    // Method: estimate and simulation within 3 %: host optimizer; parameters and states on drives; activations.
    std::vector<TrainingRun> runs(3, offloaded_gpt(16, 16, 4, 4));
    runs[1].spec.parallelism.zero = 3;
    runs[1].spec.offload.optimizer = OffloadTarget::nvme;
    runs[1].spec.offload.parameters = OffloadTarget::nvme;
    runs[2].spec.offload = {};
    runs[2].spec.offload.activation_layers = 8;
    runs[2].spec.recompute = Recompute::none;
    for (const TrainingRun& run : runs) {
        const TrainingAnswer estimated = answered(dgx2_with(16), run);
        const TrainingAnswer simulated = answered(dgx2_with(16), run, Fidelity::fluid);
        CHECK(simulated.outcome.step / estimated.outcome.step == Approx(1.0).epsilon(0.03));
    }
}

TEST_CASE("activations on the host free what they take, and cost what outlasts the passes", "[sim][offload]") {
    // Method: by hand. All but two layers' activations leave; with a link too fast to matter the step is unchanged, with
    // a slow one it is the copies: every byte out and back once a micro-batch.
    TrainingRun run = offloaded_gpt(16, 1, 4, 8);
    run.spec.offload = {};
    run.spec.recompute = Recompute::none;
    Cluster cluster = dgx2_with(1);
    const TrainingAnswer plain = answered(cluster, run);
    run.spec.offload.activation_layers = 16;
    cluster.node.host_link_bandwidth = BytesPerSecond::from_si(1e15);
    const TrainingAnswer fast = answered(cluster, run);
    CHECK(fast.outcome.step / plain.outcome.step == Approx(1.0));
    CHECK(fast.memory.activations < plain.memory.activations * 0.5);
    CHECK(fast.memory.host > plain.memory.activations * 0.5);
    cluster.node.host_link_bandwidth = 0.1_GBps;
    const TrainingAnswer slow = answered(cluster, run);
    const Seconds copies = 2.0 * 8.0 * (slow.memory.host / host_copy_rate(cluster.node, 1));
    CHECK(slow.outcome.step > copies);
    CHECK(slow.outcome.step / copies == Approx(1.0).epsilon(0.05));
}

TEST_CASE("states that do not fit the host or its drives do not fit", "[sim][offload]") {
    // Method: 16 ranks of replicated states (16 bytes a parameter each, ZeRO 0) against a small host.
    TrainingRun run = offloaded_gpt(16, 16, 4, 2);
    Cluster cluster = dgx2_with(16);
    CHECK(answered(cluster, run).host_memory < cluster.node.host_memory);
    cluster.node.host_memory = Bytes::from_si(20e9);
    CHECK_FALSE(answered(cluster, run).fits);
    run.spec.offload.optimizer = OffloadTarget::nvme;
    cluster.node.host_memory = Bytes::from_si(1e12);
    cluster.node.local_storage = Bytes::from_si(20e9);
    const TrainingAnswer answer = answered(cluster, run);
    CHECK(answer.drive_bytes > cluster.node.local_storage);
    CHECK_FALSE(answer.fits);
}

TEST_CASE("what offload needs and is not there is named", "[sim][offload]") {
    // Method: one mistake each.
    Cluster cluster = dgx2_with(1);
    const auto place_and_problem = [&](const TrainingRun& run) {
        const auto answer = run_training(cluster, run, Fidelity::estimate, {});
        REQUIRE_FALSE(answer.ok());
        return answer.problems().front().place + ": " + answer.problems().front().problem;
    };
    using Catch::Matchers::Contains;
    TrainingRun run = offloaded_gpt(16, 1, 4, 2);
    run.spec.offload.parameters = OffloadTarget::host;
    CHECK_THAT(place_and_problem(run), Contains("/workload/offload/parameters") && Contains("not sharded"));
    run = offloaded_gpt(16, 1, 4, 2);
    run.spec.optimizer = Optimizer::muon;
    CHECK_THAT(place_and_problem(run), Contains("/workload/offload/optimizer") && Contains("muon"));
    run = offloaded_gpt(16, 1, 4, 2);
    run.spec.offload.activation_layers = 17;
    CHECK_THAT(place_and_problem(run), Contains("/workload/offload/activation_layers") && Contains("16 layers"));
    run = offloaded_gpt(16, 1, 4, 2);
    cluster.node.host_memory_bandwidth = {};
    CHECK_THAT(place_and_problem(run), Contains("/workload/offload/optimizer") && Contains("rate of the host memory"));
    run.spec.offload.optimizer = OffloadTarget::nvme;
    cluster.node = dgx2_host();
    cluster.node.devices = 1;
    cluster.node.local_storage = {};
    CHECK_THAT(place_and_problem(run), Contains("the drives"));
    cluster.node.host_memory = {};
    CHECK_THAT(place_and_problem(run), Contains("host memory and its link"));
}
