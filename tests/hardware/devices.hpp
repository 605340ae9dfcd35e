// Datasheets that the operator tests price work on, uncalibrated.
#pragma once

#include "hardware/device.hpp"

namespace orrery::test {

/// NVIDIA H100 SXM5 datasheet (dense figures).
inline Device h100() {
    Device d;
    d.name = "h100-sxm";
    d.title = "NVIDIA H100 SXM";
    d.year = 2022;
    d.matrix_peak[DataType::tf32] = 494.7_TFLOPps;
    d.matrix_peak[DataType::fp16] = 989.4_TFLOPps;
    d.matrix_peak[DataType::bf16] = 989.4_TFLOPps;
    d.matrix_peak[DataType::fp8] = 1978.9_TFLOPps;
    d.matrix_peak[DataType::int8] = 1978.9_TFLOPps;
    d.vector_peak = 67.0_TFLOPps;
    d.memory_capacity = 80.0_GB;
    d.memory_bandwidth = 3350.0_GBps;
    d.cache = 50.0_MB;
    d.cores = 132;
    return d;
}

/// NVIDIA A100 SXM4 80 GB datasheet (dense figures).
inline Device a100() {
    Device d;
    d.name = "a100-sxm-80";
    d.title = "NVIDIA A100 SXM 80 GB";
    d.year = 2020;
    d.matrix_peak[DataType::tf32] = 156.0_TFLOPps;
    d.matrix_peak[DataType::fp16] = 312.0_TFLOPps;
    d.matrix_peak[DataType::bf16] = 312.0_TFLOPps;
    d.matrix_peak[DataType::int8] = 624.0_TFLOPps;
    d.vector_peak = 19.5_TFLOPps;
    d.memory_capacity = 80.0_GB;
    d.memory_bandwidth = 2039.0_GBps;
    d.cache = 40.0_MB;
    d.cores = 108;
    return d;
}

/// NVIDIA B200 SXM datasheet (dense figures).
inline Device b200() {
    Device d;
    d.name = "b200-sxm";
    d.title = "NVIDIA B200 SXM";
    d.year = 2024;
    d.matrix_peak[DataType::fp16] = 2250.0_TFLOPps;
    d.matrix_peak[DataType::bf16] = 2250.0_TFLOPps;
    d.matrix_peak[DataType::fp8] = 4500.0_TFLOPps;
    d.matrix_peak[DataType::fp4] = 9000.0_TFLOPps;
    d.vector_peak = 80.0_TFLOPps;
    d.memory_bandwidth = 8000.0_GBps;
    d.cache = 126.0_MB;
    d.cores = 148;
    return d;
}

/// Google Cloud TPU v4 documentation.
inline Device tpu_v4() {
    Device d;
    d.name = "tpu-v4";
    d.title = "Google TPU v4";
    d.kind = DeviceKind::tpu;
    d.year = 2020;
    d.matrix_peak[DataType::bf16] = 275.0_TFLOPps;
    d.matrix_peak[DataType::int8] = 275.0_TFLOPps;
    d.memory_bandwidth = 1200.0_GBps;
    return d;
}

}  // namespace orrery::test
