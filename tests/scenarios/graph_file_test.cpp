// Graph files and importers: what they read, and what they say of mistakes.
#include "scenarios/graph_file.hpp"
#include "scenarios/import_topology.hpp"
#include "network/network_graph.hpp"

#include <catch2/catch.hpp>

#include <algorithm>

using namespace orrery;

namespace {

Problems graph_problems(const std::string& text) {
    const auto graph = read_graph_text(text, "net.json");
    REQUIRE_FALSE(graph.ok());
    return graph.problems();
}

bool has_link(const GraphFile& graph, const std::string& from, const std::string& to, int cables) {
    return std::any_of(graph.links.begin(), graph.links.end(), [&](const GraphFileLink& link) {
        return link.from == from && link.to == to && link.cables == cables;
    });
}

}  // namespace

TEST_CASE("a drawn network has the switches, cables and cut that it draws", "[reader][network]") {
    // Method: two nodes on each of two switches, two cables between: the cut is those two.
    const auto graph = read_graph_text(R"({ "nodes": ["a", "b", "c", "d"], "switches": ["left", "right"], "links": [
        {"from": "a", "to": "left", "rate": "400 Gb/s"}, {"from": "b", "to": "left", "rate": "400 Gb/s"},
        {"from": "c", "to": "right", "rate": "400 Gb/s"}, {"from": "d", "to": "right", "rate": "400 Gb/s"},
        {"from": "left", "to": "right", "rate": "200 Gb/s", "cables": 2, "latency": "2 us"}] })", "net.json");
    REQUIRE(graph.ok());
    const NetworkFigures figures = measure_network(*graph);
    CHECK(figures.switches == 2);
    CHECK(figures.cables == 6);
    CHECK(figures.hops_max == 3);
    CHECK(figures.bisection.si() == Approx(50e9));
    CHECK(graph->cables.back().latency == 2.0_us);
    CHECK(vertex_name(*graph, 5) == "right");
}

TEST_CASE("mistakes of a drawn network are named with place and remedy", "[reader][network]") {
    // Method: the messages, one mistake each.
    const auto cut = graph_problems(R"({"nodes": ["a", "b", "c"], "links": [{"from": "a", "to": "b", "rate": "1 GB/s"}]})");
    CHECK(cut.front().place == "net.json:/links");
    CHECK(cut.front().problem == "leave no way from a to c");
    const auto zero = graph_problems(R"({"nodes": ["a", "b"], "links": [{"from": "a", "to": "b", "rate": "0 GB/s"}]})");
    CHECK(zero.front().place == "net.json:/links/0/rate");
    const auto cycle = graph_problems(R"({"tree": true, "nodes": ["a", "b"], "switches": ["s"], "links": [
        {"from": "a", "to": "s", "rate": "1 GB/s"}, {"from": "b", "to": "s", "rate": "1 GB/s"}, {"from": "a", "to": "b", "rate": "1 GB/s"}]})");
    CHECK(cycle.front().place == "net.json:/links/2");
    CHECK(cycle.front().problem.starts_with("closes a cycle: \"a\" and \"b\""));
    const auto unknown = graph_problems(R"({"nodes": ["node-1", "node-2"], "links": [{"from": "node-1", "to": "node-3", "rate": "1 GB/s"}]})");
    CHECK(unknown.front().place == "net.json:/links/0/to");
    CHECK(unknown.front().problem == "is \"node-3\", which is no node or switch of this file");
    const auto self = graph_problems(R"({"nodes": ["a", "b"], "links": [{"from": "a", "to": "a", "rate": "1 GB/s"}]})");
    CHECK(self.front().problem == "goes from \"a\" to itself");
    const auto twice = graph_problems(R"({"nodes": ["a", "a"], "links": []})");
    CHECK(twice.front().place == "net.json:/nodes/1");
    const auto empty = graph_problems(R"({"nodes": [], "links": []})");
    CHECK(empty.front().problem == "names no node");
}

