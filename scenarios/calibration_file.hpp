// Calibrations as files: what was measured about a device, in JSON that is small and can be read in a diff.
#pragma once

#include "hardware/calibration.hpp"
#include "hardware/result.hpp"

#include <cstddef>
#include <string>
#include <string_view>

namespace orrery {

// read_calibration(file) is declared in scenarios/catalog.hpp.

/// A calibration from JSON text; `file` is only for the places of problems. Quantities are in SI base units; a residual
/// point is one text, "PLACE .. LOG_RATIO".
Result<Calibration> parse_calibration(std::string_view text, const std::string& file);

/// The text of a calibration; numbers are rounded to six significant digits.
std::string calibration_json(const Calibration& calibration);

/// Replaces the file whole or not at all; the bytes written.
Result<std::size_t> write_calibration(const Calibration& calibration, const std::string& path);

}  // namespace orrery
