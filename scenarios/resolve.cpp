// From names to values: everything that a scenario mentions, looked up in the catalogue, with the sources of its
// numbers.
#include "scenarios/scenario.hpp"

#include "network/collective_parameters.hpp"
#include "network/joined_fabric.hpp"
#include "network/topology.hpp"
#include "planner/machine_change.hpp"
#include "scenarios/bought_machine.hpp"
#include "scenarios/catalog.hpp"
#include "scenarios/collective_file.hpp"
#include "scenarios/framework_file.hpp"
#include "scenarios/graph_file.hpp"
#include "scenarios/scenario_checks.hpp"
#include "scenarios/machine_file.hpp"

#include <algorithm>
#include <memory>
#include <utility>

namespace orrery {
namespace {

/// The value of a look-up; or its problems, at the key that led to it where they have no place of their own.
template <class T>
T value_or_problems(Result<T> result, const std::string& key, Problems& problems) {
    if (result) return std::move(result).value();
    for (const Problem& one : result.problems()) {
        const bool has_place = one.place.find_first_of("./") != std::string::npos;
        problems.push_back({has_place ? one.place : key, one.problem, one.remedy});
    }
    return T{};
}

/// "h100-sxm: memory_bandwidth, memory_capacity: SOURCE", one line a source, in the order of the catalogue's keys.
void add_sources(const std::string& name, std::vector<std::string>& sources) {
    const Result<CatalogPage> page = show_catalog(name);
    if (!page) return;
    std::vector<std::pair<std::string, std::string>> keys_by_source;
    for (const CatalogFigure& figure : page->figures) {
        if (figure.source.empty()) continue;
        const auto same = std::find_if(keys_by_source.begin(), keys_by_source.end(),
                                       [&](const auto& entry) { return entry.first == figure.source; });
        if (same == keys_by_source.end())
            keys_by_source.emplace_back(figure.source, figure.key);
        else
            same->second += ", " + figure.key;
    }
    for (const auto& [source, keys] : keys_by_source) sources.push_back(name + ": " + keys + ": " + source);
}

/// The fabric's specification with its link's own numbers where the user gives none, and the node as that link makes
/// it.
void apply_link(FabricSpec& spec, Node& node, Problems& problems) {
    if (spec.link.empty()) return;
    const CatalogLink link = value_or_problems(find_link(spec.link), "/cluster/fabric/link", problems);
    if (spec.bandwidth.si() == 0.0) spec.bandwidth = link.bandwidth;
    if (spec.latency.si() == 0.0) spec.latency = link.latency;
    if (!link.kind.empty()) node.nic_kind = link.kind;
}

/// `place`: of the keys that name the node and the calibration.
Device resolved_device(const Scenario& scenario, const std::string& name, const std::string& calibration, const std::string& place,
                       Problems& problems) {
    Device device = value_or_problems(find_device(name), place + "/node", problems);
    if (calibration.empty()) return device;
    const std::string file = located_file(calibration, scenario.directory);
    device.calibration = std::make_shared<const Calibration>(
        value_or_problems(read_calibration(file), place + "/calibration", problems));
    const std::optional<MachineFigures> figures =
        value_or_problems(read_machine_figures(file), place + "/calibration", problems);
    return figures ? with_figures(std::move(device), *figures) : device;
}

/// Rent of a device of one group.
Usd group_hour(const Scenario& scenario, const NodeGroupSpec& group, const std::string& device) {
    if (group.device_hour > Usd{}) return group.device_hour;
    return scenario.economics.device_hour > Usd{} ? scenario.economics.device_hour : device_hour_price(device);
}

/// Rent of a device, mean over groups; 0 where one of them is not known.
Usd mean_hour(const Scenario& scenario, const Cluster& cluster) {
    if (scenario.cluster.groups.empty()) {
        return scenario.economics.device_hour > Usd{} ? scenario.economics.device_hour : device_hour_price(cluster.device.name);
    }
    if (!cluster.is_mixed()) return group_hour(scenario, scenario.cluster.groups.front(), cluster.device.name);
    Usd sum{};
    for (const DeviceGroup& group : cluster.groups) {
        if (group.device_hour <= Usd{}) return {};
        sum += group.device_hour * group.nodes;
    }
    return sum * (1.0 / cluster.nodes);
}

/// What an hour of a device costs: the scenario's or the catalogue's rent, or ownership.
Problems set_prices(const Scenario& scenario, ResolvedScenario& resolved) {
    Prices& prices = resolved.prices;
    prices = scenario.economics;
    prices.device_hour = mean_hour(scenario, resolved.cluster);
    BoughtMachine machine{resolved.cluster.nodes, resolved.cluster.devices(), {}, {}};
    if (prices.tenure == Tenure::owned) {
        Result<BoughtMachine> bought = bought_machine(scenario, resolved.cluster);
        if (!bought) return bought.problems();
        machine = *bought;
    }
    resolved.run.economics = {device_hour_of(prices, machine), prices.energy_price, prices.pue};
    resolved.energy_paid = energy_paid(prices);
    return {};
}

std::shared_ptr<const CollectiveParameters> collectives_of(const Scenario& scenario, const std::string& given, const std::string& place,
                                                           const Device& device, Problems& problems) {
    if (given.empty()) return value_or_problems(find_collective_parameters(device), place + "/node", problems);
    const std::string file = located_file(given, scenario.directory);
    const Result<CollectiveParameters> parameters = read_collective_parameters(file);
    if (!parameters) {
        problems.insert(problems.end(), parameters.problems().begin(), parameters.problems().end());
        return nullptr;
    }
    if (parameters->name != device.name) {
        problems.push_back({place + "/collectives", "is of " + parameters->name + ", and the node has " + device.name,
                            "make one with orrery calibrate --from LOG --device " + device.name});
        return nullptr;
    }
    return std::make_shared<const CollectiveParameters>(*parameters);
}

std::string group_place(std::size_t group) { return "/cluster/groups/" + std::to_string(group); }

/// A machine of `nodes` alike nodes, as `group` gives them: of a whole machine, or one that others belong to as well.
Cluster alike_machine(const Scenario& scenario, const NodeGroupSpec& group, const std::string& place, int nodes, const FabricSpec& fabric, Node node,
                      Problems& problems) {
    Cluster cluster;
    cluster.nodes = nodes;
    cluster.faults = scenario.cluster.faults;
    cluster.device = resolved_device(scenario, node.device, group.calibration, place, problems);
    const auto parameters = collectives_of(scenario, group.collectives, place, cluster.device, problems);
    cluster.node = std::move(node);
    if (!problems.empty()) return cluster;
    cluster.fabric = value_or_problems(
        build_fabric(fabric, cluster.node, nodes, cluster.device.scale_up_bandwidth, parameters,
                     {cluster.faults.links, cluster.faults.switches, cluster.faults.reroute}, scenario.seed),
        "/cluster/fabric", problems);
    const Watts cap = group.power_cap > Watts{} ? group.power_cap : scenario.cluster.power_cap;
    if (!problems.empty() || cap <= Watts{}) return cluster;
    Result<Cluster> capped = capped_machine(cluster, cap, PowerModel{});
    if (capped) return std::move(capped).value();
    const std::string given = group.power_cap > Watts{} ? place : "/cluster";
    for (const Problem& one : capped.problems()) problems.push_back({given + "/power_cap", one.problem, one.remedy});
    return cluster;
}

/// The machine of a scenario with groups. One group alone is a machine of one type.
Cluster grouped_machine(const Scenario& scenario, Problems& problems) {
    const std::vector<NodeGroupSpec>& groups = scenario.cluster.groups;
    std::vector<Node> nodes;
    std::vector<FabricSpec> fabrics;
    int count = 0;
    int switch_ports = 0;
    for (std::size_t i = 0; i < groups.size(); ++i) {
        nodes.push_back(value_or_problems(find_node(groups[i].node), group_place(i) + "/node", problems));
        if (!problems.empty()) return {};
        fabrics.push_back(resolved_fabric(scenario, nodes.back(), problems));
        switch_ports = std::max(switch_ports, switch_ports_of(fabrics.back(), nodes.back()));
        count += groups[i].nodes;
    }
    std::vector<Cluster> alike;
    for (std::size_t i = 0; i < groups.size(); ++i) {
        if (groups.size() > 1) fabrics[i].switch_ports = switch_ports;   // all nodes are on the same switches
        alike.push_back(alike_machine(scenario, groups[i], group_place(i), count, fabrics[i], nodes[i], problems));
        if (!problems.empty()) return {};
    }
    if (groups.size() == 1) return std::move(alike.front());
    Cluster machine = alike.front();
    std::vector<FabricPart> parts;
    int first = 0;
    for (std::size_t i = 0; i < groups.size(); ++i) {
        const Usd hour = group_hour(scenario, groups[i], alike[i].device.name);
        machine.groups.push_back({groups[i].node, first, groups[i].nodes, std::make_shared<const Cluster>(std::move(alike[i])), hour});
        parts.push_back({&machine.groups.back().alike->fabric, groups[i].nodes, groups[i].node});
        first += groups[i].nodes;
    }
    machine.fabric = value_or_problems(join_fabrics(parts), "/cluster/groups", problems);
    return machine;
}

/// Files that a group names.
void add_file_sources(const Cluster& cluster, const NodeGroupSpec& group, std::vector<std::string>& sources) {
    if (!group.collectives.empty()) {
        sources.push_back(cluster.device.name + ": collectives: " + group.collectives + ": " + cluster.fabric.parameters->source);
    }
    if (!group.calibration.empty()) sources.push_back(cluster.device.name + ": calibration: " + group.calibration);
}

/// The groups; what `node` and `nodes` say, in the form of one, where there are none.
std::vector<NodeGroupSpec> groups_of(const ClusterSpec& spec) {
    if (!spec.groups.empty()) return spec.groups;
    return {{spec.node, spec.nodes, spec.calibration, spec.collectives, {}, {}}};
}

Cluster resolved_machine(const Scenario& scenario, Problems& problems) {
    if (!scenario.cluster.groups.empty()) return grouped_machine(scenario, problems);
    Node node = value_or_problems(find_node(scenario.cluster.node), "/cluster/node", problems);
    if (!problems.empty()) return {};
    const FabricSpec fabric = resolved_fabric(scenario, node, problems);
    return alike_machine(scenario, groups_of(scenario.cluster).front(), "/cluster", scenario.cluster.nodes, fabric, std::move(node), problems);
}

}  // namespace

std::shared_ptr<const CollectiveParameters> resolved_collectives(const Scenario& scenario, const Device& device, Problems& problems) {
    return collectives_of(scenario, scenario.cluster.collectives, "/cluster", device, problems);
}

std::shared_ptr<const CollectiveParameters> resolved_collectives(const Scenario& scenario, std::size_t group, const Device& device,
                                                                 Problems& problems) {
    return collectives_of(scenario, scenario.cluster.groups[group].collectives, group_place(group), device, problems);
}

FabricSpec resolved_fabric(const Scenario& scenario, Node& node, Problems& problems) {
    FabricSpec spec = scenario.cluster.fabric;
    apply_link(spec, node, problems);
    if (spec.topology != "custom" || spec.graph.empty()) return spec;
    Result<NetworkGraph> graph = read_graph_file(located_file(spec.graph, scenario.directory));
    if (graph) {
        spec.custom = std::make_shared<const NetworkGraph>(std::move(graph).value());
    } else {
        problems.insert(problems.end(), graph.problems().begin(), graph.problems().end());
    }
    return spec;
}

FrameworkProfile resolved_framework(const Scenario& scenario, bool has_family, Problems& problems) {
    FrameworkProfile framework =
        value_or_problems(find_framework(framework_name(scenario.workload, has_family)), "/workload/framework", problems);
    return changed_framework(std::move(framework), scenario.framework_settings, problems);
}

Result<ResolvedScenario> resolve(const Scenario& scenario) {
    if (scenario.collective) {
        return Problem{"/workload/kind", "is \"collective\", and this command takes trainings", "use \"orrery run\" or \"orrery check\""};
    }
    Problems problems;
    ResolvedScenario resolved;
    Cluster& cluster = resolved.cluster;
    TrainingRun& run = resolved.run;
    cluster = resolved_machine(scenario, problems);
    TrainedModel model = value_or_problems(find_trained_model(located_model(scenario)), "/workload/model", problems);
    run.architecture = std::move(model.architecture);
    run.family = std::move(model.family);
    const std::string framework = framework_name(scenario.workload, run.family.has_value());
    run.framework = resolved_framework(scenario, run.family.has_value(), problems);
    if (!problems.empty()) return problems;
    run.spec = scenario.workload;
    run.spec.framework = framework;
    if (Problems wrong = set_prices(scenario, resolved); !wrong.empty()) return wrong;
    const std::vector<NodeGroupSpec> types = groups_of(scenario.cluster);
    std::vector<std::string> names;
    for (std::size_t i = 0; i < types.size(); ++i) {
        const Cluster& alike = cluster.is_mixed() ? *cluster.groups[i].alike : cluster;
        names.insert(names.end(), {alike.device.name, alike.node.name});
    }
    names.insert(names.end(), {scenario.cluster.fabric.link, run.spec.model, run.spec.framework});
    for (std::size_t i = 0; i < names.size(); ++i) {
        const bool is_new = std::find(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(i), names[i]) == names.begin() + static_cast<std::ptrdiff_t>(i);
        if (is_new && !names[i].empty()) add_sources(names[i], resolved.sources);
    }
    for (std::size_t i = 0; i < types.size(); ++i) {
        add_file_sources(cluster.is_mixed() ? *cluster.groups[i].alike : cluster, types[i], resolved.sources);
    }
    return resolved;
}

}  // namespace orrery
