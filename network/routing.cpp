// Distances by breadth first over the graph, and routes that follow them link by link.
#include "network/routing.hpp"

#include <algorithm>
#include <map>
#include <numeric>
#include <tuple>
#include <utility>

namespace orrery {

namespace {

/// Finaliser of splitmix64 (Steele, Lea & Flood, OOPSLA 2014): a hash as good as any switch's.
std::uint64_t route_hash(std::uint64_t a, std::uint64_t b) {
    std::uint64_t z = a * 0xD6E8FEB86659FD93ULL + b + 0x9E3779B97F4A7C15ULL;
    z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27U)) * 0x94D049BB133111EBULL;
    return z ^ (z >> 31U);
}

bool is_sprayed(Routing routing) { return routing == Routing::spray || routing == Routing::valiant; }

void add_links(RoutedNetwork& network) {
    const bool whole = is_sprayed(network.options.routing);
    for (const Cable& cable : network.graph.cables) {
        const int members = whole ? 1 : cable.count;
        const BytesPerSecond each = cable.bandwidth / members;
        for (int i = 0; i < members; ++i) {
            network.links.push_back({cable.from, cable.to, each, cable.latency, cable.dimension});
            network.links.push_back({cable.to, cable.from, each, cable.latency, cable.dimension});
        }
    }
    std::stable_sort(network.links.begin(), network.links.end(), [](const DirectedLink& a, const DirectedLink& b) {
        return std::pair(a.from, a.to) < std::pair(b.from, b.to);
    });
    network.first_out.assign(network.graph.vertices.size() + 1, 0);
    for (const DirectedLink& link : network.links) ++network.first_out[link.from + 1];
    std::partial_sum(network.first_out.begin(), network.first_out.end(), network.first_out.begin());
}

template <class Visit>
void for_links_of(const RoutedNetwork& network, int vertex, Visit&& visit) {
    for (std::int32_t l = network.first_out[vertex]; l < network.first_out[vertex + 1]; ++l) visit(l, network.links[l]);
}

/// End points with the same neighbours share a row of distances, unless they hand on traffic themselves.
int group_end_points(RoutedNetwork& network, std::vector<int>& first_of_row) {
    std::map<std::vector<int>, int> known;
    network.row_of.resize(static_cast<std::size_t>(network.graph.end_points));
    for (int e = 0; e < network.graph.end_points; ++e) {
        std::vector<int> around;
        for_links_of(network, e, [&](std::int32_t, const DirectedLink& link) { around.push_back(link.to); });
        around.erase(std::unique(around.begin(), around.end()), around.end());
        if (network.graph.end_points_forward || around.empty()) around = {-1 - e};
        const auto [row, is_new] = known.try_emplace(std::move(around), static_cast<int>(known.size()));
        if (is_new) first_of_row.push_back(e);
        network.row_of[e] = row->second;
    }
    return static_cast<int>(known.size());
}

/// Distances of all vertices to the end points that are wired like `target`.
void measure_row(const RoutedNetwork& network, int target, std::uint8_t* hops, std::vector<int>& queue) {
    const NetworkGraph& graph = network.graph;
    std::fill_n(hops, graph.vertices.size(), static_cast<std::uint8_t>(far_away));
    queue.clear();
    if (graph.end_points_forward) {
        hops[target] = 0;
        queue.push_back(target);
    } else {
        for_links_of(network, target, [&](std::int32_t, const DirectedLink& link) {
            if (hops[link.to] == 1) return;
            hops[link.to] = 1;
            queue.push_back(link.to);
        });
    }
    for (std::size_t next = 0; next < queue.size(); ++next) {
        const int v = queue[next];
        if (v < graph.end_points && !graph.end_points_forward) continue;
        for_links_of(network, v, [&](std::int32_t, const DirectedLink& link) {
            if (hops[link.to] != far_away || hops[v] + 1 >= far_away) return;
            hops[link.to] = static_cast<std::uint8_t>(hops[v] + 1);
            queue.push_back(link.to);
        });
    }
}

