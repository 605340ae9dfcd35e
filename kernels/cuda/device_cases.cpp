// Draws the shapes of a GPU's suite: spread evenly on a log scale, by what a few milliseconds of its peaks can do.
#include "kernels/cuda/device_suite.hpp"

#include <algorithm>
#include <array>
#include <cmath>

namespace orrery {
namespace {

constexpr double shape_seconds_most = 4e-3;     // of one run at the datasheet's peak
constexpr double device_stream_most = 5e8;      // bytes of one array of a streaming kernel
constexpr double device_cache_share = 0.1;      // of the memory, for cached keys and values

std::int64_t log_drawn(Rng& rng, double low, double high, std::int64_t grain) {
    const double value = low * std::pow(high / low, rng.uniform());
    return std::max<std::int64_t>(static_cast<std::int64_t>(std::llround(value)) / grain * grain, 1);
}

void add_device_products(std::vector<SuiteCase>& cases, int number, DataType type, const Device& device, Rng& rng) {
    const double most = shape_seconds_most * device.peak(type).si();
    for (int i = 0; i < number;) {
        const std::int64_t m = i % 5 == 0 ? log_drawn(rng, 1, 64, 1) : log_drawn(rng, 64, 16384, 16);
        const std::int64_t n = log_drawn(rng, 128, 16384, 16);
        const std::int64_t k = log_drawn(rng, 128, 16384, 16);
        if (2.0 * static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k) > most) continue;
        cases.push_back({{"matrix-multiply", {1, m, n, k}, type}, true});
        ++i;
    }
}

void add_device_groups(std::vector<SuiteCase>& cases, int number, const Device& device, Rng& rng) {
    const double most = shape_seconds_most * device.peak(DataType::bf16).si();
    for (int i = 0; i < number;) {
        const std::int64_t groups = log_drawn(rng, 2, 256, 1);
        const std::int64_t rows = log_drawn(rng, static_cast<double>(groups), 65536, 1);
        const std::int64_t n = log_drawn(rng, 512, 8192, 64);
        const std::int64_t k = log_drawn(rng, 512, 8192, 64);
        const double weights = 2.0 * static_cast<double>(groups) * static_cast<double>(n) * static_cast<double>(k);
        if (2.0 * static_cast<double>(rows) * static_cast<double>(n) * static_cast<double>(k) > most || weights > 4.0 * device_stream_most) continue;
        cases.push_back({{"grouped-multiply", {groups, rows, n, k}, DataType::bf16}, true});
        ++i;
    }
}

void add_device_attention(std::vector<SuiteCase>& cases, int number, const Device& device, Rng& rng) {
    constexpr std::array<std::int64_t, 2> heads_of{64, 128};
    const double most = shape_seconds_most * device.peak(DataType::bf16).si();
    for (int i = 0; i < 2 * number;) {   // forward and backward
        const std::int64_t kv = log_drawn(rng, 1, 17, 1);
        const std::int64_t heads = kv * log_drawn(rng, 1, 9, 1);
        const std::int64_t head = heads_of[rng.below(2)];
        const std::int64_t batch = log_drawn(rng, 1, 9, 1);
        const std::int64_t length = log_drawn(rng, 128, 32768, 16);
        const std::int64_t window = i % 4 == 3 ? std::max<std::int64_t>(length / 4, 16) : 0;
        if (4.0 * static_cast<double>(batch * heads * head) * static_cast<double>(length) * static_cast<double>(length) > most) continue;
        cases.push_back({{i < number ? "attention-prefill" : "attention-backward", {batch, heads, kv, head, length, length, window, i % 6 == 5 ? 0 : 1}, DataType::bf16}, true});
        ++i;
    }
    for (int i = 0; i < 2 * number;) {
        const std::int64_t kv = log_drawn(rng, 1, 9, 1);
        const std::int64_t heads = kv * log_drawn(rng, 1, 17, 1);
        const std::int64_t head = heads_of[rng.below(2)];
        const std::int64_t batch = log_drawn(rng, 1, 257, 1);
        const std::int64_t keys = log_drawn(rng, 128, 65536, 1);
        if (4.0 * static_cast<double>(batch * kv * head * keys) > device_cache_share * device.memory_capacity.si()) continue;
        cases.push_back({{"attention-decode", {batch, heads, kv, head, keys, 0}, DataType::bf16}, true});
        ++i;
    }
}

void add_device_streaming(std::vector<SuiteCase>& cases, int slices, const Device& device, Rng& rng) {
    const double most = std::min(device_stream_most, 0.02 * device.memory_capacity.si());
    for (int i = 0; i < slices; ++i) {
        const DataType type = i % 2 == 0 ? DataType::bf16 : DataType::fp32;
        const bool cold = i != slices / 2;
        const auto bytes = [&] { return 1e6 * std::pow(most / 1e6, (i + rng.uniform()) / slices); };
        for (const char* name : {"layer-norm", "layer-norm-backward", "rms-norm", "rms-norm-backward", "softmax", "softmax-backward", "swiglu", "swiglu-backward",
                                 "cross-entropy", "quantise-int8", "dequantise-int8", "quantise-int4", "dequantise-int4", "quantise-fp8", "dequantise-fp8",
                                 "quantise-fp4", "dequantise-fp4"}) {
            const std::int64_t columns = std::string(name) == "cross-entropy" ? log_drawn(rng, 32000, 131072, 8) : log_drawn(rng, 256, 16384, 32);
            const auto rows = static_cast<std::int64_t>(bytes() / (element_bytes(type) * static_cast<double>(columns)));
            cases.push_back({{name, {std::max<std::int64_t>(rows, 1), columns}, type}, cold});
        }
        for (const char* name : {"copy", "add", "dropout"}) cases.push_back({{name, {static_cast<std::int64_t>(bytes() / element_bytes(type))}, type}, cold});
        for (const char* name : {"triad", "sgd", "adam", "lamb"}) cases.push_back({{name, {static_cast<std::int64_t>(bytes() / 4.0)}, DataType::fp32}, cold});
        const std::int64_t heads = log_drawn(rng, 1, 65, 1);
        cases.push_back({{"rotary", {std::max<std::int64_t>(static_cast<std::int64_t>(bytes() / (element_bytes(type) * 128.0 * static_cast<double>(heads))), 1), heads, 128}, type}, cold});
        const std::int64_t experts = log_drawn(rng, 8, 257, 8);
        cases.push_back({{"top-k", {std::max<std::int64_t>(static_cast<std::int64_t>(0.1 * bytes() / (4.0 * static_cast<double>(experts))), 1), experts, 8}, DataType::fp32}, cold});
        const std::int64_t columns = log_drawn(rng, 256, 8192, 8);
        const std::int64_t table = log_drawn(rng, 1000, 130000, 1);
        const std::int64_t rows = log_drawn(rng, 256, 65536, 1);
        if (4.0 * static_cast<double>(columns) * static_cast<double>(table + rows) < 4.0 * most) {
            cases.push_back({{"gather", {rows, columns, table}, type}, true});
            cases.push_back({{"scatter-add", {rows, columns, table}, DataType::fp32}, true});
        }
    }
}

// Convolutions of residual networks, sparse products beside what they are of, and Muon.
void add_device_others(std::vector<SuiteCase>& cases, int number, const Device& device, Rng& rng) {
    for (int i = 0; i < number; ++i) {
        const std::int64_t side = log_drawn(rng, 7, 57, 1);
        const std::int64_t channels = std::clamp<std::int64_t>(std::int64_t{1} << std::llround(std::log2(3584.0 / static_cast<double>(side))), 64, 512);
        const std::int64_t batch = log_drawn(rng, 8, 129, 1);
        for (const DataType type : {DataType::fp32, DataType::bf16, DataType::fp16}) {
            cases.push_back({{"convolution", {batch, channels, side, side, channels, i % 3 == 2 ? 1 : 3, i % 4 == 3 ? 2 : 1}, type}, true});
        }
        const std::int64_t m = log_drawn(rng, 64, 8192, 64);
        const std::int64_t n = log_drawn(rng, 1024, 8192, 64);
        const std::int64_t k = log_drawn(rng, 1024, 8192, 64);
        for (const DataType type : {DataType::bf16, DataType::fp16}) {
            if (device.matrix_peak[type].si() <= 0.0) continue;
            cases.push_back({{"two-four-multiply", {m, n, k}, type}, true});
            cases.push_back({{"two-four-compress", {n, k}, type}, true});
        }
        cases.push_back({{"muon", {log_drawn(rng, 256, 4096, 64), log_drawn(rng, 256, 4096, 64)}, DataType::fp32}, true});
    }
}

}  // namespace

