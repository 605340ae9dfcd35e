// A heap of the best and a list of the unbeaten.
#include "planner/best_plans.hpp"

#include <algorithm>
#include <limits>

namespace orrery {
namespace {

std::pair<std::uint32_t, std::int32_t> group_of(const FoundPlan& plan) {
    return {plan.base, at(plan.point, PlanAxis::global_batch)};
}

}  // namespace

bool BestPlans::is_before(const Scored& a, const Scored& b) {
    return a.score != b.score ? a.score < b.score : a.plan.index < b.plan.index;
}

/// At least as good in everything, and better in something or, where all is equal, earlier in the space or the same plan.
bool BestPlans::beats(const Scored& a, const Scored& b) {
    bool is_better = a.plan.index <= b.plan.index;
    bool is_equal = true;
    for (std::size_t i = 0; i < measures; ++i) {
        if (a.figures[i] > b.figures[i]) return false;
        if (a.figures[i] < b.figures[i]) is_equal = false;
    }
    return is_equal ? is_better : true;
}

/// Of two plans of one group.
bool BestPlans::is_sooner(const Scored& a, const Scored& b) {
    return a.figures[0] != b.figures[0] ? a.figures[0] < b.figures[0] : a.plan.index < b.plan.index;
}

BestPlans::Scored BestPlans::scored(const FoundPlan& plan, const PlanFigures& figures) const {
    return {score_of(objective_, figures), plan,
            {score_of(Objective::time, figures), score_of(Objective::cost, figures), score_of(Objective::energy, figures),
             figures.memory / figures.capacity, static_cast<double>(figures.devices)}};
}

void BestPlans::offer(const FoundPlan& plan, const PlanFigures& figures) {
    const Scored one = scored(plan, figures);
    keep(one);
    keep_on_front(one);
    keep_of_group(one);
}

bool BestPlans::excludes(const FoundPlan& plan, const PlanFigures& figures) const {
    const Scored one = scored(plan, figures);
    if (by_group_) {
        const auto known = groups_.find(group_of(plan));
        if (known == groups_.end() || !is_sooner(known->second, one)) return false;
    }
    if (heap_.size() < top_ || (top_ > 0 && !is_before(heap_.front(), one))) return false;
    return std::any_of(front_.begin(), front_.end(), [&](const Scored& other) { return beats(other, one); });
}

void BestPlans::keep(const Scored& one) {
    if (top_ == 0 || (heap_.size() == top_ && !is_before(one, heap_.front()))) return;
    if (std::any_of(heap_.begin(), heap_.end(), [&](const Scored& other) { return other.plan.index == one.plan.index; })) return;
    heap_.push_back(one);
    std::push_heap(heap_.begin(), heap_.end(), is_before);
    if (heap_.size() <= top_) return;
    std::pop_heap(heap_.begin(), heap_.end(), is_before);
    heap_.pop_back();
}

void BestPlans::keep_on_front(const Scored& one) {
    for (std::size_t i = 0; i < front_.size(); ++i) {
        if (!beats(front_[i], one)) continue;
        if (i > 0) std::swap(front_[i], front_[i - 1]);   // what beats one often beats the next
        return;
    }
    std::erase_if(front_, [&](const Scored& other) { return beats(one, other); });
    front_.push_back(one);
}

void BestPlans::keep_of_group(const Scored& one) {
    if (!by_group_) return;
    const auto [known, is_new] = groups_.try_emplace(group_of(one.plan), one);
    if (!is_new && is_sooner(one, known->second)) known->second = one;
}

void BestPlans::merge(const BestPlans& other) {
    for (const Scored& one : other.heap_) keep(one);
    for (const Scored& one : other.front_) keep_on_front(one);
    for (const auto& [group, one] : other.groups_) keep_of_group(one);
}

double BestPlans::threshold() const {
    return heap_.size() < top_ || heap_.empty() ? std::numeric_limits<double>::infinity() : heap_.front().score;
}

std::vector<FoundPlan> BestPlans::ranked() const {
    std::vector<Scored> sorted = heap_;
    std::sort(sorted.begin(), sorted.end(), is_before);
    std::vector<FoundPlan> plans;
    for (const Scored& one : sorted) plans.push_back(one.plan);
    return plans;
}

std::vector<FoundPlan> BestPlans::front() const {
    std::vector<Scored> sorted = front_;
    std::sort(sorted.begin(), sorted.end(), is_sooner);
    std::vector<FoundPlan> plans;
    for (const Scored& one : sorted) plans.push_back(one.plan);
    return plans;
}

std::vector<FoundPlan> BestPlans::fastest() const {
    std::vector<FoundPlan> plans;
    for (const auto& [group, one] : groups_) plans.push_back(one.plan);
    return plans;
}

}  // namespace orrery
