// Sweeps out of rows of collectives, calibrated on a part of their sizes and judged on the rest.
#include "network/collective_anchors.hpp"
#include "network/collective_expected.hpp"
#include "scenarios/catalog.hpp"
#include "scenarios/collective_judge.hpp"
#include "scenarios/json.hpp"
#include "scenarios/validate_kinds.hpp"

#include <fmt/format.h>
#include <tbb/parallel_for.h>

#include <algorithm>
#include <cmath>
#include <map>

namespace orrery {
namespace {

constexpr std::size_t sweep_sizes_min = 8;
constexpr double disturbed_over = 1.25;
constexpr double large_bytes = 512.0 * 1024.0 * 1024.0;

struct MeasuredSweep {
    std::string name;
    Fabric fabric;
    bool rate_stated = true;
    Seconds host;                             // of the harness, in every measured time
    std::vector<CollectiveSample> samples;    // by size; times without the host's
};

/// Messages cannot be faster the more they carry: what is much slower than a larger one was warming up or disturbed.
int drop_disturbed(std::vector<CollectiveSample>& samples) {
    std::vector<CollectiveSample> kept;
    for (const CollectiveSample& s : samples) {
        const bool disturbed = std::any_of(samples.begin(), samples.end(), [&](const CollectiveSample& other) {
            return other.size > s.size && s.time.si() > disturbed_over * other.time.si();
        });
        if (!disturbed) kept.push_back(s);
    }
    const auto dropped = static_cast<int>(samples.size() - kept.size());
    samples = std::move(kept);
    return dropped;
}

/// The sweep's fabric calibrated on `seen`.
Fabric calibrated_sweep(const MeasuredSweep& sweep, std::span<const CollectiveSample> seen) {
    const bool across = sweep.samples.front().domains > 1;
    const MeasuredDomain domain{sweep.fabric.scale_up, sweep.fabric.domain, sweep.fabric.wiring};
    const std::vector<CollectiveSample> sizes(seen.begin(), seen.end());
    Fabric fitted = with_parameters(sweep.fabric, across ? fit_across(sweep.fabric, sizes) : fit_anchors(*sweep.fabric.parameters, domain, sizes));
    CollectiveParameters parameters = *fitted.parameters;
    parameters.residuals = tabulate_residuals(fitted, sizes);
    return with_parameters(fitted, std::move(parameters));
}

double sweep_error(const MeasuredSweep& sweep, const Fabric& fabric, const CollectiveSample& s) {
    return (sample_time(fabric, s) + sweep.host) / (s.time + sweep.host) - 1.0;
}

void judge_size_out(const MeasuredSweep& sweep, SweepJudgement& judged) {
    std::vector<double> errors(sweep.samples.size());
    tbb::parallel_for(std::size_t{0}, errors.size(), [&](std::size_t left) {
        std::vector<CollectiveSample> seen = sweep.samples;
        seen.erase(seen.begin() + static_cast<std::ptrdiff_t>(left));
        errors[left] = sweep_error(sweep, calibrated_sweep(sweep, seen), sweep.samples[left]);
    });
    for (std::size_t i = 0; i < errors.size(); ++i) {
        judged.size_out += std::abs(errors[i]) / static_cast<double>(errors.size());
        if (std::abs(errors[i]) < std::abs(judged.worst_error)) continue;
        judged.worst_error = errors[i];
        judged.worst_bytes = sweep.samples[i].size.si();
    }
}

void judge_five(const MeasuredSweep& sweep, SweepJudgement& judged) {
    std::vector<CollectiveSample> seen;
    std::vector<CollectiveSample> rest = sweep.samples;
    for (std::size_t i = 5; i-- > 0;) {
        const std::size_t place = (sweep.samples.size() - 1) * i / 4;
        seen.push_back(sweep.samples[place]);
        rest.erase(rest.begin() + static_cast<std::ptrdiff_t>(place));
    }
    const Fabric fabric = calibrated_sweep(sweep, seen);
    for (const CollectiveSample& s : rest) judged.five += std::abs(sweep_error(sweep, fabric, s)) / static_cast<double>(rest.size());
}

SweepJudgement judge_sweep(MeasuredSweep sweep) {
    SweepJudgement judged;
    judged.name = sweep.name;
    judged.rows = static_cast<int>(sweep.samples.size());
    judged.several_nodes = sweep.samples.front().domains > 1;
    judged.disturbed = drop_disturbed(sweep.samples);
    if (sweep.samples.size() < sweep_sizes_min) return judged;
    if (sweep.rate_stated) {
        double large = 0.0;
        int large_rows = 0;
        judged.stated = judged.inside = 0.0;
        const auto rows = static_cast<double>(sweep.samples.size());
        for (const CollectiveSample& s : sweep.samples) {
            const double error = sweep_error(sweep, sweep.fabric, s);
            judged.stated += std::abs(error) / rows;
            const CollectiveExpected expected = expected_collective(sweep.fabric, {s.kind, s.size, s.type}, {s.ranks, s.ranks / s.domains, s.domains, 1});
            if (1.0 / (1.0 + error) >= expected.low && 1.0 / (1.0 + error) <= expected.high) judged.inside += 1.0 / rows;
            if (s.size.si() < large_bytes) continue;
            large += std::abs(error);
            ++large_rows;
        }
        if (large_rows > 0) judged.stated_large = large / large_rows;
    }
    judge_size_out(sweep, judged);
    judge_five(sweep, judged);
    return judged;
}

}  // namespace

Result<std::vector<SweepJudgement>> judge_sweeps(const std::vector<std::string>& files) {
    CatalogCache catalog;
    std::vector<SweepJudgement> judged;
    for (const std::string& file : files) {
        const Result<std::vector<Json>> rows = read_json_lines(file);
        if (!rows) return rows.problems();
        std::map<std::string, MeasuredSweep> sweeps;
        for (const Json& row : *rows) {
            if (!is_collective_row(row)) continue;
            Result<PricedCollectiveRow> priced = price_collective_row(row, catalog, true);
            if (!priced) continue;  // `orrery validate` says why
            const std::string name = fmt::format("{}, {} devices, {}: {}", priced->system, priced->sample.ranks, name_of(priced->sample.kind), priced->source);
            MeasuredSweep& sweep = sweeps[name];
            if (sweep.samples.empty()) {
                sweep.name = name;
                sweep.fabric = std::move(priced->fabric);
                sweep.rate_stated = priced->rate_stated;
                sweep.host = priced->host;
            }
            CollectiveSample sample = priced->sample;
            sample.time = Seconds::from_si(std::max(1e-7, sample.time.si() - priced->host.si()));
            sweep.samples.push_back(sample);
        }
        for (auto& [name, sweep] : sweeps) {
            if (sweep.samples.size() < sweep_sizes_min) continue;
            std::sort(sweep.samples.begin(), sweep.samples.end(), [](const CollectiveSample& a, const CollectiveSample& b) { return a.size < b.size; });
            judged.push_back(judge_sweep(std::move(sweep)));
        }
    }
    return judged;
}

std::string sweeps_text(const std::vector<SweepJudgement>& sweeps) {
    if (sweeps.empty()) return {};
    std::string text = fmt::format("{:<60} {:>5} {:>9} {:>7} {:>10} {:>7} {:>9} {:>7}  {}\n", "mean errors in %", "rows", "disturbed", "stated", ">=512 MiB", "inside",
                                   "size out", "5 pts", "worst size out");
    const auto percent = [](double share) { return share < 0.0 ? std::string("-") : fmt::format("{:.1f}", 100.0 * share); };
    for (const bool several : {false, true}) {
        double size_out = 0.0;
        double five = 0.0;
        int sweeps_seen = 0;
        for (const SweepJudgement& s : sweeps) {
            if (s.several_nodes != several) continue;
            text += fmt::format("{:<60} {:>5} {:>9} {:>7} {:>10} {:>7} {:>9.1f} {:>7.1f}  {:+.0f} at {:.0f} bytes\n", s.name.substr(0, 60), s.rows, s.disturbed,
                                percent(s.stated), percent(s.stated_large), percent(s.inside), 100.0 * s.size_out, 100.0 * s.five, 100.0 * s.worst_error,
                                s.worst_bytes);
            size_out += s.size_out;
            five += s.five;
            ++sweeps_seen;
        }
        if (sweeps_seen == 0) continue;
        text += fmt::format("{:<60} {:>5} {:>9} {:>7} {:>10} {:>7} {:>9.1f} {:>7.1f}\n", several ? "mean of sweeps over several nodes" : "mean of sweeps in one domain",
                            "", "", "", "", "", 100.0 * size_out / sweeps_seen, 100.0 * five / sweeps_seen);
    }
    return text + "disturbed: left out, over a quarter slower than a larger message; stated: nothing fitted; inside: part of those rows in the interval stated;\n"
                  "size out: start, hop and share (in one domain the generation's parameters) and residuals fitted on the other sizes; 5 pts: on five\n";
}

}  // namespace orrery
