// From a training's description to its answer: graph, memory, price, play; then energy and money.
#include "sim/training.hpp"

#include "sim/balance.hpp"
#include "sim/block_time.hpp"
#include "sim/group_answers.hpp"
#include "sim/mixed.hpp"
#include "sim/price_offload.hpp"
#include "sim/routed_prices.hpp"

#include <algorithm>

namespace orrery {
namespace {

// Power of a node by how busy its devices are, as a share of its rating: 0.22 idle (88 W a device and about 1.5 kW of
// host, fans and NICs in a 10.2 kW DGX H100), and a straight line through what MLPerf Training v4.0 and v4.1 power logs
// show: 0.50 for a communication-bound run (5,086 W), 0.67-0.69 for busy ones (6,849 to 7,041 W of 10.2 kW; B200 nodes
// 9,571 to 10,044 W of 14.3 kW). Compute-heavy training at 0.76 of rating (arXiv 2506.14551) is the upper end.
constexpr double power_share_idle = 0.22;
constexpr double power_share_busy = 0.52;
// Rated node power over the sum of its devices' limits: DGX H100 10.2 / 5.6 kW, DGX B200 14.3 / 8 kW.
constexpr double node_over_devices = 1.8;

Watts rated_node_power(const Cluster& cluster) {
    if (cluster.node.power_max > Watts{}) return cluster.node.power_max;
    return cluster.device.power_limit * (cluster.node.devices * node_over_devices);
}

void add_economics(TrainingAnswer& answer, const Cluster& cluster, const TrainingRun& run, const StepProgram& program) {
    const Seconds step = answer.outcome.step;
    answer.compute_utilization = busy_share(cluster, program, step);
    answer.power_average = job_power(cluster, answer.devices, answer.compute_utilization);
    answer.energy_per_step = answer.power_average * step * run.economics.pue;
    const double device_hours = answer.devices * (step / 1.0_hours);
    answer.cost_per_step = run.economics.device_hour * device_hours;
    const double tokens = answer.tokens_per_s * (step / 1.0_s);
    answer.cost_per_million_tokens = answer.cost_per_step * (1e6 / tokens);
}

/// Each line once, where it stands first: types of nodes share some.
void keep_once(std::vector<std::string>& lines) {
    std::vector<std::string> once;
    for (std::string& line : lines) {
        if (std::find(once.begin(), once.end(), line) == once.end()) once.push_back(std::move(line));
    }
    lines = std::move(once);
}

void add_basis(TrainingAnswer& answer, const Cluster& cluster, const TrainingRun& run) {
    const MatrixMultiply product{8192, 8192, 8192, 1, run.spec.precision, 2.0};
    answer.basis.push_back("matrix products: " + price_basis(cluster.device, product));
    const auto& slowdown = cluster.device.calibration->training_slowdown[run.spec.precision];
    const auto& sixteen = cluster.device.calibration->training_slowdown[DataType::bf16];
    if (slowdown || sixteen) {
        answer.basis.push_back("sustained rates: " + cluster.device.calibration->training_source);
    } else {
        answer.basis.emplace_back("sustained rates: assumed, no published training of this device was compared");
        answer.notes.emplace_back("no published training of this device was compared: expect errors of 15 to 25 %");
    }
    const Collective exchange{CollectiveKind::all_reduce, 64.0_MiB, DataType::bf16};
    if (run.spec.parallelism.tensor > 1) {
        answer.basis.push_back("tensor exchanges: " + collective_basis(cluster.fabric, exchange,
                               shape_along(run.spec.parallelism, Axis::tensor, cluster.fabric.domain)));
    }
    if (run.spec.parallelism.data * run.spec.parallelism.context > 1) {
        answer.basis.push_back("data exchanges: " + collective_basis(cluster.fabric, exchange,
                               shape_along(run.spec.parallelism, Axis::data_context, cluster.fabric.domain)));
    }
    const std::string& runs = run.framework.compared_with;
    answer.basis.push_back("framework: " + run.framework.title +
                           (runs.empty() ? "; described, not fitted on any run" : "; fitted on " + runs));
    if (runs.empty()) {
        answer.notes.push_back("the framework profile \"" + run.framework.name + "\" as used here was not compared with any run");
    }
}

void check_floor(const TrainingAnswer& answer, const Cluster& cluster, const TrainingRun& run) {
    // No plan beats the peak: the useful arithmetic alone bounds the step from below.
    // Transformed fp32 convolutions need 16 of 36 multiplications (Lavin & Gray, arXiv 1509.09308).
    const FlopPerSecond peak = job_peak(cluster, answer.devices, run.spec.precision);
    const double least = run.family && run.spec.precision == DataType::fp32 ? 16.0 / 36.0 : 1.0;
    if (peak > FlopPerSecond{}) ORRERY_CHECK(answer.outcome.step >= answer.model_flop / peak * (0.999 * least));
}

/// What the ranks of one node keep in its host's memory and on its drives; all ranks as the fullest one.
void add_host_memory(TrainingAnswer& answer, const Node& node) {
    const double ranks = std::min(node.devices, answer.devices);
    answer.host_memory = answer.memory.host * ranks;
    answer.host_capacity = node.host_memory;
    answer.drive_bytes = answer.memory.drives * ranks;
    answer.drive_capacity = node.local_storage;
    if (answer.host_memory > answer.host_capacity || answer.drive_bytes > answer.drive_capacity) answer.fits = false;
}

}  // namespace

FlopPerSecond job_peak(const Cluster& cluster, int devices, DataType type) {
    if (!cluster.is_mixed()) return cluster.device.peak(type) * devices;
    FlopPerSecond peak{};
    for (const DeviceGroup& group : cluster.groups) {
        const int own = std::min(devices, group.nodes * cluster.node.devices);
        peak += group.alike->device.peak(type) * own;
        devices -= own;
    }
    return peak;
}

Watts kernel_watts(const Cluster& cluster) {
    return rated_node_power(cluster) * (power_share_busy * cluster.kernel_power / cluster.node.devices);
}

Watts job_power(const Cluster& cluster, int devices, double busy) {
    if (cluster.is_mixed()) {
        Watts power{};
        for (const DeviceGroup& group : cluster.groups) {
            const int own = std::min(devices, group.nodes * cluster.node.devices);
            power += job_power(*group.alike, own, busy);
            devices -= own;
        }
        return power;
    }
    const double share = power_share_idle + power_share_busy * (busy * cluster.kernel_power);
    return rated_node_power(cluster) * (share * devices / cluster.node.devices);
}

double busy_share(const Cluster& cluster, const StepProgram& program, Seconds step) {
    const std::vector<double> weights = stage_weights(cluster, program.parallelism);
    Seconds busy{};
    double stages = 0.0;
    for (std::size_t s = 0; s < program.stages.size(); ++s) {
        const double weight = weights.empty() ? 1.0 : weights[s];
        for (const PassProgram& pass : program.stages[s].passes) {
            busy += kernel_time_of(program.blocks[static_cast<std::size_t>(pass.block)].code) * weight;
        }
        stages += weight;
    }
    return std::min(1.0, busy / (step * stages));
}

Result<StepGraph> training_graph(const TrainingRun& run) {
    if (!run.family) return build_step_graph(run.architecture, run.spec, run.framework);
    return build_layered_graph(describe_family(*run.family, pass_shape(run.spec, run.framework)), run.spec);
}

MemoryBreakdown training_memory(const TrainingRun& run, const StepGraph& graph) {
    if (!run.family) return memory_of(run.architecture, run.spec, run.framework, graph);
    const LayeredModel model = describe_family(*run.family, pass_shape(run.spec, run.framework));
    return memory_of_layered(model, run.spec, run.framework, graph);
}

/// The fullest rank's; of a mixed machine, that of the rank with least room.
void add_memory(TrainingAnswer& answer, const Cluster& cluster, const TrainingRun& run, const StepGraph& graph) {
    if (!cluster.is_mixed()) {
        answer.memory = training_memory(run, graph);
        answer.memory_capacity = cluster.device.memory_capacity;
        answer.fits = answer.memory.total() <= answer.memory_capacity;
        if (run.spec.offload.any()) add_host_memory(answer, cluster.node);
        return;
    }
    const std::vector<int> group_of = groups_of_stages(cluster, run.spec.parallelism);
    const std::vector<StageMemory> stages = stage_memories(cluster, run, graph);
    std::size_t fullest = 0;
    for (std::size_t s = 0; s < stages.size(); ++s) {
        if (stages[s].share() > stages[fullest].share()) fullest = s;
        answer.memory = stages[s].memory;
        if (run.spec.offload.any()) add_host_memory(answer, cluster.groups[static_cast<std::size_t>(group_of[s])].alike->node);
        answer.fits = answer.fits && stages[s].memory.total() <= stages[s].capacity;
    }
    answer.memory = stages[fullest].memory;
    answer.memory_capacity = stages[fullest].capacity;
}

/// What a machine lacks of what a training asks for.
Problems machine_problems(const Cluster& cluster, const TrainingRun& run) {
    if (const std::optional<Problem> problem = mixed_problem(cluster, run.spec.parallelism)) return {*problem};
    for (const DeviceGroup& group : cluster.groups) {
        if (Problems problems = machine_problems(*group.alike, run); !problems.empty()) return problems;
    }
    if (Problems problems = offload_problems(cluster.node, run.spec.offload); !problems.empty()) return problems;
    if (cluster.device.peak(run.spec.precision) > FlopPerSecond{}) return {};
    return {{"/workload/precision",
             "the datasheet of " + cluster.device.name + " gives no rate for " + std::string(name_of(run.spec.precision)),
             "choose a precision that `orrery show " + cluster.device.name + "` lists"}};
}

Result<TrainingAnswer> run_balanced(const Cluster& cluster, TrainingRun run, Fidelity fidelity,
                                    const SimulateOptions& options) {
    Result<std::vector<int>> layers = balanced_stage_layers(cluster, run);
    if (!layers) return layers.problems();
    run.spec.parallelism.balance = false;
    run.spec.parallelism.stage_layers = std::move(layers).value();
    Result<TrainingAnswer> answer = run_training(cluster, run, fidelity, options);
    if (!answer) return answer;
    std::string text = "layers of the stages, balanced by their time:";
    for (const int layer_count : run.spec.parallelism.stage_layers) text += " " + std::to_string(layer_count);
    answer->notes.push_back(std::move(text));
    return answer;
}

Result<TrainingAnswer> run_training(const Cluster& cluster, const TrainingRun& run, Fidelity fidelity,
                                    const SimulateOptions& options) {
    if (Problems problems = machine_problems(cluster, run); !problems.empty()) return problems;
    if (balances_layers(cluster, run.spec.parallelism) && !run.family) return run_balanced(cluster, run, fidelity, options);
    const Result<StepGraph> graph = training_graph(run);
    if (!graph) return graph.problems();
    const StepProgram program = price_step(cluster, *graph, run.spec, run.framework);
    TrainingAnswer answer;
    answer.devices = run.spec.parallelism.devices();
    if (fidelity == Fidelity::estimate) {
        answer.outcome = estimate(priced_on_routes(cluster, program));
    } else {
        Result<StepOutcome> played = simulate(cluster, program, options);
        if (!played) return played.problems();
        answer.outcome = std::move(played).value();
    }
    add_memory(answer, cluster, run, *graph);
    answer.model_flop = graph->model_flop;
    answer.parameters = graph->parameters_total;
    const Seconds step = answer.outcome.step;
    const FlopPerSecond peak = job_peak(cluster, answer.devices, run.spec.precision);
    answer.samples_per_s = static_cast<double>(run.spec.global_batch) / (step / 1.0_s);
    answer.tokens_per_s = answer.samples_per_s * run.spec.computed_sequence();
    if (run.family) {
        const LayeredModel model = describe_family(*run.family, PassShape{});
        answer.sample = model.sample;
        answer.has_tokens = model.has_tokens;
        if (!model.has_tokens) answer.tokens_per_s = answer.samples_per_s;
    }
    answer.model_flops_per_device = graph->model_flop / step / answer.devices;
    answer.mfu = graph->model_flop / step / peak;
    answer.hfu = graph->hardware_flop / step / peak;
    check_floor(answer, cluster, run);
    add_economics(answer, cluster, run, program);
    if (!cluster.is_mixed()) {
        add_basis(answer, cluster, run);
        answer.expected = expected_error(cluster, run);
        return answer;
    }
    answer.groups = group_answers(cluster, run, *graph, program, step);
    for (const DeviceGroup& group : cluster.groups) {
        add_basis(answer, *group.alike, run);
        const ExpectedError own = expected_error(*group.alike, run);
        if (own.high - own.low > answer.expected.high - answer.expected.low) answer.expected = own;
    }
    keep_once(answer.basis);
    keep_once(answer.notes);
    return answer;
}

}  // namespace orrery
