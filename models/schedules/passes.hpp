// The pass orders that models/schedule.cpp lists, one file each beside this one.
#pragma once

#include "models/step_graph.hpp"

#include <vector>

namespace orrery {

std::vector<SchedulePass> gpipe_passes(int stage, int stages, int virtual_stages, int micro_batches);
std::vector<SchedulePass> one_f_one_b_passes(int stage, int stages, int virtual_stages, int micro_batches);
std::vector<SchedulePass> interleaved_passes(int stage, int stages, int virtual_stages, int micro_batches);
std::vector<SchedulePass> breadth_first_passes(int stage, int stages, int virtual_stages, int micro_batches);
std::vector<SchedulePass> zb_h1_passes(int stage, int stages, int virtual_stages, int micro_batches);
std::vector<SchedulePass> zb_v_passes(int stage, int stages, int virtual_stages, int micro_batches);
/// Requires an even number of stages, and an even number of micro-batches from 2 * stages on.
std::vector<SchedulePass> dualpipe_passes(int stage, int stages, int virtual_stages, int micro_batches);

}  // namespace orrery
