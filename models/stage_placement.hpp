// Where the pieces of a model lie in a pipeline, and which way data goes through them.
#pragma once

#include "models/training.hpp"

#include <optional>
#include <vector>

namespace orrery {

/// A chunk of a pipeline rank.
struct VirtualStage {
    int stage = 0;
    int chunk = 0;
    bool operator==(const VirtualStage&) const = default;
};

/// Which piece of the model, counted from the embedding, a chunk is. Chunks lie around the ranks (1f1b-interleaved and
/// breadth-first), down the ranks and up again (zb-v), or once in each direction (dualpipe).
int model_stage_of(const Parallelism& parallelism, VirtualStage place);

/// The chunks that hold a piece of the model: one, or two with dualpipe.
std::vector<VirtualStage> places_of(const Parallelism& parallelism, int model_stage);

/// Where a pass's result goes: the next piece forward, the previous one backward; nothing past the ends.
std::optional<VirtualStage> step_along(const Parallelism& parallelism, VirtualStage from, bool backward);

}  // namespace orrery
