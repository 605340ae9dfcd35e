// What several plans set alike and what differently, and tables of them.
#pragma once

#include "scenarios/search_block.hpp"
#include "ui/terminal.hpp"

#include <map>
#include <string>
#include <vector>

namespace orrery {

using PlanCells = std::vector<std::string>;
using PlanSets = std::map<std::string, std::string>;   // value by path

/// Behind the last dot of a path.
std::string last_part(const std::string& path);

/// What each plan sets, by path.
std::vector<PlanSets> sets_of(const LoadedSearch& search, const std::vector<FoundPlan>& plans);

/// Paths whose value is not the same in all plans; the others as "key value" in `shared`.
std::vector<std::string> differing_paths(const std::vector<PlanSets>& sets, std::string& shared);

/// A value as a cell shows it: of a long list equal neighbours as one ("8x2,7"), and its beginning.
std::string cell_of(const std::string& value);

/// Rows of cells in columns, the first row a heading.
std::string table_of(const std::vector<PlanCells>& rows, const Style& style);

}  // namespace orrery
