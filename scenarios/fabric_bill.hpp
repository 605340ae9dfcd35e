// What a scenario's network is made of: switches, cables and transceivers, with what they cost and draw.
#pragma once

#include "network/network_graph.hpp"
#include "scenarios/scenario.hpp"

#include <string>

namespace orrery {

struct FabricBill {
    NetworkFigures figures;
    bool measured = false;        // distances and cut too: networks of up to bill_measured_max ports
    std::string link;             // catalogue link whose prices were taken; empty: none is known
    Usd switches_price, cables_price;      // 0: not known
    Watts switches_power, optics_power;    // 0: not known
};
inline constexpr int bill_measured_max = 4096;

/// Counts and prices of the network of a resolved scenario, without its faults. Prices are the named link's, else those
/// of the catalogue's link of the node's kind and rate.
Result<FabricBill> fabric_bill(const Scenario& scenario, const Cluster& cluster);

}  // namespace orrery
