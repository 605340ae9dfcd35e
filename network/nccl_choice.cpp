// NCCL's tuning formulae, written out by algorithm.
#include "network/nccl_choice.hpp"

#include "hardware/result.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace orrery {

namespace {

constexpr double never = std::numeric_limits<double>::infinity();
using ByProtocol = std::array<double, 3>;  // LL, LL128, Simple

// Microseconds (tuning.cc:149-176).
constexpr ByProtocol tree_base{6.8, 14.0, 8.4};
constexpr ByProtocol ring_base{6.6, 14.0, 8.4};
constexpr double pat_base = 8.0;
constexpr ByProtocol tree_inside{0.6, 1.25, 4.0};
constexpr ByProtocol ring_inside_hop{0.6, 1.9, 3.4};
constexpr ByProtocol tree_across{5.0, 8.5, 14.0};
constexpr ByProtocol ring_across_hop{2.7, 4.0, 14.0};
constexpr double nvls_inside = 25.0;
constexpr double nvls_across = 18.0;
constexpr double nvls_tree_across = 20.9;
constexpr double direct_inside = 3.7;
constexpr double direct_across = 31.0;
constexpr double chain_inside = 2.8;
constexpr double chain_across = 30.0;
constexpr double host_overhead = 1.0;  // of a network step, Intel; three times that for Simple (tuning.cc:228-233)

/// Caps by generation, GB/s; of one node, of two, of more (tuning.cc:139-211).
struct NcclCaps {
    double ll_inside;                      // llMaxBw of one node
    std::array<double, 3> ring_ll128, tree_ll128, tree, nvls_tree;  // per channel
    double nvls_efficiency;
    int channels;  // of rings: NVLink rate over the channel speed that the search starts from (topo.h, search.cc:1051-1067)
};
constexpr std::array<NcclCaps, 4> caps_by_generation{{
    {39.0, {20, 20, 20}, {20, 20, 20}, {26.5, 18.5, 10}, {26.5, 18.5, 10}, 0.0, 12},
    {87.7, {20, 20, 20}, {20, 20, 20}, {24, 23.6, 17.8}, {24, 23.6, 17.8}, 0.0, 12},
    {141.0, {36.7, 36.7, 36.7}, {36.7, 36.7, 29}, {38.7, 41.4, 36}, {0, 57.7, 45.5}, 0.85, 16},
    {282.0, {40, 40, 40}, {55.6, 31.67, 20}, {70, 42.8, 24}, {0, 96, 80}, 0.74, 16},
}};
/// Between nodes the cap of LL is by the host's CPU: the row of Intel's, two nodes and more.
constexpr std::array<double, 2> ll_across{39.0, 20.4};

/// Trees beside what the formulae say, 64 B to 256 MB by powers of two (tuning.cc:623-655).
constexpr std::array<std::array<double, 24>, 3> tree_corrections{{
    {1, 1, 1, 1, .9, .8, .7, .7, .7, .7, .6, .5, .4, .4, .5, .6, .7, .8, .9, 1, 1, 1, 1, 1},
    {1, 1, 1, 1, 1, .9, .8, .8, .8, .7, .6, .6, .6, .6, .6, .6, .8, .9, .9, .9, .9, 1, 1, 1},
    {.9, .9, .9, .9, .9, .9, .9, .8, .7, .6, .6, .5, .5, .5, .5, .6, .7, .8, .7, .7, .8, .9, .9, .9},
}};

struct NcclCase {
    const NcclGroup& group;
    const NcclCaps& caps;
    CollectiveKind kind;
    double bytes;
    std::size_t protocol;
    double bus;            // GB/s
    std::size_t extent;    // one node, two, more
    double per_node;
    double depth;          // log2 of nodes
    [[nodiscard]] bool all_reduce() const { return kind == CollectiveKind::all_reduce || kind == CollectiveKind::barrier; }
    [[nodiscard]] bool simple() const { return protocol == 2; }
};

/// Microseconds from latency and algorithm rate in GB/s.
double time_of(const NcclCase& c, double latency, double rate) { return latency + c.bytes / (1e3 * rate); }

double ring_time(const NcclCase& c) {
    const double n = c.group.ranks;
    const double net_passes = (c.all_reduce() ? 2.0 : 1.0) * (c.group.nodes - 1);
    const bool rooted = c.kind == CollectiveKind::broadcast || c.kind == CollectiveKind::reduce;
    const double steps = rooted ? n : (c.all_reduce() ? 2.0 : 1.0) * (n - 1.0);
    double rate = c.bus;
    if (c.protocol == 0) rate = std::min(c.extent == 0 ? c.caps.ll_inside : ll_across[c.extent - 1], 0.5 * c.bus);
    if (c.protocol == 1) rate = std::min(0.92 * c.bus, c.caps.channels * c.caps.ring_ll128[c.extent]);
    double inside = ring_inside_hop[c.protocol];
    if (c.group.nodes > 1) inside = std::max(inside, host_overhead * (c.simple() ? 3.0 : 1.0));
    const double across = c.per_node == 1.0 ? tree_across[c.protocol] : ring_across_hop[c.protocol];
    double latency = ring_base[c.protocol] + (rooted ? inside : (steps - net_passes) * inside + net_passes * across);
    if (c.simple() && c.group.nodes > 1 && c.all_reduce() && c.bytes / (c.caps.channels * n) >= 64.0) {
        latency *= c.group.generation == NcclGeneration::volta ? 1.9 : 1.4;
    }
    return time_of(c, latency, rate * n / steps);
}

double tree_time(const NcclCase& c) {
    if (!c.all_reduce()) return never;
    double rate = std::min(0.92 * c.bus, c.caps.channels * c.caps.tree[c.extent]);
    if (c.protocol == 0) rate = std::min(c.bus / 3.8, c.extent == 0 ? c.caps.ll_inside : ll_across[c.extent - 1]);
    if (c.protocol == 1) {
        rate = std::min(c.bus * (c.extent == 0 ? 7.0 / 9.0 : 120.0 / 128.0), c.caps.channels * c.caps.tree_ll128[c.extent]);
    }
    const double place = std::log2(std::max(c.bytes, 64.0) / 64.0);
    if (place < 24.0) rate *= tree_corrections[c.protocol][static_cast<std::size_t>(place)];
    const double latency = tree_base[c.protocol] +
                           2.0 * ((c.per_node - 1.0) * tree_inside[c.protocol] + c.depth * tree_across[c.protocol]);
    return time_of(c, latency, 0.5 * rate);
}

/// Inside one node, or over its ports with trees (NVLSTree), or with the network adding up (NVLS on several nodes).
double nvls_time(const NcclCase& c, bool trees) {
    const bool several = c.group.nodes > 1;
    if (!c.simple() || !c.group.sums_in_switch || c.caps.nvls_efficiency <= 0.0) return never;
    if (trees ? !several || !c.all_reduce() : several && !c.group.sums_in_network) return never;
    const double channel = c.bus / c.caps.channels;
    const double n = c.group.ranks;
    const double steps = (c.all_reduce() ? 2.0 : 1.0) * (n - 1.0);
    double rate = channel * c.caps.nvls_efficiency * (c.caps.channels - 1.0) / c.caps.channels;
    rate *= c.all_reduce() ? 2.0 : (c.per_node - 1.0) / c.per_node;
    if (several) rate = std::min(rate, channel * (trees && c.group.nodes == 2 ? 2.0 : 1.0));
    if (trees) rate = std::min(rate, c.caps.nvls_tree[c.extent]);
    double latency = nvls_inside;
    if (several) latency += trees ? 2.0 * c.depth * nvls_tree_across : nvls_across;
    return time_of(c, latency, rate * c.caps.channels * n / steps);
}

double collnet_time(const NcclCase& c, bool direct) {
    if (!c.all_reduce() || !c.simple() || c.group.nodes < 2 || !c.group.sums_in_network) return never;
    const double others = c.per_node - 1.0;
    const double newer = c.group.generation >= NcclGeneration::hopper ? 0.85 : 1.0;
    if (direct) {
        const double latency = 2.0 * (std::min(1.0, others) * direct_inside + others * 0.4) + direct_across;
        return time_of(c, latency, 0.5 * c.bus * newer);
    }
    return time_of(c, 2.0 * others * chain_inside + chain_across, 0.5 * c.bus);
}

/// One GPU a node alone (tuning.cc:496-540).
double pat_time(const NcclCase& c) {
    const bool moves = c.kind == CollectiveKind::all_gather || c.kind == CollectiveKind::reduce_scatter;
    if (!moves || !c.simple() || c.per_node != 1.0 || c.group.nodes < 2) return never;
    return time_of(c, pat_base + c.depth * tree_across[2] / 3.5 + c.group.ranks * 2.8, 0.75 * c.bus);
}

}  // namespace

