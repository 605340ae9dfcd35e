// Draws a validation report: each source's errors, the worst rows, and what was left out and why.
#include "ui/command_validate.hpp"

#include "scenarios/ablation.hpp"
#include "scenarios/fit_training.hpp"
#include "scenarios/collective_judge.hpp"
#include "scenarios/output_file.hpp"
#include "scenarios/validate.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <set>

namespace orrery {
namespace {

constexpr std::size_t worst_rows_shown = 10;

constexpr std::size_t source_width = 60;

std::string statistics_line(const std::string& name, std::size_t rows, const std::vector<Comparison>& comparisons) {
    const ErrorStatistics s = error_statistics(comparisons);
    if (comparisons.empty()) return fmt::format("{:<{}} {:>6} {:>9}\n", name, source_width, rows, 0);
    return fmt::format("{:<{}} {:>6} {:>9} {:>7.1f} {:>8.1f} {:>7.1f} {:>+7.1f}\n", name, source_width, rows, s.rows,
                       100 * s.mape, 100 * s.median_ape, 100 * s.p90_ape, 100 * s.bias);
}

/// The last part of a long name, which tells sources of one origin apart.
std::string shortened(const std::string& source) {
    if (source.size() <= source_width) return source;
    return "..." + source.substr(source.size() - source_width + 3);
}

/// One block a kind of rows: a line for each source and metric.
std::string error_tables(const ValidationReport& report) {
    std::map<std::string, std::map<std::string, std::vector<Comparison>>> by_source;
    for (const Comparison& one : report.results) by_source[one.source][one.metric].push_back(one);
    std::map<std::string, std::vector<std::string>> sources_of_kind;
    for (const auto& [source, kind] : report.kind_of_source) sources_of_kind[kind].push_back(source);
    std::string text;
    for (const auto& [kind, sources] : sources_of_kind) {
        text += fmt::format("\n{:<{}} {:>6} {:>9} {:>7} {:>8} {:>7} {:>7}\n", kind, source_width, "rows", "predicted",
                            "mean", "median", "p90", "bias");
        for (const std::string& source : sources) {
            const std::size_t rows = report.rows_of_source.at(source);
            const auto& metrics = by_source[source];
            if (metrics.empty()) text += statistics_line(shortened(source), rows, {});
            for (const auto& [metric, comparisons] : metrics) {
                const std::string name = metrics.size() > 1 ? source + " " + metric : source;
                text += statistics_line(shortened(name), rows, comparisons);
            }
        }
    }
    return text + statistics_line("\nall", report.rows, report.results);
}

/// One line for each kind of what was predicted; nothing where no table tells kinds apart.
std::string kind_table(const std::vector<Comparison>& results) {
    std::map<std::string, std::vector<Comparison>> kinds;
    for (const Comparison& one : results) {
        if (!one.kind.empty()) kinds[one.kind].push_back(one);
    }
    std::string text = kinds.empty() ? "" : "\n";
    for (const auto& [kind, members] : kinds) text += statistics_line(kind, members.size(), members);
    return text;
}

/// A measured value with the unit that its metric's name ends in.
std::string with_unit(double value, const std::string& metric) {
    if (metric == "peak_bytes") return fmt::format("{:.2f} GB", value / 1e9);
    if (metric == "out_of_memory") return value > 0.0 ? "does not fit" : "fits";
    if (value < 1e-3) return fmt::format("{:.4g} us", value * 1e6);
    return value < 1.0 ? fmt::format("{:.4g} ms", value * 1e3) : fmt::format("{:.4g} s", value);
}

std::string worst_rows(std::vector<Comparison> worst) {
    std::stable_sort(worst.begin(), worst.end(), [](const Comparison& a, const Comparison& b) {
        return std::abs(a.error()) > std::abs(b.error());
    });
    worst.resize(std::min(worst.size(), worst_rows_shown));
    std::string text =
        fmt::format("\n{:<{}} {:>12} {:>12} {:>8}\n", "worst rows", source_width, "measured", "predicted", "error %");
    for (const Comparison& one : worst) {
        text += fmt::format("{:<{}} {:>12} {:>12} {:>+8.1f}  {}\n", one.id, source_width,
                            with_unit(one.measured, one.metric), with_unit(one.predicted, one.metric),
                            100 * one.error(), one.note);
    }
    return text;
}

std::string validation_text(const ValidationReport& report) {
    std::string text = fmt::format("{} of {} rows predicted; errors of predicted / measured - 1 in %\n",
                                   report.predicted, report.rows);
    text += error_tables(report);
    text += kind_table(report.results);
    if (const Coverage covered = coverage(report.results); covered.stated > 0) {
        text += fmt::format("\n{:.0f} % of {} measurements lie inside the 90 % interval that their prediction states\n",
                            100.0 * static_cast<double>(covered.inside) / static_cast<double>(covered.stated),
                            covered.stated);
    }
    for (const std::string& fit : report.fits) text += (&fit == &report.fits.front() ? "\n" : "") + fit + "\n";
    text += worst_rows(report.results);
    if (!report.skipped.empty()) text += "\nskipped rows, and why\n";
    for (const auto& [reason, count] : report.skipped) text += fmt::format("{:>6}  {}\n", count, reason);
    return text;
}

ExitStatus run_leave_one_out(const ValidateOptions& options) {
    const auto left_out = leave_one_source_out(options.tables, [](const std::string& done) { print_note(done); });
    if (!left_out) return print_problems(left_out.problems());
    std::string text = fmt::format("{:<{}} {:>6} {:>9} {:>7} {:>8} {:>7} {:>7}\n", "fitted without, then predicted",
                                   source_width, "rows", "predicted", "mean", "median", "p90", "bias");
    std::vector<Comparison> all;
    for (const LeftOutSource& one : *left_out) {
        text += statistics_line(shortened(one.source), one.rows.size(), one.rows);
        all.insert(all.end(), one.rows.begin(), one.rows.end());
    }
    return print_answer(text + statistics_line("\nall", all.size(), all));
}

ExitStatus run_size_out(const ValidateOptions& options) {
    std::vector<std::string> tables;
    std::vector<std::string> rows;
    for (const std::string& file : options.tables) (file.ends_with(".csv") ? tables : rows).push_back(file);
    const auto judged = judge_collectives(tables);
    if (!judged) return print_problems(judged.problems());
    const auto sweeps = judge_sweeps(rows);
    if (!sweeps) return print_problems(sweeps.problems());
    const std::string text = judgement_text(*judged) + sweeps_text(*sweeps);
    if (!text.empty()) return print_answer(text);
    return print_problems({{options.tables.front(), "has no sweep of eight sizes or more", "give tables or rows of collectives"}});
}

ExitStatus run_ablation(const ValidateOptions& options) {
    const auto rows = prepare_trainings(options.tables);
    if (!rows) return print_problems(rows.problems());
    const std::vector<AblatedErrors> all = ablate(*rows);
    std::set<std::string> sources;
    for (const PreparedTraining& row : *rows) sources.insert(row.source);
    std::string text = fmt::format("{:<36} {:>7} {:>8} {:>7} {:>7}", "removed", "mean", "median", "p90", "bias");
    for (const std::string& source : sources) text += fmt::format(" {:>12}", source.substr(0, 12));
    text += '\n';
    for (const AblatedErrors& one : all) {
        const ErrorStatistics s = error_statistics(one.rows);
        text += fmt::format("{:<36} {:>7.1f} {:>8.1f} {:>7.1f} {:>+7.1f}", one.removed, 100 * s.mape, 100 * s.median_ape,
                            100 * s.p90_ape, 100 * s.bias);
        for (const std::string& source : sources) {
            std::vector<Comparison> own;
            std::copy_if(one.rows.begin(), one.rows.end(), std::back_inserter(own),
                         [&](const Comparison& row) { return row.source == source; });
            text += fmt::format(" {:>12.1f}", 100 * error_statistics(own).mape);
        }
        text += '\n';
    }
    return print_answer(text);
}

}  // namespace

ExitStatus run_validate(const ValidateOptions& options) {
    if (options.leave_one_size_out) {
        if (!options.json.empty() || options.max_mape) {
            return print_problems({{"--leave-one-size-out", "stands beside --json or --max-mape", "leave those out: it prints a table of its own"}});
        }
        return run_size_out(options);
    }
    if (options.leave_one_source_out) return run_leave_one_out(options);
    if (options.ablate) return run_ablation(options);
    if (!options.json.empty()) {
        const Problems problems = output_problems(options.json);
        if (!problems.empty()) return print_problems(problems);
    }
    const Result<ValidationReport> report = validate_tables(options.tables);
    if (!report) return print_problems(report.problems());
    if (!options.json.empty()) {
        const auto written = write_file(options.json, validation_json(*report));
        if (!written) return print_problems(written.problems());
    }
    const double mape = 100.0 * error_statistics(report->results).mape;
    const bool exceeded = options.max_mape && !(mape <= *options.max_mape);
    if (exceeded) print_note(fmt::format("mean error {:.1f} % is above the allowed {:g} %", mape, *options.max_mape));
    const ExitStatus status = exceeded ? ExitStatus::no : ExitStatus::done;
    if (options.json == "-") return status;
    return print_answer(validation_text(*report), status);
}

}  // namespace orrery
