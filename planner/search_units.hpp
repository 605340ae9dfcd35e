// The pieces of a search: branches of a space, what is found in each, and how findings are put together. For the files
// that share them out, to threads or to processes.
#pragma once

#include "planner/best_plans.hpp"
#include "planner/evaluate.hpp"
#include "planner/search.hpp"
#include "planner/store.hpp"

#include <cstdint>
#include <map>
#include <vector>

namespace orrery {

/// A branch of the space whose first axes are set.
struct SearchUnit {
    std::uint64_t number = 0;
    std::uint32_t base = 0;
    std::uint64_t index = 0;   // of its first plan
    PlanPoint point{};
    TrainingSpec spec;
};

/// What is found in branches. Sums do not depend on the order in which they are made.
struct Findings {
    SearchResult counts;
    BestPlans best;
    void add(const Findings& more);
};

/// What a round finds in one branch.
struct UnitFindings {
    Findings found;
    StoredUnit kept;     // for the store
};

/// What one thread knows of each base.
using Evaluators = std::map<std::uint32_t, PlanEvaluator>;

/// All plans; or first those whose step adds up, then the others as far as the best of the first round leave them a
/// chance.
enum class SearchRound : std::uint8_t { all, quick, bounded };

/// The branches that are a shard's own; what is refused ahead of all branches is counted in the first shard's `result`.
std::vector<SearchUnit> own_units(const SearchSpace& space, const SearchOptions& options, SearchResult& result);

/// What a round finds in a branch. `to_beat`: the best of the first round, of all branches.
UnitFindings search_unit(const SearchSpace& space, const SearchUnit& unit, const SearchOptions& options, SearchRound round,
                         const BestPlans& to_beat, Evaluators& evaluators);

/// A branch that was searched before.
Findings recall_unit(const SearchSpace& space, const StoredUnit& unit, const SearchOptions& options);

/// Takes what a store has of the branches, by their numbers, and marks them as done.
Result<Findings> recall_stored(const SearchSpace& space, const std::vector<SearchUnit>& units, const SearchOptions& options,
                               std::vector<char>& done);

/// Adds all that was found, in so many whole branches, to what was refused ahead of them.
void put_together(const Findings& found, std::size_t units_done, SearchResult& result);

}  // namespace orrery
