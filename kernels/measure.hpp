// Measuring a prepared kernel among noisy neighbours: many short samples, those that were disturbed thrown away.
#pragma once

#include "hardware/units.hpp"
#include "kernels/reference/kernel.hpp"

#include <vector>

namespace orrery {

struct MeasureOptions {
    double spread_max = 0.08;          // interquartile range over the median
    Seconds budget = 0.2_s;            // of one spell of samples, once the least number is done
    int repeats_least = 7;
    bool waits = false;                // the kernel itself sleeps (files): clocks of work and wall may differ
};

/// Samples of one kernel, from any number of spells.
struct Samples {
    std::vector<double> calm;          // seconds of one run
    std::vector<double> disturbed;     // another program ran on one of the processors meanwhile
};

/// Neighbours on a shared machine only ever add time: where the spread of all samples stays above its bound, the fastest
/// eighth still tells the kernel's own time.
struct Measurement {
    Seconds median;
    Seconds quiet;                     // below which an eighth of the samples lie
    double spread = 0.0;               // interquartile range over the median
    int repeats = 0;                   // calm samples
    int disturbed = 0;                 // samples thrown away
    bool steady = false;               // the spread came under its bound
    /// The median of a steady measurement, the quiet time of another.
    [[nodiscard]] Seconds seconds() const { return steady ? median : quiet; }
};

/// One spell of samples, which takes the kernel's copies in turn. Runs shorter than 100 us are sampled several together.
/// A sample is disturbed where the system took a processor from a thread of this process (involuntary switches) or the
/// calling thread worked for less than 97 % of the time that passed.
void sample(const PreparedKernel& kernel, const MeasureOptions& options, Samples& samples);

/// Too few calm samples: all of them, and not steady.
Measurement measurement_of(const Samples& samples, const MeasureOptions& options = {});

/// One spell and its measurement.
Measurement measure(const PreparedKernel& kernel, const MeasureOptions& options = {});

}  // namespace orrery
