// How fast flows and messages are played on large networks, as CSV: `bench_flows [NAME-PREFIX]`.
#include "network/fat_tree_links.hpp"
#include "network/flow_patterns.hpp"
#include "network/flow_player.hpp"

#include <fmt/format.h>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <string>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

using namespace orrery;

struct Network {
    LinkTable links;
    FlowSet flows;
};

FindWay static_ways(const FatTreeLinks& tree) {
    return [&tree](int from, int to, std::vector<LinkId>& way) { tree.append_way(from, to, tree.d_mod_k(from, to), way); };
}

/// 400 Gb/s and 1 us on every link.
FatTreeLinks tree_of(int hosts) { return FatTreeLinks(three_tier_tree(hosts, 400.0_Gbps, 1.0_us)); }

Network all_to_all(int hosts) {
    const FatTreeLinks tree = tree_of(hosts);
    return {tree.table(), all_to_all_flows(hosts, 64.0_KiB, static_ways(tree))};
}

Network ring_rounds(int hosts, int rounds) {
    const FatTreeLinks tree = tree_of(hosts);
    return {tree.table(), ring_flows(hosts, 64.0_KiB, rounds, 1, StepRule::arrival_and_own_send, static_ways(tree))};
}

Network doubling(int hosts) {
    const FatTreeLinks tree = tree_of(hosts);
    return {tree.table(), doubling_flows(hosts, 1.0_MiB, StepRule::arrival_and_own_send, static_ways(tree))};
}

Network permutation(int hosts) {
    const FatTreeLinks tree = tree_of(hosts);
    Rng rng = Rng::stream(1, "permutation", static_cast<std::uint64_t>(hosts));
    return {tree.table(), permutation_flows(random_cycle(hosts, rng), 2.0_MB, static_ways(tree))};
}

/// A cable from each of `hosts` to the next, 50 GB/s and 500 ns.
FindWay neighbour_cables(int hosts, LinkTable& links) {
    for (int i = 0; i < hosts; ++i) links.add(50.0_GBps, 500.0_ns);
    return [](int from, int, std::vector<LinkId>& way) { way.push_back(from); };
}

/// 1 GiB in four chunks of the buffer, as ring all-reduces side by side: 4 n messages a round, 2 (n - 1) rounds.
Network ring_all_reduce(int hosts) {
    Network network;
    const FindWay cables = neighbour_cables(hosts, network.links);
    network.flows = ring_flows(hosts, 1.0_GiB / (4.0 * hosts), 2 * (hosts - 1), 4, StepRule::arrival, cables);
    return network;
}

Network ring_as_phase(int hosts) {
    Network network;
    network.flows = ring_phase_flows(hosts, 1.0_GiB, 500.0_ns, neighbour_cables(hosts, network.links));
    return network;
}

/// All-reduce of 1 GiB over rows, then columns, of a torus with a cable to the right and one down, 50 GB/s and 500 ns.
Network grid_all_reduce(int side, int chains) {
    Network network;
    for (int i = 0; i < 2 * side * side; ++i) network.links.add(50.0_GBps, 500.0_ns);
    const FindWay cables = [side](int from, int to, std::vector<LinkId>& way) {
        way.push_back(from / side == to / side ? from : side * side + from);
    };
    const Bytes message = 1.0_GiB / static_cast<double>(chains * side);
    network.flows = grid_ring_flows(side, side, message, chains, StepRule::arrival, cables);
    return network;
}

/// Messages of mixed sizes (exponential, mean 256 KiB) between random pairs, starting at random, at 0.3 of what the ports
/// carry.
Network random_traffic(int hosts, int flows) {
    const FatTreeLinks tree = tree_of(hosts);
    Rng rng = Rng::stream(1, "random traffic", 0);
    Network network{tree.table(), {}};
    const double gap = 256.0 * 1024.0 / (0.3 * hosts * 50e9);
    double now = 0.0;
    std::vector<LinkId> way;
    for (int i = 0; i < flows; ++i) {
        const int from = static_cast<int>(rng.below(static_cast<std::uint64_t>(hosts)));
        const int to = static_cast<int>((static_cast<std::uint64_t>(from) + 1 + rng.below(static_cast<std::uint64_t>(hosts - 1))) %
                                        static_cast<std::uint64_t>(hosts));
        way.clear();
        tree.append_way(from, to, tree.d_mod_k(from, to), way);
        network.flows.add(from, to, rng.exponential() * 256.0_KiB, way);
        network.flows.start.push_back(Seconds::from_si(now));
        now += rng.exponential() * gap;
    }
    return network;
}

