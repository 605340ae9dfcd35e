// How many decoder layers each virtual pipeline stage holds.
#pragma once

#include "models/architecture.hpp"
#include "models/training.hpp"

#include <vector>

namespace orrery {

/// Layers of each of `virtual_stages_total` (pipeline * virtual) stages in model order; empty if there are too few
/// layers.
/// - Divisible: equal shares.
/// - layers + 2 divisible: equal slots, the embedding and the head taking one each ("Llama 3", arXiv
/// 2407.21783, 3.3.2).
/// - With prediction layers, layers + prediction + 2 divisible: equal slots, of which the last stage gives one for each
/// prediction layer and two for its heads (DeepSeek-V3 as Megatron-Core lays it out).
/// - Otherwise shares differ by one; the last stage, which has the head, never holds the larger share.
std::vector<int> pipeline_split(int layers, int virtual_stages_total, int prediction_layers);

/// Layers of each piece of the model under a plan: its own list; or shares with a first and a last rank of their own
/// (Megatron-Core's --decoder-first-pipeline-num-layers and -last-) and with embedding or head counted as a layer
/// (--account-for-embedding-in-pipeline-split and -loss-); or pipeline_split(). Empty: it does not come out even.
std::vector<int> stage_layers(const Architecture& architecture, const Parallelism& plan);

}  // namespace orrery
