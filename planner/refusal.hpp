// Why a plan of a search is not answered: a reason out of a fixed list, found as early as the values allow.
#pragma once

#include "hardware/rng.hpp"
#include "planner/search_space.hpp"

#include <optional>

namespace orrery {

enum class Refusal : std::uint8_t {
    precision, order, tensor, sequence, context, devices, pipeline, data, expert, expert_tensor, schedule,
    virtual_stages, sharding, shard, batch, interleaving, dualpipe, recompute, overlap, same, unsupported, memory, power,
    bound, groups
};
inline constexpr std::size_t refusal_count = 25;
template <>
struct EnumTable<Refusal> {
    static constexpr std::array<EnumName<Refusal>, refusal_count> names{{
        {Refusal::precision, "precision", "the device has no rate for the format"},
        {Refusal::order, "order", "dense ranks and experts' ranks would get different stages"},
        {Refusal::tensor, "tensor", "tensor does not divide the model's heads or widths"},
        {Refusal::sequence, "sequence", "sequence parallelism does not divide a rank's tokens"},
        {Refusal::context, "context", "context does not divide the sequence or the heads"},
        {Refusal::devices, "devices", "the degrees do not divide the devices"},
        {Refusal::pipeline, "pipeline", "the layers cannot be shared out over the stages"},
        {Refusal::data, "data", "data is not what the other degrees leave"},
        {Refusal::expert, "expert", "expert does not divide the experts or the ranks of a stage"},
        {Refusal::expert_tensor, "expert_tensor", "expert x expert_tensor does not divide the experts' width or ranks"},
        {Refusal::schedule, "schedule", "the schedule does not go with the pipeline or the sharding"},
        {Refusal::virtual_stages, "virtual_stages", "the schedule has no virtual stages"},
        {Refusal::sharding, "sharding", "zero, fsdp and pipeline do not go together"},
        {Refusal::shard, "shard", "shard does not divide the replicas, or nothing is sharded"},
        {Refusal::batch, "batch", "the global batch is no multiple of data x micro_batch"},
        {Refusal::interleaving, "interleaving", "micro-batches are no multiple of the pipeline, as interleaving needs"},
        {Refusal::dualpipe, "dualpipe", "dualpipe needs an even number of micro-batches, twice the pipeline or more"},
        {Refusal::recompute, "recompute", "recompute_layers and recompute do not go together"},
        {Refusal::overlap, "overlap", "experts' exchanges of a model without experts"},
        {Refusal::same, "same", "says the same as another plan of the search"},
        {Refusal::unsupported, "unsupported", "the models do not cover the combination"},
        {Refusal::memory, "memory", "does not fit in the devices' memory"},
        {Refusal::power, "power", "draws more than the limit"},
        {Refusal::bound, "bound", "cannot be among the best: its lower bound is slower"},
        {Refusal::groups, "groups", "a stage would lie on nodes of several types"},
    }};
};

/// The first reason against a plan of which `axis` and all axes before it are set, and which had none before `axis`.
/// `data` is set from the devices when `pipeline` is. Agrees with plan_problems() once all axes are set, but for plans
/// that say the same as another of the base's values (`same`).
std::optional<Refusal> refusal_after(PlanAxis axis, const SearchBase& base, TrainingSpec& spec, std::int32_t value);

/// A plan drawn evenly on every axis: its point, and its training where nothing speaks against it.
struct DrawnPlan {
    PlanPoint point{};
    std::optional<TrainingSpec> spec;
};
DrawnPlan draw_plan(const SearchBase& base, Rng& rng);

}  // namespace orrery
