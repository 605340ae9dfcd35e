// The table of generations behind uncalibrated devices.
//
// Scaling by datasheet (per-core feed by peak per core, cache feed by memory bandwidth) predicted H200 from H100 at
// 7.6 %, GB200 from B200 at 9.1 %, B200 from H100 at 17.2 %, H100 from A100 at 18.5 % mean error on 16-bit products;
// a plain roofline errs by 46 to 57 % on the same tables (fits on the kernel tables of AIConfigurator, Apache-2.0).
#include "hardware/operator_defaults.hpp"

#include "hardware/device.hpp"

#include <algorithm>
#include <array>
#include <cmath>

namespace orrery {
namespace {

struct GemmRow {
    double launch_us, matrix, memory, tile_us, core_gbps, cache_tbps, norm, reduce_us, derate, cache_speedup;
};

constexpr GemmParameters gemm_of(const GemmRow& r) {
    return {Seconds::from_si(r.launch_us * 1e-6),
            r.matrix,
            r.memory,
            Seconds::from_si(r.tile_us * 1e-6),
            BytesPerSecond::from_si(r.core_gbps * 1e9),
            BytesPerSecond::from_si(r.cache_tbps * 1e12),
            r.norm,
            Seconds::from_si(r.reduce_us * 1e-6),
            r.derate,
            r.cache_speedup};
}

constexpr PrefillParameters prefill_of(double launch_us, double matrix, double memory, double tile_us, double small,
                                       double norm = 4.0, double rows = 128.0, double window = 0.2) {
    return {Seconds::from_si(launch_us * 1e-6), matrix, memory, Seconds::from_si(tile_us * 1e-6), small, norm, rows, window};
}

constexpr DecodeParameters decode_of(double launch_us, double memory, double core_gbps, double split_us, double chunk) {
    return {Seconds::from_si(launch_us * 1e-6), memory, BytesPerSecond::from_si(core_gbps * 1e9),
            Seconds::from_si(split_us * 1e-6),  chunk,  1.5};
}

constexpr StreamingParameters streaming_of(double launch_us, double memory) {
    return {Seconds::from_si(launch_us * 1e-6), memory};
}

// GPU rows: fitted on A100 SXM, H100 SXM, B200 and L40S tables of TensorRT-LLM 1.0 and 1.3 (AIConfigurator commit
// 095f58a), attention as hardware/calibration/ has it; launches of 8- and 4-bit products at most 3 us, since their tables
// include the quantise kernel. Decode on b200: memory at its usual efficiency, since the kernel that was measured there
// (one block per query head, at a tenth of the memory's rate) is not what serving stacks run today.
// instinct: matrix efficiency from the rates that ml-engineering (commit 744d01e) measured, MI300X 668 of 1,307,
// MI325X 785 of 1,307, MI355X 1,565 of 2,300 TFLOP/s; feeds not to be limiting. matrix engines: Gaudi2 419 of 432,
// Gaudi3 1,243 of 1,677. tpu: padding to 8 x 128 x 128 is the XLA layout; efficiencies near 1 before training's factor.
// cpu: oneDNN reaches 0.85 to 0.98 of the register limit for n >= 512, memory 0.75 of the DIMMs' rate. edge: no source
// beyond vendor runs, which reach about half of the peak.
constexpr std::array<OperatorDefaults, 9> generations{{
    {"a100-sxm-80", 312e12 / 108, 2039e9, 0.0,
     gemm_of({1.551, 0.909, 0.924, 2.162, 71.752, 4.747, 1.657, 2.929, 0.0, 1.0}),
     gemm_of({3.0, 0.897, 1.0, 3.704, 53.965, 4.261, 1.717, 20.0, 0.0, 1.0}),
     gemm_of({3.0, 0.897, 1.0, 3.704, 53.965, 4.261, 1.717, 20.0, 0.0, 1.0}),
     prefill_of(11.9, 0.48, 0.36, 0.44, 0.22, 1.0, 64.0, 0.96), decode_of(10.5, 0.85, 18.9, 3.5, 500.0), streaming_of(1.5, 0.85)},
    {"h100-sxm", 989.4e12 / 132, 3350e9, 0.0,
     gemm_of({2.713, 0.814, 0.8, 0.001, 142.936, 12.111, 11.991, 2.682, 0.022, 1.513}),
     gemm_of({3.0, 0.695, 0.736, 0.36, 161.542, 60.416, 4.638, 3.391, 0.0, 1.109}),
     gemm_of({3.0, 0.695, 0.736, 0.36, 161.542, 60.416, 4.638, 3.391, 0.0, 1.109}),
     prefill_of(13.7, 0.71, 0.38, 1.97, 0.65, 1.0, 128.0, 2.0), decode_of(6.7, 0.92, 28.6, 3.2, 168.0), streaming_of(1.5, 0.85)},
    {"b200-sxm", 2250e12 / 148, 8000e9, 0.0,
     gemm_of({1.902, 0.773, 0.73, 0.023, 225.572, 26.498, 3.418, 3.071, 0.211, 1.0}),
     gemm_of({3.0, 0.674, 0.54, 0.454, 116.955, 55.091, 4.248, 4.138, 0.012, 1.0}),
     gemm_of({3.0, 0.999, 0.559, 0.303, 69.144, 38.69, 3.084, 20.0, 0.0, 1.0}),
     prefill_of(12.5, 0.46, 0.26, 2.05, 0.47, 1.0, 128.0, 1.26), decode_of(8.4, 0.8, 100.0, 1.3, 256.0), streaming_of(1.5, 0.85)},
    {"l40s", 362e12 / 142, 864e9, 0.0,
     gemm_of({0.788, 0.732, 0.853, 1.49, 62.412, 3.899, 3.895, 3.229, 0.246, 7.992}),
     gemm_of({3.0, 0.732, 0.853, 1.49, 62.412, 3.899, 3.895, 3.229, 0.246, 7.992}),
     gemm_of({3.0, 0.732, 0.853, 1.49, 62.412, 3.899, 3.895, 3.229, 0.246, 7.992}),
     prefill_of(8.1, 0.39, 1.0, 0.51, 0.0, 1.0, 32.0, 0.94), decode_of(6.8, 0.88, 20.0, 2.9, 256.0), streaming_of(1.5, 0.85)},
    {"instinct", 1307e12 / 304, 5300e9, 0.0,
     gemm_of({4.0, 0.56, 0.75, 0.5, 120.0, 20.0, 4.0, 5.0, 0.1, 1.5}),
     gemm_of({4.0, 0.52, 0.75, 0.5, 120.0, 20.0, 4.0, 5.0, 0.1, 1.5}),
     gemm_of({4.0, 0.5, 0.75, 0.5, 120.0, 20.0, 4.0, 5.0, 0.1, 1.5}),
     prefill_of(10.0, 0.35, 0.75, 1.0, 0.3), decode_of(8.0, 0.75, 30.0, 1.0, 256.0), streaming_of(2.0, 0.8)},
    {"matrix engines", 432e12 / 2, 2460e9, 128.0,
     gemm_of({5.0, 0.8, 0.8, 1.0, 1e4, 1e3, 4.0, 0.0, 0.0, 1.0}),
     gemm_of({5.0, 0.7, 0.8, 1.0, 1e4, 1e3, 4.0, 0.0, 0.0, 1.0}),
     gemm_of({5.0, 0.6, 0.8, 1.0, 1e4, 1e3, 4.0, 0.0, 0.0, 1.0}),
     prefill_of(15.0, 0.4, 0.75, 1.0, 0.3), decode_of(10.0, 0.75, 1e4, 1.0, 512.0), streaming_of(3.0, 0.8)},
    {"tpu", 275e12 / 2, 1228e9, 128.0,
     gemm_of({2.0, 0.98, 0.85, 0.5, 1e4, 1e3, 4.0, 0.0, 0.0, 1.0}),
     gemm_of({2.0, 0.95, 0.85, 0.5, 1e4, 1e3, 4.0, 0.0, 0.0, 1.0}),
     gemm_of({2.0, 0.95, 0.85, 0.5, 1e4, 1e3, 4.0, 0.0, 0.0, 1.0}),
     prefill_of(8.0, 0.45, 0.8, 0.5, 0.2), decode_of(6.0, 0.8, 1e4, 0.5, 512.0), streaming_of(1.0, 0.8)},
    {"cpu", 2e12, 300e9, 0.0,
     gemm_of({3.0, 0.85, 0.8, 0.5, 60.0, 3.0, 4.0, 5.0, 0.0, 2.0}),
     gemm_of({3.0, 0.85, 0.8, 0.5, 60.0, 3.0, 4.0, 5.0, 0.0, 2.0}),
     gemm_of({3.0, 0.5, 0.8, 0.5, 60.0, 3.0, 4.0, 5.0, 0.0, 2.0}),
     prefill_of(5.0, 0.5, 0.75, 2.0, 0.2), decode_of(5.0, 0.75, 20.0, 1.0, 256.0), streaming_of(2.0, 0.75)},
    {"edge", 1e12, 60e9, 16.0,
     gemm_of({20.0, 0.5, 0.75, 2.0, 1e3, 1.0, 4.0, 0.0, 0.0, 1.0}),
     gemm_of({20.0, 0.5, 0.75, 2.0, 1e3, 1.0, 4.0, 0.0, 0.0, 1.0}),
     gemm_of({20.0, 0.5, 0.75, 2.0, 1e3, 1.0, 4.0, 0.0, 0.0, 1.0}),
     prefill_of(30.0, 0.35, 0.7, 2.0, 0.2), decode_of(30.0, 0.7, 1e3, 2.0, 512.0), streaming_of(10.0, 0.7)},
}};

enum : std::size_t { like_a100, like_h100, like_b200, like_l40s, like_instinct, like_matrix_engines, like_tpu, like_cpu, like_edge };

// Stacked memory (HBM) marks data-centre parts: above what 384 bits of GDDR7 give (RTX PRO 6000: 1,792 GB/s).
constexpr double stacked_memory_bandwidth = 1.85e12;

std::size_t gpu_generation(const Device& device) {
    if (device.name.rfind("mi", 0) == 0 || device.title.find("AMD") != std::string::npos) return like_instinct;
    const bool stacked = device.memory_bandwidth.si() > stacked_memory_bandwidth;
    if (device.matrix_peak[DataType::fp4].si() > 0.0) return stacked ? like_b200 : like_l40s;
    if (device.matrix_peak[DataType::fp8].si() > 0.0) return stacked ? like_h100 : like_l40s;
    return like_a100;
}

std::size_t generation_of(const Device& device) {
    switch (device.kind) {
        case DeviceKind::gpu: return gpu_generation(device);
        case DeviceKind::tpu: return like_tpu;
        case DeviceKind::npu: return like_matrix_engines;
        case DeviceKind::cpu: return like_cpu;
        case DeviceKind::edge: return device.cores > 0 && device.memory_bandwidth.si() > 2e10 ? like_a100 : like_edge;
    }
    return like_a100;
}

constexpr double decode_matrix_share = 0.5;  // of the 16-bit peak, on the few query rows of a decode block

const GemmParameters& defaults_row(const OperatorDefaults& defaults, DataType type) {
    const double size = element_bytes(type);
    if (size > 1.0) return defaults.wide;
    return size == 1.0 ? defaults.byte : defaults.nibble;
}

double bandwidth_ratio(const Device& device, const OperatorDefaults& defaults) {
    return device.memory_bandwidth.si() > 0.0 ? device.memory_bandwidth.si() / defaults.bandwidth : 1.0;
}

}  // namespace

const OperatorDefaults& operator_defaults(const Device& device) { return generations[generation_of(device)]; }

double cores_of(const Device& device) {
    if (device.cores > 0) return static_cast<double>(device.cores);
    return std::max(1.0, std::round(device.peak(DataType::bf16).si() / operator_defaults(device).core_peak));
}

GemmParameters scaled_gemm(const Device& device, DataType type) {
    const OperatorDefaults& defaults = operator_defaults(device);
    GemmParameters scaled = defaults_row(defaults, type);
    const double core_peak = device.peak(DataType::bf16).si() / cores_of(device);
    if (core_peak > 0.0) scaled.core_feed *= core_peak / defaults.core_peak;
    scaled.cache_feed *= bandwidth_ratio(device, defaults);
    return scaled;
}

DecodeParameters scaled_decode(const Device& device) {
    const OperatorDefaults& defaults = operator_defaults(device);
    DecodeParameters scaled = defaults.decode;
    const double reference_cores = defaults.padding > 0.0 ? 1.0 : cores_of(device);
    scaled.core_feed *= bandwidth_ratio(device, defaults);
    if (reference_cores < 100.0) scaled.core_feed *= 100.0 / reference_cores;  // few cores take in more each
    scaled.core_rate = scaled.single_rate = device.peak(DataType::bf16) * (decode_matrix_share / cores_of(device));
    return scaled;
}

}  // namespace orrery
