// Layer C of the operator model: parameters for devices that nobody measured, from the nearest generation that was.
#pragma once

#include "hardware/calibration.hpp"

#include <string_view>

namespace orrery {

struct Device;

/// Parameters of one generation, and the figures of the device they were fitted on, for scaling.
struct OperatorDefaults {
    std::string_view name;         // what price_basis calls it
    double core_peak;              // 16-bit FLOP/s of one core of the reference
    double bandwidth;              // bytes/s of the reference's memory
    double padding;                // edge of a systolic array; 0: tiles on many cores
    GemmParameters wide;           // formats of 16 bits and more
    GemmParameters byte;           // 8-bit formats
    GemmParameters nibble;         // 4-bit formats
    PrefillParameters prefill;
    DecodeParameters decode;
    StreamingParameters streaming;
};

/// The generation whose parameters a device without calibration borrows.
const OperatorDefaults& operator_defaults(const Device& device);

/// Cores to fill with tiles: the datasheet's, or as many cores of the borrowed generation as make up the 16-bit peak.
double cores_of(const Device& device);

/// The borrowed parameters on `device`: what a core takes in grows with its arithmetic, what the cache or the memory
/// gives with the memory bandwidth.
GemmParameters scaled_gemm(const Device& device, DataType type);
DecodeParameters scaled_decode(const Device& device);

}  // namespace orrery
