// How the links inside a scale-up domain limit a group that does not fill it, by the way the domain is wired.
#include "network/wiring.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>

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

int torus_coordinate(const std::vector<int>& torus, int place, std::size_t d) {
    for (std::size_t i = 0; i < d; ++i) place /= torus[i];
    return place % torus[d];
}

/// Steps along one ring; negative: backwards.
struct RingSteps {
    int steps = 0;
    bool wraps = false;
};

RingSteps ring_steps(int from, int to, int size, bool forward) {
    const int ahead = (to - from + size) % size;
    if (forward) return {ahead, from + ahead >= size};
    const int behind = (size - ahead) % size;
    return {-behind, behind > from};
}

RingSteps shorter_ring_steps(int from, int to, int size, bool even) {
    const RingSteps forward = ring_steps(from, to, size, true);
    const RingSteps back = ring_steps(from, to, size, false);
    if (forward.steps == -back.steps) return even ? forward : back;
    return forward.steps < -back.steps ? forward : back;
}

/// Steps in every dimension of the shortest way: all ways round the shorter dimensions are tried, because each wrap moves
/// half way along the twisted one.
std::vector<RingSteps> torus_steps(const std::vector<int>& torus, int twist, int from, int to, bool even) {
    const std::size_t dimensions = torus.size();
    std::vector<RingSteps> best;
    int hops_best = 0;
    const unsigned choices = twist < 0 ? 1U : 1U << dimensions;
    for (unsigned choice = 0; choice < choices; ++choice) {
        std::vector<RingSteps> steps(dimensions);
        int shift = 0;
        int hops = 0;
        for (std::size_t d = 0; d < dimensions; ++d) {
            if (static_cast<int>(d) == twist) continue;
            const int here = torus_coordinate(torus, from, d);
            const int there = torus_coordinate(torus, to, d);
            steps[d] = twist < 0 ? shorter_ring_steps(here, there, torus[d], even)
                                 : ring_steps(here, there, torus[d], ((choice >> d & 1U) == 0) == even);
            shift += steps[d].wraps ? 1 : 0;
            hops += std::abs(steps[d].steps);
        }
        if (twist >= 0) {
            const auto d = static_cast<std::size_t>(twist);
            const int here = (torus_coordinate(torus, from, d) + shift * torus[d] / 2) % torus[d];
            steps[d] = shorter_ring_steps(here, torus_coordinate(torus, to, d), torus[d], even);
            hops += std::abs(steps[d].steps);
        }
        if (!best.empty() && hops >= hops_best) continue;
        best = steps;
        hops_best = hops;
    }
    return best;
}

}  // namespace

std::vector<TorusHop> torus_way(const std::vector<int>& torus, int twist, int from, int to, bool even) {
    const std::vector<RingSteps> steps = torus_steps(torus, twist, from, to, even);
    std::vector<int> strides;
    int length = 1;
    for (const int size : torus) {
        strides.push_back(length);
        length *= size;
    }
    std::vector<TorusHop> way;
    int at = from;
    const auto move = [&](std::size_t d, int by) {
        const int here = torus_coordinate(torus, at, d);
        at += ((here + by + torus[d]) % torus[d] - here) * strides[d];
    };
    for (std::size_t d = 0; d < torus.size(); ++d) {
        const bool forward = steps[d].steps > 0;
        for (int left = std::abs(steps[d].steps); left > 0; --left) {
            way.push_back({at, static_cast<int>(d), forward});
            const int here = torus_coordinate(torus, at, d);
            const bool wraps = forward ? here + 1 == torus[d] : here == 0;
            move(d, forward ? 1 : -1);
            if (wraps && twist >= 0 && static_cast<int>(d) != twist) move(static_cast<std::size_t>(twist), torus[twist] / 2);
        }
    }
    ORRERY_CHECK(at == to);
    return way;
}

double exchange_port_load(const Fabric& fabric, int ranks) {
    const double switched = (ranks - 1.0) / ranks;
    if (fabric.wiring != ScaleUp::torus || fabric.torus.empty()) return switched;
    const std::vector<int> slice = slice_of(fabric.torus, ranks);
    double busiest = 0.0;  // bytes over one link per byte of a rank
    for (std::size_t d = 0; d < slice.size(); ++d) {
        if (slice[d] < 2) continue;
        // Mean distance k / 4 round a ring, over two directions; k / 4 over the middle link of a line.
        const bool ring = slice[d] == fabric.torus[d];
        busiest = std::max(busiest, ring && slice[d] > 2 ? slice[d] / 8.0 : slice[d] / 4.0);
    }
    return std::max(switched, busiest * 2.0 * static_cast<double>(fabric.torus.size()));
}

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
