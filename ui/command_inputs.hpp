// What several commands take from their command line: a scenario with its settings, and files to write.
#pragma once

#include "hardware/result.hpp"
#include "scenarios/scenario.hpp"
#include "sim/simulate.hpp"

#include <string>
#include <vector>

namespace orrery {

struct ScenarioInput {
    std::string file;
    std::vector<std::string> settings;   // "PATH=VALUE"
    std::string fidelity;                // empty: as the scenario says
    std::string detail;                  // "folded" or "full"; empty: folded
};

/// "PATH=VALUE" taken apart at its first "=".
Result<Setting> parse_setting(const std::string& text);

/// All settings of an input, its fidelity among them; every mistake at once.
Result<std::vector<Setting>> settings_of(const ScenarioInput& input);

struct LoadedScenario {
    Scenario scenario;
    ResolvedScenario resolved;
};

/// Reads and looks up; `more` settings come last and win.
Result<LoadedScenario> load_scenario(const ScenarioInput& input, const std::vector<Setting>& more = {});

Result<Detail> detail_of(const ScenarioInput& input);

/// What stands in the way of writing any of these files ("" are not asked for); at most one may be "-".
Problems outputs_problems(const std::vector<std::string>& files);

}  // namespace orrery
