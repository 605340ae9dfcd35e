// Reads the JSON of nvbandwidth (github.com/NVIDIA/nvbandwidth, option -j).
#include "scenarios/import_measurements.hpp"

#include <array>
#include <string_view>

namespace orrery {
namespace {

constexpr const char* nvbandwidth_remedy = "write it with `nvbandwidth -j > FILE`";
constexpr double copy_rate_max = 2e13;   // bytes/s: above twice the fastest memory there is (HBM3e, 8 TB/s)

struct CopyUnit {
    std::string_view text;
    double si;
    const char* key;
};
constexpr auto copy_units = std::to_array<CopyUnit>({{"(GB/s)", 1e9, "bandwidth_bytes_per_s"},
                                                     {"(GiB/s)", 1073741824.0, "bandwidth_bytes_per_s"},
                                                     {"(MB/s)", 1e6, "bandwidth_bytes_per_s"},
                                                     {"(ns)", 1e-9, "latency_s"},
                                                     {"(us)", 1e-6, "latency_s"}});

const CopyUnit* unit_of(const std::string& description) {
    for (const CopyUnit& unit : copy_units) {
        if (description.find(unit.text) != std::string::npos) return &unit;
    }
    return nullptr;
}

void read_matrix(const Json& matrix, const std::string& name, const CopyUnit& unit, const std::string& place, ImportedMeasurements& into) {
    for (std::size_t i = 0; i < matrix.size(); ++i) {
        for (std::size_t j = 0; matrix[i].is_array() && j < matrix[i].size(); ++j) {
            double value = 0.0;
            if (!log_number(matrix[i][j], value)) continue;   // "N/A": a place to itself
            const double si = value * unit.si;
            const bool rate = std::string_view(unit.key) != "latency_s";
            if (si <= 0.0 || (rate && si > copy_rate_max)) {
                into.left_out.push_back({pointer_to(pointer_to(place, i), j), "is " + quoted(matrix[i][j]) + " " + std::string(unit.text) + ", which no copy can be",
                                         "measure it again"});
                continue;
            }
            ImportedRow row;
            row.name = name + " " + std::to_string(i) + " to " + std::to_string(j);
            row.values.emplace_back(unit.key, si);
            into.rows.push_back(std::move(row));
        }
    }
}

}  // namespace

Result<ImportedMeasurements> import_nvbandwidth(const std::string& text, const std::string& file) {
    const Result<Json> json = parse_log(text, file, nvbandwidth_remedy);
    if (!json) return json.problems();
    const Json& head = log_member(*json, "nvbandwidth");
    const Json& cases = log_member(head, "testcases");
    if (!cases.is_array()) return Problem{file, "has no list /nvbandwidth/testcases", nvbandwidth_remedy};
    ImportedMeasurements result;
    const Json& version = log_member(head, "git_version");
    result.tool = "nvbandwidth" + (version.is_string() ? " " + version.get<std::string>() : std::string());
    for (const auto& [key, value] : head.items()) {
        if (key != "testcases" && key != "git_version") result.notes.push_back(key + ": " + quoted(value));
    }
    for (std::size_t i = 0; i < cases.size(); ++i) {
        const std::string place = file + ":/nvbandwidth/testcases/" + std::to_string(i);
        const Json& name = log_member(cases[i], "name");
        const Json& matrix = log_member(cases[i], "bandwidth_matrix");
        const Json& description = log_member(cases[i], "bandwidth_description");
        if (!name.is_string() || !matrix.is_array()) {
            result.left_out.push_back({place, "has no matrix; its status is " + quoted(log_member(cases[i], "status")), "run that case where it can run"});
            continue;
        }
        const CopyUnit* unit = description.is_string() ? unit_of(description.get<std::string>()) : nullptr;
        if (unit == nullptr) {
            result.left_out.push_back({place + "/bandwidth_description", "is " + quoted(description) + ", which names no known unit", "write (GB/s), (GiB/s), (MB/s), (us) or (ns)"});
            continue;
        }
        read_matrix(matrix, name.get<std::string>(), *unit, place + "/bandwidth_matrix", result);
    }
    if (result.rows.empty() && result.left_out.empty()) return Problem{file, "holds no measurement", nvbandwidth_remedy};
    return result;
}

}  // namespace orrery
