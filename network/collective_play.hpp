// One collective of one or more groups on a fabric: priced on idle links, or played as flows or packets beside other
// traffic.
#pragma once

#include "network/fabric_ways.hpp"
#include "network/packet/packet_player.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace orrery {

/// Traffic beside the collective: a message that starts with it.
struct BackgroundFlow {
    RankId from = 0;
    RankId to = 0;
    Bytes size;
    int traffic_class = 0;
};

struct CollectiveRequest {
    Collective collective;
    std::string algorithm = "auto";             // as the library chooses, or a name
    int root = 0;                               // of broadcast and reduce, in the group's order
    int channels = 0;                           // 0: one for each rank of a domain
    std::vector<std::vector<RankId>> groups;    // that run it at the same time, all of one shape
    std::vector<double> shares;                 // of all-to-all: relative part for each receiver; empty: equal
    std::vector<BackgroundFlow> background;
    int traffic_class = 0;                      // of the collective; 0 goes first
};

/// A link by what it had to carry.
struct LinkUse {
    std::string name;
    double busy = 0.0;     // share of the time for which its rate was needed
    Bytes carried;
    Bytes queue_max;       // of packets
    Seconds paused;
};

struct CollectiveOutcome {
    Seconds time;                  // from its call to the last byte at the last rank of the slowest group
    Seconds idle_time;             // the same on idle links, closed form
    std::string algorithm;
    std::string_view protocol;     // of the library, by its speed on idle links
    std::string basis;             // where the closed form comes from
    std::vector<LinkUse> busiest;  // most first, at most ten; of what was played
    std::int64_t messages = 0;
    std::int64_t packets = 0, pauses = 0, marked = 0, dropped = 0, trimmed = 0;
    Bytes queue_max;
};

/// Bytes through the busiest port over bytes of the collective: algorithm bandwidth times this is nccl-tests' bus
/// bandwidth (nccl-tests doc/PERFORMANCE.md).
double bus_factor(CollectiveKind kind, int ranks);

/// The algorithm that the library would take.
std::string_view library_algorithm(const Fabric& fabric, const CollectiveRequest& request);

/// On idle links, without other traffic. Problems: an algorithm that does not apply.
Result<CollectiveOutcome> price_collective(const Fabric& fabric, const FabricWays& ways, const CollectiveRequest& request);

/// Played to its end as fluid, or packet by packet with `packets`. Latencies and efficiencies are the calibration's; inside
/// one domain they are scaled so that the algorithm that was measured takes its measured time on idle links. Problems: an
/// algorithm that does not apply, more messages or packets than can be played, flows that did not end.
Result<CollectiveOutcome> play_collective(const Fabric& fabric, const FabricWays& ways, const CollectiveRequest& request,
                                          const std::optional<PacketOptions>& packets);

}  // namespace orrery
