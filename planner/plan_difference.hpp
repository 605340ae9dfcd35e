// Why one plan takes longer than another: the changes between them one after the other, and what the machine's rates are
// worth to a plan.
#pragma once

#include "planner/machine_change.hpp"
#include "planner/search.hpp"

#include <string>
#include <vector>

namespace orrery {

/// A key that two plans set differently, as scenarios write it.
struct ChangedAxis {
    std::string path;
    std::string from;
    std::string to;
    bool operator==(const ChangedAxis&) const = default;
};

/// Changes made together, because a part of them alone is no plan, and what they moved.
struct ChangeEffect {
    std::vector<ChangedAxis> changes;
    Breakdown moved{};        // of the step's parts, after less before
    Seconds step;             // after
    Bytes memory;             // after
    [[nodiscard]] Seconds total() const;
};

/// From one plan to another, in the order in which a search sets its axes; the effects add up to the difference.
struct PlanDifference {
    Seconds from, to;                 // steps
    std::vector<ChangeEffect> effects;
};

/// By the closed form of run_training(). Problems: those of a plan that it does not answer.
Result<PlanDifference> plan_difference(const SearchSpace& space, const FoundPlan& from, const FoundPlan& to);

/// The plan at an index of the space, estimated. Problems: there is none; it is no plan.
Result<FoundPlan> plan_at(const SearchSpace& space, std::uint64_t index);

/// A step with one rate of the machine changed.
struct Sensitivity {
    MachinePart part = MachinePart::arithmetic;
    Seconds less;             // step with the rate at 1 - change
    Seconds more;             // and at 1 + change
    double elasticity = 0.0;  // ln(more / less) / ln((1 + change) / (1 - change)): per cent of the step per cent of the rate
};

/// By the closed form of run_training(), one row a part of the machine; nothing where it has no answer.
std::vector<Sensitivity> sensitivities(const Cluster& cluster, const TrainingRun& run, double change = 0.2);

/// One plan and what sets it apart from others.
struct PlanExplanation {
    FoundPlan plan;
    std::size_t rank = 0;                 // of the answer, from 1; 0: not among the best
    Seconds step;
    Breakdown breakdown{};
    struct Other {
        std::size_t rank = 0;
        FoundPlan plan;
        PlanDifference difference;
    };
    std::vector<Other> others;            // the best, the next and the last of the answer
    std::vector<Sensitivity> sensitivities;
};
Result<PlanExplanation> explain_plan(const SearchSpace& space, const std::vector<FoundPlan>& best, const FoundPlan& plan);

}  // namespace orrery