std::vector<SuiteCase> device_suite_cases(bool full, std::uint64_t seed, const Device& device) {
    Rng rng = Rng::stream(seed, "device suite", full ? 1 : 0);
    const int times = full ? 4 : 1;
    std::vector<SuiteCase> cases;
    for (const DataType type : {DataType::fp32, DataType::tf32, DataType::bf16, DataType::fp16, DataType::fp8, DataType::int8}) {
        const int number = type == DataType::bf16 ? 40 : 15;
        if (device.matrix_peak[type].si() > 0.0) add_device_products(cases, number * times, type, device, rng);
    }
    add_device_groups(cases, 15 * times, device, rng);
    add_device_attention(cases, 15 * times, device, rng);
    add_device_streaming(cases, 6 * times, device, rng);
    add_device_others(cases, 4 * times, device, rng);
    for (std::size_t i = cases.size(); i > 1; --i) std::swap(cases[i - 1], cases[rng.below(i)]);
    return cases;
}

std::vector<SuiteCase> device_check_cases(std::size_t number, std::uint64_t seed, const Device& device) {
    constexpr std::array<std::string_view, 7> unfitted{"grouped-multiply", "attention-backward", "scatter-add", "convolution", "two-four-multiply", "two-four-compress", "muon"};
    std::vector<SuiteCase> cases = device_suite_cases(false, seed, device);   // in an order that mixes the classes
    std::erase_if(cases, [&](const SuiteCase& one) { return !one.cold || std::find(unfitted.begin(), unfitted.end(), one.kernel_case.kernel) != unfitted.end(); });
    cases.resize(std::min(cases.size(), number));
    return cases;
}

}  // namespace orrery
