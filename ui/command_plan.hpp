// `orrery plan`: the best plans of a scenario's search, why the others were refused, and how to run the best.
#pragma once

#include "ui/command_inputs.hpp"
#include "ui/terminal.hpp"

#include <string>
#include <vector>

namespace orrery {

struct PlanOptions {
    ScenarioInput input;
    std::string objective;   // empty: the scenario's
    int top = 0;             // 0: the scenario's
    int workers = 0;         // 0: as many as there are processors
    bool no_simulation = false;  // keep to the closed form
    std::string json;
    std::string store;               // SQLite file that keeps every plan
    bool resume = false;
    std::string shard;               // "i/N", i from 1
    std::vector<std::string> from;   // stores to rank instead of searching: one, or the shards of a search
    std::string explain;             // a plan: its rank in the answer, or "index=N"
};

/// Status no: no plan keeps to memory and limits, or no design to the goal's limits.
ExitStatus command_plan(const PlanOptions& options);

}  // namespace orrery
