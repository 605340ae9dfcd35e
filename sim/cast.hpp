// Who plays a step: actors, their groups, messages and transfers as plain indexed tables, folded or one per rank.
#pragma once

#include "sim/engine.hpp"
#include "sim/fold.hpp"
#include "sim/groups.hpp"
#include "sim/step_program.hpp"
#include "sim/traffic.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace orrery {

/// Nearest count of picoseconds; checks that it fits.
Picoseconds to_picoseconds(Seconds time);
constexpr Seconds to_seconds(Picoseconds time) { return Seconds::from_si(static_cast<double>(time) * 1e-12); }

struct CastActor {
    RankId rank = 0;  // the representative
    std::int32_t stage = 0;
    std::int32_t neighbour[2] = {0, 0};  // actors of the next and the previous stage
    double factor = 1.0;                 // on its compute time
};

struct CastGroup {
    std::int32_t slot = 0;
    std::int32_t first = 0;  // into Cast::members
    std::int32_t count = 0;
};

/// A transfer ready to be played, by an exchange's group or as a stage message. `held` is the share of it that holds up
/// the compute stream, the rest runs on beside it.
struct CastTransfer {
    Picoseconds alone = 0;         // all of it, if nobody shares its links
    Picoseconds held_alone = 0;    // of it: what holds up
    Picoseconds moving_alone = 0;  // of it: without latency
    Seconds latency;
    Bytes size;
    BytesPerSecond rate_max;
    double weight = 1.0;
    double held = 1.0;
    std::int32_t first_load = 0;
    std::int32_t load_count = 0;
    [[nodiscard]] bool is_shared() const { return load_count > 0; }
};

struct Cast {
    std::vector<CastActor> actors;
    std::vector<CastGroup> groups;
    std::vector<std::int32_t> members;
    std::vector<std::int32_t> slot_of_exchange;
    std::vector<std::int32_t> group_at;     // [slot * actors + actor]
    std::vector<std::int32_t> transfer_of;  // by exchange: + group; the slot's first group is taken off already
    std::vector<CastTransfer> transfers;
    std::int32_t first_message = 0;  // + 2 * actor + direction
    std::vector<LinkLoad> loads;     // a folded transfer carries the loads of all that it stands for
    std::vector<BytesPerSecond> bandwidth;

    [[nodiscard]] std::span<const std::int32_t> members_of(std::int32_t group) const {
        const CastGroup& g = groups[static_cast<std::size_t>(group)];
        return std::span(members).subspan(static_cast<std::size_t>(g.first), static_cast<std::size_t>(g.count));
    }
    [[nodiscard]] std::span<const LinkLoad> loads_of(const CastTransfer& transfer) const {
        return std::span(loads).subspan(static_cast<std::size_t>(transfer.first_load),
                                        static_cast<std::size_t>(transfer.load_count));
    }
};

Cast cast_step(const Cluster& cluster, const StepProgram& program, const GroupTable& groups, const TrafficPlan& traffic,
               const Folding& folding);

}  // namespace orrery
