// Which ranks, groups and links of a step are alike, so that one of each can stand for all.
#pragma once

#include "sim/cluster.hpp"
#include "sim/groups.hpp"
#include "sim/step_program.hpp"
#include "sim/traffic.hpp"

#include <cstdint>
#include <vector>

namespace orrery {

/// A partition of things numbered from 0; classes are numbered in order of their lowest member.
struct Classes {
    std::vector<std::int32_t> of;     // class of each thing
    std::vector<std::int32_t> first;  // lowest member of each class, its representative
    std::vector<std::int32_t> size;
    [[nodiscard]] std::size_t count() const { return first.size(); }
};

struct Folding {
    Classes ranks, groups, links;  // links: the shared ones of the traffic plan
};

/// The factor on the compute time of each rank.
std::vector<double> compute_factors(const Faults& faults, int ranks);

/// The coarsest equitable partition that separates stages and faults: any two ranks of a class belong to groups of the
/// same classes, have stage neighbours of the same classes, and load links of the same classes. Found by colour
/// refinement on 64-bit hashes (Cardon & Crochemore, TCS 19, 1982; Berkholz, Bonsma & Grohe, TCS 2017). Jitter leaves
/// every rank its own class.
Folding fold(const Cluster& cluster, const StepProgram& program, const GroupTable& groups, const TrafficPlan& traffic);

/// Everything its own class: the full detail.
Folding unfolded(const GroupTable& groups, const TrafficPlan& traffic);

}  // namespace orrery
