// The dimensions of a search: which key of a training each one sets, and what its values are called.
#pragma once

#include "models/training.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace orrery {

/// In the order in which a search assigns them: what decides layer prices first, so that neighbours share them.
enum class PlanAxis : std::uint8_t {
    precision, optimizer, order, tensor, sequence_parallel, context, pipeline, data, expert, expert_tensor, schedule,
    virtual_stages, stage_layers, fsdp, micro_batch, global_batch, recompute, recompute_layers, overlap_tensor, overlap_experts, zero,
    shard, overlap_gradients, overlap_parameters, overlap_pipeline
};
inline constexpr std::size_t plan_axis_count = 25;
inline constexpr PlanAxis last_plan_axis = PlanAxis::overlap_pipeline;

/// A value on each axis: degrees and counts as they are, enumerations by position, switches as -1 (absent), 0, 1,
/// `data` 0 (whatever is left), `order` by order_code(), `stage_layers` by fewer_layers_code() or balanced_layers_code.
using PlanPoint = std::array<std::int32_t, plan_axis_count>;

struct PlanAxisInfo {
    PlanAxis axis;
    std::string_view path;   // of the scenario
    std::string_view doc;
};
const std::array<PlanAxisInfo, plan_axis_count>& plan_axes();

/// The axis that sets the key at a dotted path.
std::optional<PlanAxis> find_plan_axis(std::string_view path);

/// Sets what `axis` stands for. `data` 0 sets nothing.
void apply_axis(PlanAxis axis, std::int32_t value, TrainingSpec& spec);

/// What a training has on an axis now.
std::int32_t axis_value(PlanAxis axis, const TrainingSpec& spec);

/// A value as scenarios write it: "8", "selective", "true", "tensor,context,expert,data,pipeline".
std::string axis_text(PlanAxis axis, std::int32_t value);

/// The value that a text of a scenario stands for; none if the axis has no such value.
std::optional<std::int32_t> parse_axis_value(PlanAxis axis, std::string_view text);

/// An order of axes as one number, and back; 0 is the empty order (Megatron's).
std::int32_t order_code(const std::vector<RankAxis>& order);
std::vector<RankAxis> order_of_code(std::int32_t code);

/// Stages that share the layers out evenly, but for a first one that holds so many fewer and a last one: room for
/// embedding and head. 0: evenly.
struct FewerLayers {
    int first = 0;
    int last = 0;
};
inline constexpr int fewer_layers_max = 15;
/// Stages that share the layers out by what they cost on their own devices.
inline constexpr std::int32_t balanced_layers_code = (fewer_layers_max + 1) * (fewer_layers_max + 1);
constexpr std::int32_t fewer_layers_code(FewerLayers fewer) { return fewer.first * (fewer_layers_max + 1) + fewer.last; }
constexpr FewerLayers fewer_layers_of(std::int32_t code) { return {code / (fewer_layers_max + 1), code % (fewer_layers_max + 1)}; }

constexpr std::int32_t& at(PlanPoint& point, PlanAxis axis) { return point[static_cast<std::size_t>(axis)]; }
constexpr std::int32_t at(const PlanPoint& point, PlanAxis axis) { return point[static_cast<std::size_t>(axis)]; }

}  // namespace orrery
