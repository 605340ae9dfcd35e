// Cross-checks of a scenario: names against the catalogue, degrees against devices, batches against degrees.
#include "scenarios/scenario_checks.hpp"

#include "models/plan_problems.hpp"
#include "scenarios/bind.hpp"
#include "scenarios/catalog.hpp"
#include "scenarios/framework_file.hpp"
#include "scenarios/nearest.hpp"
#include "scenarios/shown_text.hpp"
#include "sim/mixed.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <optional>
#include <set>
#include <system_error>

namespace orrery {
namespace {

// Tables by device stay below a gigabyte, and ranks and products of a few of them far below 2^31.
constexpr double devices_max = 1048576.0;

constexpr const char* degrees_place = "/workload/parallelism";

/// Messages here quote names of the scenario, which can be anything.
void add_problem(Problems& problems, std::string place, const std::string& problem, const std::string& remedy) {
    constexpr std::size_t longest = 600;
    if (problems.size() >= problems_max) return;
    problems.push_back({std::move(place), shown_text(problem, longest), shown_text(remedy, longest)});
}

/// The problems of a look-up, at the key that gave the name; a file's own place goes into the message.
void adopt_lookup(const Problems& found, const std::string& place, Problems& problems) {
    for (const Problem& one : found) {
        const bool is_in_file = one.place.find_first_of("./") != std::string::npos;
        add_problem(problems, place, is_in_file ? "leads to " + one.place + ": " + one.problem : one.problem,
                    one.remedy);
    }
}

/// What plans need to know of a machine.
struct MachineSize {
    double devices = 0.0;
    std::string text;      // "8 nodes of 8 have 64 devices"
    std::string place;     // of the number of nodes
    Cluster outline;       // groups and sizes alone
};

/// tensor * context * pipeline * data = devices; fills in `data` where it was not given.
void check_degrees(Parallelism& p, bool data_given, const MachineSize& size, Problems& problems) {
    const double devices = size.devices;
    if (devices > devices_max) {
        add_problem(
            problems, size.place,
            fmt::format("makes {:.0f} devices, more than the {:.0f} that can be simulated", devices, devices_max),
            "take fewer nodes");
        return;
    }
    const double one_replica = static_cast<double>(p.tensor) * p.context * p.pipeline;
    const std::string degrees = fmt::format("tensor {} x context {} x pipeline {}", p.tensor, p.context, p.pipeline);
    const std::string& machine = size.text;
    if (one_replica > devices) {
        add_problem(problems, degrees_place,
                    fmt::format("{} needs {:.0f} devices, and {}", degrees, one_replica, machine),
                    "lower a degree or take more nodes");
        return;
    }
    const auto replicas = static_cast<int>(devices / one_replica);
    const double left_over = devices - replicas * one_replica;
    if (!data_given && left_over == 0.0) p.data = replicas;
    if (!data_given && left_over != 0.0) {
        add_problem(problems, degrees_place,
                    fmt::format("{} needs {:.0f} devices for each replica, and {}: {:.0f} left over", degrees,
                                one_replica, machine, left_over),
                    "choose degrees whose product divides the devices");
        return;
    }
    const double ranks = one_replica * p.data;
    if (ranks == devices) {
        if (const auto problem = mixed_problem(size.outline, p)) add_problem(problems, problem->place, problem->problem, problem->remedy);
        return;
    }
    add_problem(problems, pointer_to(degrees_place, "data"),
                fmt::format("{} x data {} makes {:.0f} ranks, and {}: {:.0f} {}", degrees, p.data, ranks, machine,
                            std::abs(ranks - devices), ranks > devices ? "too many" : "left over"),
                left_over == 0.0 ? fmt::format("write \"data\": {}, or leave it out", replicas)
                                 : fmt::format("choose degrees whose product is {:.0f}", devices));
}

template <class Slow>
void check_slow(const std::vector<Slow>& slow, const std::string& place, double devices, Problems& problems) {
    std::set<RankId> seen;
    for (std::size_t i = 0; i < slow.size(); ++i) {
        const std::string here = pointer_to(pointer_to(place, i), "rank");
        if (slow[i].rank >= devices) {
            add_problem(problems, here, fmt::format("is {}, outside the cluster of {:.0f}", slow[i].rank, devices),
                        fmt::format("write a rank from 0 to {:.0f}", devices - 1));
        } else if (!seen.insert(slow[i].rank).second) {
            add_problem(problems, here, fmt::format("is {}, which is listed twice", slow[i].rank),
                        "keep one of the two");
        }
    }
}

Problem missing_sequence() {
    return {"/workload/sequence", "is missing: this model has tokens", "write how many tokens one sequence has"};
}

/// What later checks need of what the names stand for; nothing where there is no such name.
struct NamedParts {
    std::optional<MachineSize> size;
    std::optional<TrainedModel> model;
    std::optional<FrameworkProfile> framework;
};

/// The value of a look-up of `name`, or its problems at `place`; nothing where there is no name to look up.
template <class T>
std::optional<T> looked_up(Result<T> (*find)(std::string_view), const std::string& name, const std::string& place,
                           Problems& problems) {
    if (name.empty()) return std::nullopt;
    Result<T> found = find(name);
    if (found) return std::move(found).value();
    adopt_lookup(found.problems(), place, problems);
    return std::nullopt;
}

void check_topology(const std::string& name, Problems& problems) {
    std::vector<std::string> names;
    for (const Topology& topology : topologies()) names.emplace_back(topology.name);
    if (std::find(names.begin(), names.end(), name) != names.end()) return;
    add_problem(problems, "/cluster/fabric/topology", "is \"" + name + "\", which is no topology",
                nearest_remedy(name, names));
}

/// Size and collectives of a machine of several types of nodes.
std::optional<MachineSize> size_of_groups(const Scenario& scenario, Problems& problems) {
    MachineSize size;
    size.place = "/cluster/groups";
    size.outline.nodes = 0;
    const std::size_t before = problems.size();
    int devices = 0;
    for (std::size_t i = 0; i < scenario.cluster.groups.size(); ++i) {
        const NodeGroupSpec& group = scenario.cluster.groups[i];
        const std::string place = pointer_to(size.place, i);
        const auto node = looked_up(find_node, group.node, pointer_to(place, "node"), problems);
        if (!group.calibration.empty()) {
            const auto calibration = read_calibration(located_file(group.calibration, scenario.directory));
            if (!calibration) adopt_lookup(calibration.problems(), pointer_to(place, "calibration"), problems);
        }
        if (!node) continue;
        if (const Result<Device> device = find_device(node->device)) resolved_collectives(scenario, i, *device, problems);
        if (devices == 0) devices = node->devices;
        if (node->devices != devices) {
            add_problem(problems, pointer_to(place, "node"),
                        fmt::format("is {} with {} devices, and those before have {}", group.node, node->devices, devices),
                        "group nodes with as many devices each");
        }
        size.outline.groups.push_back({group.node, size.outline.nodes, group.nodes, nullptr, {}});
        size.outline.nodes += group.nodes;
        size.devices += static_cast<double>(group.nodes) * node->devices;
    }
    if (problems.size() > before || devices == 0) return std::nullopt;
    size.outline.node.devices = devices;
    if (size.outline.groups.size() == 1) size.outline.groups.clear();
    size.text = fmt::format("{} nodes of {} have {:.0f} devices", size.outline.nodes, devices, size.devices);
    return size;
}

std::optional<MachineSize> size_of_machine(const Scenario& scenario, Problems& problems) {
    const ClusterSpec& cluster = scenario.cluster;
    if (!cluster.groups.empty()) return size_of_groups(scenario, problems);
    const auto node = looked_up(find_node, cluster.node, "/cluster/node", problems);
    if (!node) return std::nullopt;
    if (!cluster.collectives.empty()) {
        if (const Result<Device> device = find_device(node->device)) resolved_collectives(scenario, *device, problems);
    }
    MachineSize size;
    size.devices = static_cast<double>(node->devices) * cluster.nodes;
    size.place = "/cluster/nodes";
    size.text = fmt::format("{} nodes of {} have {:.0f} devices", cluster.nodes, node->devices, size.devices);
    return size;
}

NamedParts look_up_names(const Scenario& scenario, Problems& problems) {
    NamedParts parts;
    const ClusterSpec& cluster = scenario.cluster;
    parts.size = size_of_machine(scenario, problems);
    looked_up(find_link, cluster.fabric.link, "/cluster/fabric/link", problems);
    check_topology(cluster.fabric.topology, problems);
    parts.model = looked_up(find_trained_model, located_model(scenario), "/workload/model", problems);
    const bool is_layered = parts.model && parts.model->family;
    const std::string framework = framework_name(scenario.workload, is_layered);
    parts.framework = looked_up(find_framework, framework, "/workload/framework", problems);
    if (parts.framework) changed_framework(*parts.framework, scenario.framework_settings, problems);
    if (!cluster.calibration.empty()) {
        const auto calibration = read_calibration(located_file(cluster.calibration, scenario.directory));
        if (!calibration) adopt_lookup(calibration.problems(), "/cluster/calibration", problems);
    }
    return parts;
}

/// What stands in the way of training the model as the scenario wants it.
Problems model_problems(const TrainedModel& model, const TrainingSpec& spec, const FrameworkProfile& framework,
                        bool sequence_given) {
    if (!model.family) {
        return sequence_given ? plan_problems(model.architecture, spec) : Problems{missing_sequence()};
    }
    const LayeredModel layered = describe_family(*model.family, pass_shape(spec, framework));
    if (layered.has_tokens && !sequence_given) return {missing_sequence()};
    const Result<StepGraph> graph = build_layered_graph(layered, spec);
    return graph ? Problems{} : graph.problems();
}

bool is_path(const std::string& name) { return name.find('/') != std::string::npos || name.ends_with(".json"); }

}  // namespace

void check_scenario(Scenario& scenario, const GivenKeys& given, Problems& problems) {
    const bool values_hold = problems.empty();
    const NamedParts parts = look_up_names(scenario, problems);
    if (!values_hold) return;
    const ClusterSpec& cluster = scenario.cluster;
    if (scenario.fidelity == Fidelity::packet) {
        add_problem(problems, "/fidelity", "is \"packet\", which trainings are not played at", "write \"fluid\" or \"estimate\"");
    }
    if (parts.size) {
        check_slow(cluster.faults.slow_devices, "/cluster/faults/slow_devices", parts.size->devices, problems);
        check_slow(cluster.faults.slow_links, "/cluster/faults/slow_links", parts.size->devices, problems);
        if (given.plan_checked) check_degrees(scenario.workload.parallelism, given.data, *parts.size, problems);
    }
    if (!given.plan_checked) {
        if (!given.sequence) problems.push_back(missing_sequence());
        return;
    }
    if (!parts.model || !parts.framework) return;
    for (Problem& one : model_problems(*parts.model, scenario.workload, *parts.framework, given.sequence)) {
        add_problem(problems, std::move(one.place), one.problem, one.remedy);
    }
}

void check_machine(const Scenario& scenario, Problems& problems) {
    const bool values_hold = problems.empty();
    const ClusterSpec& cluster = scenario.cluster;
    if (!cluster.groups.empty()) {
        add_problem(problems, "/cluster/groups", "is given, and a collective is played on nodes of one type", "use node and nodes");
        return;
    }
    const auto node = looked_up(find_node, cluster.node, "/cluster/node", problems);
    looked_up(find_link, cluster.fabric.link, "/cluster/fabric/link", problems);
    check_topology(cluster.fabric.topology, problems);
    if (!values_hold || !node || !scenario.collective) return;
    const double devices = static_cast<double>(node->devices) * cluster.nodes;
    if (devices > devices_max) {
        add_problem(problems, "/cluster/nodes",
                    fmt::format("makes {:.0f} devices, more than the {:.0f} that can be simulated", devices, devices_max), "take fewer nodes");
        return;
    }
    for (Problem& one : collective_problems(scenario, static_cast<int>(devices))) {
        add_problem(problems, std::move(one.place), one.problem, one.remedy);
    }
}

std::string located_file(const std::string& path, const std::string& scenario_directory) {
    const std::filesystem::path given(path);
    if (given.is_absolute()) return path;
    std::error_code ignored;
    for (const std::string& folder : {scenario_directory, data_directory()}) {
        const std::filesystem::path candidate = std::filesystem::path(folder) / given;
        if (std::filesystem::exists(candidate, ignored)) return candidate.string();
    }
    return path;
}

std::string located_model(const Scenario& scenario) {
    const std::string& model = scenario.workload.model;
    return is_path(model) ? located_file(model, scenario.directory) : model;
}

std::string framework_name(const TrainingSpec& spec, bool is_layered) {
    if (!spec.framework.empty()) return spec.framework;
    if (is_layered) return "pytorch-ddp";
    return spec.parallelism.fsdp ? "pytorch-fsdp" : "megatron-core";
}

}  // namespace orrery
