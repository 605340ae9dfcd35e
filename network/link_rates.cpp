// What a network port and its hops achieve, by kind of network: the constants that every topology shares.
#include "network/link_rates.hpp"

#include <array>

namespace orrery {

Seconds default_hop_latency(std::string_view nic_kind) {
    struct Hop {
        std::string_view kind;
        Seconds latency;
    };
    constexpr std::array<Hop, 3> hops{{{"infiniband", 5.0_us}, {"roce", 6.0_us}, {"efa", 15.0_us}}};
    for (const Hop& hop : hops) {
        if (hop.kind == nic_kind) return hop.latency;
    }
    return 8.0_us;
}

int switch_ports(std::string_view nic_kind, BytesPerSecond port) {
    return nic_kind == "infiniband" && port <= 400.0_Gbps ? 64 : 128;
}

}  // namespace orrery
