// Longest path through the passes of all pipeline ranks, each rank as far as the messages it has let it go.
#include "sim/pass_walk.hpp"

#include "models/stage_placement.hpp"
#include "sim/block_time.hpp"

#include <algorithm>

namespace orrery {
namespace {

class PassWalker {
  public:
    explicit PassWalker(const StepProgram& program)
        : program_(program),
          plan_(program.parallelism),
          chunks_(static_cast<std::size_t>(plan_.chunks_per_rank())),
          arrival_(program.stages.size() * 2 * chunks_ * static_cast<std::size_t>(program.micro_batches), unknown),
          next_(program.stages.size()) {
        for (const Block& block : program.blocks) blocks_.push_back(block_time(program, block.code).total);
        walk_.bubble.resize(program.stages.size());
        walk_.message.resize(program.stages.size());
        for (const StageProgram& stage : program.stages) walk_.end.push_back(time_of(stage.prologue));
        for (int stage = 0; stage < static_cast<int>(program.stages.size()); ++stage) {
            for (int chunk = 0; chunk < static_cast<int>(chunks_); ++chunk) {
                for (const bool backward : {false, true}) onward_.push_back(step_along(plan_, {stage, chunk}, backward));
            }
        }
    }

    PassWalk walk() {
        for (bool moved = true; moved;) {
            moved = false;
            for (std::size_t s = 0; s < program_.stages.size(); ++s) {
                while (step(s)) moved = true;
            }
        }
        for (std::size_t s = 0; s < program_.stages.size(); ++s) {
            walk_.end[s] += time_of(program_.stages[s].epilogue);
        }
        return std::move(walk_);
    }

  private:
    static constexpr Seconds unknown = Seconds::from_si(-1.0);

    const StepProgram& program_;
    const Parallelism& plan_;
    std::size_t chunks_;
    std::vector<std::optional<VirtualStage>> onward_;   // by stage, chunk and way: where a pass's result goes
    std::vector<Seconds> arrival_;  // of each forward and backward pass's message
    std::vector<std::size_t> next_;
    std::vector<Seconds> blocks_;
    PassWalk walk_;

    [[nodiscard]] Seconds time_of(std::int32_t block) const {
        return block < 0 ? Seconds{} : blocks_[static_cast<std::size_t>(block)];
    }

    [[nodiscard]] const std::optional<VirtualStage>& onward(int stage, int chunk, bool backward) const {
        return onward_[(static_cast<std::size_t>(stage) * chunks_ + static_cast<std::size_t>(chunk)) * 2 + (backward ? 1 : 0)];
    }

    Seconds& arrival(int stage, int chunk, bool backward, int micro_batch) {
        const std::size_t way = static_cast<std::size_t>(stage) * 2 + (backward ? 1 : 0);
        const std::size_t batches = static_cast<std::size_t>(program_.micro_batches);
        return arrival_[(way * chunks_ + static_cast<std::size_t>(chunk)) * batches + static_cast<std::size_t>(micro_batch)];
    }

    /// When the message of a pass is there: 0 where it needs none.
    Seconds ready(int stage, const SchedulePass& pass) {
        if (pass.part == PassPart::weight || !onward(stage, pass.chunk, !pass.backward)) return Seconds{};
        return arrival(stage, pass.chunk, pass.backward, pass.micro_batch);
    }

    /// The next pass of a rank, if it can run.
    bool step(std::size_t s) {
        const std::vector<PassProgram>& passes = program_.stages[s].passes;
        if (next_[s] == passes.size()) return false;
        const int stage = static_cast<int>(s);
        const PassProgram& here = passes[next_[s]];
        Seconds begin = ready(stage, here.pass);
        if (begin < Seconds{}) return false;
        if (here.pass.joins_next) {
            const Seconds other = ready(stage, passes[next_[s] + 1].pass);
            if (other < Seconds{}) return false;
            begin = std::max(begin, other);
        }
        Seconds& clock = walk_.end[s];
        const Seconds waited = std::max(begin - clock, Seconds{});
        const Seconds on_its_way = std::min(waited, program_.slower_message(stage).idle);
        walk_.message[s] += on_its_way;
        walk_.bubble[s] += waited - on_its_way;
        clock += waited + time_of(here.block);
        send(s, here.pass);
        ++next_[s];
        return true;
    }

    void send(std::size_t s, const SchedulePass& pass) {
        const int stage = static_cast<int>(s);
        if (pass.part == PassPart::weight) return;
        const auto& to = onward(stage, pass.chunk, pass.backward);
        if (!to) return;
        const bool stays = to->stage == stage;
        Seconds& clock = walk_.end[s];
        const Seconds idle = stays ? Seconds{} : program_.message_between(stage, to->stage).idle;
        arrival(to->stage, to->chunk, pass.backward, pass.micro_batch) = clock + idle;
        if (stays) return;
        const Seconds held = idle * program_.boundary_exposed;
        walk_.message[s] += held;
        clock += held;
    }
};

}  // namespace

PassWalk walk_passes(const StepProgram& program) { return PassWalker(program).walk(); }

}  // namespace orrery
