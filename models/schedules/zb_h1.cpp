// ZB-H1: 1F1B with the weights' gradients put off by `stage` micro-batches, which then fill the bubble at the end; no
// rank holds more than `stages` micro-batches. Qi et al., "Zero Bubble Pipeline Parallelism", arXiv 2401.10241, 2.1.
#include "hardware/result.hpp"
#include "models/schedules/passes.hpp"

#include <algorithm>

namespace orrery {

std::vector<SchedulePass> zb_h1_passes(int stage, int stages, int virtual_stages, int micro_batches) {
    ORRERY_CHECK(stage >= 0 && stage < stages);
    ORRERY_CHECK(virtual_stages == 1);
    const int warm_up = std::min(stages - stage - 1, micro_batches);
    std::vector<SchedulePass> passes;
    passes.reserve(3 * static_cast<std::size_t>(micro_batches));
    int backward = 0;
    int weight = 0;
    const auto go_back = [&] {
        passes.push_back({true, backward++, 0, PassPart::input});
        if (backward > stage) passes.push_back({true, weight++, 0, PassPart::weight});
    };
    for (int m = 0; m < warm_up; ++m) passes.push_back({false, m, 0});
    for (int m = warm_up; m < micro_batches; ++m) {
        passes.push_back({false, m, 0});
        go_back();
    }
    while (backward < micro_batches) go_back();
    while (weight < micro_batches) passes.push_back({true, weight++, 0, PassPart::weight});
    return passes;
}

}  // namespace orrery
