// A network as cables between end points and switches: what topologies draw, faults damage and routes follow.
#pragma once

#include "hardware/fields.hpp"
#include "hardware/result.hpp"
#include "hardware/units.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace orrery {

/// What a cable is made of: it decides what it costs and draws.
enum class CableMedium : std::uint8_t { optic, copper, fibre };

/// One bundle of equal cables.
struct Cable {
    int from = 0;
    int to = 0;
    BytesPerSecond bandwidth;  // all cables of the bundle together, each direction
    int count = 1;             // cables in it
    Seconds latency{};         // of its length, where that is worth telling: long haul, custom graphs
    CableMedium medium = CableMedium::optic;
    int dimension = 0;         // of a torus or HyperX
};

/// An end point or a switch.
struct Vertex {
    std::string_view kind;  // "node", "leaf", "spine": with `index` its name
    int index = 0;
    int tier = 0;           // 0: end point; 1: leaf; ..
    int group = 0;          // of a dragonfly; site of a long-haul network
};

/// The first `end_points` vertices send and receive; node n has those from n * ports_per_node on.
struct NetworkGraph {
    int end_points = 0;
    int ports_per_node = 1;
    bool end_points_forward = false;  // tori and meshes: devices hand on what is not theirs
    std::vector<Vertex> vertices;
    std::vector<Cable> cables;
    std::vector<std::string> names;   // by vertex, of graphs that users wrote; else empty
    [[nodiscard]] int switches() const { return static_cast<int>(vertices.size()) - end_points; }
};

/// "leaf 3", "node 2", "node 2 port 5"; the user's own name in a custom graph.
std::string vertex_name(const NetworkGraph& graph, int vertex);

/// `nodes` nodes of `ports` end points each, no switch and no cable.
NetworkGraph unwired(std::string_view kind, int nodes, int ports);
/// Adds a switch and returns its vertex.
int add_switch(NetworkGraph& graph, std::string_view kind, int tier, int group = 0);
/// Adds a bundle of `cables` cables of `each`.
void connect(NetworkGraph& graph, int from, int to, BytesPerSecond each, int cables = 1,
             CableMedium medium = CableMedium::optic, int dimension = 0);

/// Switches with the same neighbours over the same cables become one with all their cables: under even spreading their
/// loads are equal, so rates, cuts and distances between end points stay what they were.
NetworkGraph merge_twins(const NetworkGraph& graph);

/// A bundle that carries less than it should, or nothing.
struct LinkFault {
    std::string from;    // names of its ends, in any order: "leaf 3", "spine 5", "node 7", "node 7 port 2"
    std::string to;
    int cables = 0;      // how many of the bundle; 0: all
    double rate = 0.0;   // share of their rate that is left; 0: failed
    Seconds down{};      // flapping: how long they are down each time
    Seconds every{};     // from one time to the next
    static constexpr auto fields() {
        using F = LinkFault;
        return std::tuple{
            required_field("from", &F::from, any_value, "One end, as \"leaf 3\", \"spine 5\", \"node 7\" or \"node 7 port 2\"."),
            required_field("to", &F::to, any_value, "The other end."),
            field("cables", &F::cables, {0.0, 65536.0}, "How many cables of the bundle; 0 or absent: all."),
            field("rate", &F::rate, fraction, "Share of their rate that is left; 0 or absent: failed."),
            field("down", &F::down, positive, "Of a flapping link: how long it is down each time."),
            field("every", &F::every, positive, "Of a flapping link: from one time to the next."),
        };
    }
};

/// A switch that is down, or whose ports all run below their rate.
struct SwitchFault {
    std::string name;
    double rate = 0.0;
    static constexpr auto fields() {
        using F = SwitchFault;
        return std::tuple{
            required_field("switch", &F::name, any_value, "Its name, as \"leaf 3\" or \"spine 5\"."),
            field("rate", &F::rate, fraction, "Share of its ports' rate that is left; 0 or absent: failed."),
        };
    }
};

/// Three missed messages 50 ms apart, a usual setting of BFD; RFC 5880 leaves the interval to the operator.
inline constexpr Seconds reroute_usual = 150.0_ms;

struct NetworkFaults {
    std::vector<LinkFault> links;
    std::vector<SwitchFault> switches;
    Seconds reroute = reroute_usual;   // from a failure to traffic on other ways
    [[nodiscard]] bool empty() const { return links.empty() && switches.empty(); }
};

/// The graph with its faults: failed cables gone, others slower. A flapping link keeps its ways and loses the time until
/// traffic is sent round it, min(down, reroute) of every period. All unknown names at once, with the place of each below
/// /cluster/faults.
Result<NetworkGraph> with_faults(NetworkGraph graph, const NetworkFaults& faults);

}  // namespace orrery
