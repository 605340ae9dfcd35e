// Measures the suite's shapes one by one and fits the operator model to them.
#include "kernels/calibrate_machine.hpp"

#include "kernels/fit_operators.hpp"
#include "kernels/least_squares.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

namespace orrery {
namespace {

constexpr double product_flop_max = 6e9;         // of one shape: below 0.1 s on a slow core
constexpr double memory_share = 0.4;             // of what is free, for one kernel's data
constexpr int copies_most = 48;
constexpr double faster_than_possible_here = 1.02;   // clocks of a guest differ by this between two windows
constexpr std::size_t held_out_every = 5;

std::int64_t log_uniform(Rng& rng, double low, double high, std::int64_t grain) {
    const double value = low * std::pow(high / low, rng.uniform());
    return std::max<std::int64_t>(static_cast<std::int64_t>(std::llround(value)) / grain * grain, 1);
}

void add_products(std::vector<KernelCase>& cases, int number, DataType type, Rng& rng) {
    for (int i = 0; i < number;) {
        const std::int64_t m = i % 4 == 0 ? log_uniform(rng, 1, 32, 1) : log_uniform(rng, 64, 4096, 16);
        const std::int64_t n = log_uniform(rng, 128, 4096, 16);
        const std::int64_t k = log_uniform(rng, 128, 4096, 16);
        if (2.0 * static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k) > product_flop_max) continue;
        const bool blas = type == DataType::fp32;
        cases.push_back({blas ? "matrix-multiply" : "packed-matrix-multiply", {1, m, n, k}, type});
        ++i;
    }
}

void add_attention(std::vector<KernelCase>& cases, int number, Rng& rng) {
    constexpr std::array<std::int64_t, 3> heads_of{32, 64, 128};
    for (int i = 0; i < number; ++i) {
        const std::int64_t kv = log_uniform(rng, 1, 8, 1);
        const std::int64_t heads = kv * log_uniform(rng, 1, 4, 1);
        const std::int64_t head = heads_of[rng.below(3)];
        const std::int64_t length = log_uniform(rng, 64, 2048, 16);
        const std::int64_t window = i % 4 == 3 ? std::max<std::int64_t>(length / 4, 16) : 0;
        cases.push_back({"attention-prefill", {log_uniform(rng, 1, 4, 1), heads, kv, head, length, length, window, i % 6 == 5 ? 0 : 1}, DataType::fp32});
        cases.push_back({"attention-decode", {log_uniform(rng, 1, 16, 1), heads, kv, head, log_uniform(rng, 64, 8192, 1), 0},
                         i % 2 == 0 ? DataType::fp32 : DataType::bf16});
    }
}

// One sweep per class: sizes of one copy from 1 MB to 64 MB.
void add_sweeps(std::vector<KernelCase>& cases, int number, Rng& rng) {
    for (const char* name : {"layer-norm", "layer-norm-backward", "rms-norm", "rms-norm-backward", "softmax", "softmax-backward",
                             "swiglu", "swiglu-backward", "quantise-int8", "dequantise-int8", "quantise-int4", "dequantise-int4"}) {
        for (int i = 0; i < number; ++i) cases.push_back({name, {log_uniform(rng, 128, 4096, 1), log_uniform(rng, 512, 4096, 64)}, DataType::fp32});
    }
    for (const char* name : {"sgd", "adam", "lamb", "dropout", "copy", "triad", "add"}) {
        for (int i = 0; i < number; ++i) cases.push_back({name, {log_uniform(rng, 1e5, 1e7, 16)}, DataType::fp32});
    }
    for (int i = 0; i < number; ++i) {
        cases.push_back({"rotary", {log_uniform(rng, 256, 4096, 1), 16, 64}, DataType::fp32});
        cases.push_back({"cross-entropy", {log_uniform(rng, 64, 1024, 1), 8192}, DataType::fp32});
        cases.push_back({"adafactor", {log_uniform(rng, 256, 2048, 1), 2048}, DataType::fp32});
        cases.push_back({"gather", {log_uniform(rng, 512, 16384, 1), 512, 30000}, DataType::fp32});
        cases.push_back({"scatter-add", {log_uniform(rng, 512, 16384, 1), 512, 30000}, DataType::fp32});
        cases.push_back({"grouped-multiply", {8, log_uniform(rng, 64, 2048, 1), 512, 512}, DataType::fp32});
        cases.push_back({"convolution", {log_uniform(rng, 1, 16, 1), 64, 28, 28, 64, 3, 1}, DataType::fp32});
        cases.push_back({"top-k", {log_uniform(rng, 512, 8192, 1), 64, 4}, DataType::fp32});
        cases.push_back({"sparse-multiply", {256, 512, 512, log_uniform(rng, 5, 50, 1)}, DataType::fp32});
        cases.push_back({"muon", {log_uniform(rng, 64, 512, 16), 512}, DataType::fp32});
        cases.push_back({"all-reduce", {log_uniform(rng, 1e4, 4e6, 16)}, DataType::fp32});
    }
    cases.push_back({"pointer-chase", {1 << 14, 10000}, DataType::fp32});
    cases.push_back({"pointer-chase", {1 << 19, 10000}, DataType::fp32});
    cases.push_back({"pointer-chase", {1 << 28, 10000}, DataType::fp32});
    cases.push_back({"launch", {100}, DataType::fp32});
    cases.push_back({"file-read", {64 << 20, 0}, DataType::fp32});
    cases.push_back({"file-read", {64 << 20, 1}, DataType::fp32});
}

// Streaming work of a large step finds nothing in the caches; operands of products and attention are used again and again.
bool wants_cold_caches(const PreparedKernel& kernel) {
    return kernel.work && (std::holds_alternative<Streaming>(*kernel.work) || std::holds_alternative<Gather>(*kernel.work));
}

FlopPerSecond peak_of(const MachineFigures& machine, DataType type) {
    if (type == DataType::bf16) return machine.bf16_peak;
    return type == DataType::int8 ? machine.int8_peak : machine.fp32_peak;
}

struct StreamingRow {
    Streaming work;
    double seconds;
};

StreamingParameters fit_streaming_rows(const Device& device, const std::vector<StreamingRow>& rows, std::uint64_t seed) {
    const Residuals residuals = [&](const std::vector<double>& v, std::vector<double>& out) {
        out.resize(rows.size());
        for (std::size_t i = 0; i < rows.size(); ++i) {
            const double moved = std::max(rows[i].work.bytes.si() / (device.memory_bandwidth.si() * v[1]),
                                          rows[i].work.flop.si() / device.vector_peak.si());
            out[i] = std::log((v[0] + moved) / rows[i].seconds);
        }
    };
    Rng rng = Rng::stream(seed, "streaming", 0);
    const FitResult fit = fit_least_squares(residuals, {{3e-6, 1e-7, 2e-4, true}, {0.8, 0.05, 1.0, false}}, {}, rng);
    return {Seconds::from_si(fit.parameters[0]), fit.parameters[1]};
}

std::string shape_class(const KernelCase& kernel_case, const std::optional<Work>& work) {
    if (!work) return kernel_case.kernel;
    if (std::holds_alternative<MatrixMultiply>(*work)) return "product " + std::string(name_of(kernel_case.type));
    if (std::holds_alternative<GroupedMatrixMultiply>(*work)) return "grouped product";
    if (std::holds_alternative<Attention>(*work)) return kernel_case.kernel == "attention-decode" ? "decode" : "prefill";
    if (std::holds_alternative<Gather>(*work)) return "gather";
    return std::holds_alternative<Convolution>(*work) ? "convolution" : "streaming";
}

}  // namespace

