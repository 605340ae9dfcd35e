// Several things in one network port: the closed form against conservation of bytes, the textbook and the simulation.
#include "sim/block_time.hpp"
#include "sim/port_sharing.hpp"
#include "sim/training.hpp"
#include "tests/architectures.hpp"
#include "tests/hardware/devices.hpp"
#include "tests/sim/step_examples.hpp"

using namespace orrery;
using namespace orrery::examples;

namespace {

/// Fills the port for all of `idle`.
Exchange port_exchange(Seconds idle, Axis axis, TimePart part) {
    return {{CollectiveKind::all_gather, 100.0_MB}, axis, 1.0, part, idle, 1.0, 1.0};
}

double step_of(const Cluster& cluster, const TrainingRun& run, Fidelity fidelity) {
    const auto answer = run_training(cluster, run, fidelity, {});
    REQUIRE(answer.ok());
    return answer->outcome.step / 1.0_ms;
}

TrainingRun gpt_run(int tensor, int pipeline, int data) {
    TrainingRun run;
    run.architecture = test::gpt(16, 8192, 64, 51200, 2048);
    run.spec.sequence = 2048;
    run.spec.micro_batch = 2;
    run.spec.precision = DataType::fp16;
    run.spec.parallelism.tensor = tensor;
    run.spec.parallelism.pipeline = pipeline;
    run.spec.parallelism.data = data;
    run.spec.global_batch = 2 * 32 * data;
    return run;
}

}  // namespace

TEST_CASE("exchanges that fill one port take as long as both alone", "[sim][port]") {
    // Method: conservation: 4 ms and 6 ms of a full port are 10 ms, whichever holds compute up; apart they are 6 ms.
    for (const bool shares : {true, false}) {
        StepProgram program;
        program.exchanges = {port_exchange(6.0_ms, Axis::shard, TimePart::data_comm), port_exchange(4.0_ms, Axis::context, TimePart::context_comm)};
        if (!shares) program.exchanges[1].port = 0.0;   // stays inside a node
        const std::vector<Instruction> code{meet(Op::start, 0, TimePart::data_comm), meet(Op::exchange, 1, TimePart::context_comm),
                                            meet(Op::wait, 0, TimePart::data_comm)};
        CHECK(milliseconds(block_time(program, code).total) == Approx(shares ? 10.0 : 6.0));
    }
}

TEST_CASE("what is started on two axes follows one another in a port", "[sim][port]") {
    // Method: the same sum for a scatter among shards and the sum of copies, both started at once.
    StepProgram program;
    program.exchanges = {port_exchange(6.0_ms, Axis::shard, TimePart::data_comm), port_exchange(3.0_ms, Axis::shard_peers, TimePart::data_comm)};
    const std::vector<Instruction> code{meet(Op::start, 0), meet(Op::start, 1), meet(Op::wait, 0), meet(Op::wait, 1)};
    CHECK(milliseconds(block_time(program, code).total) == Approx(9.0));
}

TEST_CASE("what a gather leaves to move shares the port with another group's exchange and waits for its own group's", "[sim][port]") {
    // Method: conservation of port time. A gather of 10 ms shows 4; the 6 left and another group's 4 divide the port: 8 ms
    // for the latter, 2 are left. Beside 5 ms of kernels 5 of the 6 are done: 1 is met. A second gather does not meet the
    // first one's rest, which is then still there: 4 + 4, and 4 of another group beside 12 left.
    StepProgram program;
    program.exchanges = {port_exchange(10.0_ms, Axis::data_context, TimePart::data_comm), port_exchange(4.0_ms, Axis::context, TimePart::context_comm)};
    program.exchanges[0].exposed = 0.4;
    const Instruction gather = meet(Op::exchange, 0, TimePart::data_comm);
    const Instruction other = meet(Op::exchange, 1, TimePart::context_comm);
    const auto time = [&](const std::vector<Instruction>& code) { return milliseconds(block_time(program, code).total); };
    CHECK(time({gather, other}) == Approx(4.0 + 8.0));
    CHECK(time({gather, compute(5.0_ms), other}) == Approx(4.0 + 5.0 + 5.0));
    CHECK(time({gather, gather, other, other, other, other}) == Approx(4.0 + 4.0 + 8.0 + 8.0 + 8.0 + 4.0));
}

