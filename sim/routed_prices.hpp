// What routes, trunks and slow ports make of the prices of a step's exchanges, for its closed form.
#pragma once

#include "sim/cluster.hpp"
#include "sim/step_program.hpp"

namespace orrery {

/// The program with exchanges and stage messages as dear as the busiest link of their ways makes them where all groups of
/// an axis exchange at the same time and nothing else does: hashed flows that collide, trunks, failed and slow links.
/// Routes are those that the simulation takes. Where every way is as good as the ports, the program as it was.
StepProgram priced_on_routes(const Cluster& cluster, StepProgram program);

}  // namespace orrery
