// Small clusters and hand-made step programs, for tests of how they are played.
#pragma once

#include "models/schedules/passes.hpp"
#include "sim/simulate.hpp"

#include <catch2/catch.hpp>
#include <string>

namespace orrery::examples {

inline double milliseconds(Seconds t) { return t / 1.0_ms; }


/// Nodes of eight devices on full-rate switches, a 50 GB/s port each.
inline Cluster cluster_of(int nodes, const std::string& topology = "rail-optimized", double oversubscription = 1.0) {
    Cluster cluster;
    cluster.node.devices = 8;
    cluster.node.scale_up_domain = 8;
    cluster.node.nics = 8;
    cluster.node.nic_bandwidth = 50.0_GBps;
    cluster.node.nic_kind = "infiniband";
    cluster.nodes = nodes;
    FabricSpec spec;
    spec.topology = topology;
    spec.oversubscription = oversubscription;
    Result<Fabric> fabric = build_fabric(spec, cluster.node, nodes, 450.0_GBps, nullptr);
    REQUIRE(fabric.ok());
    cluster.fabric = *fabric;
    return cluster;
}

/// A pipeline whose passes are all alike: `forward` and `backward` seconds of compute per virtual stage and
/// micro-batch.
struct Pipeline {
    Parallelism parallelism;
    int micro_batches = 1;
    Seconds forward = 1.0_ms;
    Seconds backward = 2.0_ms;
    std::vector<Instruction> in_forward;  // after the compute
    std::vector<Instruction> in_backward;
    std::vector<Exchange> exchanges;
    Seconds boundary{};
    double boundary_exposed = 1.0;
};

inline Instruction compute(Seconds duration, TimePart part = TimePart::compute) {
    return {Op::compute, part, -1, duration};
}
inline Instruction meet(Op op, int exchange, TimePart part = TimePart::tensor_comm) { return {op, part, exchange, {}}; }

inline StepProgram program_of(const Pipeline& pipeline) {
    StepProgram program;
    program.parallelism = pipeline.parallelism;
    program.micro_batches = pipeline.micro_batches;
    program.exchanges = pipeline.exchanges;
    Block forward{"forward", {compute(pipeline.forward)}};
    Block backward{"backward", {compute(pipeline.backward)}};
    for (const Instruction& one : pipeline.in_forward) forward.code.push_back(one);
    for (const Instruction& one : pipeline.in_backward) backward.code.push_back(one);
    program.blocks = {forward, backward};
    program.boundary_idle = pipeline.boundary;
    program.boundary_message = pipeline.boundary > Seconds{} ? 1.0_MB : Bytes{};
    program.boundary_exposed = pipeline.boundary_exposed;
    const Parallelism& p = pipeline.parallelism;
    for (int stage = 0; stage < p.pipeline; ++stage) {
        StageProgram code;
        const auto passes = p.schedule == PipelineSchedule::gpipe         ? gpipe_passes
                            : p.schedule == PipelineSchedule::interleaved ? interleaved_passes
                                                                          : one_f_one_b_passes;
        for (const SchedulePass& pass : passes(stage, p.pipeline, p.virtual_stages, pipeline.micro_batches)) {
            code.passes.push_back({pass, pass.backward ? 1 : 0});
        }
        program.stages.push_back(code);
    }
    return program;
}

inline Parallelism grid(int tensor, int context, int pipeline, int data) {
    Parallelism p;
    p.tensor = tensor;
    p.context = context;
    p.pipeline = pipeline;
    p.data = data;
    return p;
}

inline Seconds part_of(const StepOutcome& outcome, TimePart part) {
    return outcome.breakdown[static_cast<std::size_t>(part)];
}
inline StepOutcome played(const Cluster& cluster, const StepProgram& program, Detail detail) {
    SimulateOptions options;
    options.detail = detail;
    const Result<StepOutcome> result = simulate(cluster, program, options);
    REQUIRE(result.ok());
    return *result;
}

}  // namespace orrery::examples
