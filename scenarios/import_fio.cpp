// Reads the JSON of fio (fio.readthedocs.io, "JSON output"), versions 2 and 3.
#include "scenarios/import_measurements.hpp"

#include <cmath>

namespace orrery {
namespace {

constexpr const char* fio_remedy = "write it with `fio --output-format=json --output=FILE JOB`";
constexpr double agrees_within = 0.1;   // bytes over runtime against the bandwidth that fio says

double fio_number(const Json& object, std::string_view key) {
    double value = 0.0;
    return log_number(log_member(object, key), value) ? value : 0.0;
}

// Completion latency: nanoseconds from version 3 on, microseconds before.
void add_latencies(const Json& side, ImportedRow& row) {
    for (const auto& [key, unit] : {std::pair{"clat_ns", 1e-9}, std::pair{"clat", 1e-6}}) {
        const Json& latency = log_member(side, key);
        if (!latency.is_object()) continue;
        row.values.emplace_back("latency_mean_s", fio_number(latency, "mean") * unit);
        for (const auto& [percent, value] : log_member(latency, "percentile").items()) {
            double seconds = 0.0;
            if (log_number(value, seconds) && percent.rfind("99.0", 0) == 0) row.values.emplace_back("latency_p99_s", seconds * unit);
        }
        return;
    }
}

void read_direction(const Json& job, const char* direction, const std::string& place, ImportedMeasurements& into) {
    const Json& side = log_member(job, direction);
    double bytes = fio_number(side, "io_bytes");
    if (bytes <= 0.0) bytes = 1024.0 * fio_number(side, "io_kbytes");
    if (bytes <= 0.0) return;
    double rate = fio_number(side, "bw_bytes");
    if (rate <= 0.0) rate = 1024.0 * fio_number(side, "bw");   // KiB/s
    const double seconds = 1e-3 * fio_number(side, "runtime");
    const double by_time = seconds > 0.0 ? bytes / seconds : 0.0;
    if (rate <= 0.0 || by_time <= 0.0 || std::abs(by_time / rate - 1.0) > agrees_within) {
        into.left_out.push_back({place, "says " + std::to_string(rate / 1e6) + " MB/s, but its bytes over its runtime are " + std::to_string(by_time / 1e6) + " MB/s",
                                 "check the units: runtime is in ms, bw in KiB/s, bw_bytes in bytes/s"});
        return;
    }
    ImportedRow row;
    const Json& name = log_member(job, "jobname");
    row.name = (name.is_string() ? name.get<std::string>() : std::string("job")) + " " + direction;
    row.values = {{"bandwidth_bytes_per_s", rate}, {"operations_per_s", fio_number(side, "iops")}, {"read_or_written_bytes", bytes}, {"time_s", seconds}};
    add_latencies(side, row);
    row.other = log_member(job, "job options").is_object() ? log_member(job, "job options") : Json::object();
    into.rows.push_back(std::move(row));
}

}  // namespace

Result<ImportedMeasurements> import_fio(const std::string& text, const std::string& file) {
    const std::size_t start = text.rfind("{", 0) == 0 ? 0 : text.find("\n{");   // warnings may stand before
    const Result<Json> json = parse_log(start == std::string::npos ? text : text.substr(start), file, fio_remedy);
    if (!json) return json.problems();
    const Json& jobs = log_member(*json, "jobs");
    if (!jobs.is_array()) return Problem{file, "has no list /jobs", fio_remedy};
    ImportedMeasurements result;
    const Json& version = log_member(*json, "fio version");
    result.tool = version.is_string() ? version.get<std::string>() : "fio";
    for (std::size_t i = 0; i < jobs.size(); ++i) {
        const std::string place = file + ":/jobs/" + std::to_string(i);
        if (fio_number(jobs[i], "error") != 0.0) {
            result.left_out.push_back({place, "ended with error " + quoted(log_member(jobs[i], "error")), "run the job again"});
            continue;
        }
        for (const char* direction : {"read", "write", "trim"}) read_direction(jobs[i], direction, place + "/" + direction, result);
    }
    if (result.rows.empty() && result.left_out.empty()) return Problem{file, "holds no job that moved bytes", fio_remedy};
    return result;
}

}  // namespace orrery
