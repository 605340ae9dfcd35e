// The day on which a fit was made: provenance of a file, no part of any prediction.
#pragma once

#include <string>

namespace orrery {

/// Today in UTC as ISO 8601, "2026-11-25".
std::string today();

}  // namespace orrery
