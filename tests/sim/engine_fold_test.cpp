// Folding: how many classes symmetry leaves, and that folded and full detail tell the same story.
#include "sim/fold.hpp"
#include "tests/sim/step_examples.hpp"

using namespace orrery;
using namespace orrery::examples;

namespace {

/// Tensor exchanges in both directions; a data exchange begun in the last backward pass and waited for at the end.
StepProgram overlapped(const Parallelism& parallelism, int micro_batches, bool exchanges_data) {
    Pipeline pipeline;
    pipeline.parallelism = parallelism;
    pipeline.micro_batches = micro_batches;
    pipeline.boundary = 0.4_ms;
    pipeline.exchanges = {
        {{CollectiveKind::all_gather, 50.0_MB}, Axis::tensor, 0.5, TimePart::tensor_comm, 0.3_ms},
        {{CollectiveKind::reduce_scatter, 50.0_MB}, Axis::tensor, 0.5, TimePart::tensor_comm, 0.31_ms},
        {{CollectiveKind::all_reduce, 400.0_MB}, Axis::data, 1.0, TimePart::data_comm, 9.0_ms},
        {{CollectiveKind::all_gather, 100.0_MB}, Axis::data, 0.4, TimePart::data_comm, 3.0_ms}};
    pipeline.in_forward = {meet(Op::exchange, 0), compute(0.5_ms), meet(Op::exchange, 1)};
    pipeline.in_backward = {meet(Op::exchange, 1), compute(0.7_ms), meet(Op::exchange, 0)};
    StepProgram program = program_of(pipeline);
    if (!exchanges_data) return program;
    program.contention = 0.2;
    Block last = program.blocks[1];
    last.code.insert(last.code.begin(), meet(Op::start, 2, TimePart::data_comm));
    program.blocks.push_back(last);
    program.blocks.push_back({"gather", {meet(Op::exchange, 3, TimePart::data_comm)}});
    program.blocks.push_back({"end", {meet(Op::wait, 2, TimePart::data_comm), compute(1.0_ms, TimePart::optimizer)}});
    for (StageProgram& stage : program.stages) {
        stage.prologue = 3;
        stage.epilogue = 4;
        for (PassProgram& pass : stage.passes) {
            if (pass.pass.backward && pass.pass.micro_batch == micro_batches - 1 && pass.pass.chunk == 0)
                pass.block = 2;
        }
    }
    return program;
}

std::size_t classes_of(const Cluster& cluster, const StepProgram& program) {
    const GroupTable groups = group_ranks(program);
    return fold(cluster, program, groups, plan_traffic(cluster, program, groups)).ranks.count();
}

void check_folded_equals_full(const Cluster& cluster, const StepProgram& program) {
    const StepOutcome folded = played(cluster, program, Detail::folded);
    const StepOutcome full = played(cluster, program, Detail::full);
    CHECK(folded.statistics.classes <= full.statistics.classes);
    CHECK(folded.step / full.step == Approx(1.0).epsilon(1e-9));
    CHECK(folded.critical_rank == full.critical_rank);
    for (std::size_t part = 0; part < time_part_count; ++part) {
        CHECK(folded.breakdown[part] / full.step == Approx(full.breakdown[part] / full.step).margin(1e-9));
    }
}

}  // namespace

TEST_CASE("without faults one rank of each stage stands for all", "[sim][fold]") {
    // Method: the grid's symmetry moves any rank of a stage onto any other.
    CHECK(classes_of(cluster_of(8), overlapped(grid(2, 1, 4, 8), 4, true)) == 4);
    CHECK(classes_of(cluster_of(64), overlapped(grid(8, 2, 4, 8), 8, true)) == 4);
}

TEST_CASE("one slow rank splits its groups off and nothing else", "[sim][fold]") {
    // Method: orbits of the grid's symmetries that keep the slow rank's column: with tensor and data groups those of
    // (same, other) tensor place times (same, other) data place, in each of 4 stages; without data groups the replicas
    // other than the slow one's are all alike.
    Cluster cluster = cluster_of(4);
    cluster.faults.slow_devices = {{9, 1.3}};
    CHECK(classes_of(cluster, overlapped(grid(2, 1, 4, 4), 4, true)) == 16);
    CHECK(classes_of(cluster, overlapped(grid(2, 1, 4, 4), 4, false)) == 12);
}

TEST_CASE("jitter leaves every rank its own class", "[sim][fold]") {
    // Method: count.
    Cluster cluster = cluster_of(4);
    cluster.faults.jitter = 0.01;
    CHECK(classes_of(cluster, overlapped(grid(2, 1, 4, 4), 4, true)) == 32);
}

TEST_CASE("folded and full detail agree where symmetry is exact", "[sim][fold]") {
    // Method: the full play is the oracle; messages and data exchanges share ports, trunks are oversubscribed.
    for (const bool exchanges_data : {false, true}) {
        const StepProgram program = overlapped(grid(2, 1, 4, 4), 6, exchanges_data);
        check_folded_equals_full(cluster_of(4), program);
        check_folded_equals_full(cluster_of(4, "fat-tree", 4.0), program);
        Cluster slow_device = cluster_of(4);
        slow_device.faults.slow_devices = {{9, 1.3}};
        check_folded_equals_full(slow_device, program);
        Cluster slow_link = cluster_of(4);
        slow_link.faults.slow_links = {{17, 0.3}};
        check_folded_equals_full(slow_link, program);
    }
    Parallelism interleaved = grid(8, 1, 4, 4);
    interleaved.schedule = PipelineSchedule::interleaved;
    interleaved.virtual_stages = 3;
    check_folded_equals_full(cluster_of(16), overlapped(interleaved, 8, true));
    check_folded_equals_full(cluster_of(16, "fat-tree", 8.0), overlapped(interleaved, 8, true));
    check_folded_equals_full(cluster_of(8), overlapped(grid(16, 1, 2, 2), 4, true));
}

TEST_CASE("groups that do not fill their nodes evenly still fold right", "[sim][fold]") {
    // Method: the full play as oracle, for tensor groups of 6 of which some lie across two nodes of 8.
    check_folded_equals_full(cluster_of(6), overlapped(grid(6, 1, 2, 4), 5, true));
}

TEST_CASE("jitter is seeded, and costs time where ranks wait for each other", "[sim][fold]") {
    // Method: same seed, same answer; the slowest of many is slower than their mean (Jensen), which is that of no
    // jitter.
    Cluster cluster = cluster_of(4);
    const StepProgram program = overlapped(grid(2, 1, 4, 4), 8, true);
    const Seconds calm = played(cluster, program, Detail::full).step;
    cluster.faults.jitter = 0.05;
    SimulateOptions options;
    const Seconds once = simulate(cluster, program, options).value().step;
    CHECK(once == simulate(cluster, program, options).value().step);
    options.seed = 2;
    CHECK(once != simulate(cluster, program, options).value().step);
    CHECK(once > calm);
}
