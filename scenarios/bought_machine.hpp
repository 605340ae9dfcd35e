// The scenario's machine as somebody would buy it: prices of its nodes and of its network's parts.
#pragma once

#include "planner/prices.hpp"
#include "scenarios/scenario.hpp"

namespace orrery {

/// The scenario's own prices, else the catalogue's for the node and for the fabric's switches and cables. Problem: nobody
/// knows the node's price.
Result<BoughtMachine> bought_machine(const Scenario& scenario, const Cluster& cluster);

/// Adds the electricity that an owner pays to a training's costs.
void pay_energy(UsdPerJoule price, TrainingAnswer& answer);

}  // namespace orrery
