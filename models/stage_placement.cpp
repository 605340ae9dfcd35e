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

namespace {

VirtualStage place_of_piece(const Parallelism& p, int model_stage) {
    if (p.schedule == PipelineSchedule::zb_v && model_stage >= p.pipeline) return {2 * p.pipeline - 1 - model_stage, 1};
    return {model_stage % p.pipeline, model_stage / p.pipeline};
}

}  // namespace

std::vector<VirtualStage> places_of(const Parallelism& p, int model_stage) {
    if (p.schedule == PipelineSchedule::dualpipe) return {{model_stage, 0}, {p.pipeline - 1 - model_stage, 1}};
    return {place_of_piece(p, model_stage)};
}

std::optional<VirtualStage> step_along(const Parallelism& p, VirtualStage from, bool backward) {
    const int to = model_stage_of(p, from) + (backward ? -1 : 1);
    if (to < 0 || to >= p.model_stages()) return std::nullopt;
    if (p.schedule == PipelineSchedule::dualpipe) {   // its two directions never meet
        return VirtualStage{from.chunk == 0 ? to : p.pipeline - 1 - to, from.chunk};
    }
    return place_of_piece(p, to);
}

}  // namespace orrery
