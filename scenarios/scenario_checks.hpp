// What single values cannot show: whether the parts of a scenario go together.
#pragma once

#include "hardware/result.hpp"
#include "scenarios/scenario.hpp"

#include <string>

namespace orrery {

/// Looks up every name and adds what is not there to `problems`, with JSON pointers as places. Then, if no value had a
/// problem of its own before (`problems` empty), derives an absent data-parallel degree (`given.data` false) from the
/// devices and adds what does not go together. A model with tokens needs a sequence (`sequence_given`).
struct GivenKeys {
    bool data = false;
    bool sequence = false;
    bool plan_checked = true;   // false: degrees and batches are for a search to choose
};
void check_scenario(Scenario& scenario, const GivenKeys& given, Problems& problems);

/// The same for scenarios that are no training: names of the machine, and what there is to run on it.
void check_machine(const Scenario& scenario, Problems& problems);

/// Where a path in a scenario leads: as it is if absolute, else in the scenario's folder, else in the data directory;
/// the path itself if there is no such file.
std::string located_file(const std::string& path, const std::string& scenario_directory);

/// The model's name or, where it is a path, that path located.
std::string located_model(const Scenario& scenario);

/// Name of the framework profile: the scenario's, or the default of its kind of model and parallelism.
std::string framework_name(const TrainingSpec& spec, bool is_layered);

}  // namespace orrery
