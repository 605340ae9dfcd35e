// Sharing layers out over pipeline stages by what they cost on a cluster.
#pragma once

#include "sim/training.hpp"

#include <functional>
#include <limits>
#include <span>
#include <vector>

namespace orrery {

/// The way to cut `times`, in order, into `pieces` runs whose longest is shortest; among equals, the one whose squares
/// add up to least. `first` and `last` are added to the first and the last run. Sizes of the runs, which can be empty.
std::vector<int> balanced_cuts(const std::vector<Seconds>& times, int pieces, Seconds first, Seconds last);

/// A run of layers to be cut out: what each layer of the model takes where it lies, what else it does, how many it can hold.
struct ModelPiece {
    std::span<const Seconds> times;
    Seconds more;
    int most = std::numeric_limits<int>::max();
};

/// The same where pieces lie on unlike devices; empty where the pieces cannot hold all layers.
std::vector<int> balanced_cuts(std::span<const ModelPiece> pieces);

/// What the layers of a model take on one type of device, in model order, and what stands before and after them.
struct LayersOnDevice {
    std::vector<Seconds> layers;
    Seconds before;
    Seconds after;
};

/// By pipeline rank, whether the pieces of these sizes fit.
using StagesFit = std::function<std::vector<char>(const std::vector<int>& layers)>;

/// Layers of each piece of a model by what they take on their own group's devices. Where `fits` is given, stages that do not fit
/// hand layers on until all fit; where that cannot be, time alone decides.
std::vector<int> layers_by_group(const Cluster& cluster, const Parallelism& plan, std::span<const LayersOnDevice> by_group,
                                 const StagesFit& fits);

/// `layers` over `pieces`, the first ones with one more where they do not divide.
std::vector<int> even_layers(int layers, int pieces);

/// Whether layers are shared out by what they cost: where the plan asks for it, and on a mixed machine where the plan does not
/// say how.
bool balances_layers(const Cluster& cluster, const Parallelism& plan);

/// Layers of each piece of the model for `run` (see Parallelism::stage_layers), by forward and backward time of each
/// layer on its own stage's device, with the embedding on the first piece and the head (and prediction layers) on the last. On a
/// mixed machine no stage gets more than its device holds, where the others have room for the rest.
Result<std::vector<int>> balanced_stage_layers(const Cluster& cluster, const TrainingRun& run);

}  // namespace orrery
