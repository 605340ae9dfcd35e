// Training-time prices: the isolated price, corrected by what published trainings show.
#include "hardware/training_time.hpp"

#include <algorithm>
#include <cmath>

namespace orrery {
namespace {

// Mean over devices whose trainings were compared (V100..GB300: 1.04 to 1.27), for those that were not.
constexpr double training_slowdown_default = 1.15;
// Published flash-attention rates in trainings lie between 0.45 and 0.63 of the 16-bit peak (A100 0.47, TPU 0.45).
constexpr double attention_efficiency_default = 0.45;
constexpr Seconds attention_launch = 10.0_us;
constexpr Seconds attention_backward_launch = 20.0_us;
constexpr double attention_backward_ratio = 2.5 * 1.25;
constexpr Seconds kernel_gap_forward = 1.5_us;
constexpr Seconds kernel_gap_backward = 2.4_us;

double matrix_training_slowdown(const Device& device, DataType type) {
    const auto& measured = device.calibration->training_slowdown[type];
    if (measured) return *measured;
    const auto& sixteen_bit = device.calibration->training_slowdown[DataType::bf16];
    return sixteen_bit.value_or(training_slowdown_default);
}

double convolution_training_slowdown(const Device& device, DataType type) {
    const auto& measured = device.calibration->convolution_slowdown[type];
    return measured ? *measured : matrix_training_slowdown(device, type);
}

// Pairs of query and key that are computed, tiles of the mask's edge not counted.
double attended_pairs(const Attention& a) {
    const auto queries = static_cast<double>(a.queries);
    const auto keys = static_cast<double>(a.keys);
    double per_query = keys;
    if (a.causal) per_query = keys - (queries - 1.0) / 2.0;
    if (a.window > 0) per_query = std::min(per_query, static_cast<double>(a.window));
    return queries * std::max(per_query, 1.0);
}

Seconds attention_forward(const Device& device, const Attention& a, double slowdown) {
    const double efficiency = device.calibration->attention_training_efficiency.value_or(attention_efficiency_default);
    const bool recent = device.kind == DeviceKind::gpu && device.year >= 2022;  // Hopper-class matrix units and later
    const double q = recent ? 0.5 : 0.2;
    const double padded = std::ceil(static_cast<double>(a.head_size) / 32.0) * 32.0;
    const double head_cost = padded / static_cast<double>(a.head_size) * std::max(1.0 + q * (128.0 / padded - 1.0), 0.5);
    const double flop = 2.0 * static_cast<double>(a.batch * a.heads) *
                        static_cast<double>(a.head_size + a.value_head_size) * attended_pairs(a) * a.causal_imbalance;
    const FlopPerSecond peak = device.peak(DataType::bf16);
    const double edge = 1.0 + 128.0 / std::max(static_cast<double>(a.queries), 128.0);
    return attention_launch + Flop::from_si(flop * edge * head_cost) / (peak * efficiency) * slowdown;
}

}  // namespace

Seconds training_time(const Device& device, const Work& work, const TrainingKernels& kernels) {
    if (const auto* matrix = std::get_if<MatrixMultiply>(&work)) {
        return execution_time(device, work) * (matrix_training_slowdown(device, matrix->type) * kernels.matrix_slowdown);
    }
    if (const auto* grouped = std::get_if<GroupedMatrixMultiply>(&work)) {
        return execution_time(device, work) * (matrix_training_slowdown(device, grouped->type) * kernels.matrix_slowdown);
    }
    if (const auto* attention = std::get_if<Attention>(&work)) {
        const Seconds forward = attention_forward(device, *attention, kernels.attention_slowdown);
        if (!attention->backward) return forward;
        return (forward - attention_launch) * attention_backward_ratio + attention_launch + attention_backward_launch;
    }
    if (const auto* convolution = std::get_if<Convolution>(&work)) {
        return execution_time(device, work) *
               (convolution_training_slowdown(device, convolution->type) * kernels.convolution_slowdown);
    }
    if (const auto* streaming = std::get_if<Streaming>(&work)) {
        const Seconds gap = kernels.backward ? kernel_gap_backward : kernel_gap_forward;
        Seconds moving = streaming->bytes / (device.memory_bandwidth * kernels.streaming_efficiency);
        if (streaming->flop > Flop{} && device.vector_peak > FlopPerSecond{}) {
            moving = std::max(moving, streaming->flop / device.vector_peak);
        }
        return static_cast<double>(streaming->kernels) * gap + moving;
    }
    return execution_time(device, work);
}

}  // namespace orrery
