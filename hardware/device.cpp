// Datasheet answers: the peak of a number format, the device as the operator models see it, and the physical floor.
#include "hardware/device.hpp"

#include "hardware/operator_defaults.hpp"
#include "hardware/work_kinds/convolution_model.hpp"
#include "hardware/work_kinds/machine.hpp"

#include <algorithm>
#include <limits>
#include <span>

namespace orrery {
namespace {

// Formats that can hold every value of `type` (or stand in for it on all hardware that lacks it), nearest first.
std::span<const DataType> stand_ins(DataType type) {
    using enum DataType;
    static constexpr std::array<DataType, 7> for_fp4{fp4, fp8, fp16, bf16, tf32, fp32, fp64};
    static constexpr std::array<DataType, 6> for_fp8{fp8, bf16, fp16, tf32, fp32, fp64};
    static constexpr std::array<DataType, 5> for_bf16{bf16, fp16, tf32, fp32, fp64};
    static constexpr std::array<DataType, 5> for_fp16{fp16, bf16, tf32, fp32, fp64};
    static constexpr std::array<DataType, 3> for_tf32{tf32, fp32, fp64};
    static constexpr std::array<DataType, 2> for_fp32{fp32, fp64};
    static constexpr std::array<DataType, 1> for_fp64{fp64};
    static constexpr std::array<DataType, 6> for_int4{int4, int8, fp16, bf16, tf32, fp32};
    static constexpr std::array<DataType, 5> for_int8{int8, fp16, bf16, tf32, fp32};
    static constexpr std::array<DataType, 2> for_int32{int32, fp64};
    switch (type) {
        case fp4: return for_fp4;
        case fp8: return for_fp8;
        case bf16: return for_bf16;
        case fp16: return for_fp16;
        case tf32: return for_tf32;
        case fp32: return for_fp32;
        case fp64: return for_fp64;
        case int4: return for_int4;
        case int8: return for_int8;
        case int32: return for_int32;
    }
    return {};
}

}  // namespace

FlopPerSecond Device::peak(DataType type) const {
    for (const DataType stand_in : stand_ins(type)) {
        const FlopPerSecond rate =
            stand_in == DataType::fp32 ? std::max(matrix_peak[stand_in], vector_peak) : matrix_peak[stand_in];
        if (rate.si() > 0.0) return rate;
    }
    return FlopPerSecond{};
}

Machine machine_of(const Device& device, DataType type) {
    // Products of processors run on registers of 16 lanes by rows of 8 (AVX-512 and NEON kernels of oneDNN alike).
    constexpr double register_edge = 16.0;
    const double padding = device.kind == DeviceKind::cpu ? register_edge : operator_defaults(device).padding;
    // The matrix units of TPU v6e and 7x are 256 x 256 (Google Cloud TPU documentation), of the others 128 x 128.
    const bool wide_array = device.kind == DeviceKind::tpu && device.year >= 2024;
    return {device.peak(type).si(), device.memory_bandwidth.si(), device.cache.si(), cores_of(device),
            wide_array ? 2.0 * padding : padding};
}

Seconds physical_floor(const Device& device, const Work& work) {
    Flop flop = flop_of(work);
    // What one operator leaves in the large cache of a processor the next one finds there.
    const Bytes cached = device.kind == DeviceKind::cpu ? device.cache : Bytes{};
    const Bytes crossing = std::max(bytes_of(work) - cached, Bytes{});
    const auto* product = std::get_if<MatrixMultiply>(&work);
    const auto* grouped = std::get_if<GroupedMatrixMultiply>(&work);
    const auto* attention = std::get_if<Attention>(&work);
    const auto* convolution = std::get_if<Convolution>(&work);
    FlopPerSecond peak = std::max(device.vector_peak, device.peak(DataType::fp32));
    if (product != nullptr) peak = device.peak(product->type);
    if (grouped != nullptr) peak = device.peak(grouped->type);
    if (attention != nullptr) peak = device.peak(attention->type);
    if (convolution != nullptr) {
        peak = std::max(peak, device.peak(convolution->type));
        flop = flop * least_multiplications(*convolution);
    }
    Seconds floor{};
    if (flop.si() > 0.0) floor = flop / peak;  // infinite where the device cannot do it
    if (device.memory_bandwidth.si() > 0.0) floor = std::max(floor, crossing / device.memory_bandwidth);
    return floor;
}

}  // namespace orrery
