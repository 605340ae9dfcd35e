// The table of pipeline schedules: a new one is a file under models/schedules and a line here.
#include "models/schedules/passes.hpp"

#include <array>

#include <algorithm>

namespace orrery {

std::span<const Schedule> schedules() {
    static constexpr std::array<Schedule, 7> table{{
        {PipelineSchedule::gpipe, "gpipe", "All forward, then all backward; every activation is held.", gpipe_passes},
        {PipelineSchedule::one_f_one_b, "1f1b", "One forward, one backward; a stage holds what lies ahead of it.",
         one_f_one_b_passes},
        {PipelineSchedule::interleaved, "1f1b-interleaved",
         "1F1B over several chunks per rank: a smaller bubble for more messages.", interleaved_passes},
        {PipelineSchedule::breadth_first, "breadth-first",
         "All micro-batches chunk by chunk: the interleaved bubble, every activation is held.", breadth_first_passes},
        {PipelineSchedule::zb_h1, "zb-h1",
         "1F1B with weight gradients put off into its bubble: a third of it is left, at 1F1B's memory.", zb_h1_passes},
        {PipelineSchedule::zb_v, "zb-v",
         "Two chunks per rank in a V, weight gradients put off: nearly no bubble, at 1F1B's memory.", zb_v_passes},
        {PipelineSchedule::dualpipe, "dualpipe",
         "Micro-batches from both ends, exchanges hidden, parameters twice (DeepSeek-V3).", dualpipe_passes},
    }};
    return table;
}

int representative_micro_batches(const Parallelism& plan, int micro_batches) {
    switch (plan.schedule) {
        case PipelineSchedule::one_f_one_b:
        case PipelineSchedule::interleaved: return std::min(micro_batches, 2 * plan.pipeline);
        case PipelineSchedule::zb_h1:
        case PipelineSchedule::zb_v: return std::min(micro_batches, 4 * plan.pipeline);
        case PipelineSchedule::gpipe:
        case PipelineSchedule::breadth_first:
        case PipelineSchedule::dualpipe: return micro_batches;
    }
    return micro_batches;
}

}  // namespace orrery