void measure_hops(RoutedNetwork& network) {
    std::vector<int> first_of_row;
    const int rows = group_end_points(network, first_of_row);
    const std::size_t vertices = network.graph.vertices.size();
    network.hops.resize(static_cast<std::size_t>(rows) * vertices);
    std::vector<int> queue;
    for (int row = 0; row < rows; ++row) {
        measure_row(network, first_of_row[row], network.hops.data() + static_cast<std::size_t>(row) * vertices, queue);
    }
}

/// End points of a group are neighbours in number.
void list_groups(RoutedNetwork& network) {
    for (int e = 0; e < network.graph.end_points; ++e) {
        const auto group = static_cast<std::size_t>(network.graph.vertices[e].group);
        if (network.group_first.size() <= group) {
            network.group_first.resize(group + 1, e);
            network.group_size.resize(group + 1, 0);
        }
        ++network.group_size[group];
    }
}

Problems routing_problems(const NetworkGraph& graph, Routing routing) {
    const auto refuse = [&](const char* lacks, const char* remedy) -> Problems {
        return {{"/cluster/fabric/routing", "is \"" + std::string(name_of(routing)) + "\", and this network has " + lacks, remedy}};
    };
    const bool has_dimensions =
        std::any_of(graph.cables.begin(), graph.cables.end(), [](const Cable& c) { return c.dimension > 0; });
    const bool has_groups =
        std::any_of(graph.vertices.begin(), graph.vertices.end(), [](const Vertex& v) { return v.group > 1; });
    if (routing == Routing::dimension_order && !has_dimensions) {
        return refuse("no dimensions", "use a torus or hyperx, or \"spray\", \"ecmp\", \"adaptive\" or \"static\"");
    }
    if (routing == Routing::valiant && !has_groups) {
        return refuse("no three groups to go by way of", "use dragonfly-plus, or \"spray\", \"ecmp\", \"adaptive\" or \"static\"");
    }
    if (routing == Routing::rail && graph.ports_per_node < 2) {
        return refuse("no rails", "use rail-optimized or rail-only with more than one port a node");
    }
    return {};
}

/// The first ten end points that the first one with any company cannot reach, rail by rail.
Problems unreachable_problems(const RoutedNetwork& network) {
    const NetworkGraph& graph = network.graph;
    const int ports = graph.ports_per_node;
    std::string names;
    int count = 0;
    std::string from;
    for (int rail = 0; rail < ports; ++rail) {
        // From the port that reaches most: of equals the first.
        int best = rail;
        int best_reach = -1;
        std::vector<int> seen_rows;
        for (int e = rail; e < graph.end_points; e += ports) {
            if (std::find(seen_rows.begin(), seen_rows.end(), network.row_of[e]) != seen_rows.end()) continue;
            if (seen_rows.size() >= 16) break;
            seen_rows.push_back(network.row_of[e]);
            int reach = 0;
            for (int other = rail; other < graph.end_points; other += ports) reach += other != e && can_reach(network, e, other) ? 1 : 0;
            if (reach > best_reach) {
                best_reach = reach;
                best = e;
            }
        }
        for (int other = rail; other < graph.end_points; other += ports) {
            if (other == best || can_reach(network, best, other)) continue;
            if (count++ >= 10) continue;
            if (from.empty()) from = vertex_name(graph, best);
            names += (names.empty() ? "" : ", ") + vertex_name(graph, other);
        }
    }
    if (count == 0) return {};
    const std::string more = count > 10 ? " and " + std::to_string(count - 10) + " more" : "";
    return {{"/cluster/fabric", "no way leads from " + from + " to " + names + more,
             "take the faults that cut them off out of /cluster/faults, or add cables"}};
}

/// Links of a shortest way from `at` towards `to`.
template <class Visit>
void for_next_links(const RoutedNetwork& network, int at, int to, Visit&& visit) {
    const int left = at == to ? 0 : network.hops_to(at, to);
    for_links_of(network, at, [&](std::int32_t l, const DirectedLink& link) {
        const bool nearer = left == 1 ? link.to == to : link.to != to && (link.to >= network.graph.end_points || network.graph.end_points_forward) && network.hops_to(link.to, to) == left - 1;
        if (nearer) visit(l, link);
    });
}

/// A part of a flow on its way.
struct Share {
    int vertex = 0;
    double part = 0.0;
};

