// Measurements that users have from other tools, brought into one form: what was measured, in SI units, and what was not
// believed.
#pragma once

#include "hardware/result.hpp"
#include "scenarios/json.hpp"

#include <string>
#include <utility>
#include <vector>

namespace orrery {

/// One measured value or more of one thing.
struct ImportedRow {
    std::string name;
    std::vector<std::pair<std::string, double>> values;   // keys carry their unit: _s, _bytes, _bytes_per_s, _per_s, ..
    Json other = Json::object();                          // whatever else the tool says of it, as it says it
};

struct ImportedMeasurements {
    std::string tool;                // with its version, where it tells one
    std::vector<ImportedRow> rows;
    Problems left_out;               // rows that cannot be what they say
    std::vector<std::string> notes;  // what a reader of the figures must know
};

/// `nvbandwidth -j`: bandwidths and latencies of copies, one row for each pair of places.
Result<ImportedMeasurements> import_nvbandwidth(const std::string& text, const std::string& file);

/// `fio --output-format=json`, versions 2 and 3: one row for each job and direction. Lines before the JSON are skipped.
Result<ImportedMeasurements> import_fio(const std::string& text, const std::string& file);

/// summary.json of DLIO, which is what MLPerf Storage reports hold. Its "MB" are 2^20 bytes.
Result<ImportedMeasurements> import_dlio(const std::string& text, const std::string& file);

/// A Chrome trace of the PyTorch profiler: kernels by name; products by shape where shapes were recorded.
Result<ImportedMeasurements> import_kineto(const std::string& text, const std::string& file);

/// A CSV of cutlass_profiler: the fastest kernel of each shape and number format.
Result<ImportedMeasurements> import_cutlass(const std::string& text, const std::string& file);

/// {"tool", "notes", "measurements": [{"name", KEY: VALUE.., "other"}], "left_out": [{"place", "problem", "remedy"}]}.
std::string measurements_text(const ImportedMeasurements& measurements);

/// The products among the rows as a gemm table for `orrery calibrate --from` (columns kernel_source, gemm_dtype, m, n, k,
/// latency in ms). A problem where there is none.
Result<std::string> gemm_table_text(const ImportedMeasurements& measurements, const std::string& file);

/// JSON of a log. Problems say whether the text was cut off.
Result<Json> parse_log(const std::string& text, const std::string& file, const std::string& how_to_write);

/// A number, also where the tool writes it as text; nothing where it is none ("N/A").
bool log_number(const Json& value, double& number);

/// The member, or null.
const Json& log_member(const Json& object, std::string_view key);

}  // namespace orrery
