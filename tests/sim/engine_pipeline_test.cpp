// Pipelines played against their closed forms.
#include "tests/sim/step_examples.hpp"

#include <algorithm>

using namespace orrery;
using namespace orrery::examples;

namespace {

}  // namespace

TEST_CASE("a GPipe or 1F1B step without messages takes (m + p - 1)(f + b)", "[sim][pipeline]") {
    // Method: closed form of Huang et al., arXiv 1811.06965, and Narayanan et al., arXiv 2104.04473, section 2.2.
    for (const PipelineSchedule schedule : {PipelineSchedule::gpipe, PipelineSchedule::one_f_one_b}) {
        for (const int micro_batches : {1, 4, 12}) {
            Pipeline pipeline;
            pipeline.parallelism = grid(1, 1, 4, 2);
            pipeline.parallelism.schedule = schedule;
            pipeline.micro_batches = micro_batches;
            for (const Detail detail : {Detail::folded, Detail::full}) {
                const StepOutcome outcome = played(cluster_of(1), program_of(pipeline), detail);
                CHECK(milliseconds(outcome.step) == Approx((micro_batches + 3) * 3.0).epsilon(1e-12));
                CHECK(milliseconds(part_of(outcome, TimePart::compute)) == Approx(micro_batches * 3.0));
                CHECK(milliseconds(part_of(outcome, TimePart::pipeline_bubble)) == Approx(9.0));
            }
        }
    }
}

TEST_CASE("an interleaved step has a bubble of (p - 1)/v of one micro-batch's time", "[sim][pipeline]") {
    // Method: Narayanan et al., arXiv 2104.04473, section 2.2: m v (f + b) + (p - 1)(f + b) with f, b per chunk.
    for (const int virtual_stages : {2, 4}) {
        Pipeline pipeline;
        pipeline.parallelism = grid(1, 1, 4, 1);
        pipeline.parallelism.schedule = PipelineSchedule::interleaved;
        pipeline.parallelism.virtual_stages = virtual_stages;
        pipeline.micro_batches = 8;
        const StepOutcome outcome = played(cluster_of(1), program_of(pipeline), Detail::full);
        CHECK(milliseconds(outcome.step) == Approx(8 * virtual_stages * 3.0 + 3 * 3.0).epsilon(1e-12));
    }
}

TEST_CASE("a GPipe step with messages pays them on the way there and back", "[sim][pipeline]") {
    // Method: with every send held to its end, a forward pass and its message are one longer pass for all but the last
    // stage, so forward fill ends at (m + p - 2)(f + c) + f; backward mirrors it.
    Pipeline pipeline;
    pipeline.parallelism = grid(8, 1, 4, 1);
    pipeline.parallelism.schedule = PipelineSchedule::gpipe;
    pipeline.micro_batches = 6;
    pipeline.boundary = 0.1_ms;
    const StepOutcome outcome = played(cluster_of(4), program_of(pipeline), Detail::full);
    CHECK(milliseconds(outcome.step) == Approx((6 + 4 - 2) * (1.1 + 2.1) + 3.0).epsilon(1e-9));
}

TEST_CASE("one slow device lengthens a 1F1B step by the passes that all must wait for", "[sim][pipeline]") {
    // Method: the last stage never waits once it has begun. With a rank of it k times as slow, the step is m k (f + b)
    // of that rank plus the fill and drain of the stages before, (p - 1)(f + b).
    Pipeline pipeline;
    pipeline.parallelism = grid(2, 1, 4, 2);
    pipeline.micro_batches = 16;
    Cluster cluster = cluster_of(2);
    cluster.faults.slow_devices = {{13, 1.5}};
    for (const Detail detail : {Detail::folded, Detail::full}) {
        const StepOutcome outcome = played(cluster, program_of(pipeline), detail);
        CHECK(milliseconds(outcome.step) == Approx(16 * 1.5 * 3.0 + 3 * 3.0).epsilon(1e-9));
        CHECK(outcome.critical_rank == 1);  // the first stage of the slow rank's column ends last
    }
}