void add_up_shares(std::vector<Share>& shares) {
    std::sort(shares.begin(), shares.end(), [](const Share& a, const Share& b) {
        return std::pair(a.vertex, a.part) < std::pair(b.vertex, b.part);
    });
    std::size_t kept = 0;
    for (std::size_t i = 0; i < shares.size(); ++i) {
        if (kept > 0 && shares[kept - 1].vertex == shares[i].vertex) {
            shares[kept - 1].part += shares[i].part;
        } else {
            shares[kept++] = shares[i];
        }
    }
    shares.resize(kept);
}

/// Divides `part` of a flow over all shortest ways by the rates of the next links, to `to` or, with `stop_before`, to
/// the switch before it.
RouteLatency spray(const RoutedNetwork& network, int from, int to, bool stop_before, double part,
                   std::vector<LinkLoad>& loads, int* reached) {
    RouteLatency latency;
    std::vector<Share> here{{from, part}};
    std::vector<Share> next;
    while (!here.empty() && here.front().vertex != to) {
        if (stop_before && network.hops_to(here.front().vertex, to) <= 1) break;
        next.clear();
        Seconds longest{};
        for (const Share& share : here) {
            double rates = 0.0;
            for_next_links(network, share.vertex, to, [&](std::int32_t, const DirectedLink& link) { rates += link.bandwidth.si(); });
            ORRERY_CHECK(rates > 0.0);
            for_next_links(network, share.vertex, to, [&](std::int32_t l, const DirectedLink& link) {
                const double there = share.part * link.bandwidth.si() / rates;
                loads.push_back({l, there});
                next.push_back({link.to, there});
                longest = std::max(longest, link.latency);
            });
        }
        ++latency.hops;
        latency.distance += longest;
        add_up_shares(next);
        here.swap(next);
    }
    if (reached != nullptr) *reached = here.front().vertex;
    return latency;
}

/// The one link that a flow takes next.
std::int32_t pick_link(const RoutedNetwork& network, int at, std::uint64_t flow, std::uint64_t& digits,
                       const std::vector<std::int32_t>& ways) {
    const auto count = static_cast<std::uint64_t>(ways.size());
    if (network.options.routing == Routing::ecmp) {
        return ways[route_hash(route_hash(network.options.seed, flow), static_cast<std::uint64_t>(at)) % count];
    }
    if (network.options.routing == Routing::dimension_order) {
        return *std::min_element(ways.begin(), ways.end(), [&](std::int32_t a, std::int32_t b) {
            return std::pair(network.links[a].dimension, a) < std::pair(network.links[b].dimension, b);
        });
    }
    const std::uint64_t digit = digits % count;
    digits /= count;
    return ways[digit];
}

/// Follows `pick(vertex)` link by link, with `part` of the flow.
template <class Pick>
RouteLatency follow(const RoutedNetwork& network, int from, int to, double part, std::vector<LinkLoad>& loads,
                    Pick&& pick) {
    RouteLatency latency;
    for (int at = from; at != to;) {
        const std::int32_t l = pick(at);
        loads.push_back({l, part});
        ++latency.hops;
        latency.distance += network.links[l].latency;
        at = network.links[l].to;
    }
    return latency;
}

/// Zahavi, "D-Mod-K routing providing non-blocking traffic for shift permutations on real life fat trees", CCIT report
/// 776, 2010, for "static": each choice of a port takes a digit of the destination.
RouteLatency single_way(const RoutedNetwork& network, int from, int to, std::uint64_t flow, double part,
                        std::vector<LinkLoad>& loads) {
    const int unit = network.options.routing == Routing::rail ? network.graph.ports_per_node : 1;
    auto digits = static_cast<std::uint64_t>(to / unit);
    std::vector<std::int32_t> ways;
    return follow(network, from, to, part, loads, [&](int at) {
        ways.clear();
        for_next_links(network, at, to, [&](std::int32_t l, const DirectedLink&) { ways.push_back(l); });
        ORRERY_CHECK(!ways.empty());
        return ways.size() == 1 ? ways[0] : pick_link(network, at, flow, digits, ways);
    });
}

