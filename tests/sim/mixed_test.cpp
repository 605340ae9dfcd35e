// One training on nodes of several types: stages priced by their own devices, messages by the slower side.
#include "sim/balance.hpp"
#include "sim/mixed.hpp"
#include "tests/architectures.hpp"
#include "tests/sim/mixed_clusters.hpp"

#include <algorithm>

using namespace orrery;
using namespace orrery::examples;

namespace {

/// `device` with everything `times` slower, but as much memory.
Device slower(Device device, double times) {
    for (const auto& type : EnumTable<DataType>::names) device.matrix_peak[type.value] *= 1.0 / times;
    device.vector_peak *= 1.0 / times;
    device.memory_bandwidth *= 1.0 / times;
    return device;
}

TrainingRun gpt_run(int layers, const Parallelism& plan, int micro_batches) {
    TrainingRun run;
    run.architecture = test::gpt(layers, 4096, 32, 51200, 2048);
    run.spec.sequence = 2048;
    run.spec.micro_batch = 1;
    run.spec.parallelism = plan;
    run.spec.global_batch = plan.data * micro_batches;
    return run;
}

TrainingAnswer answer_of(const Cluster& cluster, const TrainingRun& run, Fidelity fidelity, Detail detail = Detail::folded) {
    SimulateOptions options;
    options.detail = detail;
    const auto answer = run_training(cluster, run, fidelity, options);
    INFO((answer.ok() ? std::string() : answer.problems().front().place + ": " + answer.problems().front().problem));
    REQUIRE(answer.ok());
    return *answer;
}

void check_equal(const TrainingAnswer& a, const TrainingAnswer& b) {
    CHECK(a.outcome.step == b.outcome.step);
    CHECK(a.outcome.breakdown == b.outcome.breakdown);
    CHECK(a.outcome.critical_rank == b.outcome.critical_rank);
    CHECK(a.outcome.statistics.classes == b.outcome.statistics.classes);
    CHECK(a.memory == b.memory);
    CHECK(a.mfu == b.mfu);
    CHECK(a.power_average.si() == Approx(b.power_average.si()).epsilon(1e-12));
}

}  // namespace

TEST_CASE("two groups of the same nodes answer as one group of both, to the last digit", "[sim][mixed]") {
    // Method: the homogeneous machine is the oracle; schedules, sharding and networks of several kinds, closed form and both details.
    for (const auto schedule : {PipelineSchedule::one_f_one_b, PipelineSchedule::interleaved, PipelineSchedule::zb_h1, PipelineSchedule::zb_v}) {
        FabricSpec plain;
        FabricSpec oversubscribed;
        oversubscribed.topology = "fat-tree";
        oversubscribed.oversubscription = 2.0;
        oversubscribed.switch_ports = 32;
        FabricSpec hashed = oversubscribed;
        hashed.routing = Routing::ecmp;
        for (const FabricSpec& spec : {plain, oversubscribed, hashed}) {
            const Cluster one = alike_cluster({test::h100(), 4}, 4, spec);
            const Cluster two = mixed_cluster({{test::h100(), 2}, {test::h100(), 2}}, spec);
            Parallelism plan = grid(4, 1, 4, 2);
            plan.schedule = schedule;
            plan.virtual_stages = schedule == PipelineSchedule::interleaved ? 2 : 1;
            plan.zero = 1;
            TrainingRun run = gpt_run(16, plan, 8);
            run.spec.parallelism.stage_layers.assign(static_cast<std::size_t>(plan.model_stages()), 16 / plan.model_stages());
            check_equal(answer_of(two, run, Fidelity::estimate), answer_of(one, run, Fidelity::estimate));
            check_equal(answer_of(two, run, Fidelity::fluid), answer_of(one, run, Fidelity::fluid));
            check_equal(answer_of(two, run, Fidelity::fluid, Detail::full), answer_of(one, run, Fidelity::fluid, Detail::full));
        }
    }
}

TEST_CASE("equal groups balance layers as one group does", "[sim][mixed]") {
    // Method: the homogeneous machine asked to balance is the oracle.
    const Cluster one = alike_cluster({test::a100(), 4}, 4);
    const Cluster two = mixed_cluster({{test::a100(), 2}, {test::a100(), 2}});
    TrainingRun run = gpt_run(24, grid(8, 1, 4, 1), 8);
    TrainingRun asked = run;
    asked.spec.parallelism.balance = true;
    const auto balanced = balanced_stage_layers(one, asked);
    REQUIRE(balanced.ok());
    CHECK(*balanced_stage_layers(two, run) == *balanced);
}

