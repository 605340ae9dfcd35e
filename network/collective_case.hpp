// One request on one fabric, prepared for the algorithms; and what an algorithm offers for it.
#pragma once

#include "network/collective_parameters.hpp"
#include "network/fabric.hpp"

#include <array>
#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

namespace orrery {

/// A request with everything derived from its group's shape that more than one algorithm needs.
struct CollectiveCase {
    const Fabric& fabric;
    const CollectiveParameters& parameters;
    Collective collective;
    GroupShape shape;
    double bytes = 0.0;
    int passes = 1;          // of the ring: all-reduce is a reduce-scatter and an all-gather
    double link_rate = 0.0;  // usable scale-up rate of one rank in this group, bytes/s
    int hops = 0;            // of one pass of the ring through the domain
    double reduce_slowdown = 1.0;
    double local_pass = 0.0; // of the ring: a rank's own share, moved as well, in units of bytes / ranks
    int ranks_fewest = 1;    // of the group in one domain, if the others are full
    double net_hop = 0.0;    // s, of the network's low-latency hop
    double port_overhead = 1.0;  // of all-reduce: bytes on a port over payload, beside port_payload_share
    double port_rate = 0.0;  // payload of one rank's network port, bytes/s
};

/// The group as NCCL's tuning table sees it.
NcclGroup nccl_group(const CollectiveCase& c);

struct CollectivePrice;
struct Exchange;
struct ExchangeCase;
/// Time of `price` for this case on idle links: its own limit, the scale-up links and the ports of the domain with the
/// fewest ranks, each group with its share of the ports where several use them.
double idle_price(const CollectiveCase& c, const CollectivePrice& price);
/// Bytes of progress a second meanwhile, and the rate of the ports of the domain with the fewest ranks that is the group's.
double idle_rate(const CollectiveCase& c, const CollectivePrice& price);
double ports_of_group(const CollectiveCase& c);

/// A price's own limit between domains: `inside` where ranks share a domain, else nothing but the ports.
double limit_across(const CollectiveCase& c, double inside, double port_load);

CollectiveCase make_case(const Fabric& fabric, const Collective& collective, const GroupShape& shape);

/// What an algorithm asks of time and links, before it is laid out on the links of one group.
struct CollectivePrice {
    std::string_view algorithm;
    double latency = 0.0;        // s
    double size = 0.0;           // bytes of progress
    double rate_max = 0.0;       // bytes/s of progress, whatever the links could do
    double scale_up_load = 0.0;  // bytes through each rank's scale-up port, each direction, per byte of progress
    double port_load = 0.0;      // bytes through all network ports of the group in one domain, each direction
    double trunk_load = 0.0;     // bytes over the busiest trunk, if the group's domains lie side by side
    [[nodiscard]] double time() const { return latency + (size > 0.0 ? size / rate_max : 0.0); }
};

/// An algorithm's price, and the time by which the communication library would rank it.
struct CollectiveOffer {
    CollectivePrice price;
    double ranked_by = 0.0;
};

class OfferList {
  public:
    void add(const CollectivePrice& price, double ranked_by);
    [[nodiscard]] std::span<const CollectiveOffer> offers() const { return {offers_.data(), count_}; }

  private:
    std::array<CollectiveOffer, 12> offers_{};
    std::size_t count_ = 0;
};

/// Ranks of a group inside one scale-up domain: [begin, end) of the sorted members.
struct DomainRun {
    std::size_t begin = 0;
    std::size_t end = 0;
    [[nodiscard]] std::size_t ranks() const { return end - begin; }
};

/// What the ways of a group's messages were: distances beside the price's own latency, in seconds.
struct RouteLog {
    RouteMemory* memory = nullptr;  // of adaptive routing; null: none
    double distance_sum = 0.0;      // over the messages between two domains
    double distance_min = 0.0;
    double distance_max = 0.0;
    int messages = 0;
};

/// A group laid open for putting loads on links: members in the order of the group, and sorted.
struct GroupOnFabric {
    const Fabric& fabric;
    std::span<const RankId> members;
    std::vector<RankId> sorted;
    std::vector<DomainRun> domains;
    RouteLog* log = nullptr;        // null: nobody asks
};

GroupOnFabric open_group(const Fabric& fabric, std::span<const RankId> members);

/// One entry of the table of algorithms.
struct CollectiveAlgorithm {
    std::string_view name;
    std::string_view doc;
    void (*offer)(const CollectiveCase&, OfferList&);  // adds nothing where it does not apply; null: only if asked for
    void (*layout)(const GroupOnFabric&, const CollectivePrice&, std::vector<LinkLoad>&);
    bool (*schedule)(const ExchangeCase&, Exchange&);  // as messages; false where it does not apply
};
std::span<const CollectiveAlgorithm> collective_algorithms();

// Pieces that several algorithms share, in network/layout.cpp.
/// The same load on both scale-up links of every rank that shares its domain with another of the group.
void lay_scale_up(const GroupOnFabric& group, double load, std::vector<LinkLoad>& loads);
/// `port_load` on each domain, spread evenly over the ports of its ranks, both directions.
void lay_ports(const GroupOnFabric& group, double port_load, std::vector<LinkLoad>& loads);
/// Bytes from domain `from` to domain `to` (indices into group.domains), as they load trunks; summed by add_trunks.
struct TrunkLoads {
    std::vector<double> up, down;  // by leaf
    std::vector<LinkLoad> routed;  // by link of the fabric's network, where it has one
};
/// `bytes` leave `from`'s ports evenly and arrive evenly at `to`'s, over the trunks if they lie beyond one leaf.
void load_trunks(const GroupOnFabric& group, std::size_t from, std::size_t to, double bytes, TrunkLoads& trunks);
/// `bytes` from one rank to another in another domain over the fabric's network, way by way; returns the distance.
double route_bytes(const GroupOnFabric& group, RankId from, RankId to, double bytes, TrunkLoads& trunks);
void add_trunks(const Fabric& fabric, TrunkLoads& trunks, std::vector<LinkLoad>& loads);
/// True where the fabric has trunks, or ways, that the group's traffic may cross.
bool crosses_trunks(const GroupOnFabric& group);

/// Smooth minimum of two protocols' times, (a^-12 + b^-12)^(-1/12), as the faster one's price scaled to that time.
CollectivePrice smooth_minimum(const CollectivePrice& a, const CollectivePrice& b);

}  // namespace orrery
