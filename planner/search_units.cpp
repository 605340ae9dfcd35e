// The walk: axes set one after the other, whole branches refused at once, the rest estimated or bounded.
#include "planner/search_units.hpp"

#include <algorithm>

namespace orrery {
namespace {

/// Axes up to this one make a unit of work.
constexpr std::size_t unit_axes = static_cast<std::size_t>(PlanAxis::expert_tensor) + 1;

void refuse_plans(SearchResult& counts, Refusal reason, std::uint64_t plans, const RefusedExample& first) {
    counts.refused[static_cast<std::size_t>(reason)] += plans;
    auto& example = counts.examples[static_cast<std::size_t>(reason)];
    if (!example || first.index < example->index) example = first;
}

/// Walks the axes from `begin` to `end`, counts what is refused and hands over what is left.
class AxisWalk {
  public:
    AxisWalk(const SearchBase& base, std::uint32_t base_number, SearchResult& counts)
        : base_(base), base_number_(base_number), counts_(counts) {
        std::uint64_t plans = 1;
        for (std::size_t i = plan_axis_count; i-- > 0;) {
            below_[i] = plans;
            plans *= base.values[i].size();
        }
    }

    /// From now on walks only schedules whose step `adds_up`, or only the others.
    void only(bool adds_up) { only_ = adds_up; }

    template <class Leaf>
    void walk(std::size_t axis, std::size_t end, std::uint64_t index, PlanPoint& point, TrainingSpec& spec, Leaf& leaf) {
        if (axis == end) {
            leaf(index, point, spec);
            return;
        }
        const auto which = static_cast<PlanAxis>(axis);
        std::uint64_t here = index;
        for (const std::int32_t value : base_.values[axis]) {
            point[axis] = value;
            apply_axis(which, value, spec);
            const auto refusal = refusal_after(which, base_, spec, value);
            if (which == PlanAxis::schedule && only_ && adds_up(spec.parallelism) != *only_) {
                // not this time
            } else if (refusal) {
                refuse(*refusal, below_[axis], here, point, which);
            } else {
                walk(axis + 1, end, here, point, spec, leaf);
            }
            here += below_[axis];
        }
    }

    void refuse(Refusal reason, std::uint64_t plans, std::uint64_t index, const PlanPoint& point, PlanAxis last) {
        refuse_plans(counts_, reason, plans, RefusedExample{index, base_number_, point, last});
    }

