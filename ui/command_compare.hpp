// `orrery compare`: two scenarios or results side by side, with what changed and why.
#pragma once

#include "ui/command_inputs.hpp"
#include "ui/terminal.hpp"

#include <string>

namespace orrery {

struct CompareOptions {
    std::string before;     // a scenario, or a result of `orrery run --json`
    ScenarioInput after;    // the same; its settings apply to this side only, its fidelity and detail to both
    std::string json;
};

ExitStatus command_compare(const CompareOptions& options);

}  // namespace orrery
