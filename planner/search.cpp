// The walk: axes set one after the other, whole branches refused at once, the rest shared out to threads as units.
#include "planner/search.hpp"

#include "planner/best_plans.hpp"
#include "planner/store.hpp"

#include <tbb/blocked_range.h>
#include <tbb/enumerable_thread_specific.h>
#include <tbb/global_control.h>
#include <tbb/info.h>
#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>

#include <algorithm>
#include <map>
#include <mutex>

namespace orrery {
namespace {

/// Axes up to this one make a unit of work.
constexpr std::size_t unit_axes = static_cast<std::size_t>(PlanAxis::expert_tensor) + 1;

/// A branch of the space whose first axes are set.
struct SearchUnit {
    std::uint64_t number = 0;
    std::uint32_t base = 0;
    std::uint64_t index = 0;   // of its first plan
    PlanPoint point{};
    TrainingSpec spec;
};

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

struct Partial {
    SearchResult counts;
    BestPlans best;
    StoredUnit kept;     // for the store
    bool done = false;
};

/// Counts an estimated plan, by its memory and the limits.
void tally(const SearchBase& base, const PlanLimits& limits, const FoundPlan& plan, SearchResult& counts, BestPlans& best) {
    ++counts.estimated;
    const RefusedExample example{plan.index, plan.base, plan.point, last_plan_axis};
    if (plan.estimate.step <= Seconds{} || plan.estimate.memory > base.cluster.device.memory_capacity * limits.memory_share) {
        refuse_plans(counts, Refusal::memory, 1, example);
        if (!counts.closest || plan.estimate.memory < counts.closest->estimate.memory) counts.closest = plan;
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

/// What one thread knows of each base.
using Evaluators = std::map<std::uint32_t, PlanEvaluator>;

/// `round`: all plans; or first those whose step adds up, then the others as far as those `to_beat` leave them a chance.
enum class Round : std::uint8_t { all, quick, bounded };

void search_unit(const SearchSpace& space, const SearchUnit& unit, const SearchOptions& options, Round round,
                 const BestPlans& to_beat, Evaluators& evaluators, Partial& partial) {
    const SearchBase& base = space.bases[unit.base];
    if (round != Round::bounded) partial.best = BestPlans(options.objective, options.top);
    SearchResult& counts = partial.counts;
    AxisWalk walk(base, unit.base, counts);
    if (round != Round::all) walk.only(round == Round::quick);
    PlanPoint point = unit.point;
    PlanEvaluator& evaluator = evaluators.try_emplace(unit.base, base).first->second;
    evaluator.begin_branch();
    const Bytes capacity = base.cluster.device.memory_capacity * options.limits.memory_share;
    auto leaf = [&](std::uint64_t index, const PlanPoint& leaf_point, const TrainingSpec& spec) {
        if (round == Round::bounded) {
            const auto bound = evaluator.bound(spec, capacity);
            if (bound && bound->step > Seconds{}) {
                const FoundPlan at_best{index, unit.base, leaf_point, *bound};
                const PlanFigures figures = figures_of(base, at_best);
                if (to_beat.excludes(at_best, figures) || partial.best.excludes(at_best, figures)) {
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
        if (options.store != nullptr) partial.kept.plans.push_back(plan);
        tally(base, options.limits, plan, counts, partial.best);
    };
    TrainingSpec spec = unit.spec;
    walk.walk(unit_axes, plan_axis_count, unit.index, point, spec, leaf);
    if (options.store != nullptr) {   // what the limits refuse is told anew from the plans
        partial.kept.unit = unit.number;
        partial.kept.refused = counts.refused;
        partial.kept.examples = counts.examples;
        for (const Refusal reason : {Refusal::memory, Refusal::power}) {
            partial.kept.refused[static_cast<std::size_t>(reason)] = 0;
            partial.kept.examples[static_cast<std::size_t>(reason)].reset();
        }
    }
    partial.done = round != Round::quick;
}

/// A branch that was searched before.
void recall_unit(const SearchSpace& space, const StoredUnit& unit, const SearchOptions& options, Partial& partial) {
    partial.best = BestPlans(options.objective, options.top);
    partial.counts.refused = unit.refused;
    partial.counts.examples = unit.examples;
    for (const FoundPlan& plan : unit.plans) tally(space.bases[plan.base], options.limits, plan, partial.counts, partial.best);
    partial.done = true;
}

void merge_counts(const SearchResult& from, SearchResult& into) {
    into.estimated += from.estimated;
    into.feasible += from.feasible;
    for (std::size_t i = 0; i < refusal_count; ++i) {
        into.refused[i] += from.refused[i];
        const auto& example = from.examples[i];
        if (example && (!into.examples[i] || example->index < into.examples[i]->index)) into.examples[i] = example;
    }
    if (from.closest && (!into.closest || from.closest->estimate.memory < into.closest->estimate.memory)) {
        into.closest = from.closest;
    }
}

}  // namespace

PlanFigures figures_of(const SearchBase& base, const FoundPlan& plan) {
    PlanFigures figures;
    figures.step = plan.estimate.step;
    figures.samples = at(plan.point, PlanAxis::global_batch);
    figures.devices = base.cluster.devices();
    figures.power = job_power(base.cluster, figures.devices, plan.estimate.busy) * base.run.economics.pue;
    figures.energy = figures.power * figures.step;
    figures.cost = base.run.economics.device_hour * (figures.devices * (figures.step / 1.0_hours));
    figures.memory = plan.estimate.memory;
    figures.capacity = base.cluster.device.memory_capacity;
    return figures;
}

double score_of(Objective objective, const PlanFigures& figures) {
    switch (objective) {
        case Objective::time:
        case Objective::pareto: return figures.step.si() / figures.samples;
        case Objective::cost: return figures.cost.si() / figures.samples;
        case Objective::energy: return figures.energy.si() / figures.samples;
        case Objective::memory: return figures.memory.si();
    }
    return 0.0;
}

namespace {

void put_together(const std::vector<Partial>& partials, const SearchOptions& options, SearchResult& result) {
    BestPlans best(options.objective, options.top);
    for (const Partial& partial : partials) {
        if (!partial.done) continue;
        ++result.units_done;
        merge_counts(partial.counts, result);
        best.merge(partial.best);
    }
    result.best = best.ranked();
    result.pareto = best.front();
    result.raw = result.estimated;
    for (std::size_t i = 0; i < refusal_count; ++i) {
        const auto reason = static_cast<Refusal>(i);
        if (reason != Refusal::memory && reason != Refusal::power) result.raw += result.refused[i];
    }
}

/// The shard's own branches; what is refused ahead of all branches is counted with the first shard.
std::vector<SearchUnit> own_units(const SearchSpace& space, const SearchOptions& options, SearchResult& result) {
    std::vector<SearchUnit> units = units_of(space, result);
    if (options.shards <= 1) return units;
    if (options.shard > 0) result = {};
    std::vector<SearchUnit> own;
    for (std::size_t i = options.shard; i < units.size(); i += options.shards) own.push_back(std::move(units[i]));
    return own;
}

}  // namespace

SearchResult rank_stored(const SearchSpace& space, const SearchOptions& options, const std::vector<StoredUnit>& stored) {
    SearchResult result;
    result.units = units_of(space, result).size();
    std::vector<const StoredUnit*> by_number(result.units, nullptr);   // a branch that two stores have counts once
    for (const StoredUnit& unit : stored) {
        if (unit.unit < by_number.size()) by_number[unit.unit] = &unit;
    }
    std::vector<Partial> partials(result.units);
    for (std::size_t i = 0; i < by_number.size(); ++i) {
        if (by_number[i] != nullptr) recall_unit(space, *by_number[i], options, partials[i]);
    }
    put_together(partials, options, result);
    return result;
}

SearchResult search_plans(const SearchSpace& space, const SearchOptions& options) {
    SearchResult result;
    const std::vector<SearchUnit> units = own_units(space, options, result);
    result.units = units.size();
    std::vector<Partial> partials(units.size());
    std::size_t done = 0;
    if (options.store != nullptr) {
        const auto stored = options.store->read();
        if (!stored) {
            result.problems = stored.problems();
            return result;
        }
        std::map<std::uint64_t, const StoredUnit*> known;
        for (const StoredUnit& unit : *stored) known[unit.unit] = &unit;
        for (std::size_t i = 0; i < units.size(); ++i) {
            const auto found = known.find(units[i].number);
            if (found == known.end()) continue;
            recall_unit(space, *found->second, options, partials[i]);
            ++done;
        }
    }
    // A store keeps every plan, for whatever it will be ranked by. Else what no bound allows is not looked at: against the
    // best of the first round, which are the same whoever found them.
    const bool is_bounded = options.store == nullptr && !options.exhaustive;
    const std::size_t steps = is_bounded ? 2 * units.size() : units.size();
    tbb::enumerable_thread_specific<Evaluators> evaluators;
    std::mutex lock;   // of the store and the progress
    std::atomic<bool> has_failed{false};
    BestPlans to_beat(options.objective, options.top);
    const auto body = [&](std::size_t i, Round round) {
        if (partials[i].done || has_failed || (options.stop != nullptr && options.stop->load())) return;
        search_unit(space, units[i], options, round, to_beat, evaluators.local(), partials[i]);
        const std::lock_guard hold(lock);
        if (options.store != nullptr) {
            Problems problems = options.store->write(partials[i].kept);
            partials[i].kept = {};
            if (!problems.empty()) {
                has_failed = true;
                result.problems = std::move(problems);
            }
        }
        ++done;
        if (options.progress) options.progress(done, steps);
    };
    const int workers = options.workers > 0 ? options.workers : tbb::info::default_concurrency();
    const tbb::global_control limit(tbb::global_control::max_allowed_parallelism, static_cast<std::size_t>(workers));
    tbb::task_arena arena(workers);
    const auto run = [&](Round round) {
        arena.execute([&] {
            tbb::parallel_for(tbb::blocked_range<std::size_t>(0, units.size(), 1), [&](const auto& range) {
                for (std::size_t i = range.begin(); i != range.end(); ++i) body(i, round);
            });
        });
    };
    if (is_bounded) {
        run(Round::quick);
        for (const Partial& partial : partials) to_beat.merge(partial.best);
        run(Round::bounded);
    } else {
        run(Round::all);
    }
    put_together(partials, options, result);
    return result;
}

}  // namespace orrery
