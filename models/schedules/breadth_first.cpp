// Breadth-first: every micro-batch through one chunk before any goes through the next, and back the same way.
// Lamy-Poirier, "Breadth-First Pipeline Parallelism", arXiv 2211.05953, section 3.2.
#include "hardware/result.hpp"
#include "models/schedules/passes.hpp"

namespace orrery {

std::vector<SchedulePass> breadth_first_passes(int stage, int stages, int virtual_stages, int micro_batches) {
    ORRERY_CHECK(stage >= 0 && stage < stages);
    std::vector<SchedulePass> passes;
    passes.reserve(2 * static_cast<std::size_t>(virtual_stages) * static_cast<std::size_t>(micro_batches));
    for (int chunk = 0; chunk < virtual_stages; ++chunk) {
        for (int m = 0; m < micro_batches; ++m) passes.push_back({false, m, chunk});
    }
    for (int chunk = virtual_stages - 1; chunk >= 0; --chunk) {
        for (int m = 0; m < micro_batches; ++m) passes.push_back({true, m, chunk});
    }
    return passes;
}

}  // namespace orrery
