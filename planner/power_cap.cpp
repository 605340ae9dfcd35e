// Power as a function of the clock, and its inverse by bisection: it grows with the clock.
#include "planner/power_cap.hpp"

#include "hardware/result.hpp"

#include <cmath>

namespace orrery {

CappedStep step_at_clock(const PowerModel& model, const UncappedStep& step, double frequency) {
    ORRERY_CHECK(frequency > 0.0);
    ORRERY_CHECK(step.clock_share <= step.busy);
    const double longer = step.clock_share * (1.0 / frequency - 1.0);
    const double busy = (step.busy + longer) / (1.0 + longer);
    CappedStep result;
    result.frequency = frequency;
    result.step = step.step * (1.0 + longer);
    result.power = step.idle + step.busy_power * (busy * std::pow(frequency, model.exponent));
    return result;
}

std::optional<CappedStep> step_under_cap(const PowerModel& model, const UncappedStep& step, Watts cap) {
    CappedStep highest = step_at_clock(model, step, 1.0);
    if (highest.power <= cap) return highest;
    double low = model.frequency_min;
    if (step_at_clock(model, step, low).power > cap) return std::nullopt;
    double high = 1.0;
    for (int i = 0; i < 60; ++i) {   // until the bounds are neighbours
        const double middle = 0.5 * (low + high);
        (step_at_clock(model, step, middle).power > cap ? high : low) = middle;
    }
    return step_at_clock(model, step, low);
}

}  // namespace orrery
