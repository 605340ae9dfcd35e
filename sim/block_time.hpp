// How long straight-line code takes a rank that nobody keeps waiting: the arithmetic under every estimate.
#pragma once

#include "sim/outcome.hpp"
#include "sim/step_program.hpp"

#include <span>

namespace orrery {

struct BlockTime {
    Seconds total;
    Breakdown parts{};   // adds up to total
};

/// Plays `code` on two streams with every exchange at its idle price: an `exchange` holds compute up for its exposed
/// share, a started one runs beside compute, one after the other along each axis, and slows it to 1/(1 + contention) meanwhile.
/// Of exchanges that fill the rank's network port, started ones follow each other there, and one that holds compute up
/// divides it evenly with them: each takes longer by as much of the other as there is.
BlockTime block_time(const StepProgram& program, std::span<const Instruction> code);

/// Of a block, the time in kernels of the model: what power follows.
Seconds kernel_time_of(std::span<const Instruction> code);

}  // namespace orrery
