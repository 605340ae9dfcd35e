// The price of a piece of work inside a long training, where clocks are sustained, caches cold and kernels back to back.
#pragma once

#include "hardware/device.hpp"

namespace orrery {

/// What a training changes about an isolated kernel.
struct TrainingKernels {
    double matrix_slowdown = 1.0;       // of the software, over the device's own training slowdown
    double attention_slowdown = 1.0;
    double convolution_slowdown = 1.0;
    double streaming_efficiency = 0.65; // share of memory bandwidth of norms, activations, residuals
    bool backward = false;              // launches are longer in backward passes (autograd between them)
    bool operator==(const TrainingKernels&) const = default;
};

/// Time of `work` in a training step.
/// - Matrix products: execution_time, times the device's training slowdown for the type (1.15 where no training of the
///   device was ever compared: the mean over the devices that were), times the software's.
/// - Fused attention: 10 us + flop (1 + 128 / queries) k / (peak e); head sizes are padded to 32 and small ones cost
///   k = pad/d (1 + q (128/pad - 1)); backward 2.5 x 1.25 of it + 20 us (five products instead of two, less efficiency;
///   Dao, arXiv 2307.08691). `e` is the calibration's attention_training_efficiency, else 0.45.
/// - Convolutions: execution_time, times the device's slowdown for convolutions of the type (else that of products),
///   times the software's.
/// - Streaming: 1.5 us (backward 2.4 us) a kernel + bytes / (bandwidth * efficiency), or its arithmetic
///   at the vector units' peak if that takes longer.
Seconds training_time(const Device& device, const Work& work, const TrainingKernels& kernels);

}  // namespace orrery
