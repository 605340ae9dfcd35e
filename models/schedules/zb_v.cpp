// ZB-V: the model goes down the ranks and up again in two chunks each, so that the first rank has the loss as well and
// backward starts where forward ends; as much is held as 1F1B's first rank holds, on every rank.
// Qi et al., "Zero Bubble Pipeline Parallelism", arXiv 2401.10241, section 6 and figure 6.
#include "hardware/result.hpp"
#include "models/schedules/passes.hpp"

#include <algorithm>
#include <array>

namespace orrery {
namespace {

/// Passes of one rank as they are appended. Past the last micro-batch a pass is counted and left out: the order is that
/// of a pipeline with enough of them.
class VeePasses {
  public:
    explicit VeePasses(int micro_batches) : micro_batches_(micro_batches) {}

    void forward(int chunk) { add({false, 0, chunk}, forward_[at(chunk)]); }
    void input(int chunk) { add({true, 0, chunk, PassPart::input}, input_[at(chunk)]); }
    void weight(int chunk) { add({true, 0, chunk, PassPart::weight}, weight_[at(chunk)]); }
    void backward(int chunk) {
        input(chunk);
        weight(chunk);
    }
    [[nodiscard]] int forwards(int chunk) const { return forward_[at(chunk)]; }
    void finish_weights() {
        for (const int chunk : {1, 0}) {
            while (weight_[at(chunk)] < input_[at(chunk)]) weight(chunk);
        }
    }
    std::vector<SchedulePass> take() { return std::move(passes_); }

  private:
    static std::size_t at(int chunk) { return static_cast<std::size_t>(chunk); }
    void add(SchedulePass pass, int& next) {
        pass.micro_batch = next++;
        if (pass.micro_batch < micro_batches_) passes_.push_back(pass);
    }

    int micro_batches_;
    std::vector<SchedulePass> passes_;
    std::array<int, 2> forward_{}, input_{}, weight_{};
};

}  // namespace

std::vector<SchedulePass> zb_v_passes(int stage, int stages, int virtual_stages, int micro_batches) {
    ORRERY_CHECK(stage >= 0 && stage < stages);
    ORRERY_CHECK(virtual_stages == 1);
    const int from_end = stages - stage;
    const int enough = std::max(2 * stages - 1, micro_batches);
    VeePasses passes(micro_batches);
    for (int i = 0; i < 2 * from_end - 1; ++i) passes.forward(0);
    for (int i = 0; i < stage; ++i) {
        passes.forward(1);
        passes.forward(0);
    }
    for (int i = 0; i < from_end; ++i) {
        passes.forward(1);
        passes.backward(1);
    }
    while (passes.forwards(1) < passes.forwards(0) || passes.forwards(0) < enough) {
        if (passes.forwards(0) < enough) passes.forward(0);
        passes.backward(0);
        passes.forward(1);
        passes.backward(1);
    }
    for (int i = 0; i < stage; ++i) {
        passes.input(0);
        passes.input(1);
    }
    for (int i = 0; i < from_end; ++i) passes.backward(0);
    passes.finish_weights();
    return passes.take();
}

}  // namespace orrery
