// Reads tables of measurements, predicts what can be predicted, and keeps count of why the rest cannot.
#include "scenarios/validate.hpp"

#include "kernels/measured_table.hpp"
#include "scenarios/validate_kinds.hpp"

#include <tbb/parallel_for.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace orrery {
namespace {

RowTask prepare_training_row(const Json& row, const std::string& id, CatalogCache& catalog) {
    const auto source = row.find("source_id");
    const std::string name = source != row.end() && source->is_string() ? source->get<std::string>() : "training";
    const Result<PreparedTraining> prepared = prepare_training(row, catalog);
    if (!prepared) return skipped_row(name, prepared.problems().front().problem);
    const auto peak = row.find("peak_mem_gb");
    const double peak_bytes = peak != row.end() && peak->is_number() ? peak->get<double>() * 1e9 : 0.0;
    return [one = *prepared, name, id, peak_bytes]() -> RowOutcome {
        const Result<PredictedStep> step = predict_training(one);
        if (!step) return {name, {}, step.problems().front().problem};
        const std::string& row_id = one.id.empty() ? id : one.id;
        RowOutcome outcome{name, {{row_id, name, "step_time_s", one.measured_step_s, step->seconds, one.note,
                                 step->expected.low, step->expected.high, step->expected.kind}}, {}};
        if (peak_bytes > 0.0 && one.variants.size() == 1) {
            outcome.comparisons.push_back(
                {row_id, name, "peak_bytes", peak_bytes, predicted_peak_bytes(one.variants.front()), one.note});
        }
        return outcome;
    };
}

bool is_serving_row(const Json& row) { return row.is_object() && row.contains("suite"); }

RowTask skip_serving(const Json& row, const std::string&, CatalogCache&) {
    return skipped_row(row["suite"].is_string() ? row["suite"].get<std::string>() : "serving",
                       "serving is not in this version");
}

constexpr std::array<LineKind, 4> all_line_kinds{{
    {"training", is_training_row, prepare_training_row, nullptr},
    {"memory", is_memory_row, prepare_memory, memory_configuration},
    {"collective", is_collective_row, prepare_collective, nullptr},
    {"serving", is_serving_row, skip_serving, nullptr},
}};

constexpr std::array<CsvKind, 12> all_csv_kinds{{
    {"gemm", predict_operators},
    {"context_attention", predict_operators},
    {"generation_attention", predict_operators},
    {"encoder_attention", predict_operators},
    {"context_mla", predict_latent_attention},
    {"generation_mla", skip_table},
    {"moe", predict_operators},
    {"nccl", predict_nccl},
    {"custom_allreduce", predict_custom_all_reduce},
    {"mamba2", skip_table},
    {"trtllm_alltoall", predict_expert_exchange},
    {"wideep_deepep", predict_expert_exchange},  // _ll and _normal
}};

std::string without_folders(const std::string& path) { return path.substr(path.find_last_of('/') + 1); }

bool is_csv(const std::string& path) { return path.size() > 4 && path.compare(path.size() - 4, 4, ".csv") == 0; }

void add_row(ValidationReport& report, std::string_view kind, RowOutcome outcome) {
    ++report.rows;
    ++report.rows_of_source[outcome.source];
    report.kind_of_source.emplace(outcome.source, kind);
    if (report.kind.empty()) report.kind = kind;
    if (report.kind != kind) report.kind = "mixed";
    if (outcome.comparisons.empty()) {
        ++report.skipped[outcome.reason];
        return;
    }
    ++report.predicted;
    for (Comparison& one : outcome.comparisons) report.results.push_back(std::move(one));
}

/// Rows of one configuration and unequal figures tell nothing of it; both are left out, whatever is predicted.
void drop_contradictions(const std::vector<std::string>& configurations, std::vector<RowOutcome>& outcomes) {
    constexpr double apart = 1.2;
    std::map<std::string, std::vector<std::size_t>> groups;
    for (std::size_t i = 0; i < outcomes.size(); ++i) {
        if (!configurations[i].empty() && !outcomes[i].comparisons.empty()) groups[configurations[i]].push_back(i);
    }
    for (const auto& [configuration, members] : groups) {
        const auto measured = [&](std::size_t i) { return outcomes[i].comparisons.front().measured; };
        const auto [least, most] = std::minmax_element(
            members.begin(), members.end(), [&](std::size_t a, std::size_t b) { return measured(a) < measured(b); });
        if (measured(*most) <= apart * measured(*least)) continue;
        for (const std::size_t i : members)
            outcomes[i] = {outcomes[i].source, {}, "one configuration with two figures over 20 % apart"};
    }
}

Problems add_lines(const std::string& file, CatalogCache& catalog, ValidationReport& report) {
    const Result<std::vector<Json>> rows = read_json_lines(file);
    if (!rows) return rows.problems();
    std::vector<std::string_view> kinds;
    std::vector<RowTask> tasks;
    std::vector<std::string> configurations;
    for (const Json& row : *rows) {
        const std::string id = without_folders(file) + " row " + std::to_string(tasks.size() + 1);
        const LineKind* kind = nullptr;
        for (const LineKind& one : line_kinds()) {
            if (kind == nullptr && one.recognises(row)) kind = &one;
        }
        const bool compared = kind != nullptr && kind->configuration != nullptr;
        configurations.push_back(compared ? kind->configuration(row) : std::string());
        kinds.push_back(kind != nullptr ? kind->name : "unknown");
        tasks.push_back(kind != nullptr ? kind->prepare(row, id, catalog)
                                        : skipped_row(without_folders(file), "its fields are of no known kind of row"));
    }
    std::vector<RowOutcome> outcomes(tasks.size());
    tbb::parallel_for(std::size_t{0}, tasks.size(), [&](std::size_t i) { outcomes[i] = tasks[i](); });
    drop_contradictions(configurations, outcomes);
    for (std::size_t i = 0; i < outcomes.size(); ++i) add_row(report, kinds[i], std::move(outcomes[i]));
    return {};
}

Problems add_csv(const std::string& file, CatalogCache& catalog, ValidationReport& report) {
    const Result<TableName> name = parse_table_name(file);
    if (!name) return name.problems();
    for (const CsvKind& kind : csv_kinds()) {
        if (name->table.rfind(kind.table, 0) != 0) continue;
        Result<CsvOutcome> outcome = kind.predict(file, name->table, catalog);
        if (!outcome) return outcome.problems();
        for (RowOutcome& row : outcome->rows) add_row(report, "kernel", std::move(row));
        if (!outcome->fit.empty()) report.fits.push_back(outcome->fit);
        return {};
    }
    std::string known;
    for (const CsvKind& kind : csv_kinds()) known += (known.empty() ? "" : ", ") + std::string(kind.table);
    return {{file, "\"" + name->table + "\" is no kind of table",
             "name the file SYSTEM.LIBRARY-VERSION.TABLE.csv with TABLE one of " + known}};
}

Json statistics_json(const std::vector<Comparison>& comparisons) {
    const ErrorStatistics s = error_statistics(comparisons);
    return {{"rows", s.rows},       {"predicted", s.rows}, {"mape", s.mape}, {"median_ape", s.median_ape},
            {"p90_ape", s.p90_ape}, {"bias", s.bias}};
}

template <class Key>
Json grouped_json(const std::vector<Comparison>& comparisons, Key key) {
    std::map<std::string, std::vector<Comparison>> groups;
    for (const Comparison& one : comparisons) groups[key(one)].push_back(one);
    Json json = Json::object();
    for (const auto& [name, members] : groups) json[name] = statistics_json(members);
    return json;
}

}  // namespace

