// Plays a step: every actor walks its program, groups exchange, messages travel, shared links are shared.
#pragma once

#include "hardware/result.hpp"
#include "sim/cast.hpp"
#include "sim/engine.hpp"
#include "sim/outcome.hpp"
#include "sim/step_program.hpp"

#include <array>
#include <cstdint>
#include <vector>

namespace orrery {

struct PlayOptions {
    double jitter = 0.0;  // deviation of ln(time) of each pass of each actor
    std::uint64_t seed = 1;
    std::int64_t trace_spans_max = 0;  // 0: no trace
};

/// Of one actor's compute stream.
using SpentTime = std::array<Picoseconds, time_part_count>;

struct PlayedStep {
    Picoseconds step = 0;
    std::vector<SpentTime> spent;  // by actor; each adds up to `step`
    std::vector<Picoseconds> end;  // by actor: when its program and all it started were done
    std::uint64_t events = 0;      // calendar events, exchanges and stage messages
    Trace trace;
};

/// Plays until nothing is left to happen. A step in which somebody still waits then is a Problem that names the first
/// ten and what they wait for.
Result<PlayedStep> play_step(const StepProgram& program, const GroupTable& groups, const Cast& cast,
                             const PlayOptions& options);

}  // namespace orrery
