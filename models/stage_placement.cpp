// Loops, V shapes and mirrored pairs of pipeline chunks.
#include "models/stage_placement.hpp"

namespace orrery {

int model_stage_of(const Parallelism& p, VirtualStage place) {
    if (p.schedule == PipelineSchedule::zb_v) {
        return place.chunk == 0 ? place.stage : 2 * p.pipeline - 1 - place.stage;
    }
    if (p.schedule == PipelineSchedule::dualpipe) {
        return place.chunk == 0 ? place.stage : p.pipeline - 1 - place.stage;
    }
    return place.chunk * p.pipeline + place.stage;
}

std::vector<VirtualStage> places_of(const Parallelism& p, int model_stage) {
    if (p.schedule == PipelineSchedule::dualpipe) return {{model_stage, 0}, {p.pipeline - 1 - model_stage, 1}};
    if (p.schedule == PipelineSchedule::zb_v && model_stage >= p.pipeline) {
        return {{2 * p.pipeline - 1 - model_stage, 1}};
    }
    return {{model_stage % p.pipeline, model_stage / p.pipeline}};
}

std::optional<VirtualStage> step_along(const Parallelism& p, VirtualStage from, bool backward) {
    const int to = model_stage_of(p, from) + (backward ? -1 : 1);
    if (to < 0 || to >= p.model_stages()) return std::nullopt;
    const std::vector<VirtualStage> places = places_of(p, to);
    // A bidirectional pipeline's two directions never meet.
    return places.size() > 1 ? places[static_cast<std::size_t>(from.chunk)] : places.front();
}

}  // namespace orrery
