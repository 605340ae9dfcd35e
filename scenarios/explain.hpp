// What one key of a scenario means, in words.
#pragma once

#include "hardware/result.hpp"

#include <string>
#include <string_view>

namespace orrery {

/// Type, unit, range, default, meaning and source of the key at `path` ("cluster.fabric.link" or
/// "/cluster/fabric/link"); for an object, its keys; for an empty path, those of the scenario. The problem names the
/// nearest path.
Result<std::string> explain(std::string_view path);

}  // namespace orrery
