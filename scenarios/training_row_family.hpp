// Training rows of recommenders and recurrent networks, which tables name without sizes.
#pragma once

#include "models/training.hpp"
#include "scenarios/training_row_model.hpp"

#include <optional>
#include <string>

namespace orrery {

/// True for kinds "dlrm" and "rnn".
bool is_family_row(const Row& row);

/// The catalogue entry of the network that the row is about; empty: none.
std::string family_entry(const Row& row);

/// Why such a row cannot be predicted, if so.
std::optional<std::string> family_excluded(const Row& row);

/// Plan, precision where the row is silent, and profile of its software; a sentence on what a rule had to supply.
std::string read_family_software(const Row& row, TrainingSpec& spec);

/// Seconds of one step: printed, from a throughput, or the whole run over its steps (data set sizes below).
std::optional<double> family_step(const Row& row, const TrainingSpec& spec);

/// Samples of a run's whole time, evaluation included: epochs x `samples` of an epoch, as the row counts them.
std::optional<double> step_of_whole_run(const Row& row, double samples);

}  // namespace orrery
