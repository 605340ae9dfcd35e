// A step program ready to be played: durations in picoseconds, and for every pass whom it waits for and whom it tells.
#pragma once

#include "sim/engine.hpp"
#include "sim/groups.hpp"
#include "sim/step_program.hpp"

#include <cstdint>
#include <vector>

namespace orrery {

struct ScoreLine {
    Picoseconds duration = 0;
    std::int32_t exchange = -1;
    std::int16_t slot = -1;  // of the exchange's groups
    Op op = Op::compute;
    TimePart part = TimePart::compute;
};

struct ScorePass {
    std::int32_t block = 0;
    std::int32_t receiving_pass = -1;  // of the stage that its message goes to; -1: no message
    bool waits = false;                // for a message of another pass
    bool waits_for_next = false;       // and for the message of the pass after it, which it runs together with
    bool is_local = false;             // the message stays on its rank
    std::uint8_t direction = 0;        // of its message: 0 to the next stage, 1 to the previous one, around the end
};

struct ScoreStage {
    std::int32_t prologue = -1;
    std::int32_t epilogue = -1;
    std::vector<ScorePass> passes;
};

struct StepScore {
    std::vector<std::vector<ScoreLine>> blocks;
    std::vector<ScoreStage> stages;
};

StepScore score_step(const StepProgram& program, const GroupTable& groups);

}  // namespace orrery
