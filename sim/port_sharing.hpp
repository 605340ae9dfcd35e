// What a step loses because several things move through one network port at the same time, in closed form: the sharing
// that the simulation plays flow by flow, as means over a micro-batch's passes.
#pragma once

#include "sim/step_program.hpp"

#include <span>

namespace orrery {

/// Passes as a rank's network port sees them.
struct PortLoad {
    Seconds held;       // moving while it holds compute up, on an idle port
    Seconds busy;       // port time of that
    Seconds delay;      // what it loses where something else moves all the while
    Seconds beside;     // port time that the other thing gets meanwhile
    Seconds rests;      // port time of what such exchanges leave to move beside compute
    Seconds started;    // port time of exchanges that were started ahead of their need
    void add(const PortLoad& one, double times);
};

/// Of an exchange that holds compute up for `exposed` of its time.
PortLoad held_load(const Exchange& exchange, double exposed);

/// Of straight-line code.
PortLoad port_load(std::span<const Exchange> exchanges, std::span<const Instruction> code);

/// One micro-batch's passes through all chunks of a stage.
struct PassOnPort {
    Seconds forward;    // with nothing started
    Seconds backward;
    Seconds own;        // both, with all that the stage starts, on a port without messages
    PortLoad load;
};

/// A message between stages.
struct MessageOnPort {
    Seconds idle;
    Seconds port;       // of it, port time
    double exposed = 1.0;   // of it, what holds up the sender
    bool is_end = false;    // of a first or last stage, which sends one less
};

/// One micro-batch on a stage of a busy pipeline.
struct SharedPass {
    Seconds pass;       // through all chunks
    Seconds held;       // by messages that are sent on
    Seconds late;       // waiting for messages, in the steady phase
    [[nodiscard]] Seconds turn() const { return pass + held; }
};

/// Flows that meet on a port divide it evenly (max-min fairness). An exchange that holds compute up meets messages, which
/// leave and come at different times, and gathers; a message meets such exchanges and what they left to move. Where ever
/// more is to move than the port takes, the port sets the pace. In the steady phase of 1F1B a backward pass waits for the
/// next stage's, whose forward pass waited for this one's: two passes and two messages in turn (`late`); interleaved,
/// ranks run two passes ahead of the next one and a message is late once it outlasts a forward pass.
SharedPass share_port(const Parallelism& plan, const PassOnPort& stage, const MessageOnPort& message, double contention);

/// All micro-batches through a pipeline whose slowest stage is `slowest` and whose stages take `all` for one of them: fill and
/// drain a virtual stage at a time (Narayanan et al., arXiv 2104.04473, section 2.2). Without what is done once a step, and
/// without the messages of filling and draining.
Seconds step_of_passes(const Parallelism& plan, int micro_batches, const SharedPass& slowest, Seconds all);

/// Micro-batches of a rank that meet the steady phase of the schedule.
double steady_micro_batches(const Parallelism& plan, int micro_batches);

}  // namespace orrery
