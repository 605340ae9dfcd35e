// Reads summary.json of DLIO (github.com/argonne-lcf/dlio_benchmark), on which MLPerf Storage is built.
#include "scenarios/import_measurements.hpp"

#include <utility>

namespace orrery {
namespace {

constexpr const char* dlio_remedy = "give the summary.json of the run's folder";
constexpr double dlio_megabyte = 1048576.0;   // DLIO divides by 1024 twice (statscounter.py)

}  // namespace

Result<ImportedMeasurements> import_dlio(const std::string& text, const std::string& file) {
    const Result<Json> json = parse_log(text, file, dlio_remedy);
    if (!json) return json.problems();
    const Json& metric = log_member(*json, "metric");
    if (!metric.is_object()) return Problem{file, "has no object /metric", dlio_remedy};
    ImportedMeasurements result;
    result.tool = "DLIO";
    for (const char* phase : {"train", "eval"}) {
        const std::string prefix = std::string(phase) + "_";
        const auto number = [&](const char* key, double& value) { return log_number(log_member(metric, prefix + key), value); };
        double samples = 0.0;
        double rate = 0.0;
        double busy = 0.0;
        const bool has_samples = number("throughput_mean_samples_per_second", samples);
        const bool has_rate = number("io_mean_MB_per_second", rate);
        if (!has_samples && !has_rate) continue;
        const bool has_busy = number("au_mean_percentage", busy);
        if ((has_samples && samples <= 0.0) || (has_rate && rate <= 0.0) || (has_busy && (busy < 0.0 || busy > 100.0))) {
            result.left_out.push_back({file + ":/metric", std::string(phase) + " says " + std::to_string(samples) + " samples/s, " + std::to_string(rate) +
                                           " MB/s and accelerators busy " + std::to_string(busy) + " % of the time", "run the phase again"});
            continue;
        }
        ImportedRow row;
        row.name = phase;
        if (has_samples) row.values.emplace_back("samples_per_s", samples);
        if (has_rate) row.values.emplace_back("bandwidth_bytes_per_s", rate * dlio_megabyte);
        if (has_busy) row.values.emplace_back("accelerators_busy", busy / 100.0);
        for (const auto& [key, value] : json->items()) {
            if (key != "metric") row.other[key] = value;
        }
        for (const auto& [key, value] : metric.items()) {
            if (key.rfind(prefix, 0) == 0) row.other[key] = value;
        }
        result.rows.push_back(std::move(row));
    }
    if (result.rows.empty() && result.left_out.empty()) return Problem{file + ":/metric", "has neither training nor evaluation", dlio_remedy};
    return result;
}

}  // namespace orrery
