// Fits the operator model of a device to measured tables: layer A by least squares, layer B from chosen rows.
#pragma once

#include "hardware/calibration.hpp"
#include "hardware/device.hpp"
#include "hardware/work_kinds/machine.hpp"
#include "kernels/expert_layer.hpp"
#include "kernels/measured_table.hpp"

#include <array>
#include <vector>

namespace orrery {

struct OperatorFitOptions {
    std::uint64_t seed = 1;
    std::int64_t rows_fitted = 1125;      // of one table, for both layers; the rest judges them
    std::int64_t residual_points = 448;   // of the fitted rows, kept as layer B
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

/// Seconds of a layer by layer A: its two products with their starts, and all other kernels.
struct LayerSeconds {
    double up = 0.0;
    double down = 0.0;
    double rest = 0.0;
};
LayerSeconds layer_seconds(const Machine& machine, const GroupedCalibration& entry, const ExpertLayer& layer);

/// By how much the residuals at either product count for the layer.
std::array<double, 2> product_shares(const LayerSeconds& parts);

/// The least time of a layer: arithmetic or memory of its products.
Seconds layer_floor(const Device& device, const ExpertLayer& layer);

/// moe tables, per number format and kernel family in the order of the table.
std::vector<GroupedCalibration> fit_experts(const Device& device, const MeasuredTable& table,
                                            const OperatorFitOptions& options);

}  // namespace orrery
