// Draws a validation report: each source's errors, the worst rows, and what was left out and why.
#include "ui/command_validate.hpp"

#include "scenarios/output_file.hpp"
#include "scenarios/validate.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace orrery {
namespace {

constexpr std::size_t worst_rows_shown = 10;

std::string statistics_line(const std::string& name, const std::vector<Comparison>& comparisons) {
    const ErrorStatistics s = error_statistics(comparisons);
    return fmt::format("{:<34} {:>6} {:>7.1f} {:>8.1f} {:>7.1f} {:>+7.1f}\n", name, s.rows, 100 * s.mape, 100 * s.median_ape,
                       100 * s.p90_ape, 100 * s.bias);
}

std::string validation_text(const ValidationReport& report) {
    std::string text = fmt::format("{} of {} rows predicted; errors of predicted / measured - 1 in %\n\n", report.results.size(),
                                   report.rows);
    text += fmt::format("{:<34} {:>6} {:>7} {:>8} {:>7} {:>7}\n", "source", "rows", "mean", "median", "p90", "bias");
    std::map<std::string, std::vector<Comparison>> by_source;
    for (const Comparison& one : report.results) by_source[one.source].push_back(one);
    for (const auto& [source, comparisons] : by_source) text += statistics_line(source, comparisons);
    text += statistics_line("all", report.results);

    std::vector<Comparison> worst = report.results;
    std::stable_sort(worst.begin(), worst.end(), [](const Comparison& a, const Comparison& b) {
        return std::abs(a.error()) > std::abs(b.error());
    });
    worst.resize(std::min(worst.size(), worst_rows_shown));
    text += "\nworst rows                            measured   predicted   error %\n";
    for (const Comparison& one : worst) {
        text += fmt::format("{:<34} {:>9.4g} s {:>9.4g} s {:>+9.1f}  {}\n", one.id, one.measured, one.predicted, 100 * one.error(), one.note);
    }
    if (!report.skipped.empty()) text += "\nskipped rows, and why\n";
    for (const auto& [reason, count] : report.skipped) text += fmt::format("{:>6}  {}\n", count, reason);
    return text;
}

}  // namespace

ExitStatus run_validate(const ValidateOptions& options) {
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
