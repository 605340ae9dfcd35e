// 1F1B over several model chunks per rank, in the order of Megatron-LM (megatron/core/pipeline_parallel/schedules.py,
// forward_backward_pipelining_with_interleaving): groups of `stages` micro-batches visit chunk after chunk.
// Narayanan et al., arXiv 2104.04473, section 2.2.2.
#include "hardware/result.hpp"
#include "models/schedules/passes.hpp"

#include <algorithm>

namespace orrery {
namespace {

/// The k-th pass of one direction on any stage.
SchedulePass interleaved_pass(bool backward, int k, int stages, int virtual_stages) {
    const int group = stages * virtual_stages;
    const int chunk = k % group / stages;
    return {backward, k / group * stages + k % stages, backward ? virtual_stages - 1 - chunk : chunk};
}

}  // namespace

std::vector<SchedulePass> interleaved_passes(int stage, int stages, int virtual_stages, int micro_batches) {
    ORRERY_CHECK(micro_batches % stages == 0);
    // With one chunk there is nothing to interleave, and Megatron runs plain 1F1B.
    if (virtual_stages == 1) return one_f_one_b_passes(stage, stages, virtual_stages, micro_batches);
    ORRERY_CHECK(stage >= 0 && stage < stages);
    const int total = micro_batches * virtual_stages;
    const int warm_up = std::min(2 * (stages - stage - 1) + (virtual_stages - 1) * stages, total);
    std::vector<SchedulePass> passes;
    passes.reserve(2 * static_cast<std::size_t>(total));
    for (int k = 0; k < warm_up; ++k) passes.push_back(interleaved_pass(false, k, stages, virtual_stages));
    for (int k = warm_up; k < total; ++k) {
        passes.push_back(interleaved_pass(false, k, stages, virtual_stages));
        passes.push_back(interleaved_pass(true, k - warm_up, stages, virtual_stages));
    }
    for (int k = total - warm_up; k < total; ++k) passes.push_back(interleaved_pass(true, k, stages, virtual_stages));
    return passes;
}

}  // namespace orrery
