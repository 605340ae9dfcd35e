// A pipeline's passes walked one after the other on idle links: the estimate of schedules that have no closed form.
#pragma once

#include "sim/outcome.hpp"
#include "sim/step_program.hpp"

#include <cstddef>
#include <vector>

namespace orrery {

/// When each pipeline rank is done, and what it waited for.
struct PassWalk {
    std::vector<Seconds> end;      // of its epilogue
    std::vector<Seconds> bubble;   // waiting for another stage's passes
    std::vector<Seconds> message;  // waiting for messages on their way, and held up by those it sends
};

/// Each pass begins when its rank is free and its message is there (with joins_next: both messages), takes its block's
/// own time, and sends its result on. Linear in the number of passes. A rank that can never go on ends where it stands;
/// playing the program says what it waits for.
PassWalk walk_passes(const StepProgram& program);

}  // namespace orrery
