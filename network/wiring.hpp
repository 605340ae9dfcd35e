// How the links inside a scale-up domain limit a group that does not fill it, by the way the domain is wired.
#pragma once

#include "network/fabric.hpp"

#include <vector>

namespace orrery {

/// Bus bandwidth over rate of one link of a cube mesh: 22.5 of 25 GB/s (vTrain trace/v100 all-reduce tables, 1 GiB).
inline constexpr double cube_mesh_payload = 0.9;

/// Share of its scale-up rate that a rank of a group of `ranks` inside one domain can use in a ring.
double usable_scale_up_share(const Fabric& fabric, int ranks);

/// Hops of one pass of a ring over `ranks` of one domain: ranks - 1, on a torus one ring per dimension after another.
int ring_hops(const Fabric& fabric, int ranks);

/// Nearly equal factors of `devices`, `dimensions` of them, ascending.
std::vector<int> torus_dimensions(int devices, int dimensions);

}  // namespace orrery
