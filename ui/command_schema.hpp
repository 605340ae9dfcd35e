// `orrery schema` and `orrery explain PATH`: what may be written in a scenario.
#pragma once

#include "ui/terminal.hpp"

#include <string>

namespace orrery {

/// The JSON Schema of scenarios.
ExitStatus command_schema();

/// What the key at a dotted path means; the keys of an object, or of the whole scenario for an empty path.
ExitStatus command_explain(const std::string& path);

}  // namespace orrery
