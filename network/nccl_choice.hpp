// NCCL's own tuning table: the time by which the library ranks an algorithm and protocol, not the time it takes.
#pragma once

#include "hardware/fields.hpp"
#include "network/collective.hpp"

#include <array>
#include <cstdint>

namespace orrery {

/// Rows of the table: compute capability 7, 8, 9 and 10.
enum class NcclGeneration : std::uint8_t { volta, ampere, hopper, blackwell };

template <>
struct EnumTable<NcclGeneration> {
    static constexpr std::array<EnumName<NcclGeneration>, 4> names{{
        {NcclGeneration::volta, "volta", "compute capability 7"},
        {NcclGeneration::ampere, "ampere", "compute capability 8"},
        {NcclGeneration::hopper, "hopper", "compute capability 9"},
        {NcclGeneration::blackwell, "blackwell", "compute capability 10"},
    }};
};

enum class NcclAlgorithm : std::uint8_t { ring, tree, collnet_direct, collnet_chain, nvls, nvls_tree, pat };
enum class NcclProtocol : std::uint8_t { ll, ll128, simple };

/// What the table asks of a group.
struct NcclGroup {
    NcclGeneration generation = NcclGeneration::hopper;
    int ranks = 8;
    int nodes = 1;                     // scale-up domains
    double bus = 0.0;                  // bytes/s of all channels together: of one rank inside, at most of a node's ports
    bool sums_in_switch = false;       // NVLink SHARP
    bool sums_in_network = false;      // CollNet
};

/// Seconds that NCCL expects of `bytes` (as nccl-tests counts them); infinity where the algorithm, or the protocol for it,
/// is not offered. NCCL 2.30.7 src/graph/tuning.cc:139-211 (constants), 289-450 (formulae), 623-655 (corrections); host
/// CPUs taken as Intel's. Requires two ranks and a bus rate.
double nccl_time(const NcclGroup& group, CollectiveKind kind, double bytes, NcclAlgorithm algorithm, NcclProtocol protocol);

/// The algorithm of least time.
NcclAlgorithm nccl_choice(const NcclGroup& group, CollectiveKind kind, double bytes);

}  // namespace orrery