/// Vertices of all shortest ways in the order in which they are met.
std::vector<int> vertices_between(const RoutedNetwork& network, int from, int to, RouteMemory& memory) {
    std::vector<int> order{from};
    ++memory.flows;
    for (std::size_t next = 0; next < order.size(); ++next) {
        if (order[next] == to) continue;
        for_next_links(network, order[next], to, [&](std::int32_t, const DirectedLink& link) {
            if (memory.seen[link.to] == memory.flows) return;
            memory.seen[link.to] = memory.flows;
            order.push_back(link.to);
        });
    }
    return order;
}

/// The way whose busiest link is least busy, then the least busy in all; of equals one that the hash picks.
RouteLatency adaptive(const RoutedNetwork& network, int from, int to, std::uint64_t flow, double bytes,
                      RouteMemory& memory, std::vector<LinkLoad>& loads) {
    if (memory.bytes.size() != network.links.size()) {
        memory.bytes.assign(network.links.size(), 0.0);
        memory.busiest.assign(network.graph.vertices.size(), 0.0);
        memory.total = memory.busiest;
        memory.way.assign(network.graph.vertices.size(), -1);
        memory.seen.assign(network.graph.vertices.size(), 0);
    }
    const std::vector<int> order = vertices_between(network, from, to, memory);
    for (auto vertex = order.rbegin(); vertex != order.rend(); ++vertex) {
        if (*vertex == to) {
            memory.busiest[to] = memory.total[to] = 0.0;
            continue;
        }
        using Rank = std::tuple<double, double, std::uint64_t>;
        Rank best{};
        memory.way[*vertex] = -1;
        for_next_links(network, *vertex, to, [&](std::int32_t l, const DirectedLink& link) {
            const double here = (memory.bytes[l] + bytes) / link.bandwidth.si();
            const Rank rank{std::max(here, memory.busiest[link.to]), here + memory.total[link.to],
                            route_hash(route_hash(network.options.seed, flow), static_cast<std::uint64_t>(l))};
            if (memory.way[*vertex] >= 0 && best <= rank) return;
            best = rank;
            memory.way[*vertex] = l;
        });
        memory.busiest[*vertex] = std::get<0>(best);
        memory.total[*vertex] = std::get<1>(best);
    }
    return follow(network, from, to, 1.0, loads, [&](int at) {
        memory.bytes[memory.way[at]] += bytes;
        return memory.way[at];
    });
}

/// Several flows with hashes of their own.
RouteLatency hashed(const RoutedNetwork& network, int from, int to, std::uint64_t flow, std::vector<LinkLoad>& loads) {
    const int flows = std::max(1, network.options.flows);
    RouteLatency worst;
    for (int i = 0; i < flows; ++i) {
        const std::uint64_t own = i == 0 ? flow : route_hash(flow, static_cast<std::uint64_t>(i));
        const RouteLatency way = single_way(network, from, to, own, 1.0 / flows, loads);
        worst.hops = std::max(worst.hops, way.hops);
        worst.distance = std::max(worst.distance, way.distance);
    }
    return worst;
}

/// An end point of every group but the two ends' own, picked by the flow's hash; none inside one group.
std::vector<int> ends_between(const RoutedNetwork& network, int from, int to, std::uint64_t flow) {
    const auto group = [&](int e) { return network.graph.vertices[e].group; };
    std::vector<int> via;
    if (group(from) == group(to)) return via;
    for (std::size_t g = 0; g < network.group_first.size(); ++g) {
        const int id = static_cast<int>(g);
        if (id == group(from) || id == group(to) || network.group_size[g] == 0) continue;
        const std::uint64_t pick = route_hash(route_hash(network.options.seed, flow), g) % static_cast<std::uint64_t>(network.group_size[g]);
        via.push_back(network.group_first[g] + static_cast<int>(pick));
    }
    return via;
}

