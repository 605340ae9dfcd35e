// Traces of played steps.
#include "tests/sim/step_examples.hpp"

#include <map>

using namespace orrery;
using namespace orrery::examples;

namespace {

StepOutcome traced(std::int64_t spans_max) {
    Pipeline pipeline;
    pipeline.parallelism = grid(8, 1, 2, 1);
    pipeline.micro_batches = 3;
    pipeline.boundary = 0.2_ms;
    pipeline.exchanges = {{{CollectiveKind::all_gather, 50.0_MB}, Axis::tensor, 1.0, TimePart::tensor_comm, 0.5_ms}};
    pipeline.in_forward = {meet(Op::exchange, 0)};
    SimulateOptions options;
    options.trace = true;
    options.trace_spans_max = spans_max;
    return simulate(cluster_of(2), program_of(pipeline), options).value();
}

}  // namespace

TEST_CASE("a trace has two lanes per actor and every pass on its compute lane, inside the step", "[sim][trace]") {
    // Method: count the passes of the schedule, and add up spans: forward 1.5 ms with its exchange, backward 2 ms.
    const StepOutcome outcome = traced(1000);
    const Trace& trace = outcome.trace;
    REQUIRE(trace.lanes.size() == 4);
    CHECK(trace.lanes[0] == "stage 0 rank 0 compute");
    CHECK(trace.lanes[3] == "stage 1 rank 8 communication");
    std::map<std::string, std::int64_t> spent;
    std::map<std::string, int> count_of;
    for (std::size_t i = 0; i < trace.lane.size(); ++i) {
        if (trace.lane[i] != 0) continue;
        spent[trace.names[trace.name[i]]] += trace.duration_ps[i];
        ++count_of[trace.names[trace.name[i]]];
        CHECK(trace.start_ps[i] + trace.duration_ps[i] <= static_cast<std::int64_t>(outcome.step.si() * 1e12 + 0.5));
    }
    CHECK(count_of["forward"] == 3);
    CHECK(count_of["backward"] == 3);
    CHECK(spent["forward"] == 3 * 1'500'000'000LL);
    CHECK(spent["backward"] == 3 * 2'000'000'000LL);
    CHECK(spent["tensor_comm all-gather"] == 3 * 500'000'000LL);
}

TEST_CASE("a full trace says in a lane name how many spans it left out", "[sim][trace]") {
    // Method: the same run with and without a limit.
    const std::size_t all = traced(1000).trace.lane.size();
    const Trace cut = traced(5).trace;
    CHECK(cut.lane.size() == 5);
    CHECK(cut.lanes.back() == std::to_string(all - 5) + " spans left out: the trace is full");
}

TEST_CASE("no trace is kept unless asked for", "[sim][trace]") {
    // Method: look.
    Pipeline pipeline;
    CHECK(played(cluster_of(1), program_of(pipeline), Detail::folded).trace.lanes.empty());
}
