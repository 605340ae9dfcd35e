// Reads the nodes, switches and links of a graph file and checks what makes a network of them.
#include "scenarios/graph_file.hpp"

#include "scenarios/bind.hpp"
#include "scenarios/json.hpp"
#include "scenarios/nearest.hpp"

#include <algorithm>
#include <map>
#include <numeric>

namespace orrery {
namespace {

class GraphReader {
  public:
    GraphReader(const GraphFile& file, std::string place) : file_(file), place_(std::move(place)) {}

    Result<NetworkGraph> read() {
        graph_.end_points = static_cast<int>(file_.nodes.size());
        add_vertices(file_.nodes, "node", "nodes", 0);
        add_vertices(file_.switches, "switch", "switches", 1);
        if (file_.nodes.empty()) problems_.push_back({place_ + "/nodes", "names no node", "name at least two"});
        joined_.resize(graph_.vertices.size());
        std::iota(joined_.begin(), joined_.end(), 0);
        for (std::size_t i = 0; i < file_.links.size() && problems_.size() < problems_max; ++i) add_link(i);
        if (problems_.empty()) check_reach();
        if (!problems_.empty()) return problems_;
        return std::move(graph_);
    }

  private:
    const GraphFile& file_;
    std::string place_;
    NetworkGraph graph_;
    std::map<std::string, int> vertex_of_;
    std::vector<int> joined_;  // union-find over vertices
    Problems problems_;

    int root(int v) {
        while (joined_[static_cast<std::size_t>(v)] != v) {
            int& up = joined_[static_cast<std::size_t>(v)];
            up = joined_[static_cast<std::size_t>(up)];
            v = up;
        }
        return v;
    }

    void add_vertices(const std::vector<std::string>& names, std::string_view kind, const char* key, int tier) {
        for (std::size_t i = 0; i < names.size(); ++i) {
            const auto vertex = static_cast<int>(graph_.vertices.size());
            if (!vertex_of_.try_emplace(names[i], vertex).second) {
                problems_.push_back({pointer_to(pointer_to(place_, key), i), "is \"" + names[i] + "\", a name given before",
                                     "give every node and switch a name of its own"});
            }
            graph_.vertices.push_back({kind, static_cast<int>(i), tier, 0});
            graph_.names.push_back(names[i]);
        }
    }

    int find(const std::string& name, const std::string& place) {
        const auto found = vertex_of_.find(name);
        if (found != vertex_of_.end()) return found->second;
        std::vector<std::string> names;
        for (const auto& [known, vertex] : vertex_of_) names.push_back(known);
        problems_.push_back({place, "is \"" + name + "\", which is no node or switch of this file", nearest_remedy(name, names)});
        return -1;
    }

    void add_link(std::size_t i) {
        const GraphFileLink& link = file_.links[i];
        const std::string here = pointer_to(pointer_to(place_, "links"), i);
        const int from = find(link.from, here + "/from");
        const int to = find(link.to, here + "/to");
        if (from < 0 || to < 0) return;
        if (from == to) {
            problems_.push_back({here, "goes from \"" + link.from + "\" to itself", "name two ends"});
            return;
        }
        if (file_.tree && root(from) == root(to)) {
            problems_.push_back({here, "closes a cycle: \"" + link.from + "\" and \"" + link.to + "\" are joined already, and the file says that it is a tree",
                                 "take one link of the cycle away, or write \"tree\": false"});
            return;
        }
        joined_[static_cast<std::size_t>(root(from))] = root(to);
        connect(graph_, from, to, link.rate, link.cables);
        graph_.cables.back().latency = link.latency;
    }

    void check_reach() {
        std::string names;
        int count = 0;
        for (int node = 1; node < graph_.end_points; ++node) {
            if (root(node) == root(0)) continue;
            if (count++ < 10) names += (names.empty() ? "" : ", ") + graph_.names[static_cast<std::size_t>(node)];
        }
        // Nodes joined to each other directly hand on what is not theirs.
        graph_.end_points_forward = std::any_of(graph_.cables.begin(), graph_.cables.end(), [&](const Cable& cable) {
            return std::max(cable.from, cable.to) < graph_.end_points;
        });
        if (count == 0) return;
        const std::string more = count > 10 ? " and " + std::to_string(count - 10) + " more" : "";
        problems_.push_back({place_ + "/links", "leave no way from " + graph_.names[0] + " to " + names + more,
                             "add the links that are missing"});
    }
};

Result<NetworkGraph> graph_of(const Json& json, const std::string& place) {
    GraphFile file;
    Problems problems;
    read_fields(json, place, file, problems);
    if (!problems.empty()) return problems;
    return GraphReader(file, place).read();
}

}  // namespace

Result<NetworkGraph> read_graph_file(const std::string& file) {
    const Result<Json> json = parse_json_file(file);
    if (!json) return json.problems();
    return graph_of(*json, file + ":");
}

Result<NetworkGraph> read_graph_text(const std::string& text, const std::string& place) {
    const Result<Json> json = parse_json_text(text, place);
    if (!json) return json.problems();
    return graph_of(*json, place + ":");
}

std::string graph_file_text(const GraphFile& graph) { return dump(write_fields(graph)); }

}  // namespace orrery
