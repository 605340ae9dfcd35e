// CPU time for a flow from a thousand flows to a million, as CSV and, with a path, as a plot: `bench_growth [PLOT.svg]`.
#include "hardware/rng.hpp"
#include "network/fat_tree_links.hpp"
#include "network/flow_patterns.hpp"
#include "network/flow_player.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <ctime>
#include <fstream>
#include <string>
#include <vector>

namespace {

using namespace orrery;

constexpr int hosts = 1024;

struct Point {
    std::int64_t flows = 0;
    double ns_per_flow = 0.0;
    double solved_per_flow = 0.0;
    std::int64_t active_max = 0;
};

struct Series {
    std::string name;
    std::string colour;
    std::vector<Point> points;
};

FlowSet growing_exchange(const FatTreeLinks& tree, int members) {
    return all_to_all_flows(members, 64.0_KiB, [&tree](int from, int to, std::vector<LinkId>& way) {
        tree.append_way(from, to, tree.d_mod_k(from, to), way);
    });
}

/// Messages of mixed sizes between random pairs, starting at random, at `load` of what the ports carry.
FlowSet growing_traffic(const FatTreeLinks& tree, int flows, double load) {
    Rng rng = Rng::stream(1, "growing traffic", 0);
    FlowSet set;
    const double gap = 256.0 * 1024.0 / (load * hosts * 50e9);
    double now = 0.0;
    std::vector<LinkId> way;
    for (int i = 0; i < flows; ++i) {
        const int from = static_cast<int>(rng.below(hosts));
        const int to = static_cast<int>((static_cast<std::uint64_t>(from) + 1 + rng.below(hosts - 1)) % hosts);
        way.clear();
        tree.append_way(from, to, tree.d_mod_k(from, to), way);
        set.add(from, to, rng.exponential() * 256.0_KiB, way);
        set.start.push_back(Seconds::from_si(now));
        now += rng.exponential() * gap;
    }
    return set;
}

/// The quickest of several runs: others had the machine's attention in between.
Point measured_point(const LinkTable& links, const FlowSet& flows) {
    Point point;
    point.flows = static_cast<std::int64_t>(flows.streams());
    const int runs = point.flows >= 500'000 ? 2 : 5;
    double best = INFINITY;
    for (int run = 0; run < runs; ++run) {
        const std::clock_t begin = std::clock();
        const FlowTimes times = play_flows(links, flows).value();
        best = std::min(best, static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC);
        point.solved_per_flow = static_cast<double>(times.solved) / static_cast<double>(point.flows);
        point.active_max = times.active_max;
    }
    point.ns_per_flow = 1e9 * best / static_cast<double>(point.flows);
    return point;
}

/// Flows on a logarithmic axis from 500 to 2 M, nanoseconds a flow from 0 up; each series with a grey line c log n through
/// its first point.
std::string growth_plot(const std::vector<Series>& all) {
    constexpr double width = 640.0, height = 400.0, left = 70.0, bottom = 50.0, top = 40.0, right = 20.0;
    double most = 0.0;
    for (const Series& series : all) {
        for (const Point& point : series.points) most = std::max(most, point.ns_per_flow);
    }
    most *= 1.1;
    const auto x = [&](double flows) { return left + (width - left - right) * (std::log10(flows) - std::log10(500.0)) / std::log10(4000.0); };
    const auto y = [&](double ns) { return height - bottom - (height - bottom - top) * ns / most; };
    std::string svg = fmt::format("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" font-family=\"sans-serif\" font-size=\"12\">\n"
                                  "<rect width=\"{0}\" height=\"{1}\" fill=\"white\"/>\n<text x=\"{2}\" y=\"20\">CPU time for a flow (ns) by flows in all, on 1,024 hosts; grey: c log n</text>\n",
                                  width, height, left);
    for (int power = 3; power <= 6; ++power) {
        svg += fmt::format("<line x1=\"{0:.1f}\" y1=\"{1:.1f}\" x2=\"{0:.1f}\" y2=\"{2:.1f}\" stroke=\"#ddd\"/><text x=\"{0:.1f}\" y=\"{3:.1f}\" text-anchor=\"middle\">1e{4}</text>\n",
                           x(std::pow(10.0, power)), y(0.0), y(most), height - bottom + 18.0, power);
    }
    for (int tick = 0; tick <= 4; ++tick) {
        const double ns = most / 1.1 * tick / 4.0;
        svg += fmt::format("<line x1=\"{0:.1f}\" y1=\"{1:.1f}\" x2=\"{2:.1f}\" y2=\"{1:.1f}\" stroke=\"#ddd\"/><text x=\"{3:.1f}\" y=\"{4:.1f}\" text-anchor=\"end\">{5:.0f}</text>\n",
                           left, y(ns), width - right, left - 6.0, y(ns) + 4.0, ns);
    }
    double legend = top + 12.0;
    for (const Series& series : all) {
        std::string curve, reference;
        const Point& first = series.points.front();
        for (const Point& point : series.points) {
            const auto flows = static_cast<double>(point.flows);
            curve += fmt::format("{:.1f},{:.1f} ", x(flows), y(point.ns_per_flow));
            reference += fmt::format("{:.1f},{:.1f} ", x(flows), y(std::min(most, first.ns_per_flow * std::log(flows) / std::log(static_cast<double>(first.flows)))));
        }
        svg += fmt::format("<polyline points=\"{}\" fill=\"none\" stroke=\"#999\" stroke-dasharray=\"4 3\"/>\n"
                           "<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"2\"/>\n<text x=\"{}\" y=\"{}\" fill=\"{}\">{}</text>\n",
                           reference, curve, series.colour, left + 12.0, legend, series.colour, series.name);
        legend += 16.0;
    }
    return svg + "</svg>\n";
}

}  // namespace

int main(int argc, char** argv) {
    const FatTreeLinks tree(three_tier_tree(hosts, 400.0_Gbps, 1.0_us));
    std::vector<Series> all{{"all-to-all of the first 32 to 1,024 hosts", "#1f77b4", {}}, {"random messages at 0.1 of the ports' rate", "#2ca02c", {}},
                            {"random messages at 0.3", "#d62728", {}}};
    for (const int members : {32, 64, 128, 256, 512, 1024}) all[0].points.push_back(measured_point(tree.table(), growing_exchange(tree, members)));
    for (const int flows : {1000, 3000, 10'000, 30'000, 100'000, 300'000, 1'000'000}) {
        all[1].points.push_back(measured_point(tree.table(), growing_traffic(tree, flows, 0.1)));
        all[2].points.push_back(measured_point(tree.table(), growing_traffic(tree, flows, 0.3)));
    }
    fmt::print("series,flows,cpu_ns_per_flow,times_log_n_of_first,solved_per_flow,active_max\n");
    for (const Series& series : all) {
        const Point& first = series.points.front();
        for (const Point& point : series.points) {
            const double logarithm = std::log(static_cast<double>(point.flows)) / std::log(static_cast<double>(first.flows));
            fmt::print("{},{},{:.0f},{:.2f},{:.2f},{}\n", series.name, point.flows, point.ns_per_flow, point.ns_per_flow / first.ns_per_flow / logarithm,
                       point.solved_per_flow, point.active_max);
        }
    }
    if (argc > 1) std::ofstream(argv[1]) << growth_plot(all);
    return 0;
}
