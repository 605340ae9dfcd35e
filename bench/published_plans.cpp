// Where published plans stand among all plans at their batch, on their cluster, in their framework: predicted time of the
// plan that was run over that of our best, as CSV; shares by source on standard error.
//   bench_published_plans TABLE.jsonl..
#include "planner/search.hpp"
#include "scenarios/training_row.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string>

namespace {

using namespace orrery;

template <class Enum>
std::int32_t choice(Enum value) { return static_cast<std::int32_t>(value); }

/// Whatever an operator of that framework could have set otherwise: degrees, schedule, micro-batch, recomputation, ZeRO-1.
SearchSpace space_around(const PreparedTraining& row) {
    SearchBase base;
    base.cluster = row.cluster;
    base.run = row.variants.front();
    base.sharded_framework = base.run.framework;
    const Parallelism& plan = base.run.spec.parallelism;
    for (const PlanAxisInfo& one : plan_axes()) {
        auto& values = base.values[static_cast<std::size_t>(one.axis)];
        values = {axis_value(one.axis, base.run.spec)};
        switch (one.axis) {
            case PlanAxis::tensor:
            case PlanAxis::pipeline:
            case PlanAxis::expert:
            case PlanAxis::virtual_stages:
                if (!plan.fsdp) values = automatic_values(one.axis, base.cluster, base.run);
                break;
            case PlanAxis::schedule:
                if (!plan.fsdp) values = {choice(PipelineSchedule::one_f_one_b), choice(PipelineSchedule::interleaved)};
                break;
            case PlanAxis::zero:
                if (!plan.fsdp && values.front() <= 1) values = {0, 1};
                break;
            case PlanAxis::data: values = {0}; break;
            case PlanAxis::micro_batch: values = automatic_values(one.axis, base.cluster, base.run); break;
            case PlanAxis::recompute: values = {choice(Recompute::none), choice(Recompute::selective), choice(Recompute::full), choice(Recompute::block)}; break;
            case PlanAxis::recompute_layers: values = automatic_values(one.axis, base.cluster, base.run); break;
            default: break;
        }
        const std::int32_t own = axis_value(one.axis, base.run.spec);
        if (one.axis != PlanAxis::data && std::find(values.begin(), values.end(), own) == values.end()) values.push_back(own);
    }
    return {{base}};
}

}  // namespace

int main(int argc, char** argv) {
    using namespace orrery;
    const auto rows = prepare_trainings(std::vector<std::string>(argv + std::min(argc, 1), argv + argc));
    if (!rows) {
        fmt::print(stderr, "{}: {}\n", rows.problems().front().place, rows.problems().front().problem);
        return 2;
    }
    struct Share {
        int rows = 0;
        int near = 0;
        int none_fits = 0;
    };
    std::map<std::string, Share> shares;
    fmt::print("id,source,published_s,fits,best_s,published_over_best,best_plan\n");
    for (const PreparedTraining& row : *rows) {
        if (row.variants.size() != 1 || row.variants.front().family || row.variants.front().spec.parallelism.devices() != row.cluster.devices()) continue;
        const TrainingRun& run = row.variants.front();
        const auto published = run_training(row.cluster, run, Fidelity::estimate, {});
        if (!published) continue;
        const SearchSpace space = space_around(row);
        SearchOptions options;
        options.top = 1;
        const SearchResult result = search_plans(space, options);
        Share& share = shares[row.source];
        ++share.rows;
        if (result.best.empty()) {
            ++share.none_fits;
            continue;
        }
        const double ratio = published->outcome.step.si() / result.best.front().estimate.step.si();
        if (ratio <= 1.1) ++share.near;
        std::string plan;
        for (const PlanAxisInfo& one : plan_axes()) {
            const std::int32_t value = at(result.best.front().point, one.axis);
            if (one.axis == PlanAxis::data || value == axis_value(one.axis, run.spec)) continue;
            plan += (plan.empty() ? "" : " ") + std::string(one.path.substr(one.path.rfind('.') + 1)) + "=" + axis_text(one.axis, value);
        }
        fmt::print("{},{},{:.6f},{},{:.6f},{:.4f},\"{}\"\n", row.id, row.source, published->outcome.step.si(), published->fits ? 1 : 0,
                   result.best.front().estimate.step.si(), ratio, plan);
    }
    Share all;
    for (const auto& [source, share] : shares) {
        fmt::print(stderr, "{}: {} plans, {} within 10 % of the best found, {} where no plan fits\n", source, share.rows, share.near, share.none_fits);
        all.rows += share.rows;
        all.near += share.near;
        all.none_fits += share.none_fits;
    }
    fmt::print(stderr, "all: {} plans, {} within 10 % of the best found, {} where no plan fits\n", all.rows, all.near, all.none_fits);
    return 0;
}