std::vector<KernelCase> suite_cases(bool full, std::uint64_t seed, const MachineFigures& machine) {
    Rng rng = Rng::stream(seed, "suite", full ? 1 : 0);
    const int times = full ? 4 : 1;
    std::vector<KernelCase> cases;
    add_products(cases, 24 * times, DataType::fp32, rng);
    if (machine.bf16_peak.si() > 0.0) add_products(cases, 8 * times, DataType::bf16, rng);
    if (machine.int8_peak.si() > 0.0) add_products(cases, 8 * times, DataType::int8, rng);
    add_attention(cases, 16 * times, rng);
    add_sweeps(cases, 3 * times, rng);
    return cases;
}

MeasuredCase measure_case(const KernelCase& wanted, const MachineFigures& machine, std::uint64_t seed) {
    MeasuredCase measured;
    measured.kernel_case = wanted;
    const double room = memory_share * available_memory().si();
    while (room > 0.0 && footprint_of(measured.kernel_case).si() > room) {
        measured.shrunk_from = words_of(wanted);
        auto& sizes = measured.kernel_case.sizes;
        auto largest = std::max_element(sizes.begin(), sizes.end());
        if (*largest <= 1) break;
        *largest /= 2;
    }
    const KernelEntry* entry = find_kernel(measured.kernel_case.kernel);
    Rng rng = Rng::stream(seed, words_of(measured.kernel_case), 0);
    PreparedKernel kernel = entry->prepare(measured.kernel_case, 1, rng);
    const double footprint = footprint_of(measured.kernel_case).si();
    if (wants_cold_caches(kernel) && footprint > 0.0) {
        const double past = std::min(1.25 * machine.cache.si(), room);
        const int copies = static_cast<int>(std::clamp(std::ceil(past / footprint), 1.0, static_cast<double>(copies_most)));
        kernel = entry->prepare(measured.kernel_case, copies, rng);
    }
    measured.work = kernel.work;
    measured.flop = kernel.flop;
    measured.bytes = kernel.bytes;
    measured.time = measure(kernel);
    if (kernel.accuracy_loss) measured.accuracy_loss = kernel.accuracy_loss();
    const double rate = measured.flop / measured.time.seconds() / peak_of(machine, measured.kernel_case.type);
    if (rate > faster_than_possible_here) {
        measured.impossible = "does " + std::to_string(rate) + " times the peak of the registers";
    }
    return measured;
}

