// Measurements of a suite as a file: so that a fit can be made again, or judged by others, without the machine.
#pragma once

#include "hardware/result.hpp"
#include "kernels/suite.hpp"

#include <cstddef>
#include <string>
#include <vector>

namespace orrery {

struct MachineRows {
    MachineFigures machine;
    std::vector<MeasuredCase> rows;   // with their work; of the samples only what was made of them
};

/// One line a shape (CSV) below a line with the machine's figures ("# " and JSON). Replaces the file whole or not at all;
/// the bytes written.
Result<std::size_t> write_machine_rows(const MachineRows& rows, const std::string& path);

/// What write_machine_rows wrote; problems with their lines. Prepares each kernel once, for its work.
Result<MachineRows> read_machine_rows(const std::string& path);

}  // namespace orrery
