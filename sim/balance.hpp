// Sharing layers out over pipeline stages by what they cost on a cluster.
#pragma once

#include "sim/training.hpp"

#include <vector>

namespace orrery {

/// The way to cut `times`, in order, into `pieces` runs whose longest is shortest; among equals, the one whose squares
/// add up to least. `first` and `last` are added to the first and the last run. Sizes of the runs, which can be empty.
std::vector<int> balanced_cuts(const std::vector<Seconds>& times, int pieces, Seconds first, Seconds last);

/// Layers of each piece of the model for `run` (see Parallelism::stage_layers), by forward and backward time of each
/// layer, with the embedding on the first piece and the head (and prediction layers) on the last.
Result<std::vector<int>> balanced_stage_layers(const Cluster& cluster, const TrainingRun& run);

}  // namespace orrery
