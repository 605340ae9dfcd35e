// Building network graphs, taking equal switches together, and damaging them.
#include "network/graph.hpp"

#include <algorithm>
#include <map>
#include <numeric>
#include <tuple>
#include <utility>

namespace orrery {

namespace {

/// One neighbour as a twin must share it.
using NeighbourKey = std::tuple<int, double, int, double, int>;

NeighbourKey neighbour_key(int other, const Cable& cable) {
    return {other, cable.bandwidth.si(), cable.count, cable.latency.si(), cable.dimension};
}

/// The first switch with the same neighbours, for every vertex; end points keep to themselves.
std::vector<int> first_twins(const NetworkGraph& graph) {
    std::vector<std::vector<NeighbourKey>> around(graph.vertices.size());
    for (const Cable& cable : graph.cables) {
        if (cable.from >= graph.end_points) around[cable.from].push_back(neighbour_key(cable.to, cable));
        if (cable.to >= graph.end_points) around[cable.to].push_back(neighbour_key(cable.from, cable));
    }
    std::vector<int> twin(graph.vertices.size());
    std::iota(twin.begin(), twin.end(), 0);
    std::map<std::vector<NeighbourKey>, int> known;
    for (std::size_t v = static_cast<std::size_t>(graph.end_points); v < around.size(); ++v) {
        if (around[v].empty()) continue;
        std::sort(around[v].begin(), around[v].end());
        twin[v] = known.try_emplace(std::move(around[v]), static_cast<int>(v)).first->second;
    }
    return twin;
}

/// Cables between the same two vertices as one bundle each, sorted.
void join_parallel(std::vector<Cable>& cables) {
    for (Cable& cable : cables) {
        if (cable.from > cable.to) std::swap(cable.from, cable.to);
    }
    const auto key = [](const Cable& c) { return std::tuple(c.from, c.to, c.latency.si(), c.dimension); };
    std::stable_sort(cables.begin(), cables.end(), [&](const Cable& a, const Cable& b) { return key(a) < key(b); });
    std::size_t kept = 0;
    for (std::size_t i = 0; i < cables.size(); ++i) {
        if (kept > 0 && key(cables[kept - 1]) == key(cables[i])) {
            cables[kept - 1].bandwidth += cables[i].bandwidth;
            cables[kept - 1].count += cables[i].count;
        } else {
            cables[kept++] = cables[i];
        }
    }
    cables.resize(kept);
}

/// Vertices by their names, on demand.
class Names {
  public:
    explicit Names(const NetworkGraph& graph) {
        for (std::size_t v = 0; v < graph.vertices.size(); ++v) {
            const int vertex = static_cast<int>(v);
            by_name_[vertex_name(graph, vertex)].push_back(vertex);
            if (vertex >= graph.end_points || graph.ports_per_node == 1 || !graph.names.empty()) continue;
            const Vertex& port = graph.vertices[v];
            by_name_[std::string(port.kind) + " " + std::to_string(vertex / graph.ports_per_node)].push_back(vertex);
        }
    }
    /// The vertices of that name (all ports of a node); empty: there is none.
    [[nodiscard]] const std::vector<int>& of(const std::string& name) const {
        static const std::vector<int> none;
        const auto found = by_name_.find(name);
        return found == by_name_.end() ? none : found->second;
    }
    /// A few names of switches, for messages.
    [[nodiscard]] std::string examples(const NetworkGraph& graph) const {
        std::string text;
        std::string_view last;
        int shown = 0;
        for (int v = 0; v < static_cast<int>(graph.vertices.size()) && shown < 4; ++v) {
            if (graph.names.empty() && v > 0 && graph.vertices[v].kind == last) continue;
            last = graph.vertices[v].kind;
            text += (text.empty() ? "\"" : ", \"") + vertex_name(graph, v) + "\"";
            ++shown;
        }
        return text;
    }

