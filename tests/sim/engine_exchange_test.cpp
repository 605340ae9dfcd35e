// Exchanges played: their price on idle links, beside compute, and on links that they share.
#include "sim/routed_prices.hpp"
#include "tests/sim/step_examples.hpp"

using namespace orrery;
using namespace orrery::examples;

namespace {

Exchange data_exchange(Seconds idle, Axis axis = Axis::data) {
    return {{CollectiveKind::all_reduce, 10.0_GB}, axis, 1.0, TimePart::data_comm, idle};
}

/// One stage whose only code is `code`, met once before its single pass of no work.
StepProgram straight(const Parallelism& parallelism, std::vector<Exchange> exchanges, std::vector<Instruction> code,
                     double contention = 0.0) {
    Pipeline pipeline;
    pipeline.parallelism = parallelism;
    pipeline.forward = pipeline.backward = Seconds{};
    pipeline.exchanges = std::move(exchanges);
    StepProgram program = program_of(pipeline);
    program.contention = contention;
    program.blocks.push_back({"straight", std::move(code)});
    program.stages[0].prologue = 2;
    return program;
}

}  // namespace

TEST_CASE("an exchange alone on its links holds up for its exposed share of its price", "[sim][exchange]") {
    // Method: price times share, to a picosecond, for groups inside a node and across nodes.
    for (const double exposed : {0.0, 0.25, 1.0}) {
        Exchange inside{{CollectiveKind::all_gather, 100.0_MB}, Axis::tensor, exposed, TimePart::tensor_comm, 3.0_ms};
        Exchange across = data_exchange(7.0_ms);
        across.exposed = exposed;
        const StepProgram program =
            straight(grid(8, 1, 1, 4), {inside, across},
                     {meet(Op::exchange, 0), compute(20.0_ms), meet(Op::exchange, 1, TimePart::data_comm)});
        for (const Detail detail : {Detail::folded, Detail::full}) {
            const StepOutcome outcome = played(cluster_of(4), program, detail);
            CHECK(milliseconds(part_of(outcome, TimePart::tensor_comm)) == Approx(3.0 * exposed).margin(1e-9));
            CHECK(milliseconds(part_of(outcome, TimePart::data_comm)) == Approx(7.0 * exposed).margin(1e-9));
            CHECK(milliseconds(outcome.step) == Approx(20.0 + 10.0 * exposed).epsilon(1e-12));
        }
    }
}

TEST_CASE("compute beside a started exchange is slowed by contention while it lasts", "[sim][exchange]") {
    // Method: in the 4 ms of the exchange 4 / 1.25 = 3.2 ms of work are done, the other 6.8 ms at full speed.
    const StepProgram program = straight(
        grid(1, 1, 1, 8), {data_exchange(4.0_ms)},
        {meet(Op::start, 0, TimePart::data_comm), compute(10.0_ms), meet(Op::wait, 0, TimePart::data_comm)}, 0.25);
    for (const Detail detail : {Detail::folded, Detail::full}) {
        const StepOutcome outcome = played(cluster_of(1), program, detail);
        CHECK(milliseconds(outcome.step) == Approx(10.8).epsilon(1e-12));
        CHECK(part_of(outcome, TimePart::data_comm) == Seconds{});
    }
}

TEST_CASE("a wait shows what compute did not hide", "[sim][exchange]") {
    // Method: 1 ms of compute at 1/1.25 takes 1.25 ms of the exchange's 4 ms; the rest is waited for.
    const StepProgram program = straight(
        grid(1, 1, 1, 8), {data_exchange(4.0_ms)},
        {meet(Op::start, 0, TimePart::data_comm), compute(1.0_ms), meet(Op::wait, 0, TimePart::data_comm)}, 0.25);
    const StepOutcome outcome = played(cluster_of(1), program, Detail::full);
    CHECK(milliseconds(outcome.step) == Approx(4.0).epsilon(1e-12));
    CHECK(milliseconds(part_of(outcome, TimePart::compute)) == Approx(1.25));
    CHECK(milliseconds(part_of(outcome, TimePart::data_comm)) == Approx(2.75));
}

