// Files of fitted collective parameters: read, checked, written.
#pragma once

#include "hardware/result.hpp"
#include "network/collective_parameters.hpp"

#include <string>

namespace orrery {

/// The parameters in a file such as network/calibration/h100-sxm.json; keys that are absent keep the defaults of an
/// unknown generation. All problems at once.
Result<CollectiveParameters> read_collective_parameters(const std::string& file);

/// The same from text; `file` names it in problems.
Result<CollectiveParameters> parse_collective_parameters(const std::string& text, const std::string& file);

/// What read_collective_parameters() reads back, residuals rounded to four digits.
std::string collective_parameters_json(const CollectiveParameters& parameters);

}  // namespace orrery