TEST_CASE("the matrix of nvidia-smi becomes NVLinks and a PCIe tree", "[reader][network]") {
    // Method: by hand, four GPUs of which two pairs share PCIe switches with a network card each, NVLink among all four.
    const std::string text =
        "\x1b[4m\tGPU0\tGPU1\tGPU2\tGPU3\tNIC0\tNIC1\tCPU Affinity\tNUMA Affinity\x1b[0m\n"
        "GPU0\t X \tNV4\tNV4\tNV4\tPXB\tSYS\t0-31\t0\n"
        "GPU1\tNV4\t X \tNV4\tNV4\tPXB\tSYS\t0-31\t0\n"
        "GPU2\tNV4\tNV4\t X \tNV4\tSYS\tPXB\t32-63\t1\n"
        "GPU3\tNV4\tNV4\tNV4\t X \tSYS\tPXB\t32-63\t1\n"
        "NIC0\tPXB\tPXB\tSYS\tSYS\t X \tSYS\n"
        "NIC1\tSYS\tSYS\tPXB\tPXB\tSYS\t X \n"
        "\nLegend:\n\n  X    = Self\n";
    const auto graph = import_nvidia_topology(text, "topo.txt");
    REQUIRE(graph.ok());
    CHECK(graph->nodes.size() == 6);
    CHECK(graph->switches == std::vector<std::string>{"pcie bridges 0", "pcie bridges 1", "between sockets 0"});
    CHECK(has_link(*graph, "GPU0", "GPU3", 4));
    CHECK(has_link(*graph, "NIC1", "pcie bridges 1", 1));
    CHECK(has_link(*graph, "pcie bridges 0", "between sockets 0", 1));
    CHECK(graph->links.size() == 6 + 6 + 2);
    CHECK(read_graph_text(graph_file_text(*graph), "again").ok());
    const auto short_row = import_nvidia_topology("\tGPU0\tGPU1\nGPU0\tX\n", "topo.txt");
    REQUIRE_FALSE(short_row.ok());
    CHECK(short_row.problems().front().place == "topo.txt:2");
    const auto odd = import_nvidia_topology("\tGPU0\tGPU1\nGPU0\tX\tPIG\nGPU1\tPIG\tX\n", "topo.txt");
    REQUIRE_FALSE(odd.ok());
    CHECK(odd.problems().front().problem == "has \"PIG\" where X, NV#, PIX, PXB, PHB, NODE or SYS is expected");
    CHECK_FALSE(import_nvidia_topology("no matrix", "topo.txt").ok());
}

TEST_CASE("eight GPUs with equally many links to all others are behind a switch", "[reader][network]") {
    // Method: as DGX H100 prints itself, NV18 everywhere.
    std::string text = "\tGPU0\tGPU1\tGPU2\tGPU3\tGPU4\tGPU5\tGPU6\tGPU7\n";
    for (int a = 0; a < 8; ++a) {
        text += "GPU" + std::to_string(a);
        for (int b = 0; b < 8; ++b) text += a == b ? "\tX" : "\tNV18";
        text += "\n";
    }
    const auto graph = import_nvidia_topology(text, "topo.txt");
    REQUIRE(graph.ok());
    CHECK(graph->switches == std::vector<std::string>{"nvswitch"});
    CHECK(graph->links.size() == 8);
    CHECK(has_link(*graph, "GPU7", "nvswitch", 18));
}

TEST_CASE("the XML of lstopo becomes a tree of bridges and sockets", "[reader][network]") {
    // Method: by hand, a socket with a PCIe switch of two GPUs and a card of its own, another with one GPU.
    const std::string text = R"(<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE topology SYSTEM "hwloc2.dtd">
<topology version="2.0">
  <object type="Machine" os_index="0">
    <object type="Package" os_index="0">
      <object type="NUMANode" os_index="0"/>
      <object type="Bridge" bridge_type="0-1">
        <object type="Bridge" bridge_type="1-1" pci_link_speed="31.507692">
          <object type="PCIDev" pci_type="0302 [10de:2330] [10de:16c1] a1" pci_link_speed="31.507692"><object type="OSDev" name="cuda0" osdev_type="5"/></object>
          <object type="PCIDev" pci_type="0302 [10de:2330] [10de:16c1] a1" pci_link_speed="31.507692"/>
        </object>
        <object type="PCIDev" pci_type="0207 [15b3:1021] [15b3:0041] 00" pci_link_speed="63.015385"/>
        <object type="PCIDev" pci_type="0108 [144d:a80a] [144d:a801] 00" pci_link_speed="7.876923"/>
      </object>
    </object>
    <object type="Package" os_index="1">
      <object type="Bridge" bridge_type="0-1">
        <object type="PCIDev" pci_type="1200 [1002:74a1] [1002:74a1] 00" pci_link_speed="63.015385"/>
      </object>
    </object>
  </object>
</topology>)";
    const auto graph = import_hwloc(text, "node.xml");
    REQUIRE(graph.ok());
    CHECK(graph->nodes == std::vector<std::string>{"gpu 0", "gpu 1", "nic 0", "gpu 2"});
    CHECK(graph->switches == std::vector<std::string>{"pcie switch 0", "pcie switch 1", "machine 0"});
    CHECK(has_link(*graph, "gpu 1", "pcie switch 0", 1));
    CHECK(has_link(*graph, "pcie switch 0", "pcie switch 1", 1));
    CHECK(graph->links.front().rate.si() == Approx(31.507692e9));
    const auto network = read_graph_text(graph_file_text(*graph), "again");
    REQUIRE(network.ok());
    CHECK(measure_network(*network).hops_max == 4);
    const auto broken = import_hwloc("<topology>\n<object type=\"Machine\">\n</topology>", "node.xml");
    REQUIRE_FALSE(broken.ok());
    CHECK(broken.problems().front().problem == "has an object that never ends");
    const auto bare = import_hwloc("<object type=\"Machine\"/>", "node.xml");
    REQUIRE_FALSE(bare.ok());
    CHECK(bare.problems().front().problem == "shows 0 GPUs, accelerators and network cards");
    CHECK_FALSE(import_hwloc("", "node.xml").ok());
}
