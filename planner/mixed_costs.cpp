// Sums over groups: the slowest stage anywhere sets the pace, the rank with least room decides about memory.
#include "planner/mixed_costs.hpp"

#include "sim/simulate.hpp"

#include <algorithm>
#include <array>

namespace orrery {
namespace {

/// Share of the step in kernels, stages weighted by what they draw.
struct BusyKernels {
    double seconds = 0.0;
    double weight = 0.0;
    void add(const GroupStages& stages, double watts) {
        seconds += stages.kernels.si() * stages.count * watts;
        weight += stages.count * watts;
    }
    [[nodiscard]] double share(double micro_batches, Seconds step) const {
        return std::min(1.0, seconds * micro_batches / (step.si() * weight));
    }
};

}  // namespace

Bytes memory_of_first(const SearchBase& base, Bytes memory, Bytes capacity) {
    const Bytes first = base.cluster.device.memory_capacity;
    return capacity == first ? memory : memory * (first / capacity);
}

MixedCosts::MixedCosts(const SearchBase& base) : base_(base) {
    for (const DeviceGroup& group : base.cluster.groups) {
        SearchBase own;
        own.cluster = *group.alike;
        own.run = base.run;
        own.sharded_framework = base.sharded_framework;
        bases_.push_back(std::move(own));
        costs_.emplace_back(bases_.back(), &base.cluster);
    }
}

void MixedCosts::gather(const TrainingSpec& spec, bool timed) {
    groups_ = groups_of_stages(base_.cluster, spec.parallelism);
    stages_.clear();
    group_of_.clear();
    crossed_.clear();
    for (int group = 0; group <= groups_.back(); ++group) {
        costs_[static_cast<std::size_t>(group)].add_stages(spec, group, timed, stages_);
        group_of_.resize(stages_.size(), group);
        crossed_.push_back(&alike(group).fabric);
    }
}

Bytes MixedCosts::fullest() const {
    Bytes fullest{};
    for (std::size_t i = 0; i < stages_.size(); ++i) {
        fullest = std::max(fullest, memory_of_first(base_, stages_[i].memory, alike(group_of_[i]).device.memory_capacity));
    }
    return fullest;
}

std::vector<char> MixedCosts::fits() {
    std::vector<char> fits;
    for (std::size_t rank = 0; rank < groups_.size(); ++rank) {
        const std::size_t number = costs_[static_cast<std::size_t>(groups_[rank])].number_of(static_cast<int>(rank));
        for (std::size_t i = 0; i < stages_.size(); ++i) {
            if (group_of_[i] != groups_[rank] || stages_[i].number != number) continue;
            fits.push_back(stages_[i].memory <= alike(group_of_[i]).device.memory_capacity ? 1 : 0);
        }
    }
    return fits;
}

Bytes MixedCosts::memory(const TrainingSpec& spec) {
    gather(spec, false);
    return fullest();
}

Seconds MixedCosts::once_time(const TrainingSpec& spec, std::size_t i) {
    const std::array<const Fabric*, 2> ends{crossed_.front(), crossed_.back()};
    return costs_[static_cast<std::size_t>(group_of_[i])].once_time(spec, stages_[i], crossed_, ends);
}

const std::vector<LayersOnDevice>& MixedCosts::layer_times(const TrainingSpec& even) {
    std::vector<std::int32_t> key{static_cast<std::int32_t>(even.parallelism.schedule)};
    for (const PlanAxis axis : {PlanAxis::precision, PlanAxis::order, PlanAxis::tensor, PlanAxis::sequence_parallel, PlanAxis::context,
                                PlanAxis::pipeline, PlanAxis::data, PlanAxis::expert, PlanAxis::expert_tensor, PlanAxis::virtual_stages,
                                PlanAxis::fsdp, PlanAxis::micro_batch, PlanAxis::recompute, PlanAxis::recompute_layers,
                                PlanAxis::overlap_tensor, PlanAxis::overlap_experts}) {
        key.push_back(axis_value(axis, even));
    }
    const auto [place, is_new] = times_.try_emplace(std::move(key));
    if (is_new) {
        for (PlanCosts& group : costs_) place->second.push_back(group.layer_times(even));
    }
    return place->second;
}

std::vector<int> MixedCosts::layers(const TrainingSpec& spec) {
    TrainingSpec cut = spec;
    Parallelism& plan = cut.parallelism;
    plan.balance = false;
    plan.stage_layers = even_layers(base_.run.architecture.stack(), plan.model_stages());
    return layers_by_group(base_.cluster, plan, layer_times(cut), [&](const std::vector<int>& layers) {
        plan.stage_layers = layers;
        gather(cut, false);
        return fits();
    });
}

PlanEstimate MixedCosts::estimate(const TrainingSpec& spec, Bytes capacity) {
    gather(spec, true);
    PlanEstimate result;
    result.memory = fullest();
    if (result.memory > capacity) return result;
    const Parallelism& plan = spec.parallelism;
    std::vector<StageMessage> sides;
    double exposed = 1.0;
    for (std::size_t group = 0; group < crossed_.size(); ++group) {
        const Boundary side = costs_[group].boundary(spec);
        sides.push_back({side.idle, side.overhead, side.port});
        exposed = side.exposed;
    }
    StepProgram program;   // of messages alone
    program.parallelism = plan;
    program.messages = stage_messages(groups_, sides).behind;
    const double contention = contention_of(plan.fsdp ? base_.sharded_framework : base_.run.framework);
    std::size_t slowest = 0;
    SharedPass slow;
    Seconds all{};
    BusyKernels busy;
    for (std::size_t i = 0; i < stages_.size(); ++i) {
        const StageMessage sent = program.slower_message(stages_[i].first);
        const SharedPass pass = share_port(plan, stages_[i].pass, {sent.idle, sent.port, exposed, stages_[i].is_end}, contention);
        if (i == 0 || pass.turn() > slow.turn()) {
            slowest = i;
            slow = pass;
        }
        all += pass.pass * static_cast<double>(stages_[i].count);
        busy.add(stages_[i], watts_of(i));
    }
    const double batches = spec.micro_batches();
    const Seconds step = step_of_passes(plan, spec.micro_batches(), slow, all) + once_time(spec, slowest) +
                         boundary_messages(plan, 1, program.messages, exposed);
    result.step = step + lost_to_the_slowest(plan.devices(), step);
    result.busy = busy.share(batches, result.step);
    return result;
}

PlanEstimate MixedCosts::bound(const TrainingSpec& spec, Bytes capacity) {
    gather(spec, true);
    PlanEstimate result;
    result.memory = fullest();
    if (result.memory > capacity) return result;
    const double batches = spec.micro_batches();
    BusyKernels busy;
    for (std::size_t i = 0; i < stages_.size(); ++i) {
        const PassOnPort& pass = stages_[i].pass;
        result.step = std::max(result.step, (pass.forward + pass.backward) * batches + once_time(spec, i));
        busy.add(stages_[i], watts_of(i));
    }
    result.step += lost_to_the_slowest(spec.parallelism.devices(), result.step);
    result.busy = busy.share(batches, result.step);
    return result;
}

void MixedCosts::forget() {
    for (PlanCosts& one : costs_) one.forget();
    constexpr std::size_t times_most = 4096;
    if (times_.size() > times_most) times_.clear();
}

}  // namespace orrery
