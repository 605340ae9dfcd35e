// Every plan of a space, refused with a reason or estimated, and the best of them: the same answer from any number of
// threads.
#pragma once

#include "planner/evaluate.hpp"
#include "planner/refusal.hpp"
#include "planner/search_space.hpp"

#include <atomic>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace orrery {

class PlanStore;
struct StoredUnit;

enum class Objective : std::uint8_t { time, cost, energy, memory, pareto };
template <>
struct EnumTable<Objective> {
    static constexpr std::array<EnumName<Objective>, 5> names{{
        {Objective::time, "time", "shortest time per sequence"},
        {Objective::cost, "cost", "least money per sequence"},
        {Objective::energy, "energy", "least energy per sequence"},
        {Objective::memory, "memory", "least memory of the fullest device"},
        {Objective::pareto, "pareto", "plans that no other one beats in time, cost, energy, memory and devices at once"},
    }};
};

/// What a plan must keep to beside fitting in memory; 0: no limit.
struct PlanLimits {
    Watts power_max;             // of the job, with PUE
    double memory_share = 1.0;   // of a device's memory that may be used
    bool operator==(const PlanLimits&) const = default;
};

struct FoundPlan {
    std::uint64_t index = 0;     // place in the space: ties are broken by it
    std::uint32_t base = 0;
    PlanPoint point{};
    PlanEstimate estimate;
    bool operator==(const FoundPlan&) const = default;
};

/// What plans are compared by; all per sequence, so that batches and clusters of any size compare.
struct PlanFigures {
    Seconds step;
    double samples = 0.0;        // of a step
    int devices = 0;
    Watts power;                 // with PUE
    Joules energy;               // of a step, with PUE
    Usd cost;                    // of a step
    Bytes memory;
    Bytes capacity;
};
PlanFigures figures_of(const SearchBase& base, const FoundPlan& plan);

/// Lower is better: seconds, dollars or joules per sequence, or bytes.
double score_of(Objective objective, const PlanFigures& figures);

/// The first plan that was refused for a reason: the axes after `last` are not set.
struct RefusedExample {
    std::uint64_t index = 0;
    std::uint32_t base = 0;
    PlanPoint point{};
    PlanAxis last = PlanAxis::precision;
};

struct SearchOptions {
    Objective objective = Objective::time;
    std::size_t top = 10;
    PlanLimits limits;
    int workers = 0;                             // 0: as many as there are processors
    std::uint32_t shard = 0, shards = 1;         // this one of so many equal parts of the space
    const std::atomic<bool>* stop = nullptr;     // ends the search early, keeping what was found
    bool by_group = false;                       // keeps the fastest plan of every base and global batch too
    bool exhaustive = false;                     // estimates plans too that a bound says cannot be among the best
    bool keeps_plans = false;                    // findings hold every plan, for a store that another process keeps
    PlanStore* store = nullptr;                  // implies exhaustive; keeps every branch as it is done; branches it has are not done again
    std::function<void(std::size_t done, std::size_t units)> progress = {};  // from any thread, one at a time
};

/// A plan as the discrete-event simulation plays it.
struct ReplayedPlan {
    Seconds step;             // 0: it could not be played, and `problem` says why
    std::string problem;
};

struct SearchResult {
    std::uint64_t raw = 0;                       // plans of the space, or of the shard
    std::uint64_t estimated = 0;                 // with memory and step
    std::uint64_t feasible = 0;                  // of these, within all limits
    std::array<std::uint64_t, refusal_count> refused{};
    std::array<std::optional<RefusedExample>, refusal_count> examples;
    std::vector<FoundPlan> best;                 // best first
    std::vector<ReplayedPlan> replayed;          // of `best`, one each; empty: none was played
    std::vector<FoundPlan> pareto;               // by time
    std::vector<FoundPlan> fastest;              // by base and global batch, if asked for
    std::optional<FoundPlan> closest;            // of those that do not fit, the one nearest to it
    std::size_t units = 0, units_done = 0;
    Problems problems;                           // of the store
    [[nodiscard]] bool complete() const { return units_done == units; }
};

/// The same from branches that stores hold, without estimating anything: for another objective, tighter limits, or
/// shards of one search put together. Plans of branches that no store has are not counted.
SearchResult rank_stored(const SearchSpace& space, const SearchOptions& options, const std::vector<StoredUnit>& stored);

/// Walks the whole space. Each plan counts once: raw = estimated + refused for anything but memory and power.
SearchResult search_plans(const SearchSpace& space, const SearchOptions& options);

}  // namespace orrery