TEST_CASE("a group of slower devices gets fewer layers, and the pipeline is as fast as its closed form", "[sim][mixed]") {
    // Method: devices three times slower in everything, no exchange inside a layer, an embedding and a head of nearly no time. Of
    // all ways to cut 16 layers in two, the best makes the slower stage's time least, and the step is (m - 1) of these and one of
    // each stage (Narayanan et al., arXiv 2104.04473, section 2.2); times of a layer come from machines of one type.
    constexpr int micro_batches = 128;
    const NodesOf fast{test::h100(), 1, 50000.0_GBps};
    const NodesOf slow{slower(test::h100(), 3.0), 1, 50000.0_GBps};
    const Cluster mixed = mixed_cluster({fast, slow});
    TrainingRun run = gpt_run(16, grid(1, 1, 2, 8), micro_batches);
    run.architecture.vocabulary = 128;
    const auto layers = balanced_stage_layers(mixed, run);
    REQUIRE(layers.ok());
    const TrainingAnswer balanced = answer_of(mixed, run, Fidelity::fluid);
    run.spec.parallelism.stage_layers = {8, 8};
    const auto graph = training_graph(run);
    REQUIRE(graph.ok());
    const auto layer_on = [&](const NodesOf& type) {
        const auto times = layer_times(alike_cluster(type, 2), *graph, run.spec, run.framework);
        return *std::max_element(times.begin(), times.end());
    };
    const Seconds of_fast = layer_on(fast);
    const Seconds of_slow = layer_on(slow);
    CHECK(of_slow > of_fast * 2.5);
    const auto longest = [&](int on_fast) { return std::max(of_fast * on_fast, of_slow * (16 - on_fast)); };
    int best = 0;
    for (int n = 1; n <= 16; ++n) best = longest(n) < longest(best) ? n : best;
    CHECK(layers->front() == best);
    const Seconds closed = longest(best) * (micro_batches - 1) + of_fast * best + of_slow * (16 - best);
    CHECK(balanced.outcome.step / closed == Approx(1.0).epsilon(0.03));
    CHECK(answer_of(mixed, run, Fidelity::fluid).outcome.step > balanced.outcome.step * 1.5);
}

TEST_CASE("estimate and play of a mixed pipeline agree", "[sim][mixed]") {
    // Method: a dozen plans of H100 and A100 nodes, both orders; where stages are balanced the closed form holds within 5 %.
    for (const bool h100_first : {true, false}) {
        const NodesOf h100{test::h100(), 2, 50.0_GBps};
        const NodesOf a100{test::a100(), 2, 25.0_GBps};
        const Cluster cluster = h100_first ? mixed_cluster({h100, a100}) : mixed_cluster({a100, h100});
        for (const int tensor : {4, 8}) {
            for (const int virtual_stages : {1, 2, 4}) {
                Parallelism plan = grid(tensor, 1, 4, 8 / tensor);
                plan.virtual_stages = virtual_stages;
                plan.schedule = virtual_stages > 1 ? PipelineSchedule::interleaved : PipelineSchedule::one_f_one_b;
                const TrainingRun run = gpt_run(48, plan, 32);
                const TrainingAnswer estimated = answer_of(cluster, run, Fidelity::estimate);
                const TrainingAnswer played = answer_of(cluster, run, Fidelity::fluid);
                CHECK(estimated.outcome.step / played.outcome.step == Approx(1.0).epsilon(0.05));
                const TrainingAnswer full = answer_of(cluster, run, Fidelity::fluid, Detail::full);
                CHECK(full.outcome.step == played.outcome.step);
            }
        }
    }
}

TEST_CASE("work and power of a mixed machine are those of its groups together", "[sim][mixed]") {
    // Method: layers, devices and watts of the groups add up to the whole.
    const Cluster cluster = mixed_cluster({{test::h100(), 2, 50.0_GBps}, {test::a100(), 2, 25.0_GBps}});
    const TrainingRun run = gpt_run(24, grid(8, 1, 4, 1), 16);
    const TrainingAnswer answer = answer_of(cluster, run, Fidelity::fluid);
    REQUIRE(answer.groups.size() == 2);
    CHECK(answer.groups[0].layers + answer.groups[1].layers == 24);
    CHECK(answer.groups[0].layers > answer.groups[1].layers);
    CHECK(answer.groups[0].devices + answer.groups[1].devices == answer.devices);
    CHECK(answer.groups[1].first_stage == 2);
    CHECK((answer.groups[0].power_average + answer.groups[1].power_average).si() == Approx(answer.power_average.si()).epsilon(1e-9));
    const double peak = test::h100().peak(DataType::bf16).si() * 16 + test::a100().peak(DataType::bf16).si() * 16;
    CHECK(answer.mfu == Approx(answer.model_flop.si() / answer.outcome.step.si() / peak));
}

