// How the links inside a scale-up domain limit a group that does not fill it, by the way the domain is wired.
#include "network/wiring.hpp"

#include <algorithm>
#include <array>
#include <cmath>

namespace orrery {

namespace {

/// Hybrid cube mesh of DGX-1 V100: whole rings of the six links that groups of 2 to 8 find, as bus bandwidth over one
/// link's 22.5 GB/s (vTrain trace/v100 all-reduce tables: 22.55 GB/s at 2, 134.5 at 8).
constexpr std::array<double, 7> cube_mesh_rings{1.0, 2.0, 3.8, 1.65, 2.0, 3.9, 6.0};

/// PCIe: the rate falls with the square of the ranks, as host paths are shared (eight L40S, NCCL 2.27.3: bus bandwidth
/// 20, 5 and 1 to 2 GB/s at 2, 4 and 8 ranks); held beyond eight.
double pcie_share(int ranks) {
    const double crowd = 2.0 / std::clamp(ranks, 2, 8);
    return crowd * crowd;
}

/// Sizes along each dimension of a group of consecutive ranks: it fills the first dimensions and part of the next.
std::vector<int> slice_of(const std::vector<int>& torus, int ranks) {
    std::vector<int> slice;
    int left = ranks;
    for (const int size : torus) {
        const int here = std::min(size, left);
        slice.push_back(here);
        left = (left + here - 1) / here;
    }
    return slice;
}

/// A dimension filled all around is a ring with both directions busy; part of one is a line, which halves its rate.
double torus_share(const std::vector<int>& torus, int ranks) {
    const std::vector<int> slice = slice_of(torus, ranks);
    double rings = 0.0;
    for (std::size_t i = 0; i < slice.size(); ++i) {
        if (slice[i] > 1) rings += slice[i] == torus[i] ? 1.0 : 0.5;
    }
    return std::max(rings, 0.5) / static_cast<double>(torus.size());
}

}  // namespace

double usable_scale_up_share(const Fabric& fabric, int ranks) {
    if (ranks <= 1) return 1.0;
    switch (fabric.wiring) {
        case ScaleUp::switched:
            return 1.0;
        case ScaleUp::mesh: {
            const int others = std::max(fabric.domain - 1, 1);  // one direct link to each
            return std::min(1.0, static_cast<double>(ranks - 1) / others);
        }
        case ScaleUp::cube_mesh: {
            const auto entry = static_cast<std::size_t>(std::min(ranks, 8) - 2);
            return cube_mesh_rings[entry] / cube_mesh_rings.back();
        }
        case ScaleUp::torus:
            return fabric.torus.empty() ? 1.0 : torus_share(fabric.torus, ranks);
        case ScaleUp::pcie:
            return pcie_share(ranks);
    }
    return 1.0;
}

int ring_hops(const Fabric& fabric, int ranks) {
    if (fabric.wiring != ScaleUp::torus || fabric.torus.empty()) return ranks - 1;
    int hops = 0;
    for (const int size : slice_of(fabric.torus, ranks)) hops += size - 1;
    return hops;
}

std::vector<int> torus_dimensions(int devices, int dimensions) {
    std::vector<int> sizes;
    int left = devices;
    for (int d = dimensions; d >= 1; --d) {
        int size = static_cast<int>(std::floor(std::pow(static_cast<double>(left), 1.0 / d) + 1e-9));
        while (size > 1 && left % size != 0) --size;
        sizes.push_back(d == 1 ? left : std::max(size, 1));
        left /= sizes.back();
    }
    std::sort(sizes.begin(), sizes.end());
    return sizes;
}

}  // namespace orrery
