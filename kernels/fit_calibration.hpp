// From a heap of measured tables to one device's calibration, and from a calibration back to predictions of rows.
#pragma once

#include "hardware/calibration.hpp"
#include "hardware/device.hpp"
#include "kernels/fit_operators.hpp"
#include "kernels/measured_table.hpp"

#include <functional>
#include <string>
#include <vector>

namespace orrery {

/// Whether a table's system is `device`: "h100_sxm" is h100-sxm, "a100_sxm" is a100-sxm-80.
bool same_device(std::string_view system, std::string_view device);

struct CalibrationFit {
    Calibration calibration;   // without the training fields
    Problems refused;          // tables that cannot be what they say, with their reasons
};

/// Fits every table. Of several tables of a type the first entry, which prices use, is the plain format of the library
/// with the most rows, then the least error on unseen rows. `progress` hears each table's name before its fit.
CalibrationFit fit_calibration(const Device& device, const std::vector<MeasuredTable>& tables,
                               const OperatorFitOptions& options,
                               const std::function<void(const std::string&)>& progress);

/// What `device` is predicted to take for each row of a table, quantise kernels included where the rows contain them.
struct RowPrediction {
    std::string row;       // the row in words: "bfloat16 m 1 n 2 k 3"
    Seconds measured;
    Seconds predicted;
    bool possible = true;  // false: faster than the device's arithmetic or memory allow
};
std::vector<RowPrediction> predict_rows(const Device& device, const MeasuredTable& table);

}  // namespace orrery