TEST_CASE("a group with less memory holds no more layers than fit", "[sim][mixed]") {
    // Method: the same device with a tenth of the memory; layers move to the other group although both are as fast.
    Device small = test::a100();
    TrainingRun run = gpt_run(24, grid(8, 1, 2, 1), 8);
    run.spec.parallelism.stage_layers = {12, 12};
    const Cluster equal = mixed_cluster({{test::a100(), 1}, {small, 1}});
    const TrainingAnswer even = answer_of(equal, run, Fidelity::estimate);
    small.memory_capacity = even.groups[1].memory.total() * 0.9;
    const Cluster mixed = mixed_cluster({{test::a100(), 1}, {small, 1}});
    const TrainingAnswer refused = answer_of(mixed, run, Fidelity::estimate);
    CHECK_FALSE(refused.fits);
    CHECK_FALSE(refused.groups[1].fits);
    CHECK(refused.groups[0].fits);
    CHECK(refused.memory.total() > refused.memory_capacity);
    run.spec.parallelism.stage_layers.clear();
    const TrainingAnswer shared = answer_of(mixed, run, Fidelity::estimate);
    CHECK(shared.fits);
    CHECK(shared.groups[1].layers < 12);
}

TEST_CASE("stages that would lie on two types of nodes are refused with the numbers", "[sim][mixed]") {
    // Method: degrees whose stages do not end where the first type does; an order that spreads stages; mirrored stages.
    const Cluster cluster = mixed_cluster({{test::h100(), 1}, {test::a100(), 3}});
    TrainingRun run = gpt_run(24, grid(8, 1, 2, 2), 8);
    const auto straddling = run_training(cluster, run, Fidelity::estimate, {});
    REQUIRE_FALSE(straddling.ok());
    CHECK(straddling.problems().front().place == "/workload/parallelism");
    CHECK(straddling.problems().front().problem.find("16 devices on a stage, and stage 0 (devices 0 to 15) would lie on h100-sxm-node (devices 0 to 7)") !=
          std::string::npos);
    run = gpt_run(24, grid(8, 1, 4, 1), 8);
    CHECK(run_training(cluster, run, Fidelity::estimate, {}).ok());
    run.spec.parallelism = grid(4, 1, 4, 2);
    run.spec.parallelism.order = {RankAxis::tensor, RankAxis::context, RankAxis::expert, RankAxis::pipeline, RankAxis::data};
    const auto spread = run_training(cluster, run, Fidelity::estimate, {});
    REQUIRE_FALSE(spread.ok());
    CHECK(spread.problems().front().place == "/workload/parallelism/order");
    run.spec.parallelism = grid(8, 1, 4, 1);
    run.spec.parallelism.schedule = PipelineSchedule::dualpipe;
    const auto mirrored = run_training(cluster, run, Fidelity::estimate, {});
    REQUIRE_FALSE(mirrored.ok());
    CHECK(mirrored.problems().front().place == "/workload/parallelism/schedule");
    CHECK(mirrored.problems().front().problem.find("keeps stage 0 once more on stage 3") != std::string::npos);
}

TEST_CASE("messages between groups take as long as on the slower ports", "[sim][mixed]") {
    // Method: ports of a tenth of the rate on the second group: the boundary between costs what one inside the slow group does, and
    // one inside the fast group less.
    const Cluster cluster = mixed_cluster({{test::h100(), 2, 50.0_GBps}, {test::h100(), 2, 5.0_GBps}});
    TrainingRun run = gpt_run(24, grid(8, 1, 4, 1), 8);
    run.spec.parallelism.stage_layers = {6, 6, 6, 6};
    const auto graph = training_graph(run);
    REQUIRE(graph.ok());
    const StepProgram program = price_step(cluster, *graph, run.spec, run.framework);
    REQUIRE(program.messages.size() == 4);
    CHECK(program.messages[1].idle == program.messages[2].idle);
    CHECK(program.messages[0].idle < program.messages[1].idle * 0.5);
    CHECK(program.messages[3].idle == program.messages[1].idle);
    CHECK(program.boundary_idle == program.messages[1].idle);
}
