// Fits the operator model of a device to measured tables: layer A by least squares, layer B from chosen rows.
#pragma once

#include "hardware/calibration.hpp"
#include "hardware/device.hpp"
#include "kernels/measured_table.hpp"

#include <vector>

namespace orrery {

struct OperatorFitOptions {
    std::uint64_t seed = 1;
    std::int64_t rows_fitted = 900;       // of one table, for layer A; the rest judges it
    std::int64_t residual_points = 600;   // of the fitted rows, kept as layer B
    int starts = 10;
};

/// One table of products, per number format in the order of the table. Rows faster than the device's arithmetic or
/// memory allow (within 2 %) are left out and counted. Formats below 16 bits: their rows contain the kernel that
/// quantises the activations; it is fitted along and then kept out of the parameters (launch at most 3 us).
std::vector<GemmCalibration> fit_products(const Device& device, const MeasuredTable& table,
                                          const OperatorFitOptions& options);

/// context_attention and encoder_attention tables, per number format of the queries. A problem where more than 5 % of
/// the rows are faster than the arithmetic allows.
Result<std::vector<PrefillCalibration>> fit_prefill(const Device& device, const MeasuredTable& table,
                                                    const OperatorFitOptions& options);

/// generation_attention tables. Rows with a window are left out where the measured kernel ignored it.
Result<DecodeCalibration> fit_decode(const Device& device, const MeasuredTable& table,
                                     const OperatorFitOptions& options);

}  // namespace orrery
