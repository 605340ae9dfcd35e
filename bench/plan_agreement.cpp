// How far estimates are from the simulation of the same plans, over a seeded sample of feasible plans, as CSV: one line a
// plan, and a summary of errors and ranks on standard error.
//   bench_plan_agreement [PLANS] [SCENARIO..]   by default two spaces of scenarios/ of where it runs
#include "hardware/rng.hpp"
#include "planner/evaluate.hpp"
#include "planner/refusal.hpp"
#include "planner/replay.hpp"
#include "scenarios/search_block.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <vector>

namespace {

using namespace orrery;

struct Compared {
    double estimated_s;
    double simulated_s;
};

/// Points drawn evenly until `count` of them are plans that fit.
std::vector<FoundPlan> sample_plans(const SearchSpace& space, std::size_t wanted, Rng& rng) {
    std::vector<FoundPlan> plans;
    std::vector<PlanEvaluator> evaluators;
    for (const SearchBase& base : space.bases) evaluators.emplace_back(base);
    while (plans.size() < wanted) {
        FoundPlan plan;
        plan.base = static_cast<std::uint32_t>(rng.below(space.bases.size()));
        const SearchBase& base = space.bases[plan.base];
        TrainingSpec spec = base.run.spec;
        bool goes = true;
        for (const PlanAxisInfo& one : plan_axes()) {
            const auto& values = base.values[static_cast<std::size_t>(one.axis)];
            std::int32_t& value = at(plan.point, one.axis);
            value = values[static_cast<std::size_t>(rng.below(values.size()))];
            apply_axis(one.axis, value, spec);
            goes = !refusal_after(one.axis, base, spec, value);
            if (!goes) break;
        }
        if (!goes) continue;
        evaluators[plan.base].begin_branch();
        const auto estimate = evaluators[plan.base].evaluate(spec, base.cluster.device.memory_capacity);
        if (!estimate || estimate->step <= Seconds{}) continue;
        plan.estimate = *estimate;
        plans.push_back(plan);
    }
    return plans;
}

std::vector<double> ranks_of(const std::vector<double>& values) {
    std::vector<std::size_t> order(values.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return values[a] < values[b]; });
    std::vector<double> ranks(values.size());
    for (std::size_t i = 0; i < order.size();) {   // equal values share their mean rank
        std::size_t end = i;
        while (end < order.size() && values[order[end]] == values[order[i]]) ++end;
        for (std::size_t k = i; k < end; ++k) ranks[order[k]] = 0.5 * static_cast<double>(i + end - 1);
        i = end;
    }
    return ranks;
}

/// Spearman's: the correlation of ranks.
double rank_correlation(const std::vector<Compared>& all) {
    std::vector<double> a;
    std::vector<double> b;
    for (const Compared& one : all) {
        a.push_back(one.estimated_s);
        b.push_back(one.simulated_s);
    }
    a = ranks_of(a);
    b = ranks_of(b);
    const double mean = 0.5 * static_cast<double>(all.size() - 1);
    double ab = 0.0;
    double aa = 0.0;
    double bb = 0.0;
    for (std::size_t i = 0; i < a.size(); ++i) {
        ab += (a[i] - mean) * (b[i] - mean);
        aa += (a[i] - mean) * (a[i] - mean);
        bb += (b[i] - mean) * (b[i] - mean);
    }
    return ab / std::sqrt(aa * bb);
}

}  // namespace

int main(int argc, char** argv) {
    using namespace orrery;
    const std::size_t wanted = argc > 1 ? std::stoul(argv[1]) : 500;
    std::vector<std::string> files(argv + std::min(argc, 2), argv + argc);
    if (files.empty()) files = {"scenarios/plan-gpt3-175b-512-a100.json", "scenarios/plan-mixed-models-h100.json"};
    fmt::print("space,plan,estimated_s,simulated_s\n");
    for (const std::string& file : files) {
        const auto search = load_search(file, {});
        if (!search) {
            fmt::print(stderr, "{}: {}\n", file, search.problems().front().problem);
            return 2;
        }
        ReplayCrew crew(search->space, 2, search->scenario.seed);
        Rng rng(1);
        const std::vector<FoundPlan> plans = sample_plans(search->space, wanted / files.size(), rng);
        const std::vector<ReplayedPlan> played = crew.play(plans);
        std::vector<Compared> all;
        std::vector<double> errors;
        for (std::size_t i = 0; i < plans.size(); ++i) {
            if (!played[i].problem.empty()) {
                fmt::print(stderr, "plan {} was not played: {}\n", i, played[i].problem);
                return 1;
            }
            all.push_back({plans[i].estimate.step.si(), played[i].step.si()});
            errors.push_back(std::abs(all.back().estimated_s / all.back().simulated_s - 1.0));
            std::string text;
            for (const PlanAxisInfo& one : plan_axes()) text += axis_text(one.axis, at(plans[i].point, one.axis)) + " ";
            fmt::print("{},\"{}\",{:.9f},{:.9f}\n", search->scenario.name, text, all.back().estimated_s, all.back().simulated_s);
        }
        std::sort(errors.begin(), errors.end());
        fmt::print(stderr, "{}: {} plans, estimate beside simulation: median {:.2f} %, 90 % within {:.2f} %, worst {:.1f} %, rank correlation {:.4f}\n",
                   search->scenario.name, all.size(), 100.0 * errors[errors.size() / 2], 100.0 * errors[errors.size() * 9 / 10],
                   100.0 * errors.back(), rank_correlation(all));
    }
    return 0;
}
