// The reader of scenarios: layers, values, names and cross-checks, every mistake reported at its place.
#include "scenarios/scenario.hpp"

#include "scenarios/bind.hpp"
#include "scenarios/framework_file.hpp"
#include "scenarios/nearest.hpp"
#include "scenarios/overlay.hpp"
#include "scenarios/scenario_checks.hpp"
#include "scenarios/sha256.hpp"

#include <algorithm>
#include <array>
#include <filesystem>
#include <initializer_list>

namespace orrery {
namespace {

constexpr std::array<std::string_view, 5> later_kinds{"serving", "edge", "data-loading", "jobs", "graph"};

/// Takes "kind" out of the workload; false where the rest of the block cannot be read as a training. A collective's block
/// goes to `collective`.
bool take_training_kind(Json& values, Json& collective, Problems& problems) {
    const auto workload = values.find("workload");
    if (workload == values.end() || !workload->is_object()) return true;  // read_fields() reports it
    const std::string place = "/workload/kind";
    const auto found = workload->find("kind");
    if (found == workload->end()) {
        problems.push_back({place, "is missing", "write \"kind\": \"training\" or \"collective\""});
        return true;
    }
    const Json kind = *found;
    workload->erase("kind");
    if (kind == "training") return true;
    if (kind == "collective") {
        collective = *workload;
        return false;
    }
    const bool is_later = kind.is_string() && std::find(later_kinds.begin(), later_kinds.end(),
                                                        kind.get_ref<const std::string&>()) != later_kinds.end();
    if (is_later) {
        problems.push_back(
            {place, "is " + quoted(kind) + ", which is not in this version", "write \"training\" or \"collective\", the kinds that are"});
        return false;
    }
    const std::string wanted = kind.is_string() ? kind.get<std::string>() : std::string();
    problems.push_back(
        {place, "is " + quoted(kind) + ", which is no kind of workload", nearest_remedy(wanted, {"training", "collective"})});
    return true;
}

bool has_key(const Json& values, std::initializer_list<const char*> path) {
    const Json* at = &values;
    for (const char* step : path) {
        if (!at->is_object()) return false;
        const auto found = at->find(step);
        if (found == at->end()) return false;
        at = &*found;
    }
    return true;
}

/// Groups stand in the place of node and nodes, with what belongs to nodes of one type.
void take_groups(const Json& values, ClusterSpec& cluster, Problems& problems) {
    if (!has_key(values, {"cluster", "groups"})) return;
    const std::string place = "/cluster/groups";
    std::erase_if(problems, [](const Problem& one) {
        return one.problem == "is missing" && (one.place == "/cluster/node" || one.place == "/cluster/nodes");
    });
    for (const char* key : {"node", "nodes"}) {
        if (!has_key(values, {"cluster", key})) continue;
        problems.push_back({place, "stands beside " + std::string(key) + ", and both say which nodes there are",
                            "keep groups, or node and nodes"});
        return;
    }
    for (const char* key : {"calibration", "collectives"}) {
        if (!has_key(values, {"cluster", key})) continue;
        problems.push_back({"/cluster/" + std::string(key), "is of nodes of one type, and there are groups", "write it in the group that it belongs to"});
    }
    const Json& groups = values.at("cluster").at("groups");
    if (groups.is_array() && groups.empty()) problems.push_back({place, "is empty", "give each type of nodes, such as {\"node\": \"dgx-h100\", \"nodes\": 16}"});
    cluster.nodes = 0;
}

}  // namespace

Result<Scenario> read_scenario(const std::string& file, const std::vector<Setting>& settings, PlanChecks checks) {
    const Result<Overlay> overlay = read_overlay(file, settings);
    if (!overlay) return overlay.problems();
    Json values = overlay->values;
    Problems problems;
    Scenario scenario;
    values.erase("search");  // ranges for `plan`; a single run takes the values beside them
    const GivenKeys given{has_key(values, {"workload", "parallelism", "data"}),
                          has_key(values, {"workload", "sequence"}), checks == PlanChecks::whole};
    Json collective;
    const bool is_training = take_training_kind(values, collective, problems);
    scenario.framework_settings = take_framework_settings(values);
    if (!is_training) values["workload"] = Json::object();
    read_fields(values, "", scenario, problems);
    take_groups(values, scenario.cluster, problems);
    if (!is_training) {
        // The block of another kind has other keys: nothing of it is missing.
        std::erase_if(problems, [](const Problem& one) {
            return one.place.starts_with("/workload/") && one.place != "/workload/kind";
        });
        scenario.directory = std::filesystem::path(file).parent_path().string();
        if (collective.is_object()) {
            scenario.collective.emplace();
            read_fields(collective, "/workload", *scenario.collective, problems);
            check_machine(scenario, problems);
        }
    } else {
        scenario.directory = std::filesystem::path(file).parent_path().string();
        check_scenario(scenario, given, problems);
    }
    if (!problems.empty()) {
        for (Problem& one : problems) one.place = place_of(*overlay, one.place);
        return problems;
    }
    scenario.sha256 = sha256(canonical_dump(overlay->values));
    return scenario;
}

}  // namespace orrery