double seconds_used(const rusage& use) {
    const auto seconds = [](const timeval& t) { return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec); };
    return seconds(use.ru_utime) + seconds(use.ru_stime);
}

struct Case {
    std::string name;
    double expected_us;  // closed form, or what a flow-level simulator without protocol model says; 0: none
    std::function<Network()> build;
};

/// Plays one case in a process of its own, so that its CPU time and memory are its own.
void run_case(const Case& one) {
    std::fflush(stdout);
    const pid_t child = fork();
    if (child != 0) {
        int status = 0;
        waitpid(child, &status, 0);
        if (status != 0) fmt::print("{},failed\n", one.name);
        return;
    }
    const Network network = one.build();
    rusage built{};
    getrusage(RUSAGE_SELF, &built);
    const Result<FlowTimes> times = play_flows(network.links, network.flows);
    rusage played{};
    getrusage(RUSAGE_SELF, &played);
    if (!times) {
        for (const Problem& p : times.problems()) fmt::print(stderr, "{}: {}; {}\n", p.place, p.problem, p.remedy);
        std::_Exit(1);
    }
    const double cpu = seconds_used(played);
    fmt::print("{},{},{:.3f},{:.3f},{:.0f},{},{},{:.2f},{:.1f},{}\n", one.name, times->messages, cpu,
               cpu - seconds_used(built), 1e9 * cpu / static_cast<double>(times->messages), times->instants, times->solved,
               times->last / 1.0_us, static_cast<double>(played.ru_maxrss) / 1024.0,
               one.expected_us > 0.0 ? fmt::format("{:.2f}", 100.0 * (times->last / 1.0_us / one.expected_us - 1.0)) : "");
    std::fflush(stdout);
    std::_Exit(0);
}

std::vector<Case> cases() {
    std::vector<Case> list;
    for (const auto& [hosts, expected] : {std::pair{32, 0.0}, {64, 84.6}, {128, 168.5}, {256, 336.2}, {512, 0.0}, {1024, 1342.9}}) {
        list.push_back({fmt::format("all-to-all-{}", hosts), expected, [hosts = hosts] { return all_to_all(hosts); }});
    }
    list.push_back({"ring-1024-100-rounds", 731.1, [] { return ring_rounds(1024, 100); }});
    list.push_back({"ring-128-all-reduce-steps", 1856.9, [] { return ring_rounds(128, 254); }});
    for (const auto& [hosts, expected] : {std::pair{128, 176.8}, {1024, 251.7}, {4096, 299.7}}) {
        list.push_back({fmt::format("doubling-{}", hosts), expected, [hosts = hosts] { return doubling(hosts); }});
    }
    for (const int hosts : {128, 1024, 8192}) {
        list.push_back({fmt::format("permutation-{}", hosts), 0.0, [hosts] { return permutation(hosts); }});
    }
    const double ring_us = 2.0 * 1023 * (1048576.0 / 50e3 + 0.5);
    list.push_back({"ring-all-reduce-1024-messages", ring_us, [] { return ring_all_reduce(1024); }});
    list.push_back({"ring-all-reduce-1024-phase", ring_us, [] { return ring_as_phase(1024); }});
    const double grid_us = 2.0 * 63 * (16777216.0 / 50e3 + 0.5) + 2.0 * 63 * (262144.0 / 50e3 + 0.5);
    list.push_back({"grid-all-reduce-64x64-messages", grid_us, [] { return grid_all_reduce(64, 1); }});
    list.push_back({"grid-all-reduce-64x64-4-chunks", grid_us, [] { return grid_all_reduce(64, 4); }});
    for (const auto& [hosts, flows] : {std::pair{1024, 1000}, {1024, 10'000}, {1024, 100'000}, {1024, 1'000'000},
                                      {8192, 1'000'000}}) {
        list.push_back({fmt::format("random-{}-on-{}", flows, hosts), 0.0,
                        [hosts = hosts, flows = flows] { return random_traffic(hosts, flows); }});
    }
    return list;
}

}  // namespace

int main(int argc, char** argv) {
    const std::string prefix = argc > 1 ? argv[1] : "";
    fmt::print("case,messages,cpu_s,play_cpu_s,cpu_ns_per_message,instants,solved,last_us,peak_rss_mib,error_percent\n");
    for (const Case& one : cases()) {
        if (one.name.rfind(prefix, 0) == 0) run_case(one);
    }
    return 0;
}
