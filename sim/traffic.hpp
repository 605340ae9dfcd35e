// What every exchange and every stage message of a step puts on the links, and which links several of them can load.
#pragma once

#include "hardware/result.hpp"
#include "sim/cluster.hpp"
#include "sim/groups.hpp"
#include "sim/step_program.hpp"

#include <cstdint>
#include <vector>

namespace orrery {

/// A transfer as it is played: latency, then `size` of progress at no more than `rate_max`. Scaled so that on healthy
/// idle links it takes exactly the price that the program says.
struct PlannedTransfer {
    Seconds latency;
    Bytes size;
    BytesPerSecond rate_max;      // of the protocol and of the links that nobody else loads
    Seconds alone;                // latency + size at rate_max, faults of links included
    double weight = 1.0;          // of its share of a short link: 1 / its load on its slowest one
    std::int32_t first_load = 0;  // into TrafficPlan::loads
    std::int32_t load_count = 0;  // 0: nobody else uses its links
    [[nodiscard]] bool is_shared() const { return load_count > 0; }
};

struct TrafficPlan {
    std::vector<PlannedTransfer> transfers;
    std::vector<std::int32_t> first_transfer;  // by exchange: + (group - first group of its slot); -1: not used
    std::int32_t first_message = 0;            // + 2 * rank + (0: to the next stage, 1: to the previous one)
    std::vector<LinkLoad> loads;               // on shared links only, links numbered as in `bandwidth`
    std::vector<BytesPerSecond> bandwidth;     // of the shared links, with their faults

    [[nodiscard]] std::span<const LinkLoad> loads_of(const PlannedTransfer& transfer) const {
        return std::span(loads).subspan(static_cast<std::size_t>(transfer.first_load),
                                        static_cast<std::size_t>(transfer.load_count));
    }
};

/// Rates of the fabric's links. Prices know ports and what is inside a domain: `nominal` is what they were made with, so
/// that links between switches are never short there; `actual` has slow ports and the network as it is.
struct LinkRates {
    std::vector<BytesPerSecond> nominal, actual;
};
LinkRates link_rates_of(const Cluster& cluster);

/// The fabric that a message is laid out on: of two groups of nodes, that with the slower ports.
const Fabric& message_fabric(const Cluster& cluster, RankId from, RankId to);

/// Rate of a transfer that has the links to itself.
BytesPerSecond rate_alone(const std::vector<BytesPerSecond>& bandwidth, const Transfer& transfer);

/// The rank that holds `rank`'s place in the next (step 1) or previous (step -1) pipeline stage, around the end.
RankId stage_neighbour(const Parallelism& parallelism, RankId rank, int step);

/// A link is shared if two groups, or a group and a stage message, or messages to two stages can load it. Transfers
/// that touch no shared link never enter the network: their time is known when they begin.
TrafficPlan plan_traffic(const Cluster& cluster, const StepProgram& program, const GroupTable& groups);

}  // namespace orrery
