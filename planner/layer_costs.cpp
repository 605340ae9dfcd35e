// Keys of layers by what they depend on, and the pricing of those that nobody asked for before.
#include "planner/layer_costs.hpp"

#include "sim/block_time.hpp"

#include <algorithm>

namespace orrery {
namespace {

bool is_end(const LayerRole& role) { return role.kind != LayerRole::Kind::layer; }
bool is_mixture(const LayerRole& role) { return role.variant.experts || role.variant.part == LayerPart::experts; }

}  // namespace

std::int32_t split_of(const Parallelism& plan) {
    return plan.schedule == PipelineSchedule::dualpipe ? 2 : plan.splits_backward() ? 1 : 0;
}

const FrameworkProfile& LayerCosts::framework_of(const TrainingSpec& spec) const {
    return spec.parallelism.fsdp ? base_.sharded_framework : base_.run.framework;
}

std::size_t LayerCosts::number_of(const LayerRole& role) {
    const auto known = std::find(roles_.begin(), roles_.end(), role);
    const auto number = static_cast<std::size_t>(known - roles_.begin());
    if (known == roles_.end()) roles_.push_back(role);
    return number;
}

const PricedUnder& LayerCosts::under(const TrainingSpec& spec, bool same_degrees) {
    const Parallelism& plan = spec.parallelism;
    if (!same_degrees) {
        const auto shape = [&](Axis axis) { return memo_.shape(plan, axis, base_.cluster.fabric.domain); };
        const auto number = [&](std::int32_t a, std::int32_t b, std::int32_t c, Axis one, Axis other) {
            const GroupShape x = shape(one);
            const GroupShape y = shape(other);
            const std::array<std::int32_t, 9> key{a, b, c, x.per_domain, x.domains, x.per_node_peers, y.per_domain, y.domains, y.per_node_peers};
            return degrees_.try_emplace(key, degrees_.size()).first->second;
        };
        under_.dense = number(plan.tensor, plan.has_sequence_parallel() ? 1 : 0, plan.context, Axis::tensor, Axis::context);
        under_.experts = number(-static_cast<std::int32_t>(under_.dense) - 1, plan.expert, plan.expert_tensor, Axis::expert, Axis::expert_tensor);
    }
    under_.micro_batch = static_cast<std::uint64_t>(spec.micro_batch);
    const auto overlap = [&](PlanAxis axis) { return static_cast<std::uint64_t>(axis_value(axis, spec) + 1); };
    under_.flags = static_cast<std::uint64_t>(spec.precision) | (plan.fsdp ? 1U << 8U : 0U) |
                   (spec.recompute == Recompute::selective ? 1U << 9U : 0U) | overlap(PlanAxis::overlap_tensor) << 10U |
                   static_cast<std::uint64_t>(split_of(plan)) << 12U;
    under_.expert_flags = under_.flags | overlap(PlanAxis::overlap_experts) << 14U;
    under_.ends = under_.flags | (plan.joins_ends() ? 1U << 16U : 0U);
    return under_;
}

const LayerCost& LayerCosts::cost(const TrainingSpec& spec, std::size_t role) {
    const LayerRole& what = roles_[role];
    const bool mixture = is_mixture(what);
    const std::uint64_t flags = is_end(what) ? under_.ends : mixture ? under_.expert_flags : under_.flags;
    const CostKey key{{(mixture ? under_.experts : under_.dense) << 1U | (mixture ? 1U : 0U), under_.micro_batch << 32U | role, flags}};
    const auto [place, is_new] = costs_.try_emplace(key);
    if (is_new) place->second = price(spec, what);
    return place->second;
}

LayerCost LayerCosts::price(const TrainingSpec& spec, const LayerRole& role) {
    const Architecture& a = base_.run.architecture;
    const FrameworkProfile& framework = framework_of(spec);
    StepGraph graph;
    graph.kinds.push_back(RoleGraphs(a, spec, framework).graph_of(role));
    graph.experts_per_token = a.experts > 0 ? a.experts_per_token : 0;
    const LayerPrices prices = Pricer(base_.cluster, graph, spec, framework, &memo_).price_kinds();
    const PricedLayer& layer = prices.layers.front();
    StepProgram program;   // of block_time(): the exchanges that the codes point to
    program.exchanges = prices.exchanges;
    const auto time = [&](const std::vector<Instruction>& code) { return block_time(program, code).total; };
    LayerCost cost;
    cost.forward = time(layer.forward);
    cost.kernels = kernel_time_of(layer.forward);
    const bool is_split = spec.parallelism.splits_backward();
    for (const auto* code : {&layer.input, &layer.weight, &layer.backward}) {
        if (is_split == (code == &layer.backward)) continue;   // halves or the whole
        cost.backward += time(*code);
        cost.kernels += kernel_time_of(*code);
    }
    cost.load = port_load(prices.exchanges, layer.forward);
    cost.load.add(port_load(prices.exchanges, layer.backward), 1.0);
    const KindActivations activations = kind_activations(a, spec, framework, graph);
    cost.activations = activations.kinds.front();
    cost.input = activations.input;
    cost.logits = activations.logits;
    cost.kind = std::move(graph.kinds.front());
    for (auto* tasks : {&cost.kind.forward, &cost.kind.backward}) std::vector<GraphTask>().swap(*tasks);
    std::vector<MatrixShape>().swap(cost.kind.matrices);
    cost.sharded = sharded_layer(cost.kind.is_decoder_layer, prices, layer);
    return cost;
}

}  // namespace orrery
