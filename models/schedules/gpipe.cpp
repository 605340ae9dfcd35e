// GPipe: every forward pass, then every backward pass, the last micro-batch first.
// Huang et al., "GPipe", arXiv 1811.06965, figure 2c.
#include "hardware/result.hpp"
#include "models/schedules/passes.hpp"

namespace orrery {

std::vector<SchedulePass> gpipe_passes(int stage, int stages, int virtual_stages, int micro_batches) {
    ORRERY_CHECK(stage >= 0 && stage < stages);
    ORRERY_CHECK(virtual_stages == 1);
    std::vector<SchedulePass> passes;
    passes.reserve(2 * static_cast<std::size_t>(micro_batches));
    for (int m = 0; m < micro_batches; ++m) passes.push_back({false, m, 0});
    for (int m = micro_batches - 1; m >= 0; --m) passes.push_back({true, m, 0});
    return passes;
}

}  // namespace orrery
