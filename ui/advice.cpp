// Neighbours of a plan, each with its estimate.
#include "ui/advice.hpp"

#include "scenarios/quantity.hpp"
#include "ui/report_view.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string>

namespace orrery {
namespace {

/// One step away from a plan: how to say it, how to ask for it, and what it makes of the plan.
struct Neighbour {
    std::string change;
    std::vector<Setting> settings;
    TrainingSpec spec;
    double nic_factor = 1.0;
};

constexpr int block_layers_tried = 16;   // of a stage; deeper stages go to full recomputation at once
constexpr std::string_view degree_path = "workload.parallelism.";

Setting degree_setting(std::string_view key, int value) {
    return {std::string(degree_path) + std::string(key), std::to_string(value)};
}

std::string instead(std::string_view what, int now, int before) {
    return fmt::format("{} {} instead of {}", what, now, before);
}

class Neighbourhood {
  public:
    explicit Neighbourhood(const TrainingSpec& spec) : spec_(spec) {}
    [[nodiscard]] std::vector<Neighbour> take() && { return std::move(found_); }

    void micro_batch(int value) {
        if (value < 1 || value == spec_.micro_batch) return;
        Neighbour next = start(instead("micro-batch", value, spec_.micro_batch));
        next.settings = {{"workload.micro_batch", std::to_string(value)}};
        next.spec.micro_batch = value;
        found_.push_back(std::move(next));
    }

    void recompute(Recompute value) {
        if (value == spec_.recompute || value == Recompute::block) return;
        Neighbour next = start(fmt::format("recompute {} instead of {}", name_of(value), describe_recompute(spec_)));
        next.settings = {{"workload.recompute", std::string(name_of(value))}};
        if (spec_.recompute_layers != 0) next.settings.push_back({"workload.recompute_layers", "0"});
        next.spec.recompute = value;
        next.spec.recompute_layers = 0;
        found_.push_back(std::move(next));
    }

    /// Full recomputation of that many layers of each stage.
    void recompute_block(int layers) {
        if (layers < 1 || (spec_.recompute == Recompute::block && spec_.recompute_layers == layers)) return;
        Neighbour next = start("");
        next.spec.recompute = Recompute::block;
        next.spec.recompute_layers = layers;
        next.change = fmt::format("recompute {} instead of {}", describe_recompute(next.spec), describe_recompute(spec_));
        if (spec_.recompute != Recompute::block) {
            next.settings = {{"workload.recompute", std::string(name_of(Recompute::block))}};
        }
        next.settings.push_back({"workload.recompute_layers", std::to_string(layers)});
        found_.push_back(std::move(next));
    }

    void virtual_stages(int value) {
        const Parallelism& before = spec_.parallelism;
        if (value < 1 || value == before.virtual_stages || before.pipeline == 1) return;
        Neighbour next = start(instead("virtual stages", value, before.virtual_stages));
        const PipelineSchedule schedule = value > 1 ? PipelineSchedule::interleaved : PipelineSchedule::one_f_one_b;
        next.settings = {degree_setting("virtual_stages", value)};
        if (schedule != before.schedule) {
            next.settings.push_back({std::string(degree_path) + "schedule", std::string(name_of(schedule))});
        }
        next.spec.parallelism.virtual_stages = value;
        next.spec.parallelism.schedule = schedule;
        found_.push_back(std::move(next));
    }

    /// Trades one degree against data parallelism: factor 2 doubles `member`, factor 1/2 is said as `doubled` false.
    void against_data(std::string_view key, int Parallelism::*member, bool doubled) {
        const Parallelism& before = spec_.parallelism;
        const int degree = before.*member;
        if ((doubled ? before.data : degree) % 2 != 0) return;
        const int now = doubled ? degree * 2 : degree / 2;
        const int data = doubled ? before.data / 2 : before.data * 2;
        Neighbour next = start(fmt::format("{} {} and data {} instead of {} and {}", key, now, data, degree, before.data));
        next.settings = {degree_setting(key, now), degree_setting("data", data)};
        next.spec.parallelism.*member = now;
        next.spec.parallelism.data = data;
        drop_lone_stages(next);
        found_.push_back(std::move(next));
    }

    void zero(int value) {
        if (spec_.parallelism.fsdp || value <= spec_.parallelism.zero) return;
        Neighbour next = start(instead("ZeRO stage", value, spec_.parallelism.zero));
        next.settings = {degree_setting("zero", value)};
        next.spec.parallelism.zero = value;
        found_.push_back(std::move(next));
    }

