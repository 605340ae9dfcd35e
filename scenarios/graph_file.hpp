// A network that its user drew: nodes, switches and links of a JSON file as a graph.
#pragma once

#include "hardware/fields.hpp"
#include "hardware/result.hpp"
#include "network/graph.hpp"

#include <string>
#include <vector>

namespace orrery {

struct GraphFileLink {
    std::string from;
    std::string to;
    BytesPerSecond rate;
    Seconds latency{};
    int cables = 1;
    static constexpr auto fields() {
        using L = GraphFileLink;
        return std::tuple{
            required_field("from", &L::from, any_value, "Name of a node or switch."),
            required_field("to", &L::to, any_value, "Name of another."),
            required_field("rate", &L::rate, positive, "Of one cable, one direction."),
            field("latency", &L::latency, non_negative, "Of its length, beside the hop's."),
            field("cables", &L::cables, count, "How many run in parallel."),
        };
    }
};

struct GraphFile {
    std::string title;
    std::string description;
    bool tree = false;
    std::vector<std::string> nodes;
    std::vector<std::string> switches;
    std::vector<GraphFileLink> links;
    static constexpr auto fields() {
        using G = GraphFile;
        return std::tuple{
            field("title", &G::title, any_value, "Name as people write it."),
            field("description", &G::description, any_value, "What it is and where it comes from."),
            field("tree", &G::tree, any_value, "True where no two ways may lead to the same place (PCIe)."),
            required_field("nodes", &G::nodes, any_value, "Names of the nodes, in the order of the cluster's."),
            field("switches", &G::switches, any_value, "Names of the switches."),
            required_field("links", &G::links, any_value, "What joins them."),
        };
    }
};

/// The graph of a file. Problems name the file and the place in it: names twice or unknown, rates that are not positive,
/// a link from a thing to itself, a cycle where a tree is asked for, nodes that others cannot reach (the first ten).
Result<NetworkGraph> read_graph_file(const std::string& file);

/// The same from text; `place` stands before the pointers of problems.
Result<NetworkGraph> read_graph_text(const std::string& text, const std::string& place);

/// The file's text, readable by read_graph_file().
std::string graph_file_text(const GraphFile& graph);

}  // namespace orrery
