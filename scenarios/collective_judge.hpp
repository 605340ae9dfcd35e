// Measured tables of collectives inside one scale-up domain: how well a calibration predicts what it has not seen; and
// nccl-tests' outputs made into calibrations.
#pragma once

#include "hardware/result.hpp"
#include "network/collective_parameters.hpp"

#include <string>
#include <utility>
#include <vector>

namespace orrery {

/// Mean |predicted / measured - 1| over a table's rows.
struct CollectiveJudgement {
    std::string table;
    std::string device;
    CollectiveFitQuality quality;                          // of the device's own calibration
    std::vector<std::pair<int, double>> by_anchors;        // count, error on the rows that are no anchor
    std::vector<std::pair<std::string, double>> by_others; // under another generation's parameters, rates by the link
    double pooled_large = 0.0;                             // other generations pooled, sizes from 16 MiB
};

/// Judges each nccl table (SYSTEM.nccl-VERSION.nccl.csv). Nothing of a table goes into its pooled prior.
Result<std::vector<CollectiveJudgement>> judge_collectives(const std::vector<std::string>& tables);

std::string judgement_text(const std::vector<CollectiveJudgement>& judgements);

/// Parameters of `device` from nccl-tests' outputs (text, or JSON of -J): other generations pooled where its own are not in
/// the catalogue, moved to the anchors, and what they say beyond that as residuals. Problems: files that are no such
/// output, groups larger than the device's scale-up domain.
struct CollectiveCalibration {
    CollectiveParameters parameters;
    int samples = 0;
};
Result<CollectiveCalibration> calibrate_collectives(const std::vector<std::string>& files, const std::string& device);

/// True where the file's content is nccl-tests'.
bool is_nccl_tests_file(const std::string& file);

}  // namespace orrery
