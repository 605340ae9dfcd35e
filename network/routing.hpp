// Which cables a flow takes from one end point to another, and how it divides over them.
#pragma once

#include "network/graph.hpp"
#include "network/load.hpp"

#include <cstdint>
#include <vector>

namespace orrery {

enum class Routing : std::uint8_t { spray, ecmp, adaptive, fixed, rail, dimension_order, valiant };

template <>
struct EnumTable<Routing> {
    static constexpr std::array<EnumName<Routing>, 7> names{{
        {Routing::spray, "spray", "every flow divides over all its shortest ways, by their rates (packet spraying)"},
        {Routing::ecmp, "ecmp", "every flow on a shortest way picked hop by hop by a seeded hash: flows collide"},
        {Routing::adaptive, "adaptive", "every flow, in order, on the shortest way whose busiest link has least to carry"},
        {Routing::fixed, "static", "one way a destination: port = destination modulo ports, digit by digit (D-mod-k)"},
        {Routing::rail, "rail", "as static, the destination's digits counted by nodes, so that rails of a node go the same ways"},
        {Routing::dimension_order, "dimension-order", "one dimension after the other, on tori and HyperX"},
        {Routing::valiant, "valiant", "by way of every other group of a dragonfly in equal parts, then sprayed"},
    }};
};

/// One direction of a cable or bundle as routes see it.
struct DirectedLink {
    int from = 0;
    int to = 0;
    BytesPerSecond bandwidth;
    Seconds latency;
    int dimension = 0;
};

/// How routes are chosen.
struct RouteOptions {
    Routing routing = Routing::spray;
    std::uint64_t seed = 1;
    int flows = 1;      // of ecmp: flows with hashes of their own that one message divides over (queue pairs)
    bool merge = true;  // twin switches may become one where traffic is sprayed
};

/// A network with its ways worked out. Spraying sees bundles and twin switches as one link and one switch each; the
/// others see every cable.
struct RoutedNetwork {
    NetworkGraph graph;
    RouteOptions options;
    std::vector<DirectedLink> links;      // ascending by `from`
    std::vector<std::int32_t> first_out;  // by vertex: its links are [first_out[v], first_out[v + 1])
    std::vector<std::int32_t> row_of;     // by end point: row of `hops`; end points with the same neighbours share one
    std::vector<std::int32_t> group_first, group_size;  // by group: its end points
    std::vector<std::uint8_t> hops;       // by row and vertex: links to an end point of that row; far_away: none lead there
    [[nodiscard]] int hops_to(int vertex, int end_point) const {
        return hops[static_cast<std::size_t>(row_of[end_point]) * graph.vertices.size() + static_cast<std::size_t>(vertex)];
    }
};
inline constexpr int far_away = 255;

/// Bytes that adaptive routing has put on each link so far: the caller keeps it from flow to flow.
struct RouteMemory {
    std::vector<double> bytes;           // by link
    std::vector<double> busiest, total;  // by vertex, of the flow being placed: seconds on what is left of its way
    std::vector<std::int32_t> way;       // by vertex: its next link
    std::vector<std::uint64_t> seen;     // by vertex: the last flow that met it
    std::uint64_t flows = 0;
};

/// Works out the ways. Problems: routing that the network has no use for; end points that cannot reach each other (on
/// the same rail, where nodes have several), the first ten by name.
Result<RoutedNetwork> route_network(NetworkGraph graph, const RouteOptions& options);

/// The same without asking whether anybody is cut off, or the routing fits.
RoutedNetwork find_ways(NetworkGraph graph, const RouteOptions& options);

struct RouteLatency {
    int hops = 0;      // links on the longest of the ways
    Seconds distance;  // sum of the links' own latencies along it
};

/// Adds to `loads` what one byte of the flow `flow` between two different end points puts on each link, unsorted and
/// possibly with a link twice. `flow` is hashed with the seed; `bytes` is what adaptive routing will remember of it.
/// Requires that a way exists.
RouteLatency add_route(const RoutedNetwork& network, int from, int to, std::uint64_t flow, double bytes,
                       RouteMemory* memory, std::vector<LinkLoad>& loads);

/// One way, hashed by flow and choice, by the switch before an end point of another group than either end's own, the
/// `choice`-th of them counted from the flow's number on; a shortest one where there is no such group.
RouteLatency add_way_around(const RoutedNetwork& network, int from, int to, std::uint64_t flow, int choice,
                            std::vector<LinkLoad>& loads);

/// True where a way leads from one to the other.
bool can_reach(const RoutedNetwork& network, int from, int to);

/// Sorts by link and adds up entries of the same link.
void merge_loads(std::vector<LinkLoad>& loads);

}  // namespace orrery
