// Looks up the machine of a collective workload, runs its sizes and prints them.
#include "scenarios/collective_sweep.hpp"

#include "hardware/rng.hpp"
#include "network/collective_parameters.hpp"
#include "network/flow_patterns.hpp"
#include "scenarios/catalog.hpp"
#include "scenarios/json.hpp"
#include "scenarios/quantity.hpp"

#include <fmt/format.h>

#include <cmath>
#include <memory>

namespace orrery {
namespace {

/// The machine and the request, but for its size.
struct PreparedCollective {
    std::shared_ptr<const Fabric> fabric;
    std::shared_ptr<const FabricWays> ways;
    CollectiveRequest request;
    std::vector<std::string> sources;
};

std::vector<int> senders_of(const BackgroundSpec& spec, const std::vector<std::vector<RankId>>& groups, int devices) {
    if (!spec.ranks.empty()) return spec.ranks;
    std::vector<std::uint8_t> taken(static_cast<std::size_t>(devices), 0);
    for (const auto& group : groups) {
        for (const RankId rank : group) taken[rank] = 1;
    }
    std::vector<int> free;
    for (int rank = 0; rank < devices; ++rank) {
        if (taken[rank] == 0) free.push_back(rank);
    }
    return free;
}

void add_background_flows(const Scenario& scenario, int devices, CollectiveRequest& request) {
    for (std::size_t i = 0; i < scenario.collective->background.size(); ++i) {
        const BackgroundSpec& spec = scenario.collective->background[i];
        const std::vector<int> senders = senders_of(spec, request.groups, devices);
        const auto add = [&](int from, int to) {
            if (from != to) request.background.push_back({from, to, spec.size, spec.traffic_class});
        };
        switch (spec.pattern) {
            case BackgroundPattern::flow:
                add(spec.from, spec.to);
                break;
            case BackgroundPattern::permutation: {
                Rng rng = Rng::stream(scenario.seed, "background", i);
                if (senders.size() < 2) break;
                const std::vector<int> to = random_cycle(static_cast<int>(senders.size()), rng);
                for (std::size_t s = 0; s < senders.size(); ++s) add(senders[s], senders[static_cast<std::size_t>(to[s])]);
                break;
            }
            case BackgroundPattern::incast:
                for (const int sender : senders) add(sender, spec.to);
                break;
            case BackgroundPattern::all_to_all:
                for (const int from : senders) {
                    for (const int to : senders) add(from, to);
                }
                break;
        }
    }
}

template <class T>
bool take(Result<T> found, const char* place, T& out, Problems& problems) {
    if (found) {
        out = std::move(found).value();
        return true;
    }
    for (const Problem& one : found.problems()) {
        const bool has_place = one.place.find('/') != std::string::npos;
        problems.push_back({has_place ? one.place : place, one.problem, one.remedy});
    }
    return false;
}

/// Receivers' parts: the first gets `imbalance` times the mean, the others share what is left.
std::vector<double> shares_of(const CollectiveWorkload& workload, std::size_t ranks) {
    if (!workload.shares.empty() || workload.imbalance == 1.0) return workload.shares;
    const auto n = static_cast<double>(ranks);
    std::vector<double> shares(ranks, (n - workload.imbalance) / (n - 1.0));
    shares.front() = workload.imbalance;
    return shares;
}

Result<PreparedCollective> prepare_collective_run(const Scenario& scenario) {
    const CollectiveWorkload& workload = *scenario.collective;
    Problems problems;
    Node node;
    Device device;
    if (!take(find_node(scenario.cluster.node), "/cluster/node", node, problems)) return problems;
    const int devices = node.devices * scenario.cluster.nodes;
    problems = collective_problems(scenario, devices);
    take(find_device(node.device), "/cluster/node", device, problems);
    const FabricSpec spec = resolved_fabric(scenario, node, problems);
    if (!problems.empty()) return problems;
    const auto parameters = resolved_collectives(scenario, device, problems);
    if (!problems.empty()) return problems;
    const NetworkFaults faults{scenario.cluster.faults.links, scenario.cluster.faults.switches, scenario.cluster.faults.reroute};
    Fabric built;
    if (!take(build_fabric(spec, node, scenario.cluster.nodes, device.scale_up_bandwidth, parameters, faults, scenario.seed), "/cluster/fabric", built, problems)) {
        return problems;
    }
    for (const SlowLink& slow : scenario.cluster.faults.slow_links) slow_port(built, slow.rank, slow.rate);
    PreparedCollective prepared;
    prepared.fabric = std::make_shared<const Fabric>(std::move(built));
    NetworkGraph graph;
    if (prepared.fabric->domain < devices) {
        NetworkGraph whole;
        if (!take(fabric_graph(spec, node, scenario.cluster.nodes, device.scale_up_bandwidth), "/cluster/fabric", whole, problems) ||
            !take(with_faults(std::move(whole), faults), "/cluster/faults", graph, problems)) {
            return problems;
        }
        for (const SlowLink& slow : scenario.cluster.faults.slow_links) slow_port(*prepared.fabric, slow.rank, slow.rate, graph);
    }
    FabricWays ways;
    const RouteOptions routing{spec.routing, scenario.seed, spec.flows_per_message};
    if (!take(FabricWays::make(*prepared.fabric, std::move(graph), routing, scenario.fidelity == Fidelity::packet), "/cluster/fabric", ways, problems)) {
        return problems;
    }
    prepared.ways = std::make_shared<const FabricWays>(std::move(ways));
    CollectiveRequest& request = prepared.request;
    request.collective = {workload.collective, {}, workload.type};
    request.algorithm = workload.algorithm;
    request.root = workload.root;
    request.channels = workload.channels;
    request.traffic_class = workload.traffic_class;
    request.groups = group_members(workload.group, devices);
    request.shares = shares_of(workload, request.groups.front().size());
    add_background_flows(scenario, devices, request);
    prepared.sources = {device.name + ": collectives: " + parameters->source};
    return prepared;
}

Result<CollectiveOutcome> run_size(const Scenario& scenario, const PreparedCollective& prepared, const CollectiveRequest& request) {
    if (scenario.fidelity == Fidelity::estimate) return price_collective(*prepared.fabric, *prepared.ways, request);
    if (scenario.fidelity == Fidelity::fluid) return play_collective(*prepared.fabric, *prepared.ways, request, {});
    PacketOptions packet = scenario.collective->packet;
    packet.seed = scenario.seed;
    const Routing routing = scenario.cluster.fabric.routing;
    if (routing == Routing::adaptive) packet.path = PathChoice::least_queued;
    if (routing != Routing::spray && routing != Routing::adaptive && routing != Routing::valiant) packet.path = PathChoice::by_flow;
    return play_collective(*prepared.fabric, *prepared.ways, request, packet);
}

Json row_object(const CollectiveReport& report, const CollectiveRow& row) {
    const CollectiveOutcome& o = row.outcome;
    Json json = {{"size_bytes", row.size.si()},
                 {"count", std::floor(row.size.si() / element_bytes(report.scenario.collective->type))},
                 {"time_s", o.time.si()},
                 {"time_low_s", o.time.si() * row.expected.low},
                 {"time_high_s", o.time.si() * row.expected.high},
                 {"algorithm_bandwidth_bytes_per_s", row.algorithm_bandwidth.si()},
                 {"bus_bandwidth_bytes_per_s", row.bus_bandwidth.si()},
                 {"idle_time_s", o.idle_time.si()},
                 {"algorithm", std::string(o.algorithm)},
                 {"protocol", std::string(o.protocol)},
                 {"basis", o.basis},
                 {"messages", o.messages}};
    if (report.scenario.fidelity == Fidelity::packet) {
        json["packets"] = {{"sent", o.packets},   {"marked", o.marked},   {"dropped", o.dropped},
                           {"trimmed", o.trimmed}, {"pauses", o.pauses}, {"queue_max_bytes", o.queue_max.si()}};
    }
    Json links = Json::array();
    for (const LinkUse& link : o.busiest) {
        links.push_back({{"link", link.name}, {"busy", link.busy}, {"carried_bytes", link.carried.si()},
                         {"queue_max_bytes", link.queue_max.si()}, {"paused_s", link.paused.si()}});
    }
    if (!links.empty()) json["busiest_links"] = std::move(links);
    return json;
}

double average_bus_bandwidth(const CollectiveReport& report) {
    double sum = 0.0;
    for (const CollectiveRow& row : report.rows) sum += row.bus_bandwidth.si();
    return report.rows.empty() ? 0.0 : sum / static_cast<double>(report.rows.size());
}

std::string busiest_text(const CollectiveReport& report) {
    const CollectiveRow& last = report.rows.back();
    const bool packets = report.scenario.fidelity == Fidelity::packet;
    if (last.outcome.busiest.empty()) return "";
    std::string text = fmt::format("#\n# busiest links at {}\n", format_bytes(last.size));
    for (const LinkUse& link : last.outcome.busiest) {
        text += fmt::format("# {:>6.1f} %  {:>12}  {}", 100.0 * link.busy, format_bytes(link.carried), link.name);
        if (packets) text += fmt::format(", queue up to {}, paused {}", format_bytes(link.queue_max), format_seconds(link.paused));
        text += "\n";
    }
    return text;
}

}  // namespace

Problems check_collective(const Scenario& scenario) {
    Result<PreparedCollective> prepared = prepare_collective_run(scenario);
    if (!prepared) return prepared.problems();
    CollectiveRequest request = prepared->request;
    request.collective.size = sweep_sizes(*scenario.collective).front();
    const Result<CollectiveOutcome> priced = price_collective(*prepared->fabric, *prepared->ways, request);
    return priced ? Problems{} : priced.problems();
}

Result<CollectiveReport> run_collective(const Scenario& scenario, const std::function<void(Bytes)>& progress) {
    ORRERY_CHECK(scenario.collective.has_value());
    Result<PreparedCollective> prepared = prepare_collective_run(scenario);
    if (!prepared) return prepared.problems();
    CollectiveReport report;
    report.scenario = scenario;
    CollectiveRequest request = prepared->request;
    report.ranks = static_cast<int>(request.groups.front().size());
    report.groups = static_cast<int>(request.groups.size());
    report.domains = shape_of(*prepared->fabric, request.groups.front()).domains;
    report.devices = prepared->fabric->devices;
    report.provenance.commit = program_commit();
    report.provenance.scenario_sha256 = scenario.sha256;
    report.provenance.seed = scenario.seed;
    report.provenance.sources = prepared->sources;
    for (const Bytes size : sweep_sizes(*scenario.collective)) {
        if (progress) progress(size);
        request.collective.size = size;
        const Result<CollectiveOutcome> outcome = run_size(scenario, *prepared, request);
        if (!outcome) return outcome.problems();
        CollectiveRow row{size, *outcome, {}, {}, {}};
        const GroupShape shape = shape_of(*prepared->fabric, request.groups.front());
        row.expected = expected_collective(*prepared->fabric, {request.collective.kind, size, request.collective.type}, shape);
        if (size.si() > 0.0) row.algorithm_bandwidth = size / outcome->time;
        row.bus_bandwidth = bus_factor(request.collective.kind, report.ranks) * row.algorithm_bandwidth;
        report.rows.push_back(std::move(row));
    }
    return report;
}

std::string collective_json(const CollectiveReport& report) {
    Json json = {{"name", report.scenario.name},
                 {"kind", "collective"},
                 {"collective", std::string(name_of(report.scenario.collective->collective))},
                 {"type", std::string(name_of(report.scenario.collective->type))},
                 {"fidelity", std::string(name_of(report.scenario.fidelity))},
                 {"ranks", report.ranks},
                 {"groups", report.groups},
                 {"scale_up_domains", report.domains},
                 {"devices", report.devices}};
    Json rows = Json::array();
    for (const CollectiveRow& row : report.rows) rows.push_back(row_object(report, row));
    json["results"] = std::move(rows);
    json["average_bus_bandwidth_bytes_per_s"] = average_bus_bandwidth(report);
    json["provenance"] = {{"scenario_sha256", report.provenance.scenario_sha256}, {"seed", report.provenance.seed},
                          {"version", report.provenance.version}, {"commit", report.provenance.commit},
                          {"sources", report.provenance.sources}};
    return dump(json);
}

std::string collective_text(const CollectiveReport& report) {
    const CollectiveWorkload& workload = *report.scenario.collective;
    const bool packets = report.scenario.fidelity == Fidelity::packet;
    std::string text = fmt::format("# {}\n# {} of {} among {} devices in {} scale-up domain{}, {} group{}, {} devices in the cluster; {}\n#\n",
                                   report.scenario.name, name_of(workload.collective), name_of(workload.type), report.ranks, report.domains,
                                   report.domains == 1 ? "" : "s", report.groups, report.groups == 1 ? "" : "s", report.devices,
                                   name_of(report.scenario.fidelity));
    text += fmt::format("# {:>12} {:>12} {:>8} {:>11} {:>8} {:>8} {:>11} {:>19}  {}\n", "size", "count", "type", "time", "algbw", "busbw", "idle time", "9 of 10 within", "algorithm");
    text += fmt::format("# {:>12} {:>12} {:>8} {:>11} {:>8} {:>8} {:>11} {:>19}\n", "(B)", "(elements)", "", "(us)", "(GB/s)", "(GB/s)", "(us)", "(us)");
    for (const CollectiveRow& row : report.rows) {
        const CollectiveOutcome& o = row.outcome;
        text += fmt::format("  {:>12.0f} {:>12.0f} {:>8} {:>11.2f} {:>8.2f} {:>8.2f} {:>11.2f} {:>9.1f} {:>9.1f}  {} {}", row.size.si(),
                            std::floor(row.size.si() / element_bytes(workload.type)), name_of(workload.type), o.time.si() * 1e6,
                            row.algorithm_bandwidth.si() / 1e9, row.bus_bandwidth.si() / 1e9, o.idle_time.si() * 1e6,
                            o.time.si() * 1e6 * row.expected.low, o.time.si() * 1e6 * row.expected.high, o.algorithm, o.protocol);
        if (packets) {
            text += fmt::format("; queue {}, {} pauses, {} of {} packets marked, {} dropped, {} trimmed", format_bytes(o.queue_max), o.pauses,
                                o.marked, o.packets, o.dropped, o.trimmed);
        }
        text += "\n";
    }
    text += fmt::format("# Avg bus bandwidth    : {:.4f}\n# {}\n", average_bus_bandwidth(report) / 1e9, report.rows.back().outcome.basis);
    return text + busiest_text(report);
}

}  // namespace orrery