double nccl_time(const NcclGroup& group, CollectiveKind kind, double bytes, NcclAlgorithm algorithm, NcclProtocol protocol) {
    ORRERY_CHECK(group.ranks >= 2 && group.nodes >= 1);
    ORRERY_CHECK(group.bus > 0.0);
    const std::size_t extent = group.nodes == 1 ? 0 : group.nodes == 2 ? 1 : 2;
    const NcclCase c{group, caps_by_generation[static_cast<std::size_t>(group.generation)], kind, bytes,
                     static_cast<std::size_t>(protocol), group.bus / 1e9, extent,
                     static_cast<double>(std::max(1, group.ranks / group.nodes)), std::log2(static_cast<double>(group.nodes))};
    switch (algorithm) {
        case NcclAlgorithm::ring:
            return 1e-6 * ring_time(c);
        case NcclAlgorithm::tree:
            return 1e-6 * tree_time(c);
        case NcclAlgorithm::collnet_direct:
            return 1e-6 * collnet_time(c, true);
        case NcclAlgorithm::collnet_chain:
            return 1e-6 * collnet_time(c, false);
        case NcclAlgorithm::nvls:
            return 1e-6 * nvls_time(c, false);
        case NcclAlgorithm::nvls_tree:
            return 1e-6 * nvls_time(c, true);
        case NcclAlgorithm::pat:
            return 1e-6 * pat_time(c);
    }
    return never;
}

NcclAlgorithm nccl_choice(const NcclGroup& group, CollectiveKind kind, double bytes) {
    NcclAlgorithm best = NcclAlgorithm::ring;
    double least = never;
    for (const NcclAlgorithm algorithm : {NcclAlgorithm::ring, NcclAlgorithm::tree, NcclAlgorithm::collnet_direct,
                                          NcclAlgorithm::collnet_chain, NcclAlgorithm::nvls, NcclAlgorithm::nvls_tree, NcclAlgorithm::pat}) {
        for (const NcclProtocol protocol : {NcclProtocol::ll, NcclProtocol::ll128, NcclProtocol::simple}) {
            const double time = nccl_time(group, kind, bytes, algorithm, protocol);
            if (time >= least) continue;
            least = time;
            best = algorithm;
        }
    }
    return best;
}

}  // namespace orrery