TEST_CASE("exchanges of one communication stream run one after the other, and the step waits for all",
          "[sim][exchange]") {
    // Method: sums; the first wait ends at 4 ms, the blocking exchange behind the second started one at 4 + 3 + 2 ms,
    // the last started one is waited for by the end of the step, 5 ms later.
    const StepProgram program = straight(
        grid(1, 1, 1, 8), {data_exchange(4.0_ms), data_exchange(3.0_ms), data_exchange(2.0_ms), data_exchange(5.0_ms)},
        {meet(Op::start, 0, TimePart::data_comm), meet(Op::start, 1, TimePart::data_comm), compute(1.0_ms),
         meet(Op::wait, 0, TimePart::data_comm), compute(1.0_ms, TimePart::other),
         meet(Op::exchange, 2, TimePart::data_comm), meet(Op::start, 3, TimePart::data_comm)});
    for (const Detail detail : {Detail::folded, Detail::full}) {
        const StepOutcome outcome = played(cluster_of(1), program, detail);
        CHECK(milliseconds(outcome.step) == Approx(14.0).epsilon(1e-12));
        CHECK(milliseconds(part_of(outcome, TimePart::data_comm)) == Approx(3.0 + 4.0 + 5.0));
    }
}

TEST_CASE("two exchanges on the same ports share them fairly", "[sim][exchange][fluid]") {
    // Method: fluid closed form. Of 400 ms and 200 ms begun together, each alone, the short one ends when both have
    // moved 200 ms worth at half rate, at 400 ms; the long one's other half then has the port to itself: 600 ms.
    // Latencies are a few 1e-4 of it.
    const StepProgram program =
        straight(grid(8, 2, 1, 2), {data_exchange(400.0_ms), data_exchange(200.0_ms, Axis::context)},
                 {meet(Op::start, 0, TimePart::data_comm), meet(Op::exchange, 1, TimePart::context_comm),
                  compute(0.001_ms), meet(Op::wait, 0, TimePart::data_comm)});
    for (const Detail detail : {Detail::folded, Detail::full}) {
        const StepOutcome outcome = played(cluster_of(4), program, detail);
        CHECK(milliseconds(outcome.step) == Approx(600.0).epsilon(2e-3));
    }
}

TEST_CASE("what an exchange hides yields to the exchange that its own group waits for", "[sim][exchange][fluid]") {
    // Method: with ports shared between axes but only one in use, back-to-back half-exposed exchanges cost half their
    // price each, however much of the others is still to be moved.
    Exchange half = data_exchange(100.0_ms);
    half.exposed = 0.5;
    const StepProgram program = straight(
        grid(8, 2, 1, 2), {half, data_exchange(1.0_ms, Axis::context)},
        {meet(Op::exchange, 0, TimePart::data_comm), meet(Op::exchange, 0, TimePart::data_comm),
         meet(Op::exchange, 0, TimePart::data_comm), compute(500.0_ms), meet(Op::exchange, 1, TimePart::context_comm)});
    const StepOutcome outcome = played(cluster_of(4), program, Detail::full);
    CHECK(milliseconds(part_of(outcome, TimePart::data_comm)) == Approx(150.0 + 1.0).epsilon(1e-6));
}

TEST_CASE("a slow port stretches the exchanges that cross it and no others", "[sim][exchange]") {
    // Method: at half rate the bandwidth term doubles; latency is a few 1e-4 of it. Rank 3 shares its data group with
    // rank 11 only; all wait for that group in the next exchange of their tensor group.
    Cluster cluster = cluster_of(2);
    cluster.faults.slow_links = {{3, 0.5}};
    const Exchange tensor{{CollectiveKind::all_gather, 100.0_MB}, Axis::tensor, 1.0, TimePart::tensor_comm, 3.0_ms};
    const StepProgram alone =
        straight(grid(8, 1, 1, 2), {data_exchange(100.0_ms)}, {meet(Op::exchange, 0, TimePart::data_comm)});
    const StepProgram joint = straight(grid(8, 1, 1, 2), {data_exchange(100.0_ms), tensor},
                                       {meet(Op::exchange, 0, TimePart::data_comm), meet(Op::exchange, 1)});
    for (const Detail detail : {Detail::folded, Detail::full}) {
        CHECK(milliseconds(played(cluster, alone, detail).step) == Approx(200.0).epsilon(2e-3));
        const StepOutcome outcome = played(cluster, joint, detail);
        CHECK(milliseconds(outcome.step) == Approx(203.0).epsilon(2e-3));
        Seconds sum{};
        for (const Seconds part : outcome.breakdown) sum += part;
        CHECK(sum / outcome.step == Approx(1.0).epsilon(1e-12));
    }
}

