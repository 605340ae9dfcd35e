// The switches and cables of a network as a Boost graph: connectivity, diameter by breadth first, bisection by
// max-flow.
#include "network/network_graph.hpp"

#include <boost/graph/adjacency_list.hpp>
#include <boost/graph/breadth_first_search.hpp>
#include <boost/graph/connected_components.hpp>
#include <boost/graph/push_relabel_max_flow.hpp>
#include <boost/graph/visitors.hpp>

#include <algorithm>
#include <cmath>

namespace orrery {

namespace {

using CableGraph = boost::adjacency_list<boost::vecS, boost::vecS, boost::undirectedS>;

using FlowTraits = boost::adjacency_list_traits<boost::vecS, boost::vecS, boost::directedS>;
using FlowGraph = boost::adjacency_list<
    boost::vecS, boost::vecS, boost::directedS, boost::no_property,
    boost::property<boost::edge_capacity_t, long long,
                    boost::property<boost::edge_residual_capacity_t, long long,
                                    boost::property<boost::edge_reverse_t, FlowTraits::edge_descriptor>>>>;

int count_vertices(std::span<const Cable> cables, int end_points) {
    int vertices = end_points;
    for (const Cable& cable : cables) vertices = std::max({vertices, cable.from + 1, cable.to + 1});
    return vertices;
}

/// Longest shortest path between end points.
int hops_between_end_points(const CableGraph& graph, int end_points) {
    int longest = 0;
    std::vector<int> hops(boost::num_vertices(graph));
    for (int from = 0; from < end_points; ++from) {
        std::fill(hops.begin(), hops.end(), 0);
        boost::breadth_first_search(
            graph, static_cast<std::size_t>(from),
            boost::visitor(boost::make_bfs_visitor(boost::record_distances(hops.data(), boost::on_tree_edge()))));
        for (int to = 0; to < end_points; ++to) longest = std::max(longest, hops[to]);
    }
    return longest;
}

void add_flow_edge(FlowGraph& graph, int from, int to, long long capacity) {
    const auto forward = boost::add_edge(static_cast<std::size_t>(from), static_cast<std::size_t>(to), graph).first;
    const auto reverse = boost::add_edge(static_cast<std::size_t>(to), static_cast<std::size_t>(from), graph).first;
    boost::put(boost::edge_capacity, graph, forward, capacity);
    boost::put(boost::edge_capacity, graph, reverse, 0LL);
    boost::put(boost::edge_reverse, graph, forward, reverse);
    boost::put(boost::edge_reverse, graph, reverse, forward);
}

/// Maximum flow from the first half of the end points to the second (Goldberg & Tarjan, JACM 35(4), 1988).
BytesPerSecond flow_between_halves(std::span<const Cable> cables, int end_points, int vertices) {
    const int half = end_points / 2;
    if (half == 0) return {};
    FlowGraph graph(static_cast<std::size_t>(vertices) + 2);
    long long sum = 0;
    for (const Cable& cable : cables) {
        const long long rate = std::llround(cable.bandwidth.si());
        add_flow_edge(graph, cable.from, cable.to, rate);
        add_flow_edge(graph, cable.to, cable.from, rate);
        sum += rate;
    }
    for (int i = 0; i < half; ++i) add_flow_edge(graph, vertices, i, sum);
    for (int i = half; i < end_points; ++i) add_flow_edge(graph, i, vertices + 1, sum);
    const long long flow =
        boost::push_relabel_max_flow(graph, static_cast<std::size_t>(vertices), static_cast<std::size_t>(vertices) + 1);
    return BytesPerSecond::from_si(static_cast<double>(flow));
}

}  // namespace

NetworkFigures graph_figures(std::span<const Cable> cables, int end_points) {
    const int vertices = count_vertices(cables, end_points);
    CableGraph graph(static_cast<std::size_t>(vertices));
    for (const Cable& cable : cables) {
        boost::add_edge(static_cast<std::size_t>(cable.from), static_cast<std::size_t>(cable.to), graph);
    }
    NetworkFigures figures;
    figures.end_points = end_points;
    figures.switches = vertices - end_points;
    figures.cables = static_cast<int>(cables.size());
    std::vector<int> component(static_cast<std::size_t>(vertices));
    figures.connected = boost::connected_components(graph, component.data()) == 1;
    if (figures.connected) figures.hops_max = hops_between_end_points(graph, end_points);
    figures.bisection = flow_between_halves(cables, end_points, vertices);
    return figures;
}

Result<NetworkFigures> network_graph(const FabricSpec& spec, const Node& node, int nodes, BytesPerSecond scale_up) {
    Result<Fabric> fabric = build_fabric(spec, node, nodes, scale_up, nullptr);
    if (!fabric) return fabric.problems();
    for (const Topology& topology : topologies()) {
        if (topology.name != spec.topology) continue;
        const bool by_device = topology.name == "torus";
        return graph_figures(topology.cables(spec, node, *fabric), by_device ? fabric->devices : nodes);
    }
    ORRERY_CHECK(false);
}

}  // namespace orrery