TEST_CASE("an exchange beside messages that never end takes twice its time", "[sim][port]") {
    // Method: max-min fairness gives each of two flows half of the port: all messages of a pass outlast it.
    PassOnPort stage;
    stage.forward = 10.0_ms;
    stage.backward = 20.0_ms;
    stage.own = 30.0_ms;
    const std::vector<Exchange> exchanges{port_exchange(6.0_ms, Axis::tensor, TimePart::tensor_comm)};
    stage.load = port_load(exchanges, std::vector<Instruction>{meet(Op::exchange, 0)});
    Parallelism plan;
    plan.pipeline = 4;
    plan.schedule = PipelineSchedule::gpipe;
    const SharedPass shared = share_port(plan, stage, {15.0_ms, 15.0_ms, 0.0, false}, 0.0);
    CHECK(milliseconds(shared.pass) == Approx(30.0 + 6.0));
    const SharedPass none = share_port(plan, stage, {15.0_ms, {}, 0.0, false}, 0.0);
    CHECK(milliseconds(none.pass) == Approx(30.0));
}

TEST_CASE("of two plain stages each micro-batch waits for one message", "[sim][port]") {
    // Method: 1F1B's dependencies: two micro-batches take two passes of each kind and a message each way, that nobody sends
    // by hand.
    PassOnPort stage;
    stage.forward = 10.0_ms;
    stage.backward = 20.0_ms;
    stage.own = 30.0_ms;
    Parallelism plan;
    plan.pipeline = 4;
    const SharedPass shared = share_port(plan, stage, {4.0_ms, {}, 0.0, false}, 0.0);
    CHECK(milliseconds(shared.late) == Approx(4.0));
    CHECK(steady_micro_batches(plan, 32) == Approx(29.0));
    plan.schedule = PipelineSchedule::interleaved;   // runs ahead: a message is late where it outlasts a forward pass
    plan.virtual_stages = 2;
    CHECK(milliseconds(share_port(plan, stage, {4.0_ms, {}, 0.0, false}, 0.0).late) == Approx(0.0));
    CHECK(milliseconds(share_port(plan, stage, {7.0_ms, {}, 0.0, false}, 0.0).late) == Approx(2.0 * 7.0 - 10.0));
}

TEST_CASE("estimates of plans whose exchanges share ports are those that flows give", "[sim][port]") {
    // Method: the discrete-event simulation of the same steps, which shares links flow by flow: a tensor group over two
    // nodes beside stage messages, and copies of a sharded model whose sums meet its gathers.
    Cluster cluster = cluster_of(8);
    cluster.device = test::a100();
    cluster.nodes = 8;
    TrainingRun wide = gpt_run(16, 4, 1);
    wide.spec.parallelism.schedule = PipelineSchedule::interleaved;
    wide.spec.parallelism.virtual_stages = 4;
    wide.framework.pipeline_exposed_interleaved = 0.1;
    CHECK(step_of(cluster, wide, Fidelity::estimate) == Approx(step_of(cluster, wide, Fidelity::fluid)).epsilon(0.04));
    TrainingRun copies = gpt_run(2, 1, 32);
    copies.spec.parallelism.fsdp = true;
    copies.spec.parallelism.shard = 8;
    copies.spec.micro_batch = 1;
    copies.spec.global_batch = 32 * 4;
    CHECK(step_of(cluster, copies, Fidelity::estimate) == Approx(step_of(cluster, copies, Fidelity::fluid)).epsilon(0.04));
    TrainingRun shown = gpt_run(4, 1, 4);   // what ZeRO-3 of 2021 does not hide, beside keys that go around nodes
    shown.spec.parallelism.context = 4;
    shown.spec.parallelism.zero = 3;
    shown.framework.gradient_overlap = 0.6;
    shown.spec.micro_batch = 1;
    shown.spec.global_batch = 4 * 4;
    CHECK(step_of(cluster, shown, Fidelity::estimate) == Approx(step_of(cluster, shown, Fidelity::fluid)).epsilon(0.04));
}
