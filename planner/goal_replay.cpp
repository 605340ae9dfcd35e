// Estimates out, simulated steps in, until the best designs are all simulated.
#include "planner/goal_replay.hpp"

#include <algorithm>
#include <map>

namespace orrery {
namespace {

constexpr int rounds_max = 4;   // designs that a longer step moves back make room for others, a few at most

}  // namespace

GoalAnswer answer_goal_played(const GoalQuestion& question, const SearchSpace& space, const std::vector<GoalBase>& judged,
                              std::vector<FoundPlan> plans, ReplayCrew& crew, std::size_t top) {
    std::map<std::uint64_t, Seconds> estimated;   // of the plans that were played, by index
    GoalAnswer answer = answer_goal(question, space, judged, plans);
    for (int round = 0; round < rounds_max; ++round) {
        std::vector<FoundPlan> next;
        for (std::size_t i = 0; i < std::min(top, answer.designs.size()); ++i) {
            if (!estimated.contains(answer.designs[i].plan.index)) next.push_back(answer.designs[i].plan);
        }
        if (next.empty()) break;
        const std::vector<ReplayedPlan> played = crew.play(next);
        for (std::size_t i = 0; i < next.size(); ++i) {
            estimated[next[i].index] = next[i].estimate.step;
            const auto plan = std::find_if(plans.begin(), plans.end(), [&](const FoundPlan& one) { return one.index == next[i].index; });
            if (played[i].step <= Seconds{}) continue;
            plan->estimate.busy *= plan->estimate.step / played[i].step;   // the same kernels in another time
            plan->estimate.step = played[i].step;
        }
        answer = answer_goal(question, space, judged, plans);
    }
    for (GoalDesign& design : answer.designs) {
        const auto known = estimated.find(design.plan.index);
        if (known != estimated.end() && known->second != design.plan.estimate.step) design.estimated = known->second;
    }
    return answer;
}

}  // namespace orrery
