// `orrery validate`: published measurements beside our predictions of them.
#pragma once

#include "ui/terminal.hpp"

#include <optional>
#include <string>
#include <vector>

namespace orrery {

struct ValidateOptions {
    std::vector<std::string> tables;
    std::string json;                   // file for the report, "-": standard output instead of the text
    std::optional<double> max_mape;     // percent; above it the answer is no
    bool leave_one_source_out = false;  // trainings: refit without each source, and predict it
    bool leave_one_size_out = false;    // nccl tables: what a calibration makes of sizes, keys and tables it has not seen
    bool ablate = false;                // trainings: predict without each effect of the model
};

ExitStatus run_validate(const ValidateOptions& options);

}  // namespace orrery
