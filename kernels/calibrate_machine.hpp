// Fits the operator model to the machine at hand: all classes of kernels, judged on rows that each fit did not see.
#pragma once

#include "hardware/calibration.hpp"
#include "hardware/result.hpp"
#include "kernels/suite.hpp"

#include <string>
#include <vector>

namespace orrery {

struct CaseError {
    std::string row;
    std::string kind;
    Seconds measured;
    Seconds predicted;
    [[nodiscard]] double error() const { return predicted / measured - 1.0; }
};

struct MachineCalibration {
    Calibration calibration;
    std::vector<CaseError> held_out;   // every row, predicted by a fit to the other four fifths of its class
    Problems refused;                  // classes that could not be fitted
};

/// Layers A and B of every class with at least ten rows that count; the calibration holds the fit to all rows.
MachineCalibration fit_machine(const MachineFigures& machine, const std::vector<MeasuredCase>& rows, std::uint64_t seed);

/// Predictions of rows that have Work and count, for a device that carries a calibration, at the clock that the machine had
/// then. Streaming rows of warm caches are left out: predictions are for steps, whose kernels find little of what they stream in the caches.
std::vector<CaseError> predict_cases(const MachineFigures& machine, const Device& device, const std::vector<MeasuredCase>& rows);

}  // namespace orrery
