// The pass orders that models/schedule.cpp lists, one file each beside this one.
#pragma once

#include "models/step_graph.hpp"

#include <vector>

namespace orrery {

std::vector<SchedulePass> gpipe_passes(int stage, int stages, int virtual_stages, int micro_batches);
std::vector<SchedulePass> one_f_one_b_passes(int stage, int stages, int virtual_stages, int micro_batches);
std::vector<SchedulePass> interleaved_passes(int stage, int stages, int virtual_stages, int micro_batches);

}  // namespace orrery
