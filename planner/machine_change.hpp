// A cluster with one of its rates changed, everything measured about it carried along.
#pragma once

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

}  // namespace orrery
