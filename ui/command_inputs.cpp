// Settings taken apart, scenarios loaded, and output files looked at before the work starts.
#include "ui/command_inputs.hpp"

#include "scenarios/output_file.hpp"

#include <algorithm>

namespace orrery {

Result<Setting> parse_setting(const std::string& text) {
    const std::size_t equals = text.find('=');
    if (equals == std::string::npos || equals == 0) {
        return Problem{"--set " + text, "is not PATH=VALUE", "write for example --set workload.micro_batch=2"};
    }
    return Setting{text.substr(0, equals), text.substr(equals + 1)};
}

Result<std::vector<Setting>> settings_of(const ScenarioInput& input) {
    std::vector<Setting> settings;
    Problems problems;
    for (const std::string& text : input.settings) {
        const auto setting = parse_setting(text);
        if (setting) {
            settings.push_back(*setting);
        } else {
            problems.insert(problems.end(), setting.problems().begin(), setting.problems().end());
        }
    }
    if (!problems.empty()) return problems;
    if (!input.fidelity.empty()) settings.push_back({"fidelity", input.fidelity});
    return settings;
}

Result<LoadedScenario> load_scenario(const ScenarioInput& input, const std::vector<Setting>& more) {
    auto settings = settings_of(input);
    if (!settings) return settings.problems();
    settings->insert(settings->end(), more.begin(), more.end());
    auto scenario = read_scenario(input.file, *settings);
    if (!scenario) return scenario.problems();
    auto resolved = resolve(*scenario);
    if (!resolved) return resolved.problems();
    return LoadedScenario{std::move(scenario).value(), std::move(resolved).value()};
}

Result<Detail> detail_of(const ScenarioInput& input) {
    if (input.detail.empty() || input.detail == "folded") return Detail::folded;
    if (input.detail == "full") return Detail::full;
    return Problem{"--detail " + input.detail, "is not known",
                   "write folded (equal ranks are played once) or full (every rank is played)"};
}

Problems outputs_problems(const std::vector<std::string>& files) {
    Problems problems;
    for (const std::string& file : files) {
        const Problems found = output_problems(file);
        problems.insert(problems.end(), found.begin(), found.end());
    }
    if (std::count(files.begin(), files.end(), "-") > 1) {
        problems.push_back({"-", "is asked for more than once", "send one of the files to standard output"});
    }
    return problems;
}

}  // namespace orrery
