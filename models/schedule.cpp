// The table of pipeline schedules: a new one is a file under models/schedules and a line here.
#include "models/schedules/passes.hpp"

#include <array>

namespace orrery {

std::span<const Schedule> schedules() {
    static constexpr std::array<Schedule, 3> table{{
        {PipelineSchedule::gpipe, "gpipe", "All forward, then all backward; every activation is held.", gpipe_passes},
        {PipelineSchedule::one_f_one_b, "1f1b", "One forward, one backward; a stage holds what lies ahead of it.",
         one_f_one_b_passes},
        {PipelineSchedule::interleaved, "1f1b-interleaved",
         "1F1B over several chunks per rank: a smaller bubble for more messages.", interleaved_passes},
    }};
    return table;
}

}  // namespace orrery
