// How fast steps are played: synthetic programs of the size of real ones, as CSV.
#include "models/schedules/passes.hpp"
#include "sim/simulate.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <string>
#include <string_view>

namespace {

using namespace orrery;

Cluster cluster_of(int nodes) {
    Cluster cluster;
    cluster.node.devices = 8;
    cluster.node.scale_up_domain = 8;
    cluster.node.nics = 8;
    cluster.node.nic_bandwidth = 50.0_GBps;
    cluster.node.nic_kind = "infiniband";
    cluster.nodes = nodes;
    FabricSpec spec;
    cluster.fabric = build_fabric(spec, cluster.node, nodes, 450.0_GBps, nullptr).value();
    return cluster;
}

struct Case {
    std::string_view name;
    int tensor, pipeline, data, virtual_stages, micro_batches;
    int layers;             // per virtual stage
    bool starts_gradients;  // data exchange beside the last backward passes, with contention
    double jitter;
};

/// Layers of one compute and one exchange four times forward and six times backward, as a tensor-parallel plan has.
StepProgram program_of(const Case& one, const Cluster& cluster) {
    StepProgram program;
    Parallelism& p = program.parallelism;
    p.tensor = one.tensor;
    p.pipeline = one.pipeline;
    p.data = one.data;
    p.virtual_stages = one.virtual_stages;
    p.schedule = one.virtual_stages > 1 ? PipelineSchedule::interleaved : PipelineSchedule::one_f_one_b;
    program.micro_batches = one.micro_batches;
    const auto exchange = [&](CollectiveKind kind, Bytes size, Axis axis, TimePart part, double exposed,
                              GroupShape shape) {
        const Collective collective{kind, size, DataType::bf16};
        program.exchanges.push_back(
            {collective, axis, exposed, part, collective_time(cluster.fabric, collective, shape)});
    };
    const int in_node = std::min(one.tensor, 8);
    const GroupShape inside{one.tensor, in_node, one.tensor / in_node, 1};
    const GroupShape across{one.data, 1, one.data, 8};
    exchange(CollectiveKind::all_gather, 256.0_MB, Axis::tensor, TimePart::tensor_comm, 0.5, inside);
    exchange(CollectiveKind::reduce_scatter, 256.0_MB, Axis::tensor, TimePart::tensor_comm, 0.5, inside);
    exchange(CollectiveKind::reduce_scatter, 4.0_GB, Axis::data, TimePart::data_comm, 1.0, across);
    exchange(CollectiveKind::all_gather, 2.0_GB, Axis::data, TimePart::data_comm, 0.3, across);
    const auto layers = [&](std::string_view name, int pairs, Seconds compute) {
        Block block{name, {}};
        for (int i = 0; i < one.layers * pairs; ++i) {
            block.code.push_back({Op::compute, TimePart::compute, -1, compute});
            block.code.push_back({Op::exchange, TimePart::tensor_comm, i % 2, {}});
        }
        return block;
    };
    program.blocks = {layers("forward", 4, 1.0_ms), layers("backward", 6, 1.3_ms)};
    Block last = program.blocks[1];
    last.code.insert(last.code.begin(), {Op::start, TimePart::data_comm, 2, {}});
    program.blocks.push_back(last);
    program.blocks.push_back({"gather", {{Op::exchange, TimePart::data_comm, 3, {}}}});
    program.blocks.push_back({"end",
                              {{one.starts_gradients ? Op::wait : Op::exchange, TimePart::data_comm, 2, {}},
                               {Op::compute, TimePart::optimizer, -1, 20.0_ms}}});
    program.contention = 0.2;
    program.boundary_message = 33.0_MB;
    program.boundary_idle =
        collective_time(cluster.fabric, {CollectiveKind::send_recv, 33.0_MB, DataType::bf16}, {2, 1, 2, 8});
    for (int s = 0; s < one.pipeline; ++s) {
        StageProgram stage{3, {}, 4};
        const auto order = one.virtual_stages > 1 ? interleaved_passes : one_f_one_b_passes;
        for (const SchedulePass& pass : order(s, one.pipeline, one.virtual_stages, one.micro_batches)) {
            const bool starts =
                one.starts_gradients && pass.backward && pass.micro_batch == one.micro_batches - 1 && pass.chunk == 0;
            stage.passes.push_back({pass, starts ? 2 : pass.backward ? 1 : 0});
        }
        program.stages.push_back(stage);
    }
    return program;
}

}  // namespace

int main(int argc, char** argv) {
    using namespace orrery;
    const std::string_view only = argc > 1 ? argv[1] : "";
    const Case cases[] = {
        {"tp8-pp8", 8, 8, 1, 1, 8, 12, false, 0.0},
        {"tp8-pp8", 8, 8, 16, 1, 8, 12, false, 0.0},
        {"tp2-pp8", 2, 8, 64, 1, 8, 12, true, 0.0},  // stage messages and tensor exchanges share NVLink
        {"tp2-pp8-jitter", 2, 8, 64, 1, 8, 12, true, 0.02},
        {"tp16-pp4", 16, 4, 16, 1, 8, 12, true, 0.0},  // tensor exchanges, messages and gradients share ports
        {"tp16-pp4-jitter", 16, 4, 16, 1, 8, 12, true, 0.02},
        {"tp8-pp8-overlap", 8, 8, 16, 1, 8, 12, true, 0.0},
        {"tp8-pp8-overlap-jitter", 8, 8, 16, 1, 8, 12, true, 0.02},
        {"tp8-pp16-v8", 8, 16, 128, 8, 16, 1, false, 0.0},
        {"tp8-pp16-v8-overlap", 8, 16, 128, 8, 16, 1, true, 0.0},
        {"tp8-pp16-v8-jitter", 8, 16, 128, 8, 16, 1, false, 0.02},
        {"tp8-pp16-v8-overlap-jitter", 8, 16, 128, 8, 16, 1, true, 0.02},
    };
    fmt::print("case,ranks,detail,classes,events,wall_s,peak_rss_bytes,step_s\n");
    for (const Case& one : cases) {
        if (!only.empty() && only != one.name) continue;
        Cluster cluster = cluster_of(one.tensor * one.pipeline * one.data / 8);
        cluster.faults.jitter = one.jitter;
        const StepProgram program = program_of(one, cluster);
        for (const Detail detail : {Detail::folded, Detail::full}) {
            if (detail == Detail::folded && one.jitter > 0.0) continue;
            SimulateOptions options;
            options.detail = detail;
            const StepOutcome outcome = simulate(cluster, program, options).value();
            const RunStatistics& run = outcome.statistics;
            fmt::print("{},{},{},{},{},{:.3f},{},{:.9f}\n", one.name, run.ranks, run.detail, run.classes, run.events,
                       run.wall.si(), run.peak_rss_bytes, outcome.step.si());
        }
    }
}