std::string class_of(const MeasuredCase& measured) { return shape_class(measured.kernel_case, measured.work); }

std::vector<CaseError> predict_cases(const Device& device, const std::vector<MeasuredCase>& rows) {
    std::vector<CaseError> errors;
    for (const MeasuredCase& row : rows) {
        if (!row.work || !row.impossible.empty()) continue;
        errors.push_back({words_of(row.kernel_case), class_of(row), row.time.seconds(), execution_time(device, *row.work)});
    }
    return errors;
}

MachineCalibration fit_machine(const MachineFigures& machine, const std::vector<MeasuredCase>& rows, std::uint64_t seed) {
    MachineCalibration result;
    std::map<std::string, MeasuredTable> tables;
    std::vector<StreamingRow> streaming;
    std::vector<MeasuredCase> held_out;
    std::map<std::string, std::size_t> seen;
    Device device = with_figures(Device{}, machine);
    device.name = machine.processor;
    for (const MeasuredCase& row : rows) {
        if (!row.work || !row.impossible.empty()) continue;
        const std::string kind = class_of(row);
        if (++seen[kind] % held_out_every == 0) {
            held_out.push_back(row);
        } else if (const auto* product = std::get_if<MatrixMultiply>(&*row.work)) {
            const char* format = product->type == DataType::bf16 ? "bfloat16" : product->type == DataType::int8 ? "int8_bare" : "float";
            tables[kind].products.push_back({format, *product, row.time.seconds()});
        } else if (const auto* attention = std::get_if<Attention>(&*row.work)) {
            tables[kind].attention.push_back({*attention, row.time.seconds()});
        } else if (const auto* bytes = std::get_if<Streaming>(&*row.work)) {
            streaming.push_back({*bytes, row.time.seconds().si()});
        }
    }
    result.calibration.device = machine.processor;
    const OperatorFitOptions options{.seed = seed, .starts = 6};
    for (auto& [kind, table] : tables) {
        table.name = {"this machine", "this-machine", machine.libraries, kind};
        if (!table.products.empty()) {
            for (auto& entry : fit_products(device, table, options)) result.calibration.gemm.push_back(std::move(entry));
        } else if (kind == "prefill") {
            auto entries = fit_prefill(device, table, options);
            if (entries) result.calibration.prefill = std::move(entries).value();
            else result.refused.insert(result.refused.end(), entries.problems().begin(), entries.problems().end());
        } else if (kind == "decode") {
            auto entry = fit_decode(device, table, options);
            if (entry) result.calibration.decode.push_back(std::move(entry).value());
            else result.refused.insert(result.refused.end(), entry.problems().begin(), entry.problems().end());
        }
    }
    if (!streaming.empty()) result.calibration.streaming = fit_streaming_rows(device, streaming, seed);
    device.calibration = std::make_shared<const Calibration>(result.calibration);
    result.held_out = predict_cases(device, held_out);
    return result;
}

}  // namespace orrery
