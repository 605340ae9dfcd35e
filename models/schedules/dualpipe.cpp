// DualPipe: half of the micro-batches enter at each end of the pipeline, and each rank runs a forward pass of one
// direction together with a backward pass of the other, whose exchanges hide behind each other's compute.
// DeepSeek-AI, "DeepSeek-V3 Technical Report", arXiv 2412.19437, section 3.2.1 and figure 5; the order of passes is that
// of the program they published with it (github.com/deepseek-ai/DualPipe).
#include "hardware/result.hpp"
#include "models/schedules/passes.hpp"

#include <algorithm>
#include <array>

namespace orrery {
namespace {

/// Passes of one rank as they are appended; `phase` 0 is the direction that enters at the rank's own end.
class MirroredPasses {
  public:
    MirroredPasses(bool is_upper_half, int half_batches) : flip_(is_upper_half ? 1 : 0), half_batches_(half_batches) {}

    void forward(int phase, bool joins_next = false) {
        passes_.push_back({false, next(forward_, phase), phase ^ flip_, PassPart::whole, joins_next});
    }
    void backward(int phase) { passes_.push_back({true, next(backward_, phase), phase ^ flip_}); }
    void input(int phase) {
        passes_.push_back({true, next(backward_, phase), phase ^ flip_, PassPart::input});
        put_off_.push_back(passes_.back());
    }
    /// The oldest gradient of weights that was put off.
    void weight() {
        ORRERY_CHECK(first_put_off_ < put_off_.size());
        SchedulePass pass = put_off_[first_put_off_++];
        pass.part = PassPart::weight;
        passes_.push_back(pass);
    }
    void together(int forward_phase, int backward_phase) {
        forward(forward_phase, true);
        backward(backward_phase);
    }
    std::vector<SchedulePass> take() {
        ORRERY_CHECK(first_put_off_ == put_off_.size());
        return std::move(passes_);
    }

  private:
    int next(std::array<int, 2>& counts, int phase) {
        const auto chunk = static_cast<std::size_t>(phase ^ flip_);
        return static_cast<int>(chunk) * half_batches_ + counts[chunk]++;
    }

    int flip_;
    int half_batches_;
    std::vector<SchedulePass> passes_, put_off_;
    std::size_t first_put_off_ = 0;
    std::array<int, 2> forward_{}, backward_{};
};

}  // namespace

std::vector<SchedulePass> dualpipe_passes(int stage, int stages, int virtual_stages, int micro_batches) {
    ORRERY_CHECK(stage >= 0 && stage < stages);
    ORRERY_CHECK(virtual_stages == 1);
    ORRERY_CHECK(stages % 2 == 0);
    ORRERY_CHECK(micro_batches % 2 == 0 && micro_batches >= 2 * stages);
    const int from_end = std::min(stage, stages - 1 - stage);
    const int from_middle = stages / 2 - 1 - from_end;
    MirroredPasses passes(stage >= stages / 2, micro_batches / 2);
    for (int i = 0; i < 2 * from_middle; ++i) passes.forward(0);
    for (int i = 0; i <= from_end; ++i) {
        passes.forward(0);
        passes.forward(1);
    }
    for (int i = 0; i < from_middle; ++i) {
        passes.input(1);
        passes.weight();
        passes.forward(1);
    }
    for (int i = 0; i < micro_batches / 2 - stages + from_end + 1; ++i) {
        if (i == 0 && from_middle == 0) {  // the middle ranks begin without overlap: it would only lengthen the bubble
            passes.forward(0);
            passes.backward(1);
        } else {
            passes.together(0, 1);
        }
        passes.together(1, 0);
    }
    for (int i = 0; i < from_middle; ++i) {
        passes.backward(1);
        passes.together(1, 0);
    }
    // In the second half of what drains, weights' gradients are put off.
    const int drained = from_end + 1;
    for (int i = 0; i < 2 * drained; ++i) {
        const int phase = i % 2 == 0 ? 1 : 0;
        if (i >= drained) {
            passes.input(phase);
        } else {
            passes.backward(phase);
        }
    }
    for (int i = 0; i < from_middle; ++i) {
        passes.weight();
        passes.input(0);
    }
    for (int i = 0; i < drained; ++i) passes.weight();
    return passes.take();
}

}  // namespace orrery