  private:
    std::map<std::string, std::vector<int>> by_name_;
};

/// What is left of a faulty cable's rate.
double share_left(const LinkFault& fault, const NetworkFaults& faults) {
    if (fault.every.si() <= 0.0) return fault.rate;
    const double lost = std::min(fault.down, faults.reroute) / fault.every;
    return std::max(0.0, 1.0 - lost);
}

/// Slows `cables` of the bundle (0: all); those that are not hit become a bundle of their own at the end of the list.
void damage(std::vector<Cable>& bundles, std::size_t index, int cables, double left) {
    Cable& cable = bundles[index];
    const int hit = cables > 0 ? std::min(cables, cable.count) : cable.count;
    const BytesPerSecond each = cable.bandwidth / std::max(1, cable.count);
    Cable whole = cable;
    whole.count -= hit;
    whole.bandwidth = whole.count * each;
    cable.count = hit;
    cable.bandwidth = hit * left * each;
    if (whole.count > 0) bundles.push_back(whole);
}

bool holds(const std::vector<int>& list, int vertex) {
    return std::find(list.begin(), list.end(), vertex) != list.end();
}

void damage_link(NetworkGraph& graph, const Names& names, const LinkFault& fault, const std::string& place,
                 const NetworkFaults& faults, Problems& problems) {
    const auto& from = names.of(fault.from);
    const auto& to = names.of(fault.to);
    for (const auto& [key, name, found] : {std::tuple("/from", fault.from, from.empty()), std::tuple("/to", fault.to, to.empty())}) {
        if (!found) continue;
        problems.push_back({place + key, "there is no \"" + name + "\" in this network",
                            "write a name such as " + names.examples(graph)});
    }
    if (from.empty() || to.empty()) return;
    if ((fault.every.si() > 0.0) != (fault.down.si() > 0.0) || fault.down > fault.every) {
        problems.push_back({place, "flaps without \"down\" shorter than \"every\"",
                            "write both, as \"down\": \"2 s\", \"every\": \"10 min\""});
        return;
    }
    bool is_wired = false;
    const std::size_t bundles = graph.cables.size();
    for (std::size_t i = 0; i < bundles; ++i) {
        const Cable& cable = graph.cables[i];
        if (!(holds(from, cable.from) && holds(to, cable.to)) && !(holds(from, cable.to) && holds(to, cable.from))) continue;
        is_wired = true;
        damage(graph.cables, i, fault.cables, share_left(fault, faults));
    }
    if (is_wired) return;
    problems.push_back({place, "there is no cable between \"" + fault.from + "\" and \"" + fault.to + "\"",
                        "name two ends of one cable"});
}

}  // namespace

std::string vertex_name(const NetworkGraph& graph, int vertex) {
    if (!graph.names.empty()) return graph.names[static_cast<std::size_t>(vertex)];
    const Vertex& v = graph.vertices[static_cast<std::size_t>(vertex)];
    if (vertex >= graph.end_points || graph.ports_per_node == 1) return std::string(v.kind) + " " + std::to_string(v.index);
    return std::string(v.kind) + " " + std::to_string(vertex / graph.ports_per_node) + " port " +
           std::to_string(vertex % graph.ports_per_node);
}

NetworkGraph unwired(std::string_view kind, int nodes, int ports) {
    NetworkGraph graph;
    graph.end_points = nodes * ports;
    graph.ports_per_node = ports;
    graph.vertices.reserve(static_cast<std::size_t>(graph.end_points));
    for (int i = 0; i < graph.end_points; ++i) graph.vertices.push_back({kind, i, 0, 0});
    return graph;
}

int add_switch(NetworkGraph& graph, std::string_view kind, int tier, int group) {
    int index = 0;
    for (std::size_t v = graph.vertices.size(); v-- > static_cast<std::size_t>(graph.end_points);) {
        if (graph.vertices[v].kind != kind) continue;
        index = graph.vertices[v].index + 1;
        break;
    }
    graph.vertices.push_back({kind, index, tier, group});
    return static_cast<int>(graph.vertices.size()) - 1;
}

void connect(NetworkGraph& graph, int from, int to, BytesPerSecond each, int cables, CableMedium medium,
             int dimension) {
    graph.cables.push_back({from, to, cables * each, cables, {}, medium, dimension});
}

NetworkGraph merge_twins(const NetworkGraph& graph) {
    NetworkGraph merged = graph;
    join_parallel(merged.cables);
    for (bool changed = true; changed;) {
        const std::vector<int> twin = first_twins(merged);
        std::vector<int> number(twin.size(), -1);
        NetworkGraph next = merged;
        next.vertices.clear();
        next.names.clear();
        for (std::size_t v = 0; v < twin.size(); ++v) {
            if (twin[v] != static_cast<int>(v)) continue;
            number[v] = static_cast<int>(next.vertices.size());
            next.vertices.push_back(merged.vertices[v]);
            if (!merged.names.empty()) next.names.push_back(merged.names[v]);
        }
        changed = next.vertices.size() < merged.vertices.size();
        for (Cable& cable : next.cables) {
            cable.from = number[twin[cable.from]];
            cable.to = number[twin[cable.to]];
        }
        join_parallel(next.cables);
        merged = std::move(next);
    }
    return merged;
}

Result<NetworkGraph> with_faults(NetworkGraph graph, const NetworkFaults& faults) {
    if (faults.empty()) return graph;
    Problems problems;
    const Names names(graph);
    for (std::size_t i = 0; i < faults.switches.size(); ++i) {
        const SwitchFault& fault = faults.switches[i];
        const auto& hit = names.of(fault.name);
        if (hit.empty() || hit.front() < graph.end_points) {
            problems.push_back({"/cluster/faults/switches/" + std::to_string(i) + "/switch",
                                "there is no switch \"" + fault.name + "\" in this network",
                                "write a name such as " + names.examples(graph)});
            continue;
        }
        for (std::size_t c = 0; c < graph.cables.size(); ++c) {
            if (holds(hit, graph.cables[c].from) || holds(hit, graph.cables[c].to)) damage(graph.cables, c, 0, fault.rate);
        }
    }
    for (std::size_t i = 0; i < faults.links.size(); ++i) {
        damage_link(graph, names, faults.links[i], "/cluster/faults/links/" + std::to_string(i), faults, problems);
    }
    if (!problems.empty()) return problems;
    std::erase_if(graph.cables, [](const Cable& cable) { return cable.bandwidth.si() <= 0.0 || cable.count <= 0; });
    return graph;
}

}  // namespace orrery