/// Equal parts by way of every group but the two ends' own, over a switch of it that the flow's hash picks; both legs
/// sprayed. Valiant, "A scheme for fast parallel communication", SIAM J. Computing 11(2), 1982; on dragonflies Kim,
/// Dally, Scott & Abts, ISCA 2008.
RouteLatency valiant(const RoutedNetwork& network, int from, int to, std::uint64_t flow, std::vector<LinkLoad>& loads) {
    const std::vector<int> via = ends_between(network, from, to, flow);
    if (via.empty()) return spray(network, from, to, false, 1.0, loads, nullptr);
    RouteLatency worst;
    for (const int middle : via) {
        const double part = 1.0 / static_cast<double>(via.size());
        int reached = 0;
        RouteLatency there = spray(network, from, middle, true, part, loads, &reached);
        const RouteLatency rest = spray(network, reached, to, false, part, loads, nullptr);
        there.hops += rest.hops;
        there.distance += rest.distance;
        worst.hops = std::max(worst.hops, there.hops);
        worst.distance = std::max(worst.distance, there.distance);
    }
    return worst;
}

}  // namespace

RoutedNetwork find_ways(NetworkGraph graph, const RouteOptions& options) {
    RoutedNetwork network;
    network.options = options;
    network.graph = options.merge && is_sprayed(options.routing) ? merge_twins(graph) : std::move(graph);
    add_links(network);
    measure_hops(network);
    list_groups(network);
    return network;
}

Result<RoutedNetwork> route_network(NetworkGraph graph, const RouteOptions& options) {
    if (Problems problems = routing_problems(graph, options.routing); !problems.empty()) return problems;
    RoutedNetwork network = find_ways(std::move(graph), options);
    if (Problems problems = unreachable_problems(network); !problems.empty()) return problems;
    return network;
}

RouteLatency add_way_around(const RoutedNetwork& network, int from, int to, std::uint64_t flow, int choice,
                            std::vector<LinkLoad>& loads) {
    const std::vector<int> via = ends_between(network, from, to, flow);
    int at = from;
    RouteLatency there;
    const std::uint64_t hash = route_hash(route_hash(network.options.seed, flow), static_cast<std::uint64_t>(choice));
    if (!via.empty()) {
        const int middle = via[(flow + static_cast<std::uint64_t>(choice)) % via.size()];
        std::vector<std::int32_t> ways;
        while (network.hops_to(at, middle) > 1) {
            ways.clear();
            for_next_links(network, at, middle, [&](std::int32_t l, const DirectedLink&) { ways.push_back(l); });
            ORRERY_CHECK(!ways.empty());
            const DirectedLink& link = network.links[ways[route_hash(hash, static_cast<std::uint64_t>(at)) % ways.size()]];
            loads.push_back({static_cast<LinkId>(&link - network.links.data()), 1.0});
            ++there.hops;
            there.distance += link.latency;
            at = link.to;
        }
    }
    const RouteLatency rest = single_way(network, at, to, hash, 1.0, loads);
    return {there.hops + rest.hops, there.distance + rest.distance};
}

bool can_reach(const RoutedNetwork& network, int from, int to) {
    return from == to || network.hops_to(from, to) != far_away;
}

RouteLatency add_route(const RoutedNetwork& network, int from, int to, std::uint64_t flow, double bytes,
                       RouteMemory* memory, std::vector<LinkLoad>& loads) {
    ORRERY_CHECK(from != to && can_reach(network, from, to));
    if (network.options.routing == Routing::spray) return spray(network, from, to, false, 1.0, loads, nullptr);
    if (network.options.routing == Routing::valiant) return valiant(network, from, to, flow, loads);
    if (network.options.routing == Routing::ecmp) return hashed(network, from, to, flow, loads);
    if (network.options.routing != Routing::adaptive) return single_way(network, from, to, flow, 1.0, loads);
    RouteMemory own;
    return adaptive(network, from, to, flow, bytes, memory != nullptr ? *memory : own, loads);
}

void merge_loads(std::vector<LinkLoad>& loads) {
    std::stable_sort(loads.begin(), loads.end(), [](const LinkLoad& a, const LinkLoad& b) { return a.link < b.link; });
    std::size_t kept = 0;
    for (std::size_t i = 0; i < loads.size(); ++i) {
        if (kept > 0 && loads[kept - 1].link == loads[i].link) {
            loads[kept - 1].bytes_per_byte += loads[i].bytes_per_byte;
        } else {
            loads[kept++] = loads[i];
        }
    }
    loads.resize(kept);
}

}  // namespace orrery
