// What each effect of the training model is worth: published trainings predicted again without it, nothing refitted.
#pragma once

#include "scenarios/error_statistics.hpp"
#include "scenarios/training_row.hpp"

#include <span>
#include <string_view>
#include <vector>

namespace orrery {

/// One effect and how a step is predicted without it, in seconds.
struct Ablation {
    std::string_view name;
    Result<double> (*predict_without)(const PreparedTraining& row);
};
std::span<const Ablation> ablations();

/// The rows' comparisons without one effect; rows that cannot be predicted are missing, as in a validation.
struct AblatedErrors {
    std::string_view removed;
    std::vector<Comparison> rows;
};
std::vector<AblatedErrors> ablate(const std::vector<PreparedTraining>& rows);

}  // namespace orrery
