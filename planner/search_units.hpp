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

/// What is found in a branch.
struct UnitFindings {
    SearchResult counts;
    BestPlans best;
    StoredUnit kept;     // for the store
    bool done = false;
    /// What another round found.
    void add(const UnitFindings& more);
};

/// What one thread knows of each base.
using Evaluators = std::map<std::uint32_t, PlanEvaluator>;

/// All plans; or first those whose step adds up, then the others as far as the best of the first round leave them a
/// chance.
enum class SearchRound : std::uint8_t { all, quick, bounded };

/// The branches that are a shard's own; what is refused ahead of all branches is counted in the first shard's `result`.
std::vector<SearchUnit> own_units(const SearchSpace& space, const SearchOptions& options, SearchResult& result);

/// Adds what a round finds in a branch to `findings`. `to_beat`: the best of the first round, of all branches. The answer
/// depends on nothing else, not even on what `findings` holds already.
void search_unit(const SearchSpace& space, const SearchUnit& unit, const SearchOptions& options, SearchRound round,
                 const BestPlans& to_beat, Evaluators& evaluators, UnitFindings& findings);

/// A branch that was searched before.
void recall_unit(const SearchSpace& space, const StoredUnit& unit, const SearchOptions& options, UnitFindings& findings);

/// Takes what a store has of the branches, by their numbers; how many there were.
Result<std::size_t> recall_stored(const SearchSpace& space, const std::vector<SearchUnit>& units, const SearchOptions& options,
                                  std::vector<UnitFindings>& findings);

void put_together(const std::vector<UnitFindings>& findings, const SearchOptions& options, SearchResult& result);

}  // namespace orrery
