// How far estimates are from the simulation of the same plans, over a seeded sample of feasible plans, as CSV: one line a
// plan, a summary of errors and ranks on standard error, and a plot beside the table.
//   bench_plan_agreement PLOT.svg [PLANS] [SCENARIO..]   by default 500 of two spaces of scenarios/ of where it runs
#include "hardware/rng.hpp"
#include "planner/evaluate.hpp"
#include "planner/refusal.hpp"
#include "planner/replay.hpp"
#include "scenarios/search_block.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <numeric>
#include <string>
#include <vector>

namespace {

using namespace orrery;

struct Compared {
    double estimated_s;
    double simulated_s;
};

/// Plans drawn evenly until `wanted` of them fit.
std::vector<FoundPlan> sample_plans(const SearchSpace& space, std::size_t wanted, Rng& rng) {
    std::vector<FoundPlan> plans;
    std::vector<PlanEvaluator> evaluators;
    for (const SearchBase& base : space.bases) evaluators.emplace_back(base);
    while (plans.size() < wanted) {
        FoundPlan plan;
        plan.base = static_cast<std::uint32_t>(rng.below(space.bases.size()));
        const SearchBase& base = space.bases[plan.base];
        const DrawnPlan drawn = draw_plan(base, rng);
        if (!drawn.spec) continue;
        plan.point = drawn.point;
        evaluators[plan.base].begin_branch();
        const auto estimate = evaluators[plan.base].evaluate(*drawn.spec, base.cluster.device.memory_capacity);
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

/// Estimate over simulation by simulated time, a colour a space; lines at 0 and 5 % off.
std::string plot_svg(const std::vector<std::vector<Compared>>& spaces) {
    constexpr double width = 720.0;
    constexpr double height = 400.0;
    constexpr double margin = 60.0;
    double most = 1.0;
    double least = 1e300;
    for (const auto& all : spaces) {
        for (const Compared& one : all) {
            most = std::max(most, one.simulated_s);
            least = std::min(least, one.simulated_s);
        }
    }
    const auto x_of = [&](double seconds) { return margin + (width - 2 * margin) * std::log(seconds / least) / std::log(most / least); };
    const auto y_of = [&](double ratio) { return height - margin - (height - 2 * margin) * (std::clamp(ratio, 0.6, 1.2) - 0.6) / 0.6; };
    std::string svg = fmt::format("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" font-family=\"sans-serif\" font-size=\"12\">\n"
                                  "<rect width=\"{0}\" height=\"{1}\" fill=\"white\"/>\n", width, height);
    for (const double ratio : {0.6, 0.8, 0.95, 1.0, 1.05, 1.2}) {
        svg += fmt::format("<line x1=\"{0}\" x2=\"{1}\" y1=\"{2:.1f}\" y2=\"{2:.1f}\" stroke=\"{4}\"/><text x=\"{3}\" y=\"{2:.1f}\" text-anchor=\"end\">{5:.2f}</text>\n",
                           margin, width - margin, y_of(ratio), margin - 6.0, ratio == 1.0 ? "#444" : "#ddd", ratio);
    }
    for (double seconds = 1.0; seconds <= most; seconds *= 2.0) {
        if (seconds < least) continue;
        svg += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"middle\">{:.0f} s</text>\n", x_of(seconds), height - margin + 18.0, seconds);
    }
    const char* const colours[] = {"#1f77b4", "#d62728", "#2ca02c", "#9467bd"};
    for (std::size_t i = 0; i < spaces.size(); ++i) {
        for (const Compared& one : spaces[i]) {
            svg += fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"2.5\" fill=\"{}\" fill-opacity=\"0.6\"/>\n", x_of(one.simulated_s),
                               y_of(one.estimated_s / one.simulated_s), colours[i % 4]);
        }
    }
    return svg + fmt::format("<text x=\"{}\" y=\"{}\">estimated over simulated step, by simulated step</text>\n</svg>\n", margin, margin - 24.0);
}

}  // namespace

int main(int argc, char** argv) {
    using namespace orrery;
    if (argc < 2) {
        fmt::print(stderr, "usage: bench_plan_agreement PLOT.svg [PLANS] [SCENARIO..]\n");
        return 2;
    }
    const std::size_t wanted = argc > 2 ? std::stoul(argv[2]) : 500;
    std::vector<std::string> files(argv + std::min(argc, 3), argv + argc);
    std::vector<std::vector<Compared>> spaces;
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
        spaces.push_back(all);
        std::sort(errors.begin(), errors.end());
        fmt::print(stderr, "{}: {} plans, estimate beside simulation: median {:.2f} %, 90 % within {:.2f} %, worst {:.1f} %, rank correlation {:.4f}\n",
                   search->scenario.name, all.size(), 100.0 * errors[errors.size() / 2], 100.0 * errors[errors.size() * 9 / 10],
                   100.0 * errors.back(), rank_correlation(all));
    }
    std::ofstream(argv[1]) << plot_svg(spaces);
    return 0;
}
