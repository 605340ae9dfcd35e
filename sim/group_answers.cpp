// Stages gathered by the nodes that they lie on.
#include "sim/group_answers.hpp"

#include "models/pipeline_split.hpp"
#include "models/stage_placement.hpp"
#include "sim/block_time.hpp"
#include "sim/mixed.hpp"

#include <algorithm>

namespace orrery {
namespace {

const Cluster& alike_of(const Cluster& cluster, int group) {
    return cluster.is_mixed() ? *cluster.groups[static_cast<std::size_t>(group)].alike : cluster;
}

/// Decoder layers of every pipeline rank.
std::vector<int> layers_of_stages(const Architecture& architecture, const Parallelism& plan) {
    std::vector<int> layers(static_cast<std::size_t>(plan.pipeline), 0);
    const std::vector<int> pieces = stage_layers(architecture, plan);
    for (std::size_t piece = 0; piece < pieces.size(); ++piece) {
        for (const VirtualStage& place : places_of(plan, static_cast<int>(piece))) layers[static_cast<std::size_t>(place.stage)] += pieces[piece];
    }
    return layers;
}

}  // namespace

std::vector<double> stage_weights(const Cluster& cluster, const Parallelism& plan) {
    std::vector<double> weights;
    if (!cluster.is_mixed()) return weights;
    for (const int group : groups_of_stages(cluster, plan)) weights.push_back(kernel_watts(alike_of(cluster, group)).si());
    return weights;
}

std::vector<StageMemory> stage_memories(const Cluster& cluster, const TrainingRun& run, const StepGraph& graph) {
    const std::vector<int> group_of = groups_of_stages(cluster, run.spec.parallelism);
    std::vector<StageMemory> stages;
    for (std::size_t s = 0; s < group_of.size(); ++s) {
        stages.push_back({memory_of_stage(run.architecture, run.spec, run.framework, graph, static_cast<int>(s)),
                          alike_of(cluster, group_of[s]).device.memory_capacity});
    }
    return stages;
}

std::vector<char> stages_fit(const Cluster& cluster, const TrainingRun& run, const StepGraph& graph) {
    std::vector<char> fits;
    for (const StageMemory& stage : stage_memories(cluster, run, graph)) fits.push_back(stage.memory.total() <= stage.capacity ? 1 : 0);
    return fits;
}

std::vector<GroupAnswer> group_answers(const Cluster& cluster, const TrainingRun& run, const StepGraph& graph, const StepProgram& program,
                                       Seconds step) {
    const Parallelism& plan = run.spec.parallelism;
    const std::vector<int> group_of = groups_of_stages(cluster, plan);
    const std::vector<StageMemory> memories = stage_memories(cluster, run, graph);
    const std::vector<int> layers = layers_of_stages(run.architecture, plan);
    const int stage_devices = plan.devices() / plan.pipeline;
    std::vector<GroupAnswer> answers;
    for (std::size_t s = 0; s < group_of.size(); ++s) {
        const DeviceGroup& group = cluster.groups[static_cast<std::size_t>(group_of[s])];
        if (s == 0 || group_of[s] != group_of[s - 1]) {
            GroupAnswer answer;
            answer.node = group.name;
            answer.device = group.alike->device.name;
            answer.first_stage = static_cast<int>(s);
            answer.memory_capacity = memories[s].capacity;
            answers.push_back(std::move(answer));
        }
        GroupAnswer& answer = answers.back();
        ++answer.stages;
        answer.devices += stage_devices;
        answer.layers += layers[s];
        if (answer.stages == 1 || memories[s].memory.total() > answer.memory.total()) answer.memory = memories[s].memory;
        Seconds busy{};
        for (const PassProgram& pass : program.stages[s].passes) {
            busy += kernel_time_of(program.blocks[static_cast<std::size_t>(pass.block)].code);
        }
        answer.compute_utilization += busy / step;
    }
    for (GroupAnswer& answer : answers) {
        const Cluster& alike = alike_of(cluster, group_of[static_cast<std::size_t>(answer.first_stage)]);
        answer.nodes = answer.devices / cluster.node.devices;
        answer.fits = answer.memory.total() <= answer.memory_capacity;
        answer.compute_utilization = std::min(1.0, answer.compute_utilization / answer.stages);
        answer.power_average = job_power(alike, answer.devices, answer.compute_utilization);
        const Usd hour = cluster.groups[static_cast<std::size_t>(group_of[static_cast<std::size_t>(answer.first_stage)])].device_hour;
        answer.cost_per_step = hour * (answer.devices * (step / 1.0_hours));
    }
    return answers;
}

}  // namespace orrery
