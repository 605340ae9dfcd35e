// A search's answer as a table for people.
#pragma once

#include "scenarios/search_block.hpp"
#include "ui/terminal.hpp"

#include <string>

namespace orrery {

/// Plans best first, or the goal's answer; an explanation if there is one; what was refused and why, and the command that runs the best one. `file` is the scenario's.
std::string plan_text(const LoadedSearch& search, const SearchResult& result, const PlanExtras& extras, const std::string& file,
                      const Style& style);

}  // namespace orrery
