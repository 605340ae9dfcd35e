// What a simulated or estimated training step says.
#pragma once

#include "hardware/units.hpp"
#include "models/memory.hpp"
#include "sim/step_program.hpp"

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace orrery {

/// Seconds by part of the rank that determines the step; adds up to the step.
using Breakdown = std::array<Seconds, time_part_count>;

/// Spans of a run as columns. `lane` = actor * 2 + (0 compute stream, 1 communication stream).
struct Trace {
    std::vector<std::string> lanes;
    std::vector<std::string> names;           // of spans, by name id
    std::vector<std::uint32_t> lane, name;
    std::vector<std::int64_t> start_ps, duration_ps;
    void add(std::uint32_t lane_id, std::uint32_t name_id, std::int64_t start, std::int64_t duration) {
        lane.push_back(lane_id);
        name.push_back(name_id);
        start_ps.push_back(start);
        duration_ps.push_back(duration);
    }
};

/// How the simulation itself went.
struct RunStatistics {
    Seconds wall;                 // of this machine, not simulated
    std::uint64_t events = 0;
    int ranks = 0;
    int classes = 0;              // actors played
    std::string detail;           // "folded", "full", "estimate"
    std::uint64_t peak_rss_bytes = 0;
};

/// The played step.
struct StepOutcome {
    Seconds step;
    Breakdown breakdown{};
    RankId critical_rank = 0;     // whose time the breakdown tells
    std::vector<Breakdown> by_stage;   // breakdown of one representative per pipeline rank
    RunStatistics statistics;
    Trace trace;                  // empty unless asked for
};

}  // namespace orrery