std::span<const LineKind> line_kinds() { return all_line_kinds; }
std::span<const CsvKind> csv_kinds() { return all_csv_kinds; }

RowTask skipped_row(const std::string& source, const std::string& reason) {
    return [source, reason]() -> RowOutcome { return {source, {}, reason}; };
}

Result<ValidationReport> validate_tables(const std::vector<std::string>& files) {
    ValidationReport report;
    CatalogCache catalog;
    Problems problems;
    for (const std::string& file : files) {
        const Problems found = is_csv(file) ? add_csv(file, catalog, report) : add_lines(file, catalog, report);
        problems.insert(problems.end(), found.begin(), found.end());
    }
    if (!problems.empty()) return problems;
    return report;
}

std::string validation_json(const ValidationReport& report) {
    Json json = {{"kind", report.kind}, {"rows", report.rows}, {"predicted", report.predicted}};
    json["skipped"] = report.skipped;
    const ErrorStatistics all = error_statistics(report.results);
    json["mape"] = all.mape;
    json["median_ape"] = all.median_ape;
    json["p90_ape"] = all.p90_ape;
    json["bias"] = all.bias;
    const Coverage covered = coverage(report.results);
    json["intervals"] = {{"stated", covered.stated}, {"inside", covered.inside}};
    json["by_source"] = grouped_json(report.results, [](const Comparison& one) { return one.source; });
    for (const auto& [source, rows] : report.rows_of_source) {
        if (!json["by_source"].contains(source)) json["by_source"][source] = statistics_json({});
        json["by_source"][source]["rows"] = rows;
    }
    json["by_kind"] = grouped_json(report.results, [](const Comparison& one) { return one.kind; });
    json["by_metric"] = grouped_json(report.results, [](const Comparison& one) { return one.metric; });
    json["fits"] = report.fits;
    json["results"] = Json::array();
    for (const Comparison& one : report.results) {
        json["results"].push_back({{"id", one.id},
                                   {"metric", one.metric},
                                   {"measured", one.measured},
                                   {"predicted", one.predicted},
                                   {"ape", std::abs(one.error())},
                                   {"note", one.note}});
    }
    return dump(json);
}

}  // namespace orrery