TEST_CASE("the closed form knows slow ports and routes that meet, as the simulation does", "[sim][exchange][estimate]") {
    // Method: the simulation of the same step, on a slow port and on hashed routes; a cluster without either is left alone.
    const StepProgram alone = straight(grid(8, 1, 1, 2), {data_exchange(100.0_ms)}, {meet(Op::exchange, 0, TimePart::data_comm)});
    Cluster slow = cluster_of(2);
    CHECK(priced_on_routes(slow, alone).exchanges[0].idle == alone.exchanges[0].idle);
    slow.faults.slow_links = {{3, 0.5}};
    CHECK(milliseconds(estimate(priced_on_routes(slow, alone)).step) == Approx(200.0).epsilon(2e-3));

    Cluster hashed = cluster_of(64);
    FabricSpec spec;
    spec.topology = "fat-tree";
    spec.routing = Routing::ecmp;
    hashed.fabric = build_fabric(spec, hashed.node, 64, 450.0_GBps, nullptr).value();
    const StepProgram wide = straight(grid(8, 1, 1, 64), {data_exchange(100.0_ms)}, {meet(Op::exchange, 0, TimePart::data_comm)});
    const Seconds priced = estimate(priced_on_routes(hashed, wide)).step;
    CHECK(priced > 1.05 * estimate(wide).step);
    CHECK(priced / played(hashed, wide, Detail::full).step == Approx(1.0).epsilon(0.1));
}

TEST_CASE("waiting for a slower peer counts towards the exchange", "[sim][exchange]") {
    // Method: one of eight computes 10 ms longer; the others spend that and the 3 ms of the exchange in it.
    Cluster cluster = cluster_of(1);
    cluster.faults.slow_devices = {{5, 2.0}};
    const Exchange tensor{{CollectiveKind::all_gather, 100.0_MB}, Axis::tensor, 1.0, TimePart::tensor_comm, 3.0_ms};
    StepProgram program = straight(grid(8, 1, 1, 1), {tensor}, {compute(10.0_ms), meet(Op::exchange, 0)});
    const StepOutcome outcome = played(cluster, program, Detail::full);
    CHECK(outcome.critical_rank == 5);
    CHECK(milliseconds(outcome.step) == Approx(23.0));
    CHECK(milliseconds(part_of(outcome, TimePart::tensor_comm)) == Approx(3.0));
}

TEST_CASE("an exchange across stages is among the stages whose program holds it", "[sim][exchange]") {
    // Method: first and last of four stages sum a shared embedding, the two between do not; their wait is that of the
    // pipeline's drain, so the step is (m + p - 1)(f + b) plus the exchange.
    Pipeline pipeline;
    pipeline.parallelism = grid(1, 1, 4, 1);
    pipeline.micro_batches = 4;
    pipeline.exchanges = {{{CollectiveKind::all_reduce, 1.0_MB}, Axis::pipeline, 1.0, TimePart::data_comm, 2.0_ms}};
    StepProgram program = program_of(pipeline);
    program.blocks.push_back({"tied", {meet(Op::exchange, 0, TimePart::data_comm)}});
    program.stages[0].epilogue = program.stages[3].epilogue = 2;
    const StepOutcome outcome = played(cluster_of(1), program, Detail::full);
    CHECK(milliseconds(outcome.step) == Approx(7 * 3.0 + 2.0).epsilon(1e-9));
}