  private:
    const SearchBase& base_;
    std::uint32_t base_number_;
    SearchResult& counts_;
    std::array<std::uint64_t, plan_axis_count> below_{};   // plans of one value of an axis
    std::optional<bool> only_;
};

/// Of plans that do not fit, the one that needs least; of several, the first.
void keep_closest(const FoundPlan& plan, SearchResult& counts) {
    const auto is_closer = [&](const FoundPlan& other) {
        return plan.estimate.memory != other.estimate.memory ? plan.estimate.memory < other.estimate.memory : plan.index < other.index;
    };
    if (!counts.closest || is_closer(*counts.closest)) counts.closest = plan;
}

/// Counts an estimated plan, by its memory and the limits.
void tally(const SearchBase& base, const PlanLimits& limits, const FoundPlan& plan, SearchResult& counts, BestPlans& best) {
    ++counts.estimated;
    const RefusedExample example{plan.index, plan.base, plan.point, last_plan_axis};
    if (plan.estimate.step <= Seconds{} || plan.estimate.memory > base.cluster.device.memory_capacity * limits.memory_share) {
        refuse_plans(counts, Refusal::memory, 1, example);
        keep_closest(plan, counts);
        return;
    }
    const PlanFigures figures = figures_of(base, plan);
    if (limits.power_max > Watts{} && figures.power > limits.power_max) {
        refuse_plans(counts, Refusal::power, 1, example);
        return;
    }
    ++counts.feasible;
    best.offer(plan, figures);
}

std::uint64_t plans_of(const SearchBase& base) {
    std::uint64_t plans = 1;
    for (const auto& values : base.values) plans *= values.size();
    return plans;
}

std::vector<SearchUnit> units_of(const SearchSpace& space, SearchResult& counts) {
    std::vector<SearchUnit> units;
    std::uint64_t first = 0;
    for (std::uint32_t number = 0; number < space.bases.size(); ++number) {
        const SearchBase& base = space.bases[number];
        AxisWalk walk(base, number, counts);
        PlanPoint point{};
        TrainingSpec spec = base.run.spec;
        auto leaf = [&](std::uint64_t index, const PlanPoint& at_unit, const TrainingSpec& unit_spec) {
            units.push_back({units.size(), number, index, at_unit, unit_spec});
        };
        walk.walk(0, unit_axes, first, point, spec, leaf);
        first += plans_of(base);
    }
    return units;
}

void merge_counts(const SearchResult& from, SearchResult& into) {
    into.estimated += from.estimated;
    into.feasible += from.feasible;
    for (std::size_t i = 0; i < refusal_count; ++i) {
        into.refused[i] += from.refused[i];
        const auto& example = from.examples[i];
        if (example && (!into.examples[i] || example->index < into.examples[i]->index)) into.examples[i] = example;
    }
    if (from.closest) keep_closest(*from.closest, into);
}

}  // namespace

UnitFindings search_unit(const SearchSpace& space, const SearchUnit& unit, const SearchOptions& options, SearchRound round,
                         const BestPlans& to_beat, Evaluators& evaluators) {
    const SearchBase& base = space.bases[unit.base];
    UnitFindings findings;
    BestPlans& found = findings.found.best;
    found = BestPlans(options.objective, options.top, options.by_group);
    SearchResult& counts = findings.found.counts;
    AxisWalk walk(base, unit.base, counts);
    if (round != SearchRound::all) walk.only(round == SearchRound::quick);
    PlanPoint point = unit.point;
    PlanEvaluator& evaluator = evaluators.try_emplace(unit.base, base).first->second;
    evaluator.begin_branch();
    const Bytes capacity = base.cluster.device.memory_capacity * options.limits.memory_share;
    const bool keeps_plans = options.keeps_plans || options.store != nullptr;
    auto leaf = [&](std::uint64_t index, const PlanPoint& leaf_point, const TrainingSpec& spec) {
        if (round == SearchRound::bounded) {
            const auto bound = evaluator.bound(spec, capacity);
            if (bound && bound->step > Seconds{}) {
                const FoundPlan at_best{index, unit.base, leaf_point, *bound};
                const PlanFigures figures = figures_of(base, at_best);
                if (to_beat.excludes(at_best, figures) || found.excludes(at_best, figures)) {
                    walk.refuse(Refusal::bound, 1, index, leaf_point, last_plan_axis);
                    return;
                }
            }
        }
        const auto estimated = evaluator.evaluate(spec, capacity);
        if (!estimated) {
            walk.refuse(Refusal::unsupported, 1, index, leaf_point, last_plan_axis);
            return;
        }
        const FoundPlan plan{index, unit.base, leaf_point, *estimated};
        if (keeps_plans) findings.kept.plans.push_back(plan);
        tally(base, options.limits, plan, counts, found);
    };
    TrainingSpec spec = unit.spec;
    walk.walk(unit_axes, plan_axis_count, unit.index, point, spec, leaf);
    if (keeps_plans) {   // what the limits refuse is told anew from the plans
        findings.kept.unit = unit.number;
        findings.kept.refused = counts.refused;
        findings.kept.examples = counts.examples;
        for (const Refusal reason : {Refusal::memory, Refusal::power}) {
            findings.kept.refused[static_cast<std::size_t>(reason)] = 0;
            findings.kept.examples[static_cast<std::size_t>(reason)].reset();
        }
    }
    return findings;
}

/// A branch that was searched before.
Findings recall_unit(const SearchSpace& space, const StoredUnit& unit, const SearchOptions& options) {
    Findings found{{}, BestPlans(options.objective, options.top, options.by_group)};
    found.counts.refused = unit.refused;
    found.counts.examples = unit.examples;
    for (const FoundPlan& plan : unit.plans) tally(space.bases[plan.base], options.limits, plan, found.counts, found.best);
    return found;
}

Result<Findings> recall_stored(const SearchSpace& space, const std::vector<SearchUnit>& units, const SearchOptions& options,
                               std::vector<char>& done) {
    Findings all{{}, BestPlans(options.objective, options.top, options.by_group)};
    const auto stored = options.store->read();
    if (!stored) return stored.problems();
    std::map<std::uint64_t, const StoredUnit*> known;
    for (const StoredUnit& unit : *stored) known[unit.unit] = &unit;
    for (std::size_t i = 0; i < units.size(); ++i) {
        const auto found = known.find(units[i].number);
        if (found == known.end()) continue;
        all.add(recall_unit(space, *found->second, options));
        done[i] = 1;
    }
    return all;
}

void Findings::add(const Findings& more) {
    merge_counts(more.counts, counts);
    best.merge(more.best);
}

void put_together(const Findings& found, std::size_t units_done, SearchResult& result) {
    merge_counts(found.counts, result);
    result.units_done = units_done;
    result.best = found.best.ranked();
    result.pareto = found.best.front();
    result.fastest = found.best.fastest();
    result.raw = result.estimated;
    for (std::size_t i = 0; i < refusal_count; ++i) {
        const auto reason = static_cast<Refusal>(i);
        if (reason != Refusal::memory && reason != Refusal::power) result.raw += result.refused[i];
    }
}

std::vector<SearchUnit> own_units(const SearchSpace& space, const SearchOptions& options, SearchResult& result) {
    std::vector<SearchUnit> units = units_of(space, result);
    if (options.shards <= 1) return units;
    if (options.shard > 0) result = {};
    std::vector<SearchUnit> own;
    for (std::size_t i = options.shard; i < units.size(); i += options.shards) own.push_back(std::move(units[i]));
    return own;
}

}  // namespace orrery
