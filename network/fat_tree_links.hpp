// The links of a three-tier non-blocking fat tree one by one, and the ways that static and spraying switches choose.
#pragma once

#include "network/flow_set.hpp"

#include <cstdint>
#include <vector>

namespace orrery {

/// Hosts on leaves, leaves in pods, pods on cores; as many ports up as down, so hosts_per_leaf spines in a pod, and
/// hosts_per_leaf * leaves_per_pod cores. Al-Fares, Loukissas & Vahdat, "A scalable, commodity data center network
/// architecture", SIGCOMM 2008.
struct FatTree {
    int hosts_per_leaf = 1;
    int leaves_per_pod = 1;
    int pods = 1;
    BytesPerSecond bandwidth;  // of every link, each direction
    Seconds latency;           // of every link; switches add none
    [[nodiscard]] int hosts() const { return hosts_per_leaf * leaves_per_pod * pods; }
    [[nodiscard]] int leaves() const { return leaves_per_pod * pods; }
};

/// The tree of `hosts` whose leaves and pods are the largest power of two not above the cube root, such as 8 x 8 x 16
/// for 1,024. Requires hosts to be a multiple of its square.
FatTree three_tier_tree(int hosts, BytesPerSecond bandwidth, Seconds latency);

/// Ids of its links: every cable twice (up and down); then, for even spreading, the uplinks and downlinks of each leaf and
/// of each pod as one bundle.
class FatTreeLinks {
  public:
    explicit FatTreeLinks(const FatTree& tree);
    [[nodiscard]] const FatTree& tree() const { return tree_; }
    [[nodiscard]] const LinkTable& table() const { return table_; }

    /// Number of shortest ways between two hosts: 1 below a leaf, one a spine in a pod, else one a core.
    [[nodiscard]] int ways(int from, int to) const;
    /// Appends way number `choice` of them.
    void append_way(int from, int to, int choice, std::vector<LinkId>& way) const;
    /// The choice of destination-modulo-k routing (Zahavi, Johnson, Kerbyson & Lang, "Optimized InfiniBand fat-tree
    /// routing for shift all-to-all communication patterns", CCPE 22(2), 2010).
    [[nodiscard]] int d_mod_k(int from, int to) const;
    /// Appends the way over bundles: what a flow loads that its switches spread evenly.
    void append_sprayed_way(int from, int to, std::vector<LinkId>& way) const;

    /// Adds a flow whose packets may take all shortest ways.
    StreamId add_spread_flow(int from, int to, Bytes message, FlowSet& flows) const;

    [[nodiscard]] LinkId host_up(int host) const { return host; }
    [[nodiscard]] LinkId host_down(int host) const { return tree_.hosts() + host; }
    [[nodiscard]] LinkId leaf_up(int leaf, int spine) const { return leaf_up_ + leaf * tree_.hosts_per_leaf + spine; }
    [[nodiscard]] LinkId leaf_down(int leaf, int spine) const { return leaf_down_ + leaf * tree_.hosts_per_leaf + spine; }
    /// Core `core` hangs on spine core / leaves_per_pod of every pod.
    [[nodiscard]] LinkId spine_up(int pod, int core) const { return spine_up_ + pod * cores() + core; }
    [[nodiscard]] LinkId spine_down(int pod, int core) const { return spine_down_ + pod * cores() + core; }
    [[nodiscard]] int cores() const { return tree_.hosts_per_leaf * tree_.leaves_per_pod; }

  private:
    FatTree tree_;
    LinkTable table_;
    LinkId leaf_up_ = 0, leaf_down_ = 0, spine_up_ = 0, spine_down_ = 0, bundles_ = 0;
};

}  // namespace orrery
