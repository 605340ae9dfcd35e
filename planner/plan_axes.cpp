// One line per axis for its key, and one case per axis for what it sets.
#include "planner/plan_axes.hpp"

#include <charconv>

namespace orrery {
namespace {

constexpr std::array<PlanAxisInfo, plan_axis_count> axis_table{{
    {PlanAxis::precision, "workload.precision", "formats that the device has a rate for: bf16, fp8"},
    {PlanAxis::optimizer, "workload.optimizer", "the scenario's own: another one trains another model"},
    {PlanAxis::order, "workload.parallelism.order", "Megatron's, and pipeline ahead of data"},
    {PlanAxis::tensor, "workload.parallelism.tensor", "powers of two up to two scale-up domains, at most 64"},
    {PlanAxis::sequence_parallel, "workload.parallelism.sequence_parallel", "with and without"},
    {PlanAxis::context, "workload.parallelism.context", "powers of two that leave a rank 1,024 tokens"},
    {PlanAxis::pipeline, "workload.parallelism.pipeline", "divisors of the devices up to the layers"},
    {PlanAxis::data, "workload.parallelism.data", "whatever the other degrees leave"},
    {PlanAxis::expert, "workload.parallelism.expert", "divisors of the experts"},
    {PlanAxis::expert_tensor, "workload.parallelism.expert_tensor", "powers of two up to a scale-up domain"},
    {PlanAxis::schedule, "workload.parallelism.schedule", "1f1b, 1f1b-interleaved, zb-h1"},
    {PlanAxis::virtual_stages, "workload.parallelism.virtual_stages", "divisors of the layers up to 16"},
    {PlanAxis::stage_layers, "workload.parallelism.stage_layers",
     "evenly; if asked for: with a first stage of one layer fewer and a last one of one or two; of a mixed machine balanced"},
    {PlanAxis::fsdp, "workload.parallelism.fsdp", "with and without"},
    {PlanAxis::micro_batch, "workload.micro_batch", "powers of two up to 16"},
    {PlanAxis::global_batch, "workload.global_batch", "the scenario's own"},
    {PlanAxis::recompute, "workload.recompute", "none, selective, full, block"},
    {PlanAxis::recompute_layers, "workload.recompute_layers", "with block: 1 to 16, fewer as it gets coarser"},
    {PlanAxis::overlap_tensor, "workload.overlap.tensor", "as the framework does"},
    {PlanAxis::overlap_experts, "workload.overlap.experts", "with and without, of mixtures"},
    {PlanAxis::zero, "workload.parallelism.zero", "0 to 3"},
    {PlanAxis::shard, "workload.parallelism.shard", "all replicas, or as many as a node has devices"},
    {PlanAxis::overlap_gradients, "workload.overlap.gradients", "as the framework does"},
    {PlanAxis::overlap_parameters, "workload.overlap.parameters", "as the framework does"},
    {PlanAxis::overlap_pipeline, "workload.overlap.pipeline", "as the framework does"},
}};

std::int32_t switch_value(const std::optional<bool>& given) { return given ? (*given ? 1 : 0) : -1; }
std::optional<bool> switch_of(std::int32_t value) { return value < 0 ? std::nullopt : std::optional(value == 1); }

template <class Enum>
std::optional<std::int32_t> position_of(std::string_view name) {
    for (const auto& entry : EnumTable<Enum>::names) {
        if (entry.name == name) return static_cast<std::int32_t>(entry.value);
    }
    return std::nullopt;
}

std::optional<std::int32_t> parse_switch(std::string_view text, bool absent_too) {
    if (text == "true") return 1;
    if (text == "false") return 0;
    if (absent_too && (text == "null" || text == "absent")) return -1;
    return std::nullopt;
}

std::optional<std::int32_t> parse_order(std::string_view text) {
    std::vector<RankAxis> order;
    while (!text.empty()) {
        const std::size_t comma = text.find(',');
        const auto axis = position_of<RankAxis>(text.substr(0, comma));
        if (!axis) return std::nullopt;
        order.push_back(static_cast<RankAxis>(*axis));
        text = comma == std::string_view::npos ? std::string_view{} : text.substr(comma + 1);
    }
    return order.size() > 5 ? std::nullopt : std::optional(order_code(order));
}

std::optional<std::int32_t> parse_fewer_layers(std::string_view text) {
    if (text == "even") return 0;
    if (text == "balanced") return balanced_layers_code;
    const std::size_t comma = text.find(',');
    if (comma == std::string_view::npos) return std::nullopt;
    const auto number = [](std::string_view digits) {
        int value = -1;
        const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
        return error == std::errc{} && end == digits.data() + digits.size() ? value : -1;
    };
    const FewerLayers fewer{number(text.substr(0, comma)), number(text.substr(comma + 1))};
    const auto is_in = [](int value) { return value >= 0 && value <= fewer_layers_max; };
    return is_in(fewer.first) && is_in(fewer.last) ? std::optional(fewer_layers_code(fewer)) : std::nullopt;
}

std::optional<std::int32_t> parse_count(std::string_view text) {
    std::int32_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return value;
}

std::string switch_text(std::int32_t value) { return value < 0 ? "null" : value == 1 ? "true" : "false"; }

}  // namespace

const std::array<PlanAxisInfo, plan_axis_count>& plan_axes() { return axis_table; }

std::optional<PlanAxis> find_plan_axis(std::string_view path) {
    for (const PlanAxisInfo& one : axis_table) {
        if (one.path == path) return one.axis;
    }
    return std::nullopt;
}

std::int32_t order_code(const std::vector<RankAxis>& order) {
    std::int32_t code = 0;
    for (const RankAxis axis : order) code = code * 6 + static_cast<std::int32_t>(axis) + 1;
    return code;
}

std::vector<RankAxis> order_of_code(std::int32_t code) {
    std::vector<RankAxis> order;
    for (; code > 0; code /= 6) order.insert(order.begin(), static_cast<RankAxis>(code % 6 - 1));
    return order;
}

void apply_axis(PlanAxis axis, std::int32_t value, TrainingSpec& spec) {
    Parallelism& plan = spec.parallelism;
    switch (axis) {
        case PlanAxis::precision: spec.precision = static_cast<DataType>(value); break;
        case PlanAxis::optimizer: spec.optimizer = static_cast<Optimizer>(value); break;
        case PlanAxis::order: plan.order = order_of_code(value); break;
        case PlanAxis::tensor: plan.tensor = value; break;
        case PlanAxis::sequence_parallel: plan.sequence_parallel = switch_of(value); break;
        case PlanAxis::context: plan.context = value; break;
        case PlanAxis::pipeline: plan.pipeline = value; break;
        case PlanAxis::data: if (value > 0) plan.data = value; break;
        case PlanAxis::expert: plan.expert = value; break;
        case PlanAxis::expert_tensor: plan.expert_tensor = value; break;
        case PlanAxis::schedule: plan.schedule = static_cast<PipelineSchedule>(value); break;
        case PlanAxis::virtual_stages: plan.virtual_stages = value; break;
        case PlanAxis::stage_layers: break;   // needs the model: share_out_layers()
        case PlanAxis::zero: plan.zero = value; break;
        case PlanAxis::fsdp: plan.fsdp = value == 1; break;
        case PlanAxis::shard: plan.shard = value; break;
        case PlanAxis::micro_batch: spec.micro_batch = value; break;
        case PlanAxis::global_batch: spec.global_batch = value; break;
        case PlanAxis::recompute: spec.recompute = static_cast<Recompute>(value); break;
        case PlanAxis::recompute_layers: spec.recompute_layers = value; break;
        case PlanAxis::overlap_tensor: spec.overlap.tensor = switch_of(value); break;
        case PlanAxis::overlap_gradients: spec.overlap.gradients = switch_of(value); break;
        case PlanAxis::overlap_parameters: spec.overlap.parameters = switch_of(value); break;
        case PlanAxis::overlap_pipeline: spec.overlap.pipeline = switch_of(value); break;
        case PlanAxis::overlap_experts: spec.overlap.experts = switch_of(value); break;
    }
}

std::int32_t axis_value(PlanAxis axis, const TrainingSpec& spec) {
    const Parallelism& plan = spec.parallelism;
    switch (axis) {
        case PlanAxis::precision: return static_cast<std::int32_t>(spec.precision);
        case PlanAxis::optimizer: return static_cast<std::int32_t>(spec.optimizer);
        case PlanAxis::order: return order_code(plan.order);
        case PlanAxis::tensor: return plan.tensor;
        case PlanAxis::sequence_parallel: return switch_value(plan.sequence_parallel);
        case PlanAxis::context: return plan.context;
        case PlanAxis::pipeline: return plan.pipeline;
        case PlanAxis::data: return plan.data;
        case PlanAxis::expert: return plan.expert;
        case PlanAxis::expert_tensor: return plan.expert_tensor;
        case PlanAxis::schedule: return static_cast<std::int32_t>(plan.schedule);
        case PlanAxis::virtual_stages: return plan.virtual_stages;
        case PlanAxis::stage_layers: return 0;
        case PlanAxis::zero: return plan.zero;
        case PlanAxis::fsdp: return plan.fsdp ? 1 : 0;
        case PlanAxis::shard: return plan.shard;
        case PlanAxis::micro_batch: return spec.micro_batch;
        case PlanAxis::global_batch: return spec.global_batch;
        case PlanAxis::recompute: return static_cast<std::int32_t>(spec.recompute);
        case PlanAxis::recompute_layers: return spec.recompute_layers;
        case PlanAxis::overlap_tensor: return switch_value(spec.overlap.tensor);
        case PlanAxis::overlap_gradients: return switch_value(spec.overlap.gradients);
        case PlanAxis::overlap_parameters: return switch_value(spec.overlap.parameters);
        case PlanAxis::overlap_pipeline: return switch_value(spec.overlap.pipeline);
        case PlanAxis::overlap_experts: return switch_value(spec.overlap.experts);
    }
    return 0;
}

std::string axis_text(PlanAxis axis, std::int32_t value) {
    switch (axis) {
        case PlanAxis::precision: return std::string(name_of(static_cast<DataType>(value)));
        case PlanAxis::optimizer: return std::string(name_of(static_cast<Optimizer>(value)));
        case PlanAxis::schedule: return std::string(name_of(static_cast<PipelineSchedule>(value)));
        case PlanAxis::recompute: return std::string(name_of(static_cast<Recompute>(value)));
        case PlanAxis::order: {
            std::string text;
            for (const RankAxis one : order_of_code(value)) text += (text.empty() ? "" : ",") + std::string(name_of(one));
            return text;
        }
        case PlanAxis::stage_layers: {
            const FewerLayers fewer = fewer_layers_of(value);
            if (value == balanced_layers_code) return "balanced";
            return value == 0 ? "even" : std::to_string(fewer.first) + "," + std::to_string(fewer.last);
        }
        case PlanAxis::fsdp: return value == 1 ? "true" : "false";
        case PlanAxis::sequence_parallel:
        case PlanAxis::overlap_tensor:
        case PlanAxis::overlap_gradients:
        case PlanAxis::overlap_parameters:
        case PlanAxis::overlap_pipeline:
        case PlanAxis::overlap_experts: return switch_text(value);
        default: return std::to_string(value);
    }
}

std::optional<std::int32_t> parse_axis_value(PlanAxis axis, std::string_view text) {
    switch (axis) {
        case PlanAxis::precision: return position_of<DataType>(text);
        case PlanAxis::optimizer: return position_of<Optimizer>(text);
        case PlanAxis::schedule: return position_of<PipelineSchedule>(text);
        case PlanAxis::recompute: return position_of<Recompute>(text);
        case PlanAxis::order: return parse_order(text);
        case PlanAxis::stage_layers: return parse_fewer_layers(text);
        case PlanAxis::fsdp: return parse_switch(text, false);
        case PlanAxis::sequence_parallel:
        case PlanAxis::overlap_tensor:
        case PlanAxis::overlap_gradients:
        case PlanAxis::overlap_parameters:
        case PlanAxis::overlap_pipeline:
        case PlanAxis::overlap_experts: return parse_switch(text, true);
        default: return parse_count(text);
    }
}

}  // namespace orrery
