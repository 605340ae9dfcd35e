// The most arithmetic that the processor can do, by kernels that touch registers only.
#pragma once

#include "hardware/data_type.hpp"
#include "hardware/units.hpp"

#include <string>

namespace orrery {

/// Of all threads of the team together, multiply-adds counted as two; the best of many short windows. Zero where the
/// processor has no instruction for the type (bf16, int8).
FlopPerSecond register_peak(DataType type);

/// The fp32 rate of the best of a few windows, about a millisecond: over register_peak it tells the clock of the moment.
FlopPerSecond register_rate_now();

/// "oneDNN 2.6.3, g++ 12.2.0".
std::string reference_libraries();

}  // namespace orrery
