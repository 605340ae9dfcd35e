// Playing a set of flows as fluid: all share the links max-min fairly, and each message goes when what it needs is there.
#pragma once

#include "network/flow_set.hpp"

#include <cstdint>
#include <vector>

namespace orrery {

struct FlowTimes {
    std::vector<Seconds> finish;   // by stream: when the last round had arrived in whole; start + delay if it has no round
    Seconds last;                  // the latest of them
    std::vector<Bytes> carried;    // by link
    std::int64_t messages = 0;
    std::int64_t instants = 0;     // moments in which something happened
    std::int64_t events = 0;
    std::int64_t solved = 0;       // flows whose rate was found again: what sharing costs
    std::int64_t active_max = 0;   // messages under way at once
};

/// Plays `flows` to their end. A message joins the sharing of its links when its first bit has come through (the sum of
/// the latencies of its route after it was sent) and has arrived when its last byte has passed; a sender's own send ends
/// at the same moment. Equal in meaning to a flow-level simulator without a protocol model (SimGrid's CM02 with gamma 0:
/// Velho, Schnorr, Casanova & Legrand, "On the validity of flow-level TCP network models", ACM TOMACS 23(4), 2013).
/// All that ends in one instant is settled together. Problems: those of flow_set_problems(), and the first ten flows that
/// did not end because each waits for another or has no room on its way.
Result<FlowTimes> play_flows(const LinkTable& links, const FlowSet& flows);

}  // namespace orrery
