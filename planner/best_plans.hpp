// The best plans of those offered, in an order that does not depend on the order of offers.
#pragma once

#include "planner/search.hpp"

#include <map>
#include <utility>
#include <vector>

namespace orrery {

/// Keeps the `top` best by score, then by index; and the Pareto front over time, cost, energy, memory and devices.
/// By group also the fastest of every base and global batch.
class BestPlans {
  public:
    BestPlans() = default;
    BestPlans(Objective objective, std::size_t top, bool by_group = false)
        : objective_(objective), top_(top), by_group_(by_group) {}

    void offer(const FoundPlan& plan, const PlanFigures& figures);
    /// Whether a plan with these figures, or worse ones, would be left out by all.
    [[nodiscard]] bool excludes(const FoundPlan& plan, const PlanFigures& figures) const;
    void merge(const BestPlans& other);
    [[nodiscard]] std::vector<FoundPlan> ranked() const;
    [[nodiscard]] std::vector<FoundPlan> front() const;   // fastest first
    [[nodiscard]] std::vector<FoundPlan> fastest() const;  // by base, then by global batch
    /// Score of the last one that is kept; infinite while there is room.
    [[nodiscard]] double threshold() const;

  private:
    static constexpr std::size_t measures = 5;
    struct Scored {
        double score = 0.0;
        FoundPlan plan;
        std::array<double, measures> figures{};
    };
    static bool is_before(const Scored& a, const Scored& b);
    static bool is_sooner(const Scored& a, const Scored& b);
    static bool beats(const Scored& a, const Scored& b);
    [[nodiscard]] Scored scored(const FoundPlan& plan, const PlanFigures& figures) const;
    void keep(const Scored& one);
    void keep_on_front(const Scored& one);
    void keep_of_group(const Scored& one);

    Objective objective_ = Objective::time;
    std::size_t top_ = 0;
    bool by_group_ = false;
    std::vector<Scored> heap_;    // worst on top
    std::vector<Scored> front_;
    std::map<std::pair<std::uint32_t, std::int32_t>, Scored> groups_;   // by base and global batch
};

}  // namespace orrery
