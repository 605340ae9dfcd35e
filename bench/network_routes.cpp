// What routing decides, and how long the answer takes: permutations on k-ary fat trees and other networks, as CSV.
#include "network/fabric.hpp"
#include "network/flow_run.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <string_view>
#include <vector>

namespace {

using namespace orrery;

/// One-port nodes of 400 Gb/s.
Node host() {
    Node node;
    node.name = "host";
    node.devices = node.scale_up_domain = node.nics = 1;
    node.nic_bandwidth = 50.0_GBps;
    node.nic_kind = "infiniband";
    return node;
}

struct RouteCase {
    const char* topology;
    int switch_ports;
    int hosts;
    std::vector<Routing> routings;
    int flows = 1;  // of ecmp, a message
};

/// Median over seeds of the last flow's end, and the longest wall time.
void run_case(const RouteCase& one, Routing routing) {
    FabricSpec spec;
    spec.topology = one.topology;
    spec.switch_ports = one.switch_ports;
    const NetworkGraph graph = fabric_graph(spec, host(), one.hosts, {}).value();
    std::vector<double> last;
    double wall = 0.0;
    for (std::uint64_t seed = 1; seed <= 5; ++seed) {
        const auto begin = std::chrono::steady_clock::now();
        const auto flows = permutation_flows(one.hosts, 2.0_MB, seed);
        FlowRunOptions options;
        options.route = {routing, seed, one.flows};
        options.link_latency = 1.0_us;
        last.push_back(run_flows(graph, flows, options).value().last / 1.0_us);
        wall = std::max(wall, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
    }
    std::sort(last.begin(), last.end());
    fmt::print("{},{},{},{},{},{:.1f},{:.1f},{:.1f},{:.3f}\n", one.topology, one.switch_ports, one.hosts, name_of(routing), one.flows,
               last.front(), last[2], last.back(), wall);
}

}  // namespace

int main(int argc, char** argv) {
    const std::string_view only = argc > 1 ? argv[1] : "";
    const std::vector<Routing> tree{Routing::spray, Routing::adaptive, Routing::ecmp, Routing::fixed};
    const RouteCase cases[] = {
        {"fat-tree", 8, 128, tree},
        {"fat-tree", 16, 1024, tree},
        {"fat-tree", 32, 8192, tree},
        {"fat-tree", 8, 128, {Routing::ecmp}, 8},
        {"fat-tree", 16, 1024, {Routing::ecmp}, 8},
        {"fat-tree", 32, 8192, {Routing::ecmp}, 8},
        {"dragonfly-plus", 16, 1024, {Routing::spray, Routing::valiant, Routing::adaptive, Routing::ecmp}},
        {"hyperx", 32, 1024, {Routing::spray, Routing::dimension_order, Routing::ecmp}},
        {"multi-plane", 16, 512, tree},
    };
    fmt::print("topology,switch_ports,hosts,routing,flows,last_us_min,last_us_median,last_us_max,wall_s\n");
    for (const RouteCase& one : cases) {
        if (!only.empty() && only != one.topology) continue;
        for (const Routing routing : one.routings) run_case(one, routing);
    }
}
