// The links of a three-tier non-blocking fat tree and the ways through them.
#include "network/fat_tree_links.hpp"

namespace orrery {

FatTree three_tier_tree(int hosts, BytesPerSecond bandwidth, Seconds latency) {
    int side = 1;
    while (8LL * side * side * side <= hosts) side *= 2;
    ORRERY_CHECK(hosts >= 1 && hosts % (side * side) == 0);
    return {side, side, hosts / (side * side), bandwidth, latency};
}

FatTreeLinks::FatTreeLinks(const FatTree& tree) : tree_(tree) {
    ORRERY_CHECK(tree.hosts_per_leaf >= 1 && tree.leaves_per_pod >= 1 && tree.pods >= 1);
    const auto add = [&](int links, int cables) {
        const auto first = static_cast<LinkId>(table_.size());
        for (int i = 0; i < links; ++i) table_.add(static_cast<double>(cables) * tree.bandwidth, tree.latency);
        return first;
    };
    add(2 * tree.hosts(), 1);
    leaf_up_ = add(tree.hosts(), 1);
    leaf_down_ = add(tree.hosts(), 1);
    spine_up_ = add(tree.pods * cores(), 1);
    spine_down_ = add(tree.pods * cores(), 1);
    bundles_ = add(2 * tree.leaves(), tree.hosts_per_leaf);
    add(2 * tree.pods, cores());
    table_.reverse.assign(table_.size(), -1);
    const auto pair_up = [&](LinkId up, LinkId down, int links) {
        for (int i = 0; i < links; ++i) {
            table_.reverse[static_cast<std::size_t>(up + i)] = down + i;
            table_.reverse[static_cast<std::size_t>(down + i)] = up + i;
        }
    };
    pair_up(0, tree.hosts(), tree.hosts());
    pair_up(leaf_up_, leaf_down_, tree.hosts());
    pair_up(spine_up_, spine_down_, tree.pods * cores());
}

int FatTreeLinks::ways(int from, int to) const {
    if (from / tree_.hosts_per_leaf == to / tree_.hosts_per_leaf) return 1;
    return from / cores() == to / cores() ? tree_.hosts_per_leaf : cores();
}

int FatTreeLinks::d_mod_k(int from, int to) const {
    const int spine = to % tree_.hosts_per_leaf;
    if (from / cores() == to / cores()) return from / tree_.hosts_per_leaf == to / tree_.hosts_per_leaf ? 0 : spine;
    return spine * tree_.leaves_per_pod + to / tree_.hosts_per_leaf % tree_.leaves_per_pod;
}

void FatTreeLinks::append_way(int from, int to, int choice, std::vector<LinkId>& way) const {
    if (from == to) return;
    const int leaf = from / tree_.hosts_per_leaf;
    const int far_leaf = to / tree_.hosts_per_leaf;
    const int pod = leaf / tree_.leaves_per_pod;
    const int far_pod = far_leaf / tree_.leaves_per_pod;
    way.push_back(host_up(from));
    if (leaf != far_leaf) {
        const int spine = pod == far_pod ? choice : choice / tree_.leaves_per_pod;
        way.push_back(leaf_up(leaf, spine));
        if (pod != far_pod) {
            way.push_back(spine_up(pod, choice));
            way.push_back(spine_down(far_pod, choice));
        }
        way.push_back(leaf_down(far_leaf, spine));
    }
    way.push_back(host_down(to));
}

void FatTreeLinks::append_sprayed_way(int from, int to, std::vector<LinkId>& way) const {
    if (from == to) return;
    const int leaf = from / tree_.hosts_per_leaf;
    const int far_leaf = to / tree_.hosts_per_leaf;
    const int pod = leaf / tree_.leaves_per_pod;
    const int far_pod = far_leaf / tree_.leaves_per_pod;
    const LinkId pods = bundles_ + 2 * tree_.leaves();
    way.push_back(host_up(from));
    if (leaf != far_leaf) {
        way.push_back(bundles_ + leaf);
        if (pod != far_pod) {
            way.push_back(pods + pod);
            way.push_back(pods + tree_.pods + far_pod);
        }
        way.push_back(bundles_ + tree_.leaves() + far_leaf);
    }
    way.push_back(host_down(to));
}

StreamId FatTreeLinks::add_spread_flow(int from, int to, Bytes message, FlowSet& flows) const {
    const int choices = ways(from, to);
    const auto first = static_cast<RouteId>(flows.routes.size());
    std::vector<LinkId> way;
    for (int choice = 0; choice < choices; ++choice) {
        way.clear();
        append_way(from, to, choice, way);
        flows.routes.add(way);
    }
    flows.ways.resize(flows.streams(), 1);
    flows.ways.push_back(choices);
    return flows.add(from, to, message, first);
}

}  // namespace orrery
