// What all importers of measurements share: reading logs, and writing what was found.
#include "scenarios/import_measurements.hpp"

#include <fmt/format.h>

#include <cmath>
#include <cstdlib>

namespace orrery {

Result<Json> parse_log(const std::string& text, const std::string& file, const std::string& how_to_write) {
    const std::size_t last = text.find_last_not_of(" \t\r\n");
    if (last == std::string::npos) return Problem{file, "is empty", how_to_write};
    Result<Json> json = parse_json_text(text, file);
    if (json && json->is_object()) return json;
    if (json) return Problem{file, "holds no JSON object", how_to_write};
    if (text[last] != '}') return Problem{json.problems().front().place, "ends in the middle: the log was cut off", how_to_write};
    return json;
}

bool log_number(const Json& value, double& number) {
    if (value.is_number()) {
        number = value.get<double>();
    } else if (value.is_string()) {
        const std::string text = value.get<std::string>();
        char* end = nullptr;
        number = std::strtod(text.c_str(), &end);
        if (text.empty() || *end != '\0') return false;
    } else {
        return false;
    }
    return std::isfinite(number);
}

const Json& log_member(const Json& object, std::string_view key) {
    static const Json nothing;
    if (!object.is_object()) return nothing;
    const auto found = object.find(key);
    return found == object.end() ? nothing : *found;
}

std::string measurements_text(const ImportedMeasurements& measurements) {
    Json json = Json::object();
    json["tool"] = measurements.tool;
    json["notes"] = measurements.notes;
    json["measurements"] = Json::array();
    for (const ImportedRow& row : measurements.rows) {
        Json entry = Json::object();
        entry["name"] = row.name;
        for (const auto& [key, value] : row.values) entry[key] = value;
        if (!row.other.empty()) entry["other"] = row.other;
        json["measurements"].push_back(std::move(entry));
    }
    json["left_out"] = Json::array();
    for (const Problem& problem : measurements.left_out) {
        json["left_out"].push_back({{"place", problem.place}, {"problem", problem.problem}, {"remedy", problem.remedy}});
    }
    return dump(json);
}

Result<std::string> gemm_table_text(const ImportedMeasurements& measurements, const std::string& file) {
    std::string text = "kernel_source,gemm_dtype,m,n,k,latency\n";
    std::size_t products = 0;
    for (const ImportedRow& row : measurements.rows) {
        const Json& type = log_member(row.other, "gemm_dtype");
        if (!type.is_string()) continue;
        double m = 0.0;
        double n = 0.0;
        double k = 0.0;
        double seconds = 0.0;
        for (const auto& [key, value] : row.values) {
            if (key == "m") m = value;
            if (key == "n") n = value;
            if (key == "k") k = value;
            if (key == "time_s") seconds = value;
        }
        text += fmt::format("{},{},{:.0f},{:.0f},{:.0f},{:.9g}\n", measurements.tool.substr(0, measurements.tool.find(' ')),
                            type.get<std::string>(), m, n, k, 1e3 * seconds);
        ++products;
    }
    if (products > 0) return text;
    return Problem{file, "holds no product of known shape", "record shapes: record_shapes=True for the PyTorch profiler, --operation=Gemm for cutlass_profiler"};
}

}  // namespace orrery
