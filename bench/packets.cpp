// How fast packets are played on large networks, as CSV: `bench_packets [NAME-PREFIX]`.
#include "network/fat_tree_links.hpp"
#include "network/flow_patterns.hpp"
#include "network/packet/packet_player.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <cstdlib>
#include <functional>
#include <string>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

using namespace orrery;

FatTreeLinks tree_of(int hosts) { return FatTreeLinks(three_tier_tree(hosts, 400.0_Gbps, 1.0_us)); }

FlowSet permutation(const FatTreeLinks& tree, Bytes size) {
    const int hosts = tree.tree().hosts();
    Rng rng = Rng::stream(1, "permutation", static_cast<std::uint64_t>(hosts));
    const std::vector<int> to = random_cycle(hosts, rng);
    FlowSet flows;
    for (int from = 0; from < hosts; ++from) tree.add_spread_flow(from, to[static_cast<std::size_t>(from)], size, flows);
    return flows;
}

FlowSet all_to_all(const FatTreeLinks& tree, Bytes size) {
    FlowSet flows;
    for (int from = 0; from < tree.tree().hosts(); ++from) {
        for (int to = 0; to < tree.tree().hosts(); ++to) {
            if (from != to) tree.add_spread_flow(from, to, size, flows);
        }
    }
    return flows;
}

FlowSet incast(const FatTreeLinks& tree, int senders, Bytes size) {
    FlowSet flows;
    for (int from = 1; from <= senders; ++from) tree.add_spread_flow(from, 0, size, flows);
    return flows;
}

double seconds_used(const rusage& use) {
    const auto seconds = [](const timeval& t) { return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec); };
    return seconds(use.ru_utime) + seconds(use.ru_stime);
}

struct Case {
    std::string name;
    int hosts;
    std::function<FlowSet(const FatTreeLinks&)> build;
    PacketOptions options;
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
    const FatTreeLinks tree = tree_of(one.hosts);
    const FlowSet flows = one.build(tree);
    const Result<PacketTimes> times = play_packets(tree.table(), flows, one.options);
    rusage played{};
    getrusage(RUSAGE_SELF, &played);
    if (!times) {
        for (const Problem& p : times.problems()) fmt::print(stderr, "{}: {}; {}\n", p.place, p.problem, p.remedy);
        std::_Exit(1);
    }
    std::vector<Seconds> finish = times->finish;
    std::sort(finish.begin(), finish.end());
    const Bytes queue = *std::max_element(times->queue_max.begin(), times->queue_max.end());
    fmt::print("{},{},{:.2f},{:.0f},{},{:.2f},{:.2f},{:.2f},{:.0f},{},{},{},{},{:.1f}\n", one.name, times->data_packets,
               seconds_used(played), 1e9 * seconds_used(played) / static_cast<double>(times->data_packets), times->events,
               finish[finish.size() / 2] / 1.0_us, times->last / 1.0_us, times->last_acknowledged / 1.0_us,
               queue / 1.0_KiB, times->pauses, times->marked, times->trimmed, times->reorder_max,
               static_cast<double>(played.ru_maxrss) / 1024.0);
    std::fflush(stdout);
    std::_Exit(0);
}

std::vector<Case> cases() {
    std::vector<Case> list;
    const auto spread = [](const FatTreeLinks& tree) { return permutation(tree, 2.0_MB); };
    for (const int hosts : {128, 1024, 8192}) list.push_back({fmt::format("permutation-{}-random", hosts), hosts, spread, {}});
    PacketOptions options;
    options.path = PathChoice::round_robin_spray;
    list.push_back({"permutation-1024-round-robin", 1024, spread, options});
    options.path = PathChoice::by_flow;
    list.push_back({"permutation-1024-by-flow", 1024, spread, options});
    list.push_back({"all-to-all-128-random", 128, [](const FatTreeLinks& tree) { return all_to_all(tree, 64.0_KiB); }, {}});
    const auto inwards = [](const FatTreeLinks& tree) { return incast(tree, 64, 1.0_MB); };
    list.push_back({"incast-64-pause", 128, inwards, {}});
    options = {};
    options.control = CongestionControl::dcqcn;
    list.push_back({"incast-64-dcqcn", 128, inwards, options});
    options.control = CongestionControl::dctcp;
    list.push_back({"incast-64-dctcp", 128, inwards, options});
    options = {};
    options.limit = QueueLimit::trim;
    options.control = CongestionControl::pull;
    list.push_back({"incast-64-trim-pull", 128, inwards, options});
    return list;
}

}  // namespace

int main(int argc, char** argv) {
    const std::string prefix = argc > 1 ? argv[1] : "";
    fmt::print("case,data_packets,cpu_s,cpu_ns_per_packet,events,median_us,last_us,last_acknowledged_us,queue_max_kib,pauses,"
               "marked,trimmed,reorder_max,peak_rss_mib\n");
    for (const Case& one : cases()) {
        if (one.name.rfind(prefix, 0) == 0) run_case(one);
    }
    return 0;
}
