// Reads the CSV of cutlass_profiler (github.com/NVIDIA/cutlass, media/docs/profiler.md); Runtime is in milliseconds.
#include "scenarios/import_measurements.hpp"

#include "scenarios/csv_table.hpp"

#include <cmath>
#include <map>
#include <tuple>

namespace orrery {
namespace {

constexpr const char* cutlass_remedy = "write it with `cutlass_profiler --operation=Gemm --output=FILE`";
constexpr double rates_agree_within = 0.05;

std::string cutlass_type(const std::string& operand) {
    const std::string type = operand.substr(0, operand.find(':'));
    if (type == "bf16") return "bfloat16";
    if (type == "f16") return "float16";
    if (type == "f32" || type == "tf32") return "float";
    if (type == "e4m3" || type == "e5m2") return "fp8";
    return type == "s8" || type == "u8" ? "int8_bare" : std::string();
}

struct CutlassShape {
    std::string type;
    double m, n, k;
    bool operator<(const CutlassShape& other) const { return std::tie(type, m, n, k) < std::tie(other.type, other.m, other.n, other.k); }
};

// Why a row cannot be what it says: its rate, which the tool computes itself, must agree with its runtime.
std::string doubt_of(double seconds, double flop, double gigaflops) {
    if (seconds <= 0.0) return "has a runtime of " + std::to_string(seconds * 1e3) + " ms";
    if (gigaflops <= 0.0) return {};
    const double ratio = flop / seconds / (gigaflops * 1e9);
    if (std::abs(ratio - 1.0) <= rates_agree_within) return {};
    const std::string said = "says " + std::to_string(gigaflops) + " GFLOP/s, which is " + std::to_string(1.0 / ratio) + " times what its runtime in ms gives";
    return std::abs(ratio * 1e3 - 1.0) < 0.1 ? said + ": the runtime seems to be in microseconds" : said;
}

}  // namespace

Result<ImportedMeasurements> import_cutlass(const std::string& text, const std::string& file) {
    const Result<CsvTable> table = CsvTable::parse(text, file, {"Operation", "Status", "m", "n", "k", "A", "Runtime"});
    if (!table) {
        Problems problems = table.problems();
        if (text.empty() || text.back() != '\n') problems.push_back({file, "ends in the middle of a line: the log was cut off", cutlass_remedy});
        return problems;
    }
    ImportedMeasurements result;
    result.tool = "cutlass_profiler";
    result.notes = {"the profiler's own initialisation by whole numbers flatters results: give --dist=gaussian", "of each shape the fastest kernel"};
    std::map<CutlassShape, std::size_t> fastest;
    for (std::size_t i = 0; i < table->rows(); ++i) {
        Problems problems;
        const std::string status = table->text(i, "Status");
        const CutlassShape shape{cutlass_type(table->text(i, "A")), table->number(i, "m", problems), table->number(i, "n", problems), table->number(i, "k", problems)};
        const double seconds = 1e-3 * table->number(i, "Runtime", problems);
        Problems optional;
        const double gigaflops = table->text(i, "GFLOPs").empty() ? 0.0 : table->number(i, "GFLOPs", optional);
        std::string doubt;
        if (status != "success") doubt = "has status " + status;
        else if (shape.type.empty()) doubt = "multiplies " + table->text(i, "A") + ", a number format without a model";
        else if (!problems.empty()) doubt = problems.front().problem;
        else doubt = doubt_of(seconds, 2.0 * shape.m * shape.n * shape.k, gigaflops);
        if (!doubt.empty()) {
            result.left_out.push_back({table->place(i), doubt, "profile that kernel again"});
            continue;
        }
        ImportedRow row;
        row.name = table->text(i, "Operation");
        row.values = {{"m", shape.m}, {"n", shape.n}, {"k", shape.k}, {"time_s", seconds}};
        for (const std::string& column : table->columns()) row.other[column] = table->text(i, column);
        row.other["gemm_dtype"] = shape.type;
        const auto [best, fresh] = fastest.try_emplace(shape, result.rows.size());
        if (fresh) {
            result.rows.push_back(std::move(row));
        } else if (seconds < result.rows[best->second].values.back().second) {
            result.rows[best->second] = std::move(row);
        }
    }
    if (result.rows.empty() && result.left_out.empty()) return Problem{file, "holds no row", cutlass_remedy};
    return result;
}

}  // namespace orrery
