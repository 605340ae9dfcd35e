// A cluster with one of its rates changed, everything measured about it carried along.
#pragma once

#include "hardware/result.hpp"
#include "planner/power_cap.hpp"
#include "sim/cluster.hpp"

namespace orrery {

enum class MachinePart : std::uint8_t { arithmetic, memory, scale_up, network, latency };
template <>
struct EnumTable<MachinePart> {
    static constexpr std::array<EnumName<MachinePart>, 5> names{{
        {MachinePart::arithmetic, "flops", "arithmetic of every number format"},
        {MachinePart::memory, "hbm_bandwidth", "bandwidth of the devices' memory"},
        {MachinePart::scale_up, "scale_up_bandwidth", "bandwidth of the links inside a domain"},
        {MachinePart::network, "network_bandwidth", "bandwidth of ports, cables and trunks between nodes"},
        {MachinePart::latency, "latency", "latency of hops and of the steps of collectives"},
    }};
};

/// `part` at `factor` times what it is. Kernels follow as a sibling device's would (hardware/sibling.hpp).
Cluster changed_machine(Cluster cluster, MachinePart part, double factor);

/// The clock, over the usual one, at which a busy device draws `cap`: ((cap - idle) / (limit - idle))^(1 / exponent), its
/// limit being what it draws at the usual clock; 1 for caps above that. 0: below what it draws idle.
double clock_under_cap(const Device& device, Watts cap, const PowerModel& model);

/// Every device under a power cap: arithmetic and its power at the lower clock, memory and links as they are. A Problem
/// where the clock would fall below the model's lowest.
Result<Cluster> capped_machine(Cluster cluster, Watts cap, const PowerModel& model);

}  // namespace orrery
