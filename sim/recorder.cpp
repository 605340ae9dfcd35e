// Names of lanes and spans, and the limit on them.
#include "sim/recorder.hpp"

namespace orrery {

TraceRecorder::TraceRecorder(const StepProgram& program, const Cast& cast, std::int64_t spans_max)
    : spans_max_(spans_max) {
    if (!is_on()) return;
    for (const CastActor& actor : cast.actors) {
        const std::string who = "stage " + std::to_string(actor.stage) + " rank " + std::to_string(actor.rank);
        trace_.lanes.push_back(who + " compute");
        trace_.lanes.push_back(who + " communication");
    }
    for (const Block& block : program.blocks) trace_.names.emplace_back(block.name);
    first_exchange_name_ = static_cast<std::uint32_t>(trace_.names.size());
    for (const Exchange& exchange : program.exchanges) {
        trace_.names.push_back(std::string(name_of(exchange.part)) + " " +
                               std::string(name_of(exchange.collective.kind)));
    }
    wait_name_ = static_cast<std::uint32_t>(trace_.names.size());
    trace_.names.emplace_back("wait for stage");
    trace_.names.emplace_back("stage message");
}

void TraceRecorder::add(std::uint32_t lane, std::uint32_t name, Picoseconds start, Picoseconds duration) {
    if (duration <= 0) return;
    if (static_cast<std::int64_t>(trace_.start_ps.size()) >= spans_max_) {
        ++left_out_;
        return;
    }
    trace_.add(lane, name, start, duration);
}

Trace TraceRecorder::take() {
    if (left_out_ > 0) trace_.lanes.push_back(std::to_string(left_out_) + " spans left out: the trace is full");
    return std::move(trace_);
}

}  // namespace orrery
