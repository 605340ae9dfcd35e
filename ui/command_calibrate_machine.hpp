// `orrery calibrate --suite`, `--check` and `--step`: the machine at hand, measured by the reference kernels.
#pragma once

#include "ui/terminal.hpp"

#include <cstdint>
#include <string>

namespace orrery {

struct MachineOptions {
    std::string suite;          // "quick" or "full"
    std::string device;         // empty, "cpu", "cuda" or "cuda:N"; empty with a GPU's file: its first
    std::string rows;           // measurements: written beside a suite, read without one
    std::string out;            // calibration file to write
    std::string check;          // calibration file to hold against 20 shapes measured anew
    std::string step;           // calibration file to hold against a training step
    std::uint64_t seed = 1;
    double minutes = 0.0;       // of the suite; 0: two, or thirty
    int threads = 0;            // 0: all processors
};

/// Measures or reads measurements, fits, writes. Exit status: done, or wrong_input.
ExitStatus calibrate_machine(const MachineOptions& options);

/// no: the file does not describe this machine any more.
ExitStatus check_machine(const MachineOptions& options);

ExitStatus measure_step(const MachineOptions& options);

}  // namespace orrery
