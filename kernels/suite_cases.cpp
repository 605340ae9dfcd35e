// Draws the shapes of a suite: spread evenly on a log scale, each class over the sizes that a step of a model has.
#include "kernels/suite.hpp"

#include <algorithm>
#include <array>
#include <cmath>

namespace orrery {
namespace {

constexpr double suite_flop_max = 6e9;       // of one shape: below 0.1 s on a slow core
constexpr double product_flop_max = 1e10;    // of a product, which runs nearer to the peak
constexpr std::int64_t tokens_least = 64;    // rows of a training's micro-batch; fewer are a decode's, which has no gradients
constexpr double suite_cache_max = 256e6;    // bytes of keys and values

std::int64_t log_uniform(Rng& rng, double low, double high, std::int64_t grain) {
    const double value = low * std::pow(high / low, rng.uniform());
    return std::max<std::int64_t>(static_cast<std::int64_t>(std::llround(value)) / grain * grain, 1);
}

// One value from each of `parts` equal slices of the log scale.
std::int64_t log_slice(Rng& rng, double low, double high, std::int64_t grain, int slice, int parts) {
    const double value = low * std::pow(high / low, (slice + rng.uniform()) / parts);
    return std::max<std::int64_t>(static_cast<std::int64_t>(std::llround(value)) / grain * grain, 1);
}

std::int64_t power_near(std::int64_t size) {
    return std::int64_t{1} << std::llround(std::log2(static_cast<double>(size)));
}

void add_products(std::vector<SuiteCase>& cases, int number, DataType type, Rng& rng) {
    for (int i = 0; i < number;) {
        std::int64_t m = i % 5 == 0 ? log_uniform(rng, 1, 64, 1) : log_uniform(rng, 64, 4096, 16);
        std::int64_t n = log_uniform(rng, 128, 8192, 16);
        std::int64_t k = log_uniform(rng, 128, 8192, 16);
        if (i % 2 == 1) {   // as models have them: rows that lie a power of two apart meet in the caches
            for (std::int64_t* size : {&m, &n, &k}) *size = power_near(*size);
        }
        if (2.0 * static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k) > product_flop_max) continue;
        const bool blas = type == DataType::fp32;
        std::vector<std::int64_t> sizes{1, m, n, k};
        if (blas) sizes.push_back(m < tokens_least ? 0 : i % 3);   // forward and both gradients in turn
        cases.push_back({{blas ? "training-multiply" : "packed-matrix-multiply", sizes, type}, true});
        ++i;
    }
}

void add_prefill(std::vector<SuiteCase>& cases, const char* kernel, int number, Rng& rng) {
    constexpr std::array<std::int64_t, 3> heads_of{32, 64, 128};
    for (int i = 0; i < number;) {
        const std::int64_t batch = log_uniform(rng, 1, 5, 1);
        const std::int64_t kv = log_uniform(rng, 1, 8, 1);
        const std::int64_t heads = kv * log_uniform(rng, 1, 4, 1);
        const std::int64_t head = heads_of[rng.below(3)];
        const std::int64_t length = log_uniform(rng, 64, 2048, 16);
        const std::int64_t window = i % 4 == 3 ? std::max<std::int64_t>(length / 4, 16) : 0;
        const double pairs = static_cast<double>(length) * static_cast<double>(length);
        if (4.0 * static_cast<double>(batch * heads * head) * pairs > suite_flop_max) continue;
        cases.push_back({{kernel, {batch, heads, kv, head, length, length, window, i % 6 == 5 ? 0 : 1}, DataType::fp32}, true});
        ++i;
    }
}

void add_decode(std::vector<SuiteCase>& cases, int number, Rng& rng) {
    constexpr std::array<std::int64_t, 2> heads_of{64, 128};
    for (int i = 0; i < number;) {
        const std::int64_t batch = log_uniform(rng, 1, 16, 1);
        const std::int64_t kv = log_uniform(rng, 1, 8, 1);
        const std::int64_t heads = kv * log_uniform(rng, 1, 8, 1);
        const std::int64_t head = heads_of[rng.below(2)];
        const std::int64_t keys = log_uniform(rng, 64, 8192, 1);
        if (8.0 * static_cast<double>(batch * kv * head * keys) > suite_cache_max) continue;
        cases.push_back({{"attention-decode", {batch, heads, kv, head, keys, 0}, i % 2 == 0 ? DataType::fp32 : DataType::bf16}, true});
        ++i;
    }
}

// Streaming kernels over sizes of one copy from a quarter of a megabyte to 100 MB, in cold caches and once in warm ones.
void add_streaming(std::vector<SuiteCase>& cases, int slices, Rng& rng) {
    const auto add = [&](const char* kernel, const std::vector<std::int64_t>& sizes, int slice) {
        cases.push_back({{kernel, sizes, DataType::fp32}, slice != slices / 2});
    };
    for (int i = 0; i < slices; ++i) {
        for (const char* name : {"layer-norm", "layer-norm-backward", "rms-norm", "rms-norm-backward", "softmax",
                                 "softmax-backward", "swiglu", "swiglu-backward", "quantise-int8", "dequantise-int8",
                                 "quantise-int4", "dequantise-int4"}) {
            add(name, {log_slice(rng, 64, 8192, 1, i, slices), log_uniform(rng, 512, 4096, 64)}, i);
        }
        for (const char* name : {"sgd", "adam", "lamb", "dropout", "copy", "triad", "add"}) {
            add(name, {log_slice(rng, 6e4, 1.6e7, 16, i, slices)}, i);
        }
        add("rotary", {log_slice(rng, 64, 8192, 1, i, slices), 16, 64}, i);
        add("cross-entropy", {log_slice(rng, 16, 2048, 1, i, slices), log_uniform(rng, 4096, 16384, 64)}, i);
        add("adafactor", {log_slice(rng, 64, 4096, 1, i, slices), 2048}, i);
    }
}

void add_others(std::vector<SuiteCase>& cases, int number, Rng& rng) {
    const auto add = [&](const char* kernel, const std::vector<std::int64_t>& sizes, bool cold = false) {
        cases.push_back({{kernel, sizes, DataType::fp32}, cold});
    };
    constexpr std::array<std::int64_t, 4> channels_of{32, 64, 128, 256};
    for (int i = 0; i < number; ++i) {
        const std::int64_t width = log_uniform(rng, 256, 2048, 64);
        add("gather", {log_slice(rng, 256, 32768, 1, i, number), width, 65536}, true);
        add("scatter-add", {log_slice(rng, 256, 32768, 1, i, number), width, 65536}, true);
        add("grouped-multiply", {log_uniform(rng, 4, 16, 1), log_slice(rng, 64, 2048, 1, i, number), log_uniform(rng, 128, 1024, 16),
                                 log_uniform(rng, 128, 1024, 16)}, true);
        const std::int64_t side = log_uniform(rng, 7, 56, 1);
        add("convolution", {log_uniform(rng, 1, 9, 1), channels_of[rng.below(4)], side, side, channels_of[rng.below(4)], i % 3 == 2 ? 1 : 3, i % 4 == 3 ? 2 : 1}, true);
    }
    for (int i = 0; i < number / 3; ++i) {
        add("top-k", {log_uniform(rng, 512, 8192, 1), 64, 4});
        add("sparse-multiply", {256, 512, 512, log_uniform(rng, 5, 50, 1)});
        add("muon", {log_uniform(rng, 64, 512, 16), 512});
        add("all-reduce", {log_uniform(rng, 1e4, 4e6, 16)});
    }
    for (const std::int64_t bytes : {std::int64_t{1} << 14, std::int64_t{1} << 19, std::int64_t{1} << 28}) add("pointer-chase", {bytes, 10000});
    add("launch", {100});
    add("file-read", {64 << 20, 0});
    add("file-read", {64 << 20, 1});
}

// The ways to do one convolution, beside each other on shapes that all of them do. The class of convolutions is fitted to
// the library's direct one, which frameworks call.
void add_convolutions(std::vector<SuiteCase>& cases, int number, Rng& rng) {
    for (int i = 0; i < number; ++i) {
        const std::int64_t side = log_slice(rng, 7, 56, 1, i, number);
        const std::int64_t channels = std::clamp<std::int64_t>(power_near(3584 / side), 64, 512);   // as residual networks have them
        const std::vector<std::int64_t> sizes{log_uniform(rng, 1, 9, 1), channels, side, side, channels, 3, 1};
        std::vector<std::int64_t> grouped = sizes;
        grouped.push_back(1);
        for (const char* name : {"convolution", "winograd-2-convolution", "winograd-4-convolution"}) cases.push_back({{name, sizes, DataType::fp32}, true});
        cases.push_back({{"implicit-convolution", grouped, DataType::fp32}, true});
    }
}

}  // namespace

std::vector<SuiteCase> suite_cases(bool full, std::uint64_t seed, const MachineFigures& machine) {
    Rng rng = Rng::stream(seed, "suite", full ? 1 : 0);
    const int times = full ? 4 : 1;
    std::vector<SuiteCase> cases;
    add_products(cases, 56 * times, DataType::fp32, rng);
    if (machine.bf16_peak.si() > 0.0) add_products(cases, 32 * times, DataType::bf16, rng);
    if (machine.int8_peak.si() > 0.0) add_products(cases, 32 * times, DataType::int8, rng);
    add_prefill(cases, "attention-prefill", 24 * times, rng);
    add_prefill(cases, "attention-backward", 16 * times, rng);
    add_decode(cases, 36 * times, rng);
    add_streaming(cases, full ? 12 : 5, rng);
    add_others(cases, 15 * times, rng);
    Rng of_convolutions = Rng::stream(seed, "convolutions", full ? 1 : 0);
    add_convolutions(cases, 3 * times, of_convolutions);
    for (std::size_t i = cases.size(); i > 1; --i) std::swap(cases[i - 1], cases[rng.below(i)]);  // Fisher-Yates
    return cases;
}

}  // namespace orrery