    void precision(DataType value) {
        if (value == spec_.precision) return;
        Neighbour next = start(fmt::format("precision {} instead of {}", name_of(value), name_of(spec_.precision)));
        next.settings = {{"workload.precision", std::string(name_of(value))}};
        next.spec.precision = value;
        found_.push_back(std::move(next));
    }

    void nics_twice_as_fast(const Cluster& cluster) {
        if (cluster.is_mixed() || cluster.nodes < 2 || cluster.node.nics < 1 || cluster.fabric.node_nic <= BytesPerSecond{}) return;
        const BytesPerSecond rate = 2.0 * cluster.fabric.node_nic / static_cast<double>(cluster.node.nics);
        Neighbour next = start(fmt::format("network ports twice as fast ({} each)", format_rate(rate)));
        next.settings = {{"cluster.fabric.bandwidth", fmt::format("{:.10g} GB/s", rate.si() / 1e9)}};
        next.nic_factor = 2.0;
        found_.push_back(std::move(next));
    }

  private:
    [[nodiscard]] Neighbour start(std::string change) const { return {std::move(change), {}, spec_, 1.0}; }

    /// A pipeline of one stage has nothing to interleave.
    static void drop_lone_stages(Neighbour& next) {
        Parallelism& p = next.spec.parallelism;
        if (p.pipeline > 1 || p.virtual_stages == 1) return;
        p.virtual_stages = 1;
        p.schedule = PipelineSchedule::one_f_one_b;
        next.settings.push_back(degree_setting("virtual_stages", 1));
        next.settings.push_back({std::string(degree_path) + "schedule", std::string(name_of(p.schedule))});
    }

