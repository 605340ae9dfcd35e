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

/// One link of a torus: from `place` to its neighbour in `dimension`.
struct TorusHop {
    int place = 0;
    int dimension = 0;
    bool forward = true;
    bool operator==(const TorusHop&) const = default;
};

/// A shortest way on a torus, dimension after dimension, the first fastest in number. `twist`: the dimension along which
/// wrap-around links of the others land half way further (Camara et al., IEEE TPDS 21(12), 2010); -1: none. Where both ways
/// round are as short, `even` tells which.
std::vector<TorusHop> torus_way(const std::vector<int>& torus, int twist, int from, int to, bool even);

/// Bytes through a rank's scale-up links, each direction, per byte of an all-to-all's buffer in a group of `ranks` of one
/// domain: (n - 1) / n through a switch; on a torus as if its busiest dimension's links had to carry it all: a quarter of
/// the ring on average (an eighth each way round), times all links over those of the dimension.
double exchange_port_load(const Fabric& fabric, int ranks);

/// Nearly equal factors of `devices`, `dimensions` of them, ascending.
std::vector<int> torus_dimensions(int devices, int dimensions);

}  // namespace orrery
