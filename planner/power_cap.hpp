// A job under a power cap: the clock that the cap leaves, and the time which that costs.
#pragma once

#include "hardware/fields.hpp"
#include "hardware/units.hpp"

#include <optional>

namespace orrery {

struct PowerModel {
    double exponent = 3.0;
    double frequency_min = 0.5;
    bool operator==(const PowerModel&) const = default;
    static constexpr auto fields() {
        using P = PowerModel;
        return std::tuple{
            field("exponent", &P::exponent, {1.0, 4.0}, "Power of the clock that busy devices draw by, above idle.",
                  "C V^2 f with voltage in step with f: Mudge, IEEE Computer 34(4), 2001; no measurement of these devices was read"),
            field("frequency_min", &P::frequency_min, {0.05, 1.0, true},
                  "Lowest clock that a cap may lead to, over the usual one: below it voltage no longer falls.",
                  "assumption, no measurement was read"),
        };
    }
};

/// A step at the usual clock, and how its job draws power.
struct UncappedStep {
    Seconds step;
    double busy = 0.0;          // share of it in which kernels run
    double clock_share = 0.0;   // share of it that stretches as the clock falls; at most `busy`
    Watts idle;                 // of the whole job, with PUE
    Watts busy_power;           // above that, if kernels ran all the time
};

struct CappedStep {
    double frequency = 1.0;     // over the usual clock
    Seconds step;
    Watts power;                // mean of the step
};

/// The step at a clock x: its clock-bound share takes 1 / x as long; kernels draw x^exponent of what they did.
CappedStep step_at_clock(const PowerModel& model, const UncappedStep& step, double frequency);

/// The highest clock up to the usual one under which the job draws no more than `cap`; nothing below frequency_min.
std::optional<CappedStep> step_under_cap(const PowerModel& model, const UncappedStep& step, Watts cap);

}  // namespace orrery
