// `orrery plan`: the best plans of a scenario's search, why the others were refused, and how to run the best.
#pragma once

#include "ui/command_inputs.hpp"
#include "ui/terminal.hpp"

#include <string>

namespace orrery {

struct PlanOptions {
    ScenarioInput input;
    std::string objective;   // empty: the scenario's
    int top = 0;             // 0: the scenario's
    int workers = 0;         // 0: as many as there are processors
    std::string json;
};

/// Status no: no plan keeps to memory and limits.
ExitStatus command_plan(const PlanOptions& options);

}  // namespace orrery
