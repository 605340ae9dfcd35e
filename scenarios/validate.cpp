// Reads tables of measurements, predicts what can be predicted, and keeps count of why the rest cannot.
#include "scenarios/validate.hpp"

#include "scenarios/training_row.hpp"

#include <tbb/parallel_for.h>

#include <algorithm>
#include <optional>

namespace orrery {
namespace {

/// What became of one row: a comparison, or the reason why there is none.
struct RowOutcome {
    std::optional<Comparison> comparison;
    std::string reason;
};

RowOutcome predict_training(const PreparedTraining& prepared) {
    const Result<double> step = predict_step(prepared);
    if (!step) return {std::nullopt, step.problems().front().problem};
    return {Comparison{prepared.id, prepared.source, "step_time_s", prepared.measured_step_s, *step, prepared.note}, {}};
}

Json statistics_json(const std::vector<Comparison>& comparisons) {
    const ErrorStatistics s = error_statistics(comparisons);
    return {{"rows", s.rows}, {"mape", s.mape}, {"median_ape", s.median_ape}, {"p90_ape", s.p90_ape}, {"bias", s.bias}};
}

template <class Key>
Json grouped_json(const std::vector<Comparison>& comparisons, Key key) {
    std::map<std::string, std::vector<Comparison>> groups;
    for (const Comparison& one : comparisons) groups[key(one)].push_back(one);
    Json json = Json::object();
    for (const auto& [name, members] : groups) {
        json[name] = statistics_json(members);
        json[name]["predicted"] = members.size();
    }
    return json;
}

}  // namespace

Result<ValidationReport> validate_tables(const std::vector<std::string>& files) {
    ValidationReport report;
    report.kind = "training";
    CatalogCache catalog;
    std::vector<PreparedTraining> prepared;
    Problems problems;
    for (const std::string& file : files) {
        const Result<std::vector<Json>> rows = read_json_lines(file);
        if (!rows) {
            problems.insert(problems.end(), rows.problems().begin(), rows.problems().end());
            continue;
        }
        report.rows += rows->size();
        for (const Json& row : *rows) {
            if (!is_training_row(row)) {
                ++report.skipped["rows of this kind are not predicted in this version"];
                continue;
            }
            Result<PreparedTraining> one = prepare_training(row, catalog);
            if (one) {
                prepared.push_back(std::move(one).value());
            } else {
                ++report.skipped[one.problems().front().problem];
            }
        }
    }
    if (!problems.empty()) return problems;
    std::vector<RowOutcome> outcomes(prepared.size());
    tbb::parallel_for(std::size_t{0}, prepared.size(), [&](std::size_t i) { outcomes[i] = predict_training(prepared[i]); });
    for (RowOutcome& outcome : outcomes) {
        if (outcome.comparison) {
            report.results.push_back(std::move(*outcome.comparison));
        } else {
            ++report.skipped[outcome.reason];
        }
    }
    return report;
}

std::string validation_json(const ValidationReport& report) {
    Json json = {{"kind", report.kind}, {"rows", report.rows}, {"predicted", report.results.size()}};
    json["skipped"] = report.skipped;
    const ErrorStatistics all = error_statistics(report.results);
    json["mape"] = all.mape;
    json["median_ape"] = all.median_ape;
    json["p90_ape"] = all.p90_ape;
    json["bias"] = all.bias;
    json["by_source"] = grouped_json(report.results, [](const Comparison& one) { return one.source; });
    json["by_metric"] = grouped_json(report.results, [](const Comparison& one) { return one.metric; });
    json["results"] = Json::array();
    for (const Comparison& one : report.results) {
        json["results"].push_back({{"id", one.id}, {"metric", one.metric}, {"measured", one.measured},
                                   {"predicted", one.predicted}, {"ape", std::abs(one.error())}, {"note", one.note}});
    }
    return dump(json);
}

}  // namespace orrery
