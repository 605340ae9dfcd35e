// Reads a model file with a "family" key: the parameters of a layered model.
#pragma once

#include "hardware/result.hpp"
#include "models/families.hpp"
#include "scenarios/json.hpp"

#include <string>

namespace orrery {

/// The family that `json` names with its parameters; all problems at once, at `place` ("FILE:").
Result<ModelFamily> read_family(const Json& json, const std::string& place);

}  // namespace orrery
