// Reading, looking up and the closed form find every mistake that a simulation would.
#include "ui/command_check.hpp"

#include "scenarios/collective_sweep.hpp"
#include "scenarios/quantity.hpp"
#include "ui/report_view.hpp"

#include <fmt/format.h>

namespace orrery {

ExitStatus command_check(const ScenarioInput& input) {
    const auto settings = settings_of(input);
    if (!settings) return print_problems(settings.problems());
    const auto read = read_scenario(input.file, *settings);
    if (!read) return print_problems(read.problems());
    if (read->collective) {
        const Problems problems = check_collective(*read);
        if (!problems.empty()) return print_problems(problems);
        return print_answer(fmt::format("{}: valid; {} of {} sizes\n", input.file, name_of(read->collective->collective), sweep_sizes(*read->collective).size()));
    }
    const auto loaded = load_scenario(input);
    if (!loaded) return print_problems(loaded.problems());
    const Scenario& scenario = loaded->scenario;
    SimulateOptions options;
    options.seed = scenario.seed;
    const auto answer = run_training(loaded->resolved.cluster, loaded->resolved.run, Fidelity::estimate, options);
    if (!answer) return print_problems(answer.problems());
    const std::string memory = fmt::format("{} of {} memory", format_bytes(answer->memory.total()), format_bytes(answer->memory_capacity));
    return print_answer(fmt::format("{}: valid; {} on {} devices, {}; {} ({})\n", input.file, scenario.workload.model,
                                    answer->devices, describe(scenario.workload.parallelism),
                                    answer->fits ? "fits in memory" : "does not fit in memory", memory));
}

}  // namespace orrery
