// Layer A of fused attention: prefill by tiles of 128 query rows, decode by splits of the cached keys.
#pragma once

#include "hardware/calibration.hpp"
#include "hardware/work_kinds/attention.hpp"
#include "hardware/work_kinds/machine.hpp"

namespace orrery {

/// Few queries against many keys run as a decode kernel, bound by reading the cache.
bool is_decode(const Attention& work);

/// Query-key pairs that the mask leaves, per batch entry and head.
double visible_pairs(const Attention& work);

/// Seconds of one forward prefill kernel without its launch; `machine` is the device at the 16-bit format.
double prefill_seconds(const Machine& machine, const PrefillParameters& parameters, const Attention& work);

/// Seconds of one decode step without its launch.
double decode_seconds(const Machine& machine, const DecodeParameters& parameters, const Attention& work);

}  // namespace orrery
