// Split schedules, rank orders, split experts and context kinds as they are played: folded as full, estimate as play.
#include "models/step_graph.hpp"
#include "sim/fold.hpp"
#include "sim/price.hpp"
#include "tests/hardware/devices.hpp"
#include "tests/sim/step_examples.hpp"
#include "tests/architectures.hpp"

using namespace orrery;
using namespace orrery::examples;

namespace {

Cluster cluster_with(int nodes) {
    Cluster cluster = cluster_of(nodes);
    cluster.device = test::a100();
    return cluster;
}

Architecture decoder(bool mixture) {
    Architecture a = test::llama(16, 4096, 32, 8, 14336);
    if (mixture) {
        a.experts = 16;
        a.experts_per_token = 2;
        a.expert_ffn = 4096;
    }
    return a;
}

struct Case {
    const char* what;
    bool mixture;
    int nodes;
    TrainingSpec spec;
};

TrainingSpec spec_with(int tensor, int context, int pipeline, int data, int micro_batches) {
    TrainingSpec spec;
    spec.sequence = 4096;
    spec.global_batch = data * micro_batches;
    spec.parallelism = grid(tensor, context, pipeline, data);
    spec.parallelism.zero = 1;
    return spec;
}

std::vector<Case> cases() {
    std::vector<Case> all;
    const auto add = [&](const char* what, bool mixture, int nodes, TrainingSpec spec, auto change) {
        change(spec);
        all.push_back({what, mixture, nodes, spec});
    };
    using S = TrainingSpec;
    const auto schedule = [](PipelineSchedule kind) { return [kind](S& s) { s.parallelism.schedule = kind; }; };
    add("zb-h1", false, 4, spec_with(2, 1, 4, 4, 16), schedule(PipelineSchedule::zb_h1));
    add("zb-v", false, 4, spec_with(2, 1, 4, 4, 16), schedule(PipelineSchedule::zb_v));
    add("dualpipe", false, 4, spec_with(2, 1, 4, 4, 16), schedule(PipelineSchedule::dualpipe));
    add("dualpipe of a mixture", true, 4, spec_with(1, 1, 4, 8, 16), [](S& s) {
        s.parallelism.schedule = PipelineSchedule::dualpipe;
        s.parallelism.expert = 8;
    });
    add("uneven stages", false, 4, spec_with(2, 1, 4, 4, 16), [](S& s) { s.parallelism.stage_layers = {3, 4, 5, 4}; });
    add("uneven zb-v", false, 4, spec_with(2, 1, 4, 4, 16), [](S& s) {
        s.parallelism.schedule = PipelineSchedule::zb_v;
        s.parallelism.stage_layers = {1, 2, 3, 2, 2, 2, 3, 1};
    });
    add("ulysses", false, 2, spec_with(2, 4, 1, 2, 8), [](S& s) { s.parallelism.context_kind = ContextKind::ulysses; });
    add("gathered contexts", false, 2, spec_with(2, 4, 1, 2, 8),
        [](S& s) { s.parallelism.context_kind = ContextKind::all_gather; });
    add("split experts", true, 4, spec_with(4, 1, 2, 4, 16), [](S& s) {
        s.parallelism.expert = 4;
        s.parallelism.expert_tensor = 2;
    });
    add("overlapped experts", true, 4, spec_with(1, 1, 2, 16, 8), [](S& s) {
        s.parallelism.expert = 16;
        s.overlap.experts = true;
    });
    add("pipeline before data", false, 4, spec_with(2, 1, 4, 4, 16), [](S& s) {
        s.parallelism.order = {RankAxis::tensor, RankAxis::context, RankAxis::expert, RankAxis::pipeline, RankAxis::data};
    });
    add("data before tensor", false, 4, spec_with(2, 1, 4, 4, 16), [](S& s) {
        s.parallelism.order = {RankAxis::data, RankAxis::expert, RankAxis::context, RankAxis::tensor, RankAxis::pipeline};
    });
    return all;
}

StepProgram priced(const Case& one, const Cluster& cluster) {
    const auto graph = build_step_graph(decoder(one.mixture), one.spec, {});
    if (!graph.ok()) FAIL(one.what << ": " << graph.problems().front().place << ": " << graph.problems().front().problem);
    return price_step(cluster, *graph, one.spec, {});
}

}  // namespace

TEST_CASE("arranged plans play the same folded and full, and near their estimate", "[sim][arrangement]") {
    // Method: two levels of detail that must agree to the picosecond's rounding, and the estimate within 3 %.
    for (const Case& one : cases()) {
        INFO(one.what);
        const Cluster cluster = cluster_with(one.nodes);
        const StepProgram program = priced(one, cluster);
        const StepOutcome folded = played(cluster, program, Detail::folded);
        const StepOutcome full = played(cluster, program, Detail::full);
        CHECK(folded.statistics.classes < full.statistics.classes);
        CHECK(folded.step / full.step == Approx(1.0).epsilon(1e-9));
        CHECK(estimate(program).step / full.step == Approx(1.0).epsilon(0.03));
    }
}

