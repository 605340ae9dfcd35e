// Reading, looking up and the closed form find every mistake that a simulation would.
#include "ui/command_check.hpp"

#include "scenarios/quantity.hpp"
#include "ui/report_view.hpp"

#include <fmt/format.h>

namespace orrery {

ExitStatus command_check(const ScenarioInput& input) {
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
