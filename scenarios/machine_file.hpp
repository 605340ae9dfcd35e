// Calibration files made on the machine at hand: the usual form, with the machine's own figures at its head.
#pragma once

#include "hardware/calibration.hpp"
#include "hardware/result.hpp"
#include "kernels/machine_figures.hpp"

#include <cstddef>
#include <optional>
#include <string>

namespace orrery {

/// The figures under "machine"; none in a file that was fitted to others' tables. A problem where the file was written
/// by a newer version of this program.
Result<std::optional<MachineFigures>> read_machine_figures(const std::string& file);

/// Replaces the file whole or not at all; the bytes written.
Result<std::size_t> write_machine_calibration(const MachineFigures& figures, const Calibration& calibration,
                                              const std::string& path);

}  // namespace orrery
