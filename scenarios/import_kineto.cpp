// Reads Chrome traces of the PyTorch profiler (libkineto): events of category "kernel" with durations in microseconds,
// and "cpu_op" with the shapes of what launched them.
#include "scenarios/import_measurements.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <numeric>

namespace orrery {
namespace {

constexpr const char* kineto_remedy = "write it with torch.profiler's export_chrome_trace(FILE), and unpack it";
constexpr double kernel_seconds_max = 100.0;   // no kernel of a step runs that long
constexpr std::size_t left_out_listed = 20;

struct ProductCall {
    std::string type;
    std::array<std::int64_t, 3> size{};   // m, n, k
    bool operator<(const ProductCall& other) const { return std::tie(type, size) < std::tie(other.type, other.size); }
};

std::string table_type(const Json& types, std::size_t index) {
    if (!types.is_array() || index >= types.size() || !types[index].is_string()) return {};
    const std::string type = types[index].get<std::string>();
    if (type == "c10::BFloat16") return "bfloat16";
    if (type == "c10::Half") return "float16";
    if (type == "float") return "float";
    return {};
}

// Shape of aten::mm, addmm or bmm; false for others and where shapes were not recorded.
bool product_of_event(const Json& event, ProductCall& call) {
    const Json& name = log_member(event, "name");
    const Json& args = log_member(event, "args");
    const Json& dims = log_member(args, "Input Dims");
    if (!name.is_string() || !dims.is_array()) return false;
    const std::string op = name.get<std::string>();
    const std::size_t first = op == "aten::addmm" ? 1 : 0;   // after the bias
    if ((op != "aten::mm" && op != "aten::addmm") || dims.size() < first + 2) return false;
    std::array<std::int64_t, 4> sizes{};
    for (std::size_t i = 0; i < sizes.size(); ++i) {
        const Json& matrix = dims[first + i / 2];
        if (!matrix.is_array() || matrix.size() != 2 || !matrix[i % 2].is_number_integer()) return false;
        sizes[i] = matrix[i % 2].get<std::int64_t>();
    }
    call.type = table_type(log_member(args, "Input type"), first);
    call.size = {sizes[0], sizes[3], sizes[1]};
    return !call.type.empty() && sizes[1] == sizes[2] && *std::min_element(sizes.begin(), sizes.end()) > 0;
}

double middle_of(std::vector<double> values) {
    std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2), values.end());
    return values[values.size() / 2];
}

void add_statistics(const std::vector<double>& seconds, ImportedRow& row) {
    row.values.emplace_back("time_s", middle_of(seconds));
    row.values.emplace_back("time_least_s", *std::min_element(seconds.begin(), seconds.end()));
    row.values.emplace_back("time_total_s", std::accumulate(seconds.begin(), seconds.end(), 0.0));
    row.values.emplace_back("calls", static_cast<double>(seconds.size()));
}

struct KernelTimes {
    std::map<std::string, std::vector<double>> by_name;
    std::map<double, double> by_call;   // "External id" of the operator to the seconds of all its kernels
};

KernelTimes read_kernels(const Json& events, const std::string& file, ImportedMeasurements& into) {
    KernelTimes times;
    for (std::size_t i = 0; i < events.size(); ++i) {
        const Json& category = log_member(events[i], "cat");
        if (!category.is_string() || (category != "kernel" && category != "Kernel")) continue;
        double microseconds = 0.0;
        const bool told = log_number(log_member(events[i], "dur"), microseconds);
        const double seconds = microseconds * 1e-6;
        const Json& name = log_member(events[i], "name");
        if (!told || !name.is_string() || seconds <= 0.0 || seconds > kernel_seconds_max) {
            if (into.left_out.size() < left_out_listed) {
                into.left_out.push_back({file + ":/traceEvents/" + std::to_string(i), "is a kernel of duration " + quoted(log_member(events[i], "dur")),
                                         "durations are microseconds above zero"});
            }
            continue;
        }
        times.by_name[name.get<std::string>()].push_back(seconds);
        double call = 0.0;
        const Json& args = log_member(events[i], "args");
        if (log_number(log_member(args, "External id"), call) || log_number(log_member(args, "external id"), call)) times.by_call[call] += seconds;
    }
    return times;
}

}  // namespace

Result<ImportedMeasurements> import_kineto(const std::string& text, const std::string& file) {
    const Result<Json> json = parse_log(text, file, kineto_remedy);
    if (!json) return json.problems();
    const Json& events = log_member(*json, "traceEvents");
    if (!events.is_array()) return Problem{file, "has no list /traceEvents", kineto_remedy};
    ImportedMeasurements result;
    result.tool = "kineto";
    const Json& devices = log_member(*json, "deviceProperties");
    for (const Json& device : devices.is_array() ? devices : Json::array()) result.notes.push_back("device: " + quoted(log_member(device, "name")));
    const KernelTimes times = read_kernels(events, file, result);
    std::map<ProductCall, std::vector<double>> products;
    for (const Json& event : events) {
        ProductCall call;
        double id = 0.0;
        if (!product_of_event(event, call) || !log_number(log_member(log_member(event, "args"), "External id"), id)) continue;
        const auto found = times.by_call.find(id);
        if (found != times.by_call.end()) products[call].push_back(found->second);
    }
    for (const auto& [call, seconds] : products) {
        ImportedRow row;
        row.name = "product";
        row.values = {{"m", static_cast<double>(call.size[0])}, {"n", static_cast<double>(call.size[1])}, {"k", static_cast<double>(call.size[2])}};
        add_statistics(seconds, row);
        row.other["gemm_dtype"] = call.type;
        result.rows.push_back(std::move(row));
    }
    for (const auto& [name, seconds] : times.by_name) {
        ImportedRow row;
        row.name = name;
        add_statistics(seconds, row);
        result.rows.push_back(std::move(row));
    }
    if (result.rows.empty()) return Problem{file, "holds no kernel", "profile with ProfilerActivity.CUDA, so that kernels are recorded"};
    return result;
}

}  // namespace orrery
