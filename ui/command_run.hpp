// `orrery run`: one scenario simulated, its answer as text, JSON, a page or a trace.
#pragma once

#include "ui/command_inputs.hpp"
#include "ui/terminal.hpp"

#include <string>

namespace orrery {

struct RunOptions {
    ScenarioInput input;
    std::string json;    // files; "-": standard output; empty: not asked for
    std::string html;
    std::string trace;
};

/// Status no: the plan does not fit in memory.
ExitStatus command_run(const RunOptions& options);

}  // namespace orrery
