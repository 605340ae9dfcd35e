// What the operator models need to know of a device, as bare numbers in SI base units for their hot loops.
#pragma once

#include "hardware/data_type.hpp"

namespace orrery {

struct Device;

/// One device seen through one number format. Zero bandwidth or cache: not known, and then not a limit.
struct Machine {
    double peak = 0.0;        // FLOP/s of the format, dense
    double bandwidth = 0.0;   // bytes/s of memory
    double cache = 0.0;       // bytes of the last level
    double cores = 1.0;       // what a wave of tiles fills; at least 1
    double padding = 0.0;     // edge of a systolic array; 0: tiles run on many small cores
    bool operator==(const Machine&) const = default;
};

/// `type_bytes` is read from the work; the peak falls back as Device::peak does.
Machine machine_of(const Device& device, DataType type);

}  // namespace orrery
