// From names to values: everything that a scenario mentions, looked up in the catalogue, with the sources of its
// numbers.
#include "scenarios/scenario.hpp"

#include "network/collective_parameters.hpp"
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

Device resolved_device(const Scenario& scenario, const std::string& name, Problems& problems) {
    Device device = value_or_problems(find_device(name), "/cluster/node", problems);
    if (scenario.cluster.calibration.empty()) return device;
    const std::string file = located_file(scenario.cluster.calibration, scenario.directory);
    device.calibration = std::make_shared<const Calibration>(
        value_or_problems(read_calibration(file), "/cluster/calibration", problems));
    const std::optional<MachineFigures> figures =
        value_or_problems(read_machine_figures(file), "/cluster/calibration", problems);
    return figures ? with_figures(std::move(device), *figures) : device;
}

/// What an hour of a device costs: the scenario's or the catalogue's rent, or ownership.
Problems set_prices(const Scenario& scenario, ResolvedScenario& resolved) {
    Prices& prices = resolved.prices;
    prices = scenario.economics;
    if (prices.device_hour.si() == 0.0) prices.device_hour = device_hour_price(resolved.cluster.device.name);
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

}  // namespace

std::shared_ptr<const CollectiveParameters> resolved_collectives(const Scenario& scenario, const Device& device, Problems& problems) {
    if (scenario.cluster.collectives.empty()) {
        return value_or_problems(find_collective_parameters(device), "/cluster/node", problems);
    }
    const std::string file = located_file(scenario.cluster.collectives, scenario.directory);
    const Result<CollectiveParameters> parameters = read_collective_parameters(file);
    if (!parameters) {
        problems.insert(problems.end(), parameters.problems().begin(), parameters.problems().end());
        return nullptr;
    }
    if (parameters->name != device.name) {
        problems.push_back({"/cluster/collectives", "is of " + parameters->name + ", and the node has " + device.name,
                            "make one with orrery calibrate --from LOG --device " + device.name});
        return nullptr;
    }
    return std::make_shared<const CollectiveParameters>(*parameters);
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
    cluster.node = value_or_problems(find_node(scenario.cluster.node), "/cluster/node", problems);
    if (!problems.empty()) return problems;
    cluster.nodes = scenario.cluster.nodes;
    cluster.faults = scenario.cluster.faults;
    cluster.device = resolved_device(scenario, cluster.node.device, problems);
    const FabricSpec fabric = resolved_fabric(scenario, cluster.node, problems);
    const auto parameters = resolved_collectives(scenario, cluster.device, problems);
    TrainedModel model = value_or_problems(find_trained_model(located_model(scenario)), "/workload/model", problems);
    run.architecture = std::move(model.architecture);
    run.family = std::move(model.family);
    const std::string framework = framework_name(scenario.workload, run.family.has_value());
    run.framework = resolved_framework(scenario, run.family.has_value(), problems);
    if (!problems.empty()) return problems;
    cluster.fabric = value_or_problems(
        build_fabric(fabric, cluster.node, cluster.nodes, cluster.device.scale_up_bandwidth, parameters,
                     {cluster.faults.links, cluster.faults.switches, cluster.faults.reroute}, scenario.seed),
        "/cluster/fabric", problems);
    if (!problems.empty()) return problems;
    if (scenario.cluster.power_cap > Watts{}) {
        cluster = value_or_problems(capped_machine(std::move(cluster), scenario.cluster.power_cap, PowerModel{}), "/cluster/power_cap", problems);
        if (!problems.empty()) return problems;
    }
    run.spec = scenario.workload;
    run.spec.framework = framework;
    if (Problems wrong = set_prices(scenario, resolved); !wrong.empty()) return wrong;
    for (const std::string& name :
         {cluster.device.name, cluster.node.name, scenario.cluster.fabric.link, run.spec.model, run.spec.framework}) {
        if (!name.empty()) add_sources(name, resolved.sources);
    }
    if (!scenario.cluster.collectives.empty()) {
        resolved.sources.push_back(cluster.device.name + ": collectives: " + scenario.cluster.collectives + ": " + parameters->source);
    }
    if (!scenario.cluster.calibration.empty()) {
        resolved.sources.push_back(cluster.device.name + ": calibration: " + scenario.cluster.calibration);
    }
    return resolved;
}

}  // namespace orrery
