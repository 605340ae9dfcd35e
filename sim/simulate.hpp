// The door to the discrete-event simulation of a training step.
#pragma once

#include "hardware/result.hpp"
#include "sim/cluster.hpp"
#include "sim/outcome.hpp"
#include "sim/step_program.hpp"

#include <span>

namespace orrery {

enum class Detail : std::uint8_t { folded, full };

struct SimulateOptions {
    Detail detail = Detail::folded;
    bool trace = false;
    std::uint64_t seed = 1;
    std::int64_t trace_spans_max = 4'000'000;   // later spans are dropped and counted in a lane name
};

/// Plays one step of `program` on `cluster`. Checks that everything started has ended and that no link ever carried
/// more than its bandwidth; a deadlock is a Problem naming the first ten waiting ranks, never a result.
Result<StepOutcome> simulate(const Cluster& cluster, const StepProgram& program, const SimulateOptions& options);

/// The same step in closed form: pipeline of the stages' own times, exchanges on idle links. No faults, no contention.
StepOutcome estimate(const StepProgram& program);

/// What stage-to-stage messages add to a step while the pipeline fills and drains, `idle` a message on idle links and
/// `exposed` of it holding up the sender: one each way across every boundary; and with several chunks on a rank, the way
/// of the first micro-batches around all ranks before each next chunk, and of the last ones, as far as nothing else runs
/// meanwhile: not even the sending of other messages.
Seconds boundary_messages(const Parallelism& plan, int rounds, Seconds idle, double exposed);

/// The same where boundaries differ: `messages` behind each pipeline rank.
Seconds boundary_messages(const Parallelism& plan, int rounds, std::span<const StageMessage> messages, double exposed);

}  // namespace orrery
