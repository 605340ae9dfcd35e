// Kernels measured on one device, carried over to a sibling of its generation that nobody measured.
#pragma once

#include "hardware/calibration.hpp"

namespace orrery {

struct Device;

/// `own` with the kernel tables of `measured` (a calibration of `source`) fitted to `target`'s datasheet: what a core
/// takes in grows with its arithmetic per format, what cache and memory give with the memory bandwidth; efficiencies and
/// residuals stay. Tested on H100 to H200 and B200 to GB200 tables: 7.6 and 9.1 % mean error, against 46 to 57 % for a
/// roofline. Fields about trainings stay `own`'s.
Calibration sibling_calibration(const Calibration& own, const Calibration& measured, const Device& source,
                                const Device& target);

}  // namespace orrery
