// Fits on parts of measured tables, judged on the rest.
#include "scenarios/collective_judge.hpp"

#include "hardware/rng.hpp"
#include "network/collective_anchors.hpp"
#include "scenarios/catalog.hpp"
#include "scenarios/collective_calibrate.hpp"
#include "scenarios/collective_file.hpp"
#include "scenarios/json.hpp"
#include "scenarios/validate_kinds.hpp"

#include <fmt/format.h>
#include <tbb/parallel_for.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <set>

namespace orrery {
namespace {

constexpr int halvings = 3;
constexpr int tenths = 10;

/// What a table is judged with.
struct JudgedTable {
    MeasuredDomain domain;
    std::vector<CollectiveSample> samples;
    std::vector<CollectiveParameters> others;
    CollectiveParameters prior;
};

/// Sums over the rows that one fit has not seen.
struct UnseenErrors {
    double calibrated = 0.0;
    double physics = 0.0;
    int rows = 0;
    double worst = 0.0;
    std::string worst_row;
    void add(const UnseenErrors& more) {
        calibrated += more.calibrated;
        physics += more.physics;
        rows += more.rows;
        if (std::abs(more.worst) > std::abs(worst)) {
            worst = more.worst;
            worst_row = more.worst_row;
        }
    }
};

std::string row_name(const CollectiveSample& s) {
    return fmt::format("{} {} among {}, {:.0f} bytes", name_of(s.kind), name_of(s.type), s.ranks, s.size.si());
}

UnseenErrors fit_and_judge(const JudgedTable& table, const std::vector<CollectiveSample>& seen, const std::vector<CollectiveSample>& unseen) {
    UnseenErrors errors;
    if (seen.empty() || unseen.empty()) return errors;
    CollectiveParameters fitted = fit_collectives(table.prior, table.domain, seen);
    const std::vector<Seconds> bare = predicted_times(fitted, table.domain, unseen);
    fitted.residuals = tabulate_residuals(fitted, table.domain, seen, generation_alike(table.others, table.domain, seen));
    const std::vector<Seconds> times = predicted_times(fitted, table.domain, unseen);
    for (std::size_t i = 0; i < unseen.size(); ++i) {
        const double error = times[i] / unseen[i].time - 1.0;
        errors.calibrated += std::abs(error);
        errors.physics += std::abs(bare[i] / unseen[i].time - 1.0);
        ++errors.rows;
        if (std::abs(error) <= std::abs(errors.worst)) continue;
        errors.worst = error;
        errors.worst_row = row_name(unseen[i]);
    }
    return errors;
}

/// `folds` fits, each without the rows of its own fold; a negative fold is of no fit and always seen.
UnseenErrors judge_folds(const JudgedTable& table, int folds, const std::function<int(const CollectiveSample&)>& fold_of) {
    std::vector<UnseenErrors> errors(static_cast<std::size_t>(folds));
    tbb::parallel_for(0, folds, [&](int fold) {
        std::vector<CollectiveSample> seen;
        std::vector<CollectiveSample> unseen;
        for (const CollectiveSample& s : table.samples) (fold_of(s) == fold ? unseen : seen).push_back(s);
        errors[static_cast<std::size_t>(fold)] = fit_and_judge(table, seen, unseen);
    });
    UnseenErrors sum;
    for (const UnseenErrors& one : errors) sum.add(one);
    return sum;
}

/// A number from 0 to 1 of a key, whatever its replicates.
double draw_of(const CollectiveSample& s, std::uint64_t seed) {
    const auto id = static_cast<std::uint64_t>(s.size.si()) * 64 + static_cast<std::uint64_t>(s.ranks);
    Rng rng = Rng::stream(seed, std::string(name_of(s.kind)) + " " + std::string(name_of(s.type)), id);
    return rng.uniform();
}

std::vector<CollectiveSample> without(std::span<const CollectiveSample> samples, std::span<const CollectiveSample> anchors) {
    std::vector<CollectiveSample> rest;
    for (const CollectiveSample& s : samples) {
        const bool is_anchor = std::any_of(anchors.begin(), anchors.end(), [&](const CollectiveSample& a) {
            return a.kind == s.kind && a.ranks == s.ranks && a.size == s.size && a.type == s.type;
        });
        if (!is_anchor) rest.push_back(s);
    }
    return rest;
}

void judge_left_out(const JudgedTable& table, CollectiveJudgement& judged) {
    UnseenErrors halves;
    for (std::uint64_t seed = 1; seed <= halvings; ++seed) {
        const auto half = [&](const CollectiveSample& s) { return draw_of(s, seed) < 0.5 ? -1 : 0; };
        halves.add(judge_folds(table, 1, half));
    }
    const UnseenErrors tenth = judge_folds(table, tenths, [&](const CollectiveSample& s) { return static_cast<int>(tenths * draw_of(s, 1)); });
    std::set<double> distinct;
    for (const CollectiveSample& s : table.samples) distinct.insert(s.size.si());
    const std::vector<double> sizes(distinct.begin(), distinct.end());
    const UnseenErrors size_out = judge_folds(table, static_cast<int>(sizes.size()), [&](const CollectiveSample& s) {
        return static_cast<int>(std::lower_bound(sizes.begin(), sizes.end(), s.size.si()) - sizes.begin());
    });
    judged.unseen = halves.calibrated / std::max(1, halves.rows);
    judged.unseen_physics = halves.physics / std::max(1, halves.rows);
    judged.tenth = tenth.calibrated / std::max(1, tenth.rows);
    judged.size_out = size_out.calibrated / std::max(1, size_out.rows);
    judged.size_out_physics = size_out.physics / std::max(1, size_out.rows);
    judged.worst = size_out.worst_row;
    judged.worst_error = size_out.worst;
}

Result<CollectiveJudgement> judge_table(const std::string& path) {
    const Result<std::string> text = read_text_file(path);
    if (!text) return text.problems();
    const auto samples = parse_nccl_table(*text, path);
    if (!samples) return samples.problems();
    CollectiveJudgement judged;
    judged.table = path.substr(path.find_last_of('/') + 1);
    const NamedMachine* machine = machine_named(judged.table.substr(0, judged.table.find('.')));
    if (machine == nullptr) return Problem{path, "is of a system that the catalogue does not have", "name the file SYSTEM.nccl-VERSION.nccl.csv"};
    judged.device = machine->device;
    const Result<Device> device = find_device(machine->device);
    if (!device) return device.problems();
    const auto own = find_collective_parameters(*device);
    if (!own) return own.problems();
    const Result<Node> node = find_node(machine->node);
    if (!node) return node.problems();
    auto others = other_generations(judged.device);
    if (!others) return others.problems();
    JudgedTable table{{device->scale_up_bandwidth, node->scale_up_domain, node->scale_up}, {}, std::move(others).value(), {}};
    std::copy_if(samples->begin(), samples->end(), std::back_inserter(table.samples),
                 [&](const CollectiveSample& s) { return s.ranks <= table.domain.devices; });
    judged.rows = static_cast<int>(table.samples.size());
    const CollectiveParameters pooled = pooled_parameters(table.others, (*own)->nvls_efficiency > 0.0);
    table.prior = pooled;
    table.prior.tuning_ll_share = (*own)->tuning_ll_share;
    table.prior.tuning_ll128_share = (*own)->tuning_ll128_share;
    table.prior.tuning_bus_share = (*own)->tuning_bus_share;
    judge_left_out(table, judged);
    judged.interpolated = judge_fit(**own, table.domain, table.samples, 1).interpolation_error;
    for (const int wanted : {5, 10, 20}) {
        const std::vector<CollectiveSample> anchors = anchors_of(table.samples, wanted);
        const CollectiveParameters fitted = fit_anchors(pooled, table.domain, anchors);
        judged.by_anchors.emplace_back(wanted, mean_collective_error(fitted, table.domain, without(table.samples, anchors)));
    }
    for (CollectiveParameters other : table.others) {
        other.residuals.clear();
        judged.by_others.emplace_back(other.name, mean_collective_error(other, table.domain, table.samples));
    }
    std::vector<CollectiveSample> large;
    std::copy_if(table.samples.begin(), table.samples.end(), std::back_inserter(large), [](const CollectiveSample& s) { return s.size >= 16.0_MiB; });
    judged.pooled_large = mean_collective_error(pooled, table.domain, large);
    return judged;
}

}  // namespace

Result<std::vector<CollectiveJudgement>> judge_collectives(const std::vector<std::string>& tables) {
    std::vector<CollectiveJudgement> judgements;
    for (const std::string& table : tables) {
        Result<CollectiveJudgement> judged = judge_table(table);
        if (!judged) return judged.problems();
        judgements.push_back(std::move(judged).value());
    }
    return judgements;
}

std::string judgement_text(const std::vector<CollectiveJudgement>& judgements) {
    if (judgements.empty()) return {};
    const auto figures_of = [](const CollectiveJudgement& j) {
        return std::array<double, 9>{j.size_out, j.size_out_physics, j.interpolated, j.unseen, j.tenth, j.by_anchors[2].second, j.by_anchors[1].second,
                                     j.by_anchors[0].second, j.pooled_large};
    };
    std::string text = fmt::format("{:<34} {:>5} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8}\n", "mean errors in %, rows not seen", "rows", "size out",
                                   "physics", "interpol", "half out", "1/10 out", "20 pts", "10 pts", "5 pts", ">=16 MiB");
    std::array<double, 9> sum{};
    const auto line = [&](const std::string& name, const std::string& rows, const std::array<double, 9>& figures) {
        text += fmt::format("{:<34} {:>5}", name, rows);
        for (const double figure : figures) text += fmt::format(" {:>8.2f}", 100.0 * figure);
        text += "\n";
    };
    for (const CollectiveJudgement& j : judgements) {
        const auto figures = figures_of(j);
        line(j.table, std::to_string(j.rows), figures);
        for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += figures[i] / static_cast<double>(judgements.size());
    }
    line("mean of tables", "", sum);
    text += "size out: each size left out in turn, all parameters fitted anew; physics: without residuals; interpol: log-log interpolation alone;\n"
            "half, 1/10 out: keys left out at random; 20, 10, 5 pts and >=16 MiB: other generations and those points, or none\n\n";
    for (const CollectiveJudgement& j : judgements) text += fmt::format("{:<34} worst size out: {:+.0f} %  {}\n", j.table, 100 * j.worst_error, j.worst);
    for (const CollectiveJudgement& j : judgements) {
        text += fmt::format("{:<34} by parameters of", j.table);
        for (const auto& [name, error] : j.by_others) text += fmt::format("  {} {:.1f}", name, 100 * error);
        text += "\n";
    }
    return text;
}

}  // namespace orrery
