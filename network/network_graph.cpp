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
#include <map>
#include <utility>

namespace orrery {

namespace {

using CableGraph = boost::adjacency_list<boost::vecS, boost::vecS, boost::undirectedS>;

using FlowTraits = boost::adjacency_list_traits<boost::vecS, boost::vecS, boost::directedS>;
using FlowGraph = boost::adjacency_list<
    boost::vecS, boost::vecS, boost::directedS, boost::no_property,
    boost::property<boost::edge_capacity_t, long long,
                    boost::property<boost::edge_residual_capacity_t, long long,
                                    boost::property<boost::edge_reverse_t, FlowTraits::edge_descriptor>>>>;

/// Nodes as single vertices, and equal switches as one.
NetworkGraph by_nodes(const NetworkGraph& graph) {
    NetworkGraph nodes = graph;
    const int ports = graph.ports_per_node;
    nodes.end_points = graph.end_points / ports;
    nodes.ports_per_node = 1;
    nodes.names.clear();
    const auto fewer = [&](int v) { return v < graph.end_points ? v / ports : v - graph.end_points + nodes.end_points; };
    nodes.vertices.clear();
    for (std::size_t v = 0; v < graph.vertices.size(); ++v) {
        const int vertex = static_cast<int>(v);
        if (vertex >= graph.end_points || vertex % ports == 0) nodes.vertices.push_back(graph.vertices[v]);
    }
    for (Cable& cable : nodes.cables) {
        cable.from = fewer(cable.from);
        cable.to = fewer(cable.to);
    }
    return merge_twins(nodes);
}

/// For every end point the first of its half that has the same neighbours: those lie equally far from everything.
std::vector<int> first_alike(const NetworkGraph& graph) {
    std::vector<std::vector<std::pair<int, double>>> around(static_cast<std::size_t>(graph.end_points));
    for (const Cable& cable : graph.cables) {
        if (cable.from < graph.end_points) around[cable.from].emplace_back(cable.to, cable.bandwidth.si());
        if (cable.to < graph.end_points) around[cable.to].emplace_back(cable.from, cable.bandwidth.si());
    }
    std::map<std::pair<bool, std::vector<std::pair<int, double>>>, int> known;
    std::vector<int> first(around.size());
    for (int e = 0; e < graph.end_points; ++e) {
        std::sort(around[e].begin(), around[e].end());
        first[e] = known.try_emplace({e < graph.end_points / 2, std::move(around[e])}, e).first->second;
    }
    return first;
}

/// Longest shortest path between end points.
int hops_between_end_points(const NetworkGraph& network, const CableGraph& graph, const std::vector<int>& first) {
    int longest = 0;
    std::vector<int> hops(boost::num_vertices(graph));
    for (int from = 0; from < network.end_points; ++from) {
        if (first[from] != from) continue;
        std::fill(hops.begin(), hops.end(), 0);
        boost::breadth_first_search(
            graph, static_cast<std::size_t>(from),
            boost::visitor(boost::make_bfs_visitor(boost::record_distances(hops.data(), boost::on_tree_edge()))));
        for (int to = 0; to < network.end_points; ++to) longest = std::max(longest, hops[to]);
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

/// Maximum flow from the first half of the end points to the second (Goldberg & Tarjan, JACM 35(4), 1988). End points
/// that are alike send and receive as one.
BytesPerSecond flow_between_halves(const NetworkGraph& network, const std::vector<int>& first) {
    const int half = network.end_points / 2;
    if (half == 0) return {};
    const int vertices = static_cast<int>(network.vertices.size());
    std::map<std::pair<int, int>, long long> edges;
    const auto place = [&](int v) { return v < network.end_points ? first[v] : v; };
    long long sum = 0;
    for (const Cable& cable : network.cables) {
        const long long rate = std::llround(cable.bandwidth.si());
        edges[{place(cable.from), place(cable.to)}] += rate;
        sum += rate;
    }
    FlowGraph graph(static_cast<std::size_t>(vertices) + 2);
    for (const auto& [ends, rate] : edges) {
        add_flow_edge(graph, ends.first, ends.second, rate);
        add_flow_edge(graph, ends.second, ends.first, rate);
    }
    for (int i = 0; i < network.end_points; ++i) {
        if (first[i] != i) continue;
        if (i < half) add_flow_edge(graph, vertices, i, sum);
        if (i >= half) add_flow_edge(graph, i, vertices + 1, sum);
    }
    const long long flow =
        boost::push_relabel_max_flow(graph, static_cast<std::size_t>(vertices), static_cast<std::size_t>(vertices) + 1);
    return BytesPerSecond::from_si(static_cast<double>(flow));
}

}  // namespace

NetworkFigures count_network(const NetworkGraph& graph) {
    NetworkFigures figures;
    figures.end_points = graph.end_points / graph.ports_per_node;
    figures.switches = graph.switches();
    for (const Cable& cable : graph.cables) {
        figures.cables += cable.count;
        const int at_switches = (cable.from >= graph.end_points ? 1 : 0) + (cable.to >= graph.end_points ? 1 : 0);
        figures.switch_ports += at_switches * cable.count;
        if (cable.medium == CableMedium::copper) continue;
        figures.optic_cables += cable.count;
        figures.optic_ends += 2 * cable.count;
    }
    for (std::size_t v = static_cast<std::size_t>(graph.end_points); v < graph.vertices.size(); ++v) {
        const std::string_view kind = graph.vertices[v].kind;
        auto known = std::find_if(figures.kinds.begin(), figures.kinds.end(), [&](const SwitchCount& c) { return c.kind == kind; });
        if (known == figures.kinds.end()) known = figures.kinds.insert(known, {std::string(kind), 0});
        ++known->count;
    }
    return figures;
}

NetworkFigures measure_network(const NetworkGraph& graph) {
    NetworkFigures figures = count_network(graph);
    const NetworkGraph nodes = by_nodes(graph);
    CableGraph cables(nodes.vertices.size());
    for (const Cable& cable : nodes.cables) {
        boost::add_edge(static_cast<std::size_t>(cable.from), static_cast<std::size_t>(cable.to), cables);
    }
    std::vector<int> component(nodes.vertices.size());
    figures.connected = boost::connected_components(cables, component.data()) == 1;
    const std::vector<int> first = first_alike(nodes);
    if (figures.connected) figures.hops_max = hops_between_end_points(nodes, cables, first);
    figures.bisection = flow_between_halves(nodes, first);
    return figures;
}

Result<NetworkFigures> network_graph(const FabricSpec& spec, const Node& node, int nodes, BytesPerSecond scale_up) {
    const Result<NetworkGraph> graph = fabric_graph(spec, node, nodes, scale_up);
    if (!graph) return graph.problems();
    return measure_network(*graph);
}

}  // namespace orrery