TEST_CASE("each rank's time adds up to the step", "[sim][pipeline]") {
    // Method: conservation; the parts of every stage's representative against the step. Tensor groups fill a node each,
    // so that no message crosses their links and half of each of 5 exchanges shows.
    Pipeline pipeline;
    pipeline.parallelism = grid(8, 1, 4, 1);
    pipeline.micro_batches = 5;
    pipeline.boundary = 0.3_ms;
    pipeline.exchanges = {{{CollectiveKind::all_reduce, 10.0_MB}, Axis::tensor, 0.5, TimePart::tensor_comm, 0.2_ms}};
    pipeline.in_forward = {meet(Op::exchange, 0)};
    const StepOutcome outcome = played(cluster_of(4), program_of(pipeline), Detail::full);
    REQUIRE(outcome.by_stage.size() == 4);
    for (const Breakdown& stage : outcome.by_stage) {
        Seconds sum{};
        for (const Seconds part : stage) sum += part;
        CHECK(sum / outcome.step == Approx(1.0).epsilon(1e-12));
        CHECK(milliseconds(stage[static_cast<std::size_t>(TimePart::tensor_comm)]) == Approx(5 * 0.1));
    }
}

TEST_CASE("a step that cannot end is a problem that names who waits for what", "[sim][pipeline]") {
    // Method: the second stage's program lacks the forward pass of micro-batch 1, whose gradient the first waits for.
    Pipeline pipeline;
    pipeline.parallelism = grid(1, 1, 2, 1);
    pipeline.parallelism.schedule = PipelineSchedule::gpipe;
    pipeline.micro_batches = 2;
    StepProgram program = program_of(pipeline);
    auto& passes = program.stages[1].passes;
    passes.erase(
        std::remove_if(passes.begin(), passes.end(), [](const PassProgram& p) { return p.pass.micro_batch == 1; }),
        passes.end());
    const Result<StepOutcome> result = simulate(cluster_of(1), program, {});
    REQUIRE_FALSE(result.ok());
    CHECK(result.problems().front().problem ==
          "the step cannot end: rank 0 (stage 0) waits for the stage message of backward of micro-batch 1 through "
          "chunk 0");
}

TEST_CASE("a step that does not fit its cluster or names unknown devices is refused, all at once", "[sim][pipeline]") {
    // Method: one wrong value each.
    Pipeline pipeline;
    pipeline.parallelism = grid(8, 1, 2, 1);
    Cluster cluster = cluster_of(1);
    cluster.faults.slow_devices = {{16, 2.0}};
    cluster.faults.slow_links = {{-1, 0.5}};
    StepProgram program = program_of(pipeline);
    program.stages.pop_back();
    const Result<StepOutcome> result = simulate(cluster, program, {});
    REQUIRE_FALSE(result.ok());
    REQUIRE(result.problems().size() == 4);
    CHECK(result.problems()[0].problem == "needs 16 devices, the cluster has 8");
    CHECK(result.problems()[1].problem == "the program has 1 stages, the plan 2");
    CHECK(result.problems()[2].problem == "there is no device 16 in this job");
    CHECK(result.problems()[3].place == "/cluster/faults/slow_links/0/rank");
}

TEST_CASE("played and estimated steps agree where nothing is shared and no message travels", "[sim][pipeline]") {
    // Method: the closed form of estimate(), which never plays anything, to rounding of picoseconds.
    Pipeline pipeline;
    pipeline.parallelism = grid(8, 1, 4, 1);
    pipeline.micro_batches = 12;
    pipeline.exchanges = {{{CollectiveKind::all_gather, 50.0_MB}, Axis::tensor, 0.37, TimePart::tensor_comm, 0.3_ms}};
    pipeline.in_forward = {meet(Op::exchange, 0), compute(0.1_ms)};
    pipeline.in_backward = {meet(Op::exchange, 0), compute(0.2_ms), meet(Op::exchange, 0)};
    const StepProgram program = program_of(pipeline);
    const StepOutcome estimated = estimate(program);
    const StepOutcome outcome = played(cluster_of(4), program, Detail::folded);
    CHECK(outcome.step / estimated.step == Approx(1.0).epsilon(1e-9));
    for (std::size_t part = 0; part < time_part_count; ++part) {
        CHECK(milliseconds(outcome.breakdown[part]) == Approx(milliseconds(estimated.breakdown[part])).margin(1e-6));
    }
}
