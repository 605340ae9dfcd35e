// A collective workload run size by size: the answer as a value, as JSON and as the table that nccl-tests prints.
#pragma once

#include "network/collective_expected.hpp"
#include "network/collective_play.hpp"
#include "scenarios/result_json.hpp"
#include "scenarios/scenario.hpp"

#include <functional>
#include <string>
#include <vector>

namespace orrery {

struct CollectiveRow {
    Bytes size;
    CollectiveOutcome outcome;
    BytesPerSecond algorithm_bandwidth;  // size / time
    BytesPerSecond bus_bandwidth;        // as nccl-tests counts it
    CollectiveExpected expected;         // of measured over time
};

struct CollectiveReport {
    Scenario scenario;
    int ranks = 0;       // of one group
    int groups = 1;
    int domains = 1;     // scale-up domains that a group touches
    int devices = 0;     // of the cluster
    std::vector<CollectiveRow> rows;
    Provenance provenance;
};

/// Runs every size of the scenario's collective at its fidelity; tells `progress` of each. Problems: names that the
/// catalogue does not have, groups and sizes that do not fit, algorithms that do not apply, flows that did not end.
Result<CollectiveReport> run_collective(const Scenario& scenario, const std::function<void(Bytes)>& progress = {});

/// Everything that would stop run_collective() before it plays.
Problems check_collective(const Scenario& scenario);

std::string collective_json(const CollectiveReport& report);
std::string collective_text(const CollectiveReport& report);

}  // namespace orrery
