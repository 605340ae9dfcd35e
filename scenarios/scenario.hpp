// A scenario as its file says it: names and numbers, validated once, then immutable.
#pragma once

#include "hardware/node.hpp"
#include "hardware/result.hpp"
#include "models/training.hpp"
#include "network/fabric.hpp"
#include "planner/prices.hpp"
#include "scenarios/collective_workload.hpp"
#include "sim/cluster.hpp"
#include "sim/training.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace orrery {

/// Nodes of one type among those of a mixed machine.
struct NodeGroupSpec {
    std::string node;
    int nodes = 1;
    std::string calibration;
    std::string collectives;
    Watts power_cap;
    Usd device_hour;              // 0: what the economics say, else the catalogue's
    static constexpr auto fields() {
        using G = NodeGroupSpec;
        return std::tuple{
            required_field("node", &G::node, any_value, "Catalogue node; see `orrery list nodes`."),
            required_field("nodes", &G::nodes, count, "How many of them."),
            field("calibration", &G::calibration, any_value, "Device file to use; absent: the catalogue's for the device."),
            field("collectives", &G::collectives, any_value,
                  "Calibration of collectives to use; absent: the catalogue's for the device."),
            field("power_cap", &G::power_cap, positive, "Power that one of its devices may draw; absent: cluster.power_cap."),
            field("usd_per_device_hour", &G::device_hour, positive,
                  "Rent of one of its devices for one hour; absent: that of the economics, else the catalogue's."),
        };
    }
};

struct ClusterSpec {
    std::string node;
    int nodes = 1;
    FabricSpec fabric;
    std::string calibration;      // file; empty: the catalogue's for the node's device
    std::string collectives;      // file; empty: the catalogue's for the node's device
    Faults faults;
    Watts power_cap;              // of one device; 0: its own limit
    std::vector<NodeGroupSpec> groups;   // instead of `node` and `nodes`, which are then "" and 0
    static constexpr auto fields() {
        using C = ClusterSpec;
        return std::tuple{
            required_field("node", &C::node, any_value, "Catalogue node; see `orrery list nodes`."),
            required_field("nodes", &C::nodes, count, "How many of them."),
            field("fabric", &C::fabric, any_value, "The network between them."),
            field("calibration", &C::calibration, any_value, "Device file to use; absent: the catalogue's for the device."),
            field("collectives", &C::collectives, any_value,
                  "Calibration of collectives to use (orrery calibrate --from LOG); absent: the catalogue's for the device."),
            field("faults", &C::faults, any_value, "What is slower than its kind."),
            field("power_cap", &C::power_cap, positive,
                  "Power that one device may draw (nvidia-smi -pl): its clock falls to keep it; absent: its own limit.",
                  "clock by the cube root of power above idle; see search.power_model"),
            field("groups", &C::groups, any_value,
                  "Nodes of several types in one machine, instead of node and nodes: numbered group by group. Pipeline stages lie on "
                  "them in that order, and layers are shared out by what they cost there, unless the plan says how."),
        };
    }
};

struct Scenario {
    std::string name;
    std::string description;
    ClusterSpec cluster;
    TrainingSpec workload;        // with "kind": "training"
    std::string framework_settings;  // JSON of what workload.framework changes in the profile it names; empty: nothing
    std::optional<CollectiveWorkload> collective;  // with "kind": "collective"; `workload` then means nothing
    Prices economics;
    Fidelity fidelity = Fidelity::fluid;
    std::uint64_t seed = 1;
    std::string sha256;           // of the scenario after `extends` and `--set`, keys sorted
    std::string directory;        // of the file: relative paths inside start here

    static constexpr auto fields() {
        using S = Scenario;
        return std::tuple{
            field("name", &S::name, any_value, "Title of the answer."),
            field("description", &S::description, any_value, "What the scenario is for, and where its numbers come from."),
            required_field("cluster", &S::cluster, any_value, "The machine."),
            required_field("workload", &S::workload, any_value, "What runs on it."),
            field("economics", &S::economics, any_value, "Prices."),
            field("fidelity", &S::fidelity, any_value, "How finely time is modelled."),
            field("seed", &S::seed, non_negative, "Seed of everything random."),
        };
    }
};

/// `--set PATH=VALUE`: a dotted path into the scenario and JSON or plain text.
struct Setting {
    std::string path;
    std::string value;
};

/// Whether the plan itself (degrees, batches) must go together: a search looks for one that does.
enum class PlanChecks : std::uint8_t { whole, left_to_search };

/// Reads, overlays `extends` and settings, validates: all problems at once, with file, JSON pointer and remedy. A
/// `search` block is another reader's (scenarios/search_block.hpp).
Result<Scenario> read_scenario(const std::string& file, const std::vector<Setting>& settings,
                               PlanChecks checks = PlanChecks::whole);

/// Everything a scenario names, looked up: what sim needs to run it.
struct ResolvedScenario {
    Cluster cluster;
    TrainingRun run;                    // with what an hour of a device costs under the scenario's tenure
    Prices prices;                      // the scenario's, with the catalogue's rent where it gives none
    UsdPerJoule energy_paid;            // beside the devices' hours; none where they are rented
    std::vector<std::string> sources;   // of every catalogue number used
};
Result<ResolvedScenario> resolve(const Scenario& scenario);

/// The profile that the scenario names or that its plan comes with, with what the scenario changes in it. `has_family`: the
/// model is one of layers (models/families.hpp).
FrameworkProfile resolved_framework(const Scenario& scenario, bool has_family, Problems& problems);

/// What collectives cost on the scenario's cluster: its own file, else the catalogue's.
std::shared_ptr<const CollectiveParameters> resolved_collectives(const Scenario& scenario, const Device& device, Problems& problems);

/// The fabric's specification with its link's own numbers where the user gives none, a custom graph read from its file,
/// and `node` as that link makes it.
FabricSpec resolved_fabric(const Scenario& scenario, Node& node, Problems& problems);

/// The same for nodes of one group: its own file, else the catalogue's.
std::shared_ptr<const CollectiveParameters> resolved_collectives(const Scenario& scenario, std::size_t group, const Device& device,
                                                                 Problems& problems);

/// JSON Schema (draft-07) of scenarios, made from fields().
std::string scenario_schema();

}  // namespace orrery
