// `orrery sweep`: a grid of what-ifs as a table.
#pragma once

#include "ui/command_inputs.hpp"
#include "ui/terminal.hpp"

#include <string>
#include <vector>

namespace orrery {

struct SweepOptions {
    ScenarioInput input;              // estimates unless a fidelity or a detail is asked for
    std::vector<std::string> over;    // "PATH=V1,V2,.."
    std::string json;
};

/// Status wrong_input: no point is valid; no: none of the valid ones fits in memory.
ExitStatus command_sweep(const SweepOptions& options);

}  // namespace orrery
