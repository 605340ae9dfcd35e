// The table of importers, and the way of a file through one of them.
#include "ui/command_import.hpp"

#include "scenarios/import_measurements.hpp"
#include "scenarios/import_topology.hpp"
#include "scenarios/json.hpp"
#include "scenarios/nearest.hpp"

#include <algorithm>
#include <array>

namespace orrery {
namespace {

struct Importer {
    std::string_view kind;
    Result<std::string> (*text_of)(const std::string& text, const std::string& file, bool as_table);
};

template <Result<GraphFile> (*read)(const std::string&, const std::string&, const ImportRates&)>
Result<std::string> graph_text(const std::string& text, const std::string& file) {
    const Result<GraphFile> graph = read(text, file, {});
    if (!graph) return graph.problems();
    return graph_file_text(*graph);
}

// Rows that are not believed are told; a file name that ends in .csv asks for the products as a table.
template <Result<ImportedMeasurements> (*read)(const std::string&, const std::string&)>
Result<std::string> measured_text(const std::string& text, const std::string& file, bool as_table) {
    const Result<ImportedMeasurements> measurements = read(text, file);
    if (!measurements) return measurements.problems();
    for (const Problem& row : measurements->left_out) print_note(row.place + ": left out: " + row.problem + "; " + row.remedy);
    if (as_table) return gemm_table_text(*measurements, file);
    return measurements_text(*measurements);
}

template <Result<GraphFile> (*read)(const std::string&, const std::string&, const ImportRates&)>
Result<std::string> graph_only(const std::string& text, const std::string& file, bool) {
    return graph_text<read>(text, file);
}

constexpr auto importers = std::to_array<Importer>({
    {"nvidia-smi", graph_only<import_nvidia_topology>},
    {"hwloc", graph_only<import_hwloc>},
    {"nvbandwidth", measured_text<import_nvbandwidth>},
    {"cutlass", measured_text<import_cutlass>},
    {"fio", measured_text<import_fio>},
    {"dlio", measured_text<import_dlio>},
    {"kineto", measured_text<import_kineto>},
});

}  // namespace

std::string import_kinds() {
    std::string all;
    for (const Importer& one : importers) all += (all.empty() ? "" : ", ") + std::string(one.kind);
    return all;
}

ExitStatus command_import(const ImportOptions& options) {
    const auto importer = std::find_if(importers.begin(), importers.end(), [&](const Importer& one) { return one.kind == options.kind; });
    if (importer == importers.end()) {
        std::vector<std::string> kinds;
        for (const Importer& one : importers) kinds.emplace_back(one.kind);
        return print_problems({{"import " + options.kind, "is nothing that can be imported", nearest_remedy(options.kind, kinds)}});
    }
    const Result<std::string> text = read_text_file(options.file);
    if (!text) return print_problems(text.problems());
    const Result<std::string> made = importer->text_of(*text, options.file, options.out.ends_with(".csv"));
    if (!made) return print_problems(made.problems());
    if (options.out.empty() || options.out == "-") return print_answer(*made);
    const auto written = write_text_file(options.out, *made);
    if (!written) return print_problems(written.problems());
    print_note("wrote " + options.out);
    return ExitStatus::done;
}

}  // namespace orrery
