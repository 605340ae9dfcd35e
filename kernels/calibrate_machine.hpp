// Calibrating the machine at hand: which shapes are measured, and the fit of the operator model to them.
#pragma once

#include "hardware/calibration.hpp"
#include "hardware/result.hpp"
#include "kernels/measure.hpp"

#include <string>
#include <vector>

namespace orrery {

/// Shapes of a suite, by seed: 40 products, and a sweep over each other class of kernels; `full` has four times as many.
std::vector<KernelCase> suite_cases(bool full, std::uint64_t seed, const MachineFigures& machine);

struct MeasuredCase {
    KernelCase kernel_case;          // as it ran
    std::optional<Work> work;
    Flop flop;
    Bytes bytes;
    Measurement time;
    double accuracy_loss = -1.0;     // below zero: does not apply
    std::string shrunk_from;         // the shape that memory was too small for; empty: none
    std::string impossible;          // why the figure cannot be true; empty: it may be
};

/// Prepares, judges on a small shape of the same kernel, and measures. Streaming kernels rotate past the caches.
MeasuredCase measure_case(const KernelCase& kernel_case, const MachineFigures& machine, std::uint64_t seed);

/// A kernel class as the report names it: "product fp32", "prefill", "decode", "streaming", "gather", ...
std::string class_of(const MeasuredCase& measured);

struct CaseError {
    std::string row;
    std::string kind;
    Seconds measured;
    Seconds predicted;
    [[nodiscard]] double error() const { return predicted / measured - 1.0; }
};

struct MachineCalibration {
    Calibration calibration;
    std::vector<CaseError> held_out;   // rows that no fit saw
    Problems refused;                  // classes that could not be fitted
};

/// Fits all classes with every fifth row of each held out.
MachineCalibration fit_machine(const MachineFigures& machine, const std::vector<MeasuredCase>& rows, std::uint64_t seed);

/// Predictions of rows that have Work, for a device that carries a calibration.
std::vector<CaseError> predict_cases(const Device& device, const std::vector<MeasuredCase>& rows);

}  // namespace orrery
