// From what nccl-tests printed, or a table of measured collectives, to a calibration of one's own fabric.
#pragma once

#include "hardware/result.hpp"
#include "network/collective_fit.hpp"
#include "network/collective_parameters.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace orrery {

struct CollectiveCalibrationOptions {
    std::vector<std::string> files;   // text, or JSON of -J; or SYSTEM.nccl-VERSION.nccl.csv
    std::string device;               // catalogue name
    std::string node;                 // of logs of several hosts, whose ports are the stated rate; empty: the device's first
};

struct CollectiveCalibration {
    CollectiveParameters parameters;
    int samples = 0;
    double error = 0.0;              // mean of the calibrated parameters on their own samples
    std::vector<std::string> notes;
};

/// Parameters of `device`: its own in the catalogue where it has any, else those of other generations pooled, moved to the
/// samples; between domains start, hop and port share; and what the samples say beyond that as residuals. Problems: files
/// that are no such output, groups larger than the scale-up domain, rows faster than the link.
Result<CollectiveCalibration> calibrate_collectives(const CollectiveCalibrationOptions& options);

/// True where the file is of these kinds.
bool is_collective_measurement(const std::string& file);

/// Generations with a whole table in the catalogue, but `device`'s own.
Result<std::vector<CollectiveParameters>> other_generations(const std::string& device);

/// Of `others` the one whose table predicts the samples best without a fit, where it does so within a tenth; null: none does.
const CollectiveParameters* generation_alike(const std::vector<CollectiveParameters>& others, const MeasuredDomain& domain,
                                             const std::vector<CollectiveSample>& samples);

}  // namespace orrery
