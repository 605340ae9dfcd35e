// Values by default, and how many plans they make.
#include "planner/search_space.hpp"

#include "models/pipeline_split.hpp"

#include <algorithm>
#include <numeric>

namespace orrery {
namespace {

constexpr std::uint64_t plans_max = std::uint64_t{1} << 53U;  // counts stay exact in JSON
constexpr int micro_batch_max = 16;     // larger ones are full kernels already and multiply activations
constexpr int virtual_stages_max = 16;
constexpr int tensor_max = 64;
constexpr int context_tokens_min = 1024;  // of a rank: below, a ring's messages outlast its attention

std::vector<std::int32_t> powers_of_two(std::int64_t most) {
    std::vector<std::int32_t> values;
    for (std::int64_t value = 1; value <= most; value *= 2) values.push_back(static_cast<std::int32_t>(value));
    return values;
}

std::vector<std::int32_t> divisors(std::int64_t whole, std::int64_t most) {
    std::vector<std::int32_t> values;
    for (std::int64_t value = 1; value <= std::min(whole, most); ++value) {
        if (whole % value == 0) values.push_back(static_cast<std::int32_t>(value));
    }
    return values;
}

/// Pipeline degrees: those that share the layers out, with or without the ends' own slots, and divide the devices.
std::vector<std::int32_t> pipelines(const Architecture& a, std::int64_t devices) { return divisors(devices, a.stack() + 2); }

std::vector<std::int32_t> virtual_stages(const Architecture& a) {
    std::vector<std::int32_t> values = divisors(a.stack(), virtual_stages_max);
    for (const std::int32_t one : divisors(a.stack() + 2, virtual_stages_max)) values.push_back(one);
    std::sort(values.begin(), values.end());
    values.erase(std::unique(values.begin(), values.end()), values.end());
    return values;
}

std::vector<std::int32_t> block_layers(const Architecture& a) {
    std::vector<std::int32_t> values{0};
    for (const std::int32_t one : {1, 2, 3, 4, 5, 6, 8, 10, 12, 16}) {
        if (one < a.stack()) values.push_back(one);
    }
    return values;
}

std::vector<std::int32_t> precisions(const Cluster& cluster, DataType own) {
    std::vector<std::int32_t> values{static_cast<std::int32_t>(own)};
    bool gains = own == DataType::bf16 || own == DataType::fp16;
    const auto is_faster = [&](const Device& device) { return device.peak(DataType::fp8) > device.peak(own); };
    gains = gains && is_faster(cluster.device);
    for (const DeviceGroup& group : cluster.groups) gains = gains && is_faster(group.alike->device);
    if (gains) values.push_back(static_cast<std::int32_t>(DataType::fp8));
    return values;
}

template <class Enum>
std::int32_t number_of(Enum value) { return static_cast<std::int32_t>(value); }

}  // namespace

std::vector<std::int32_t> automatic_values(PlanAxis axis, const Cluster& cluster, const TrainingRun& run) {
    const Architecture& a = run.architecture;
    const std::int64_t devices = cluster.devices();
    const bool has_experts = a.experts > 0;
    switch (axis) {
        case PlanAxis::precision: return precisions(cluster, run.spec.precision);
        case PlanAxis::order: {
            using enum RankAxis;
            if (has_experts) return {0};
            return {0, order_code({tensor, context, expert, pipeline, data})};
        }
        case PlanAxis::tensor: return powers_of_two(std::min<std::int64_t>({2 * cluster.fabric.domain, tensor_max, devices}));
        case PlanAxis::sequence_parallel: return {0, 1};
        case PlanAxis::context: return powers_of_two(std::min<std::int64_t>(run.spec.sequence / context_tokens_min, devices));
        case PlanAxis::pipeline: return pipelines(a, devices);
        case PlanAxis::data: return {0};
        case PlanAxis::expert: return has_experts ? divisors(a.experts, devices) : std::vector<std::int32_t>{1};
        case PlanAxis::expert_tensor:
            return has_experts ? powers_of_two(std::min<std::int64_t>(cluster.fabric.domain, devices)) : std::vector<std::int32_t>{1};
        case PlanAxis::schedule:
            return {number_of(PipelineSchedule::one_f_one_b), number_of(PipelineSchedule::interleaved),
                    number_of(PipelineSchedule::zb_h1)};
        case PlanAxis::virtual_stages: return virtual_stages(a);
        case PlanAxis::zero: return {0, 1, 2, 3};
        case PlanAxis::fsdp: return {0, 1};
        case PlanAxis::shard: return {0, cluster.node.devices};
        case PlanAxis::micro_batch: return powers_of_two(micro_batch_max);
        case PlanAxis::recompute:
            return {number_of(Recompute::none), number_of(Recompute::selective), number_of(Recompute::full),
                    number_of(Recompute::block)};
        case PlanAxis::recompute_layers: return block_layers(a);
        case PlanAxis::overlap_experts:
            return has_experts ? std::vector<std::int32_t>{-1, 1} : std::vector<std::int32_t>{-1};
        case PlanAxis::stage_layers: return {usual_layers(cluster)};
        case PlanAxis::optimizer:
        case PlanAxis::global_batch:
        case PlanAxis::overlap_tensor:
        case PlanAxis::overlap_gradients:
        case PlanAxis::overlap_parameters:
        case PlanAxis::overlap_pipeline: return {axis_value(axis, run.spec)};
    }
    return {};
}

std::int32_t usual_layers(const Cluster& cluster) { return cluster.is_mixed() ? balanced_layers_code : 0; }

std::vector<std::int32_t> uneven_splits(const Cluster& cluster) {
    std::vector<std::int32_t> splits;
    if (cluster.is_mixed()) return {balanced_layers_code, 0};
    for (const int first : {0, 1}) {
        for (const int last : {0, 1, 2}) splits.push_back(fewer_layers_code({first, last}));
    }
    return splits;
}

bool share_out_layers(const SearchBase& base, std::int32_t value, Parallelism& plan) {
    const Parallelism& own = base.run.spec.parallelism;
    plan.stage_layers = own.stage_layers;
    plan.balance = false;
    const bool has_own_way = !own.stage_layers.empty() || own.first_stage_layers > 0 || own.last_stage_layers > 0 || own.count_embedding || own.count_head;
    const Architecture& a = base.run.architecture;
    if (value == 0 || (has_own_way && value == usual_layers(base.cluster))) {
        if (base.cluster.is_mixed() && !has_own_way) plan.stage_layers = pipeline_split(a.stack(), plan.model_stages(), 0);
        return true;
    }
    if (plan.pipeline < 2 || has_own_way) return false;
    if (value == balanced_layers_code) {
        plan.balance = base.cluster.is_mixed();
        return plan.balance && plan.model_stages() <= a.stack();
    }
    const FewerLayers fewer = fewer_layers_of(value);
    std::vector<int> layers = pipeline_split(a.stack() + fewer.first + fewer.last, plan.model_stages(), 0);
    if (layers.empty()) return false;
    layers.front() -= fewer.first;
    layers.back() -= fewer.last;
    if (layers.front() < 0 || layers.back() < 0) return false;
    plan.stage_layers = std::move(layers);
    return true;
}

Result<std::uint64_t> raw_plans(const SearchSpace& space) {
    std::uint64_t total = 0;
    for (const SearchBase& base : space.bases) {
        std::uint64_t plans = 1;
        std::size_t longest = 0;
        for (std::size_t i = 0; i < plan_axis_count; ++i) {
            const std::size_t size = base.values[i].size();
            const std::string path(plan_axes()[i].path);
            if (size == 0) return Problem{"/search/over/" + path, "has no values", "give at least one, or leave the key out"};
            if (size > base.values[longest].size()) longest = i;
        }
        for (const std::vector<std::int32_t>& values : base.values) {
            if (plans > plans_max / values.size()) {
                return Problem{"/search/over/" + std::string(plan_axes()[longest].path),
                               "has " + std::to_string(base.values[longest].size()) +
                                   " values, the most of a space with more than 2^53 plans",
                               "give fewer values, here or elsewhere"};
            }
            plans *= values.size();
        }
        total += plans;
    }
    if (total == 0) return Problem{"/search", "has no cluster to search on", "give each key at least one value"};
    return total;
}

TrainingRun run_at(const SearchBase& base, const PlanPoint& point) {
    TrainingRun run = base.run;
    for (const PlanAxisInfo& one : plan_axes()) apply_axis(one.axis, at(point, one.axis), run.spec);
    const Parallelism& plan = run.spec.parallelism;
    if (at(point, PlanAxis::data) == 0) {
        run.spec.parallelism.data = std::max(base.cluster.devices() / (plan.tensor * plan.context * plan.pipeline), 1);
    }
    share_out_layers(base, at(point, PlanAxis::stage_layers), run.spec.parallelism);
    if (plan.fsdp) run.framework = base.sharded_framework;
    run.spec.framework = run.framework.name;
    return run;
}

}  // namespace orrery
