// `orrery schema` and `orrery explain PATH`: what may be written in a scenario.
#pragma once

#include "ui/terminal.hpp"

#include <string>

namespace orrery {

ExitStatus command_schema();

}  // namespace orrery
