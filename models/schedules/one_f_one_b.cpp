// One forward, one backward: a stage holds at most stages - stage micro-batches (PipeDream-flush).
// Narayanan et al., "Efficient Large-Scale Language Model Training on GPU Clusters", arXiv 2104.04473, section 2.2.1.
#include "hardware/result.hpp"
#include "models/schedules/passes.hpp"

#include <algorithm>

namespace orrery {

std::vector<SchedulePass> one_f_one_b_passes(int stage, int stages, int virtual_stages, int micro_batches) {
    ORRERY_CHECK(stage >= 0 && stage < stages);
    ORRERY_CHECK(virtual_stages == 1);
    const int warm_up = std::min(stages - stage - 1, micro_batches);
    std::vector<SchedulePass> passes;
    passes.reserve(2 * static_cast<std::size_t>(micro_batches));
    for (int m = 0; m < warm_up; ++m) passes.push_back({false, m, 0});
    for (int m = warm_up; m < micro_batches; ++m) {
        passes.push_back({false, m, 0});
        passes.push_back({true, m - warm_up, 0});
    }
    for (int m = micro_batches - warm_up; m < micro_batches; ++m) passes.push_back({true, m, 0});
    return passes;
}

}  // namespace orrery