TEST_CASE("split schedules play with the bubbles that their papers derive", "[sim][arrangement]") {
    // Method: passes of 1 ms and free messages through the whole simulation. Qi et al., arXiv 2401.10241: ZB-H1
    // (p - 1)(F + B - W); ZB-V (p - 1) half-stage passes at a common start; DeepSeek-V3, arXiv 2412.19437, table 2:
    // (p / 2 - 1)(F&B + B - 3 W).
    const auto step_of = [](PipelineSchedule kind, int stages, int micro_batches) {
        StepProgram program;
        program.parallelism.pipeline = stages;
        program.parallelism.schedule = kind;
        program.micro_batches = micro_batches;
        program.blocks = {{"forward", {compute(1.0_ms)}},  {"backward", {compute(2.0_ms)}}, {"half", {compute(1.0_ms)}},
                          {"joined", {compute(3.0_ms)}}, {"nothing", {}}};
        for (const Schedule& schedule : schedules()) {
            if (schedule.kind != kind) continue;
            for (int s = 0; s < stages; ++s) {
                StageProgram stage;
                bool joined = false;
                for (const SchedulePass& pass : schedule.passes(s, stages, 1, micro_batches)) {
                    const int block = joined            ? 4
                                      : pass.joins_next ? 3
                                      : !pass.backward  ? 0
                                      : pass.part == PassPart::whole ? 1
                                                                     : 2;
                    joined = pass.joins_next;
                    stage.passes.push_back({pass, block});
                }
                program.stages.push_back(stage);
            }
        }
        const Cluster cluster = cluster_of(2);
        const double played_ms = milliseconds(played(cluster, program, Detail::full).step);
        CHECK(milliseconds(estimate(program).step) == Approx(played_ms));
        return played_ms;
    };
    for (const int p : {2, 4, 8}) {
        const int m = 4 * p;
        CHECK(step_of(PipelineSchedule::zb_h1, p, m) == Approx(3.0 * m + (p - 1)));
        CHECK(step_of(PipelineSchedule::zb_v, p, m) == Approx(6.0 * m + (p - 1)));
        CHECK(step_of(PipelineSchedule::dualpipe, p, m) == Approx(3.0 * m + (0.5 * p - 1.0) * 2.0));
    }
}

TEST_CASE("an order that keeps a pipeline's neighbours in a node leaves data groups outside it", "[sim][price]") {
    // Method: by hand on nodes of eight: tensor 2, pipeline 4, data 4. Megatron's order: a data group's four members fill
    // a node, stages lie on nodes of their own; pipeline before data: the other way round.
    Parallelism p = grid(2, 1, 4, 4);
    CHECK(shape_along(p, Axis::data_context, 8).domains == 1);
    CHECK(shape_along(p, Axis::pipeline, 8).domains == 2);
    p.order = {RankAxis::tensor, RankAxis::context, RankAxis::expert, RankAxis::pipeline, RankAxis::data};
    CHECK(shape_along(p, Axis::data_context, 8).domains == 4);
    CHECK(shape_along(p, Axis::data_context, 8).per_node_peers == 8);
    CHECK(shape_along(p, Axis::pipeline, 8).domains == 1);
    p.order = {RankAxis::tensor, RankAxis::context, RankAxis::expert, RankAxis::data, RankAxis::pipeline};
    for (const Axis axis : {Axis::tensor, Axis::data_context, Axis::pipeline, Axis::expert_data}) {
        Parallelism plain = p;
        plain.order.clear();
        CHECK(shape_along(p, axis, 8) == shape_along(plain, axis, 8));
    }
}

TEST_CASE("a schedule that cannot go on says which half of which pass waits", "[sim][arrangement]") {
    // Method: the second stage never sends the inputs' gradient back.
    StepProgram program;
    program.parallelism.pipeline = 2;
    program.parallelism.schedule = PipelineSchedule::zb_h1;
    program.micro_batches = 1;
    program.blocks = {{"pass", {compute(1.0_ms)}}};
    program.stages = {{-1, {{{false, 0, 0}, 0}, {{true, 0, 0, PassPart::input}, 0}, {{true, 0, 0, PassPart::weight}, 0}}, -1},
                      {-1, {{{false, 0, 0}, 0}}, -1}};
    const Result<StepOutcome> outcome = simulate(cluster_of(1), program, {});
    REQUIRE_FALSE(outcome.ok());
    CHECK(outcome.problems().front().problem.find("backward (inputs) of micro-batch 0") != std::string::npos);
}
