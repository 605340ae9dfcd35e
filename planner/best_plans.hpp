// The best plans of those offered, in an order that does not depend on the order of offers.
#pragma once

#include "planner/search.hpp"

#include <vector>

namespace orrery {

/// Keeps the `top` best by score, then by index; and the Pareto front over time, cost, energy, memory and devices.
class BestPlans {
  public:
    BestPlans() = default;
    BestPlans(Objective objective, std::size_t top) : objective_(objective), top_(top) {}

    void offer(const FoundPlan& plan, const PlanFigures& figures);
    /// Whether a plan with these figures, or worse ones, would be left out by both.
    [[nodiscard]] bool excludes(const FoundPlan& plan, const PlanFigures& figures) const;
    void merge(const BestPlans& other);
    [[nodiscard]] std::vector<FoundPlan> ranked() const;
    [[nodiscard]] std::vector<FoundPlan> front() const;   // fastest first
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
    static bool beats(const Scored& a, const Scored& b);
    [[nodiscard]] Scored scored(const FoundPlan& plan, const PlanFigures& figures) const;
    void keep(const Scored& one);
    void keep_on_front(const Scored& one);

    Objective objective_ = Objective::time;
    std::size_t top_ = 0;
    std::vector<Scored> heap_;    // worst on top
    std::vector<Scored> front_;
};

}  // namespace orrery
