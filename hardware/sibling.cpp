// The scaling of a sibling's kernel parameters.
#include "hardware/sibling.hpp"

#include "hardware/device.hpp"
#include "hardware/operator_defaults.hpp"

namespace orrery {
namespace {

double core_peak_ratio(const Device& source, const Device& target, DataType type) {
    const double from = source.peak(type).si() / cores_of(source);
    const double to = target.peak(type).si() / cores_of(target);
    return from > 0.0 && to > 0.0 ? to / from : 1.0;
}

}  // namespace

Calibration sibling_calibration(const Calibration& own, const Calibration& measured, const Device& source,
                                const Device& target) {
    Calibration result = own;
    result.device = measured.device;
    result.date = measured.date;
    result.gemm = measured.gemm;
    result.grouped = measured.grouped;
    result.prefill = measured.prefill;
    result.decode = measured.decode;
    if (!result.streaming) result.streaming = measured.streaming;
    const double bandwidth = source.memory_bandwidth > BytesPerSecond{} ? target.memory_bandwidth / source.memory_bandwidth : 1.0;
    for (GemmCalibration& table : result.gemm) {
        table.parameters.core_feed *= core_peak_ratio(source, target, table.type);
        table.parameters.cache_feed *= bandwidth;
    }
    for (GroupedCalibration& table : result.grouped) {
        table.parameters.core_feed *= core_peak_ratio(source, target, table.type);
        table.parameters.cache_feed *= bandwidth;
    }
    for (DecodeCalibration& table : result.decode) table.parameters.core_feed *= bandwidth;
    return result;
}

}  // namespace orrery
