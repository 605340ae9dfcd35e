// Plans between two plans, priced one after the other.
#include "planner/plan_difference.hpp"

#include <algorithm>
#include <cmath>

namespace orrery {
namespace {

/// A plan of the way: a base and its axes.
struct WayPoint {
    std::uint32_t base = 0;
    PlanPoint point{};
};

Result<TrainingAnswer> answer_at_way_point(const SearchSpace& space, const WayPoint& at_point) {
    const SearchBase& base = space.bases[at_point.base];
    TrainingRun run = run_at(base, at_point.point);
    if (run.spec.parallelism.devices() != base.cluster.devices()) {
        return Problem{"/workload/parallelism", "does not use all devices", "change what goes with it"};
    }
    return run_training(base.cluster, run, Fidelity::estimate, {});
}

std::vector<ChangedAxis> base_changes(const SearchBase& from, const SearchBase& to) {
    std::vector<ChangedAxis> changes;
    for (std::size_t i = 0; i < std::min(from.settings.size(), to.settings.size()); ++i) {
        if (from.settings[i] == to.settings[i]) continue;
        changes.push_back({from.settings[i].first, from.settings[i].second, to.settings[i].second});
    }
    return changes;
}

}  // namespace

Seconds ChangeEffect::total() const {
    Seconds sum;
    for (const Seconds one : moved) sum += one;
    return sum;
}

Result<PlanDifference> plan_difference(const SearchSpace& space, const FoundPlan& from, const FoundPlan& to) {
    WayPoint here{from.base, from.point};
    auto before = answer_at_way_point(space, here);
    const auto last = answer_at_way_point(space, {to.base, to.point});
    if (!before) return before.problems();
    if (!last) return last.problems();
    PlanDifference difference;
    difference.from = before->outcome.step;
    difference.to = last->outcome.step;
    ChangeEffect open;
    const auto close = [&](const TrainingAnswer& after) {
        for (std::size_t i = 0; i < time_part_count; ++i) open.moved[i] = after.outcome.breakdown[i] - before->outcome.breakdown[i];
        open.step = after.outcome.step;
        open.memory = after.memory.total();
        difference.effects.push_back(std::move(open));
        open = {};
        before = after;
    };
    if (from.base != to.base) {
        open.changes = base_changes(space.bases[from.base], space.bases[to.base]);
        here.base = to.base;
        if (const auto after = answer_at_way_point(space, here)) close(*after);
    }
    for (const PlanAxisInfo& one : plan_axes()) {
        const std::int32_t old_value = at(here.point, one.axis);
        const std::int32_t new_value = at(to.point, one.axis);
        if (old_value == new_value) continue;
        at(here.point, one.axis) = new_value;
        open.changes.push_back({std::string(one.path), axis_text(one.axis, old_value), axis_text(one.axis, new_value)});
        if (const auto after = answer_at_way_point(space, here)) close(*after);
    }
    return difference;
}

std::vector<Sensitivity> sensitivities(const Cluster& cluster, const TrainingRun& run, double change) {
    ORRERY_CHECK(change > 0.0 && change < 1.0);
    std::vector<Sensitivity> rows;
    for (const auto& part : EnumTable<MachinePart>::names) {
        const auto less = run_training(changed_machine(cluster, part.value, 1.0 - change), run, Fidelity::estimate, {});
        const auto more = run_training(changed_machine(cluster, part.value, 1.0 + change), run, Fidelity::estimate, {});
        if (!less || !more) return {};
        Sensitivity row{part.value, less->outcome.step, more->outcome.step, 0.0};
        row.elasticity = std::log(row.more / row.less) / std::log((1.0 + change) / (1.0 - change));
        rows.push_back(row);
    }
    return rows;
}

Result<FoundPlan> plan_at(const SearchSpace& space, std::uint64_t index) {
    FoundPlan plan;
    plan.index = index;
    std::uint64_t left = index;
    for (const SearchBase& base : space.bases) {
        std::uint64_t plans = 1;
        for (const auto& values : base.values) plans *= values.size();
        if (left >= plans) {
            left -= plans;
            ++plan.base;
            continue;
        }
        for (std::size_t i = plan_axis_count; i-- > 0;) {   // the last axis counts fastest
            plan.point[i] = base.values[i][left % base.values[i].size()];
            left /= base.values[i].size();
        }
        const auto answer = answer_at_way_point(space, {plan.base, plan.point});
        if (!answer) return answer.problems();
        plan.estimate = {answer->outcome.step, answer->memory.total(), answer->compute_utilization};
        return plan;
    }
    return Problem{"plan " + std::to_string(index), "lies beyond the space", "take an index that the answer's JSON names"};
}

Result<PlanExplanation> explain_plan(const SearchSpace& space, const std::vector<FoundPlan>& best, const FoundPlan& plan) {
    const auto answer = answer_at_way_point(space, {plan.base, plan.point});
    if (!answer) return answer.problems();
    PlanExplanation explanation;
    explanation.plan = plan;
    explanation.step = answer->outcome.step;
    explanation.breakdown = answer->outcome.breakdown;
    const auto found = std::find_if(best.begin(), best.end(), [&](const FoundPlan& one) { return one.index == plan.index; });
    explanation.rank = found == best.end() ? 0 : static_cast<std::size_t>(found - best.begin()) + 1;
    const auto compare_with = [&](std::size_t rank) {
        if (rank == 0 || rank > best.size() || rank == explanation.rank) return;
        if (!explanation.others.empty() && explanation.others.back().rank >= rank) return;
        auto difference = plan_difference(space, plan, best[rank - 1]);
        if (difference) explanation.others.push_back({rank, best[rank - 1], std::move(difference).value()});
    };
    compare_with(1);
    compare_with(explanation.rank + 1);
    compare_with(best.size());
    const SearchBase& base = space.bases[plan.base];
    explanation.sensitivities = sensitivities(base.cluster, run_at(base, plan.point));
    return explanation;
}

}  // namespace orrery