    TrainingSpec spec_;
    std::vector<Neighbour> found_;
};

/// Changes that could make a plan faster.
std::vector<Neighbour> faster_neighbours(const TrainingSpec& spec, const Cluster& cluster) {
    Neighbourhood around(spec);
    around.micro_batch(spec.micro_batch * 2);
    if (spec.micro_batch % 2 == 0) around.micro_batch(spec.micro_batch / 2);
    for (const Recompute one : {Recompute::none, Recompute::selective, Recompute::full}) around.recompute(one);
    if (spec.recompute == Recompute::block) {
        around.recompute_block(spec.recompute_layers - 1);
        around.recompute_block(spec.recompute_layers + 1);
    }
    around.virtual_stages(spec.parallelism.virtual_stages * 2);
    if (spec.parallelism.virtual_stages % 2 == 0) around.virtual_stages(spec.parallelism.virtual_stages / 2);
    for (const bool doubled : {false, true}) {
        around.against_data("tensor", &Parallelism::tensor, doubled);
        around.against_data("pipeline", &Parallelism::pipeline, doubled);
        around.against_data("context", &Parallelism::context, doubled);
    }
    if (spec.parallelism.zero == 0) around.zero(1);
    const bool has_fp8 = cluster.device.matrix_peak[DataType::fp8] > cluster.device.peak(spec.precision);
    if (has_fp8) around.precision(DataType::fp8);
    around.nics_twice_as_fast(cluster);
    return std::move(around).take();
}

/// Changes that could make a plan smaller.
std::vector<Neighbour> smaller_neighbours(const TrainingSpec& spec, int layers) {
    Neighbourhood around(spec);
    if (spec.recompute == Recompute::none) around.recompute(Recompute::selective);
    if (spec.recompute != Recompute::full) {
        const int stage_layers = (layers + spec.parallelism.pipeline - 1) / spec.parallelism.pipeline;
        for (int more = spec.recompute_layers + 1; more < std::min(stage_layers, block_layers_tried); ++more) {
            around.recompute_block(more);
        }
        around.recompute(Recompute::full);
    }
    for (int stages = spec.parallelism.virtual_stages / 2; stages >= 1; stages /= 2) around.virtual_stages(stages);
    if (spec.micro_batch > 1) around.micro_batch(spec.micro_batch / 2);
    for (const int stage : {1, 2, 3}) around.zero(stage);
    around.against_data("tensor", &Parallelism::tensor, true);
    around.against_data("pipeline", &Parallelism::pipeline, true);
    around.against_data("context", &Parallelism::context, true);
    return std::move(around).take();
}

std::optional<TrainingAnswer> estimate_neighbour(const Scenario& scenario, const ResolvedScenario& resolved,
                                                 const Neighbour& neighbour) {
    TrainingRun run = resolved.run;
    run.spec = neighbour.spec;
    SimulateOptions options;
    options.seed = scenario.seed;
    if (neighbour.nic_factor == 1.0) {
        auto answer = run_training(resolved.cluster, run, Fidelity::estimate, options);
        return answer ? std::optional(std::move(answer).value()) : std::nullopt;
    }
    Scenario faster = scenario;
    faster.cluster.fabric.bandwidth =
        neighbour.nic_factor * resolved.cluster.fabric.node_nic / static_cast<double>(resolved.cluster.node.nics);
    const auto again = resolve(faster);
    if (!again) return std::nullopt;
    auto answer = run_training(again->cluster, run, Fidelity::estimate, options);
    return answer ? std::optional(std::move(answer).value()) : std::nullopt;
}

/// Of several values for the same keys, only the fastest: `changes` come fastest first.
void keep_fastest_of_each_kind(std::vector<ChangedPlan>& changes) {
    std::vector<ChangedPlan> kept;
    for (ChangedPlan& one : changes) {
        const bool is_known = std::any_of(kept.begin(), kept.end(), [&](const ChangedPlan& before) {
            return std::equal(before.settings.begin(), before.settings.end(), one.settings.begin(), one.settings.end(),
                              [](const Setting& a, const Setting& b) { return a.path == b.path; });
        });
        if (!is_known) kept.push_back(std::move(one));
    }
    changes = std::move(kept);
}

std::vector<ChangedPlan> fitting(const Scenario& scenario, const ResolvedScenario& resolved, Seconds plan_step,
                                 const std::vector<Neighbour>& neighbours) {
    std::vector<ChangedPlan> changes;
    for (const Neighbour& one : neighbours) {
        const auto answer = estimate_neighbour(scenario, resolved, one);
        if (!answer || !answer->fits || answer->outcome.step <= Seconds{}) continue;
        changes.push_back({one.change, one.settings, answer->outcome.step, plan_step / answer->outcome.step,
                           answer->memory.total(), true});
    }
    std::stable_sort(changes.begin(), changes.end(),
                     [](const ChangedPlan& a, const ChangedPlan& b) { return a.step_time < b.step_time; });
    keep_fastest_of_each_kind(changes);
    return changes;
}

/// Two changes one after the other, of different keys.
std::vector<Neighbour> pairs_of(const std::vector<Neighbour>& singles, int layers) {
    std::vector<Neighbour> pairs;
    for (const Neighbour& first : singles) {
        for (Neighbour second : smaller_neighbours(first.spec, layers)) {
            const bool is_same_key = std::any_of(first.settings.begin(), first.settings.end(), [&](const Setting& one) {
                return one.path == second.settings.front().path;
            });
            if (is_same_key || second.settings.front().path < first.settings.front().path) continue;
            second.change = first.change + ", " + second.change;
            std::vector<Setting> settings = first.settings;
            for (const Setting& one : second.settings) {
                std::erase_if(settings, [&](const Setting& before) { return before.path == one.path; });
                settings.push_back(one);
            }
            second.settings = std::move(settings);
            pairs.push_back(std::move(second));
        }
    }
    return pairs;
}

}  // namespace

Result<Advice> advise(const Scenario& scenario, const ResolvedScenario& resolved, bool fits) {
    SimulateOptions options;
    options.seed = scenario.seed;
    const auto plan = run_training(resolved.cluster, resolved.run, Fidelity::estimate, options);
    if (!plan) return plan.problems();
    const TrainingSpec& spec = resolved.run.spec;
    Advice advice{.estimated_step = plan->outcome.step, .changes = {}};
    if (fits) {
        advice.changes = fitting(scenario, resolved, advice.estimated_step, faster_neighbours(spec, resolved.cluster));
        return advice;
    }
    const int layers = resolved.run.architecture.layers;
    const std::vector<Neighbour> singles = smaller_neighbours(spec, layers);
    advice.changes = fitting(scenario, resolved, advice.estimated_step, singles);
    if (advice.changes.empty()) {
        advice.changes = fitting(scenario, resolved, advice.estimated_step, pairs_of(singles, layers));
    }
    return advice;
}

}  // namespace orrery
