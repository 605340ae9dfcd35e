// Reads and writes the measurements of a suite as CSV below the machine's figures.
#include "scenarios/machine_rows.hpp"

#include "scenarios/bind.hpp"
#include "scenarios/csv_table.hpp"
#include "scenarios/json.hpp"
#include "scenarios/output_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

namespace orrery {
namespace {

constexpr const char* rows_remedy = "give a file that `orrery calibrate --suite quick --rows FILE` wrote";

std::string sizes_text(const std::vector<std::int64_t>& sizes) {
    std::string text;
    for (const std::int64_t size : sizes) text += (text.empty() ? "" : " ") + std::to_string(size);
    return text;
}

/// Whole numbers between blanks; empty where there is anything else.
std::vector<std::int64_t> sizes_of(const std::string& text) {
    std::vector<std::int64_t> sizes;
    const char* at = text.c_str();
    while (*at != '\0') {
        char* end = nullptr;
        const long long size = std::strtoll(at, &end, 10);
        if (end == at || size < 0) return {};
        sizes.push_back(size);
        at = end + (*end == ' ' ? 1 : 0);
    }
    return sizes;
}

MeasuredCase row_of(const CsvTable& table, std::size_t i, Problems& problems) {
    MeasuredCase row;
    row.kernel_case = {table.text(i, "kernel"), sizes_of(table.text(i, "sizes")), DataType::fp32};
    const KernelEntry* entry = find_kernel(row.kernel_case.kernel);
    const std::vector<DataType> types = entry == nullptr ? std::vector<DataType>{} : entry->types;
    const auto type = std::find_if(types.begin(), types.end(), [&](DataType one) { return name_of(one) == table.text(i, "type"); });
    if (type == types.end()) {
        problems.push_back({table.place(i), "names no kernel: \"" + table.text(i, "kernel") + "\" in \"" + table.text(i, "type") + "\"", rows_remedy});
        return row;
    }
    row.kernel_case.type = *type;
    const auto wanted = static_cast<std::size_t>(std::count(entry->sizes.begin(), entry->sizes.end(), ' ')) + 1;
    if (row.kernel_case.sizes.size() != wanted) {
        problems.push_back({table.place(i), "has sizes \"" + table.text(i, "sizes") + "\" where " + row.kernel_case.kernel + " has " + std::string(entry->sizes), rows_remedy});
        return row;
    }
    row.cold = table.text(i, "caches") == "cold";
    row.refused = table.text(i, "refused");
    row.time.median = Seconds::from_si(table.number(i, "median_us", problems) * 1e-6);
    row.time.quiet = Seconds::from_si(table.number(i, "quiet_us", problems) * 1e-6);
    row.time.spread = table.number(i, "spread", problems);
    row.time.repeats = static_cast<int>(table.number(i, "repeats", problems));
    row.time.disturbed = static_cast<int>(table.number(i, "disturbed", problems));
    row.time.steady = table.text(i, "steady") == "yes";
    row.clock = table.number(i, "clock", problems);
    row.accuracy_loss = table.number(i, "loss", problems);
    Rng rng(1);
    const PreparedKernel kernel = entry->prepare(row.kernel_case, 1, rng);
    row.work = kernel.work;
    row.flop = kernel.flop;
    row.bytes = kernel.bytes;
    return row;
}

}  // namespace

Result<std::size_t> write_machine_rows(const MachineRows& rows, const std::string& path) {
    std::string text = "# " + write_fields(rows.machine).dump() + "\nkernel,type,sizes,caches,median_us,quiet_us,spread,repeats,disturbed,steady,clock,loss,refused\n";
    for (const MeasuredCase& r : rows.rows) {
        std::string refused = r.refused;
        std::replace(refused.begin(), refused.end(), ',', ';');   // cells are not quoted
        text += fmt::format("{},{},{},{},{:.4g},{:.4g},{:.3f},{},{},{},{:.3f},{:.4g},{}\n", r.kernel_case.kernel, name_of(r.kernel_case.type),
                            sizes_text(r.kernel_case.sizes), r.cold ? "cold" : "warm", r.time.median.si() * 1e6, r.time.quiet.si() * 1e6,
                            r.time.spread, r.time.repeats, r.time.disturbed, r.time.steady ? "yes" : "no", r.clock, r.accuracy_loss, refused);
    }
    return write_file(path, text);
}

Result<MachineRows> read_machine_rows(const std::string& path) {
    Result<std::string> text = read_text_file(path);
    if (!text) return text.problems();
    const std::size_t line = text->find('\n');
    if (text->rfind("# {", 0) != 0 || line == std::string::npos) return Problem{path + ":1", "does not begin with the machine's figures", rows_remedy};
    MachineRows result;
    Problems problems;
    const Result<Json> figures = parse_json_text(text->substr(2, line - 2), path);
    if (!figures) return figures.problems();
    read_fields(*figures, path + ":1", result.machine, problems);
    if (!problems.empty()) return problems;
    const Result<CsvTable> table = CsvTable::parse(text->substr(line), path, {"kernel", "type", "sizes", "caches", "median_us", "quiet_us", "spread", "repeats", "disturbed", "steady", "clock", "loss", "refused"});
    if (!table) return table.problems();
    for (std::size_t i = 0; i < table->rows() && problems.empty(); ++i) result.rows.push_back(row_of(*table, i, problems));
    if (!problems.empty()) return problems;
    return result;
}

}  // namespace orrery
