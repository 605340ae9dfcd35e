// Branches shared out to threads, and what plans are compared by.
#include "planner/search_units.hpp"

#include <tbb/blocked_range.h>
#include <tbb/enumerable_thread_specific.h>
#include <tbb/global_control.h>
#include <tbb/info.h>
#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>

#include <algorithm>
#include <mutex>

namespace orrery {

PlanFigures figures_of(const SearchBase& base, const FoundPlan& plan) {
    PlanFigures figures;
    figures.step = plan.estimate.step;
    figures.samples = at(plan.point, PlanAxis::global_batch);
    figures.devices = base.cluster.devices();
    figures.power = job_power(base.cluster, figures.devices, plan.estimate.busy) * base.run.economics.pue;
    figures.energy = figures.power * figures.step;
    figures.cost = base.run.economics.device_hour * (figures.devices * (figures.step / 1.0_hours)) + figures.energy * base.energy_paid;
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

SearchResult rank_stored(const SearchSpace& space, const SearchOptions& options, const std::vector<StoredUnit>& stored) {
    SearchResult result;
    result.units = own_units(space, {}, result).size();
    std::vector<const StoredUnit*> by_number(result.units, nullptr);   // a branch that two stores have counts once
    for (const StoredUnit& unit : stored) {
        if (unit.unit < by_number.size()) by_number[unit.unit] = &unit;
    }
    Findings all{{}, BestPlans(options.objective, options.top, options.by_group)};
    std::size_t done = 0;
    for (const StoredUnit* unit : by_number) {
        if (unit == nullptr) continue;
        all.add(recall_unit(space, *unit, options));
        ++done;
    }
    put_together(all, done, result);
    return result;
}

SearchResult search_plans(const SearchSpace& space, const SearchOptions& options) {
    SearchResult result;
    const std::vector<SearchUnit> units = own_units(space, options, result);
    result.units = units.size();
    std::vector<char> done(units.size(), 0);
    Findings all{{}, BestPlans(options.objective, options.top, options.by_group)};
    if (options.store != nullptr) {
        auto recalled = recall_stored(space, units, options, done);
        if (!recalled) {
            result.problems = recalled.problems();
            return result;
        }
        all = std::move(recalled).value();
    }
    // A store keeps every plan, for whatever it will be ranked by. Else what no bound allows is not looked at: against the
    // best of the first round, which are the same whoever found them.
    const bool is_bounded = options.store == nullptr && !options.exhaustive;
    const std::size_t steps = is_bounded ? 2 * units.size() : units.size();
    auto steps_done = static_cast<std::size_t>(std::count(done.begin(), done.end(), 1));
    tbb::enumerable_thread_specific<Evaluators> evaluators;
    tbb::enumerable_thread_specific<Findings> sums(Findings{{}, BestPlans(options.objective, options.top, options.by_group)});
    std::mutex lock;   // of the store and the progress
    std::atomic<bool> has_failed{false};
    BestPlans to_beat(options.objective, options.top, options.by_group);
    const auto body = [&](std::size_t i, SearchRound round) {
        if (done[i] != 0 || has_failed || (options.stop != nullptr && options.stop->load())) return;
        const UnitFindings found = search_unit(space, units[i], options, round, to_beat, evaluators.local());
        const std::lock_guard hold(lock);
        if (options.store != nullptr) {
            Problems problems = options.store->write(found.kept);
            if (!problems.empty()) {
                has_failed = true;
                result.problems = std::move(problems);
                return;
            }
        }
        sums.local().add(found.found);
        done[i] = round == SearchRound::quick ? 0 : 1;
        ++steps_done;
        if (options.progress) options.progress(steps_done, steps);
    };
    const int workers = options.workers > 0 ? options.workers : tbb::info::default_concurrency();
    const tbb::global_control limit(tbb::global_control::max_allowed_parallelism, static_cast<std::size_t>(workers));
    tbb::task_arena arena(workers);
    const auto run = [&](SearchRound round) {
        arena.execute([&] {
            tbb::parallel_for(tbb::blocked_range<std::size_t>(0, units.size(), 1), [&](const auto& range) {
                for (std::size_t i = range.begin(); i != range.end(); ++i) body(i, round);
            });
        });
    };
    if (is_bounded) {
        run(SearchRound::quick);
        for (const Findings& one : sums) to_beat.merge(one.best);
        run(SearchRound::bounded);
    } else {
        run(SearchRound::all);
    }
    for (const Findings& one : sums) all.add(one);
    put_together(all, static_cast<std::size_t>(std::count(done.begin(), done.end(), 1)), result);
    return result;
}

}  // namespace orrery
