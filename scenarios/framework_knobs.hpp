// The constants of a framework that published trainings can teach, each with the bounds in which it stays physical.
#pragma once

#include "models/framework.hpp"

#include <span>
#include <string_view>

namespace orrery {

/// One fitted field of FrameworkProfile. `neutral` is what one would write before any run was seen: the middle of what
/// is physical, or launches counted at 10 us each. It stands in where no run is left to fit to.
struct FrameworkKnob {
    std::string_view name;
    double min;
    double max;
    double neutral;
    double (*get)(const FrameworkProfile&);
    void (*set)(FrameworkProfile&, double);
    bool is_time = false;  // stored with a unit
};

std::span<const FrameworkKnob> framework_knobs();

}  // namespace orrery
