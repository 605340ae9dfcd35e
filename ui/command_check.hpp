// `orrery check`: every mistake of a scenario at once, nothing simulated.
#pragma once

#include "ui/command_inputs.hpp"
#include "ui/terminal.hpp"

namespace orrery {

ExitStatus command_check(const ScenarioInput& input);

}  // namespace orrery
