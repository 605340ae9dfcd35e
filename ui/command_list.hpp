// `orrery list KIND` and `orrery show NAME`: what there is, and the sources of its numbers.
#pragma once

#include "ui/terminal.hpp"

#include <string>

namespace orrery {

/// One line each of "devices", "nodes", "links", "models", "frameworks", "topologies", "collectives" or "schedules".
ExitStatus command_list(const std::string& kind);

/// Every figure of one catalogue entry with its source.
ExitStatus command_show(const std::string& name);

}  // namespace orrery
