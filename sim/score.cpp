// Routes of stage messages through virtual stages (Narayanan et al., arXiv 2104.04473, section 2.2).
#include "sim/score.hpp"

#include "models/stage_placement.hpp"
#include "sim/cast.hpp"

#include <map>
#include <tuple>

namespace orrery {
namespace {

using PassKey = std::tuple<bool, int, int>;  // backward, chunk, micro-batch
using PassIndex = std::vector<std::map<PassKey, std::int32_t>>;

ScorePass score_pass(const StepProgram& program, const PassIndex& index, int stage, const PassProgram& pass) {
    const Parallelism& plan = program.parallelism;
    const VirtualStage here{stage, pass.pass.chunk};
    ScorePass scored;
    scored.block = pass.block;
    if (pass.pass.part == PassPart::weight) return scored;  // its rank's own gradients of inputs come before it
    scored.waits = step_along(plan, here, !pass.pass.backward).has_value();
    const auto to = step_along(plan, here, pass.pass.backward);
    if (!to) return scored;
    scored.is_local = to->stage == stage;
    const bool is_turned = pass.pass.chunk == 1 && plan.splits_backward();  // lies from the last rank to the first
    scored.direction = pass.pass.backward != is_turned ? 1 : 0;
    const auto& known = index[static_cast<std::size_t>(to->stage)];
    const auto found = known.find({pass.pass.backward, to->chunk, pass.pass.micro_batch});
    if (found != known.end()) scored.receiving_pass = found->second;
    return scored;
}

}  // namespace

StepScore score_step(const StepProgram& program, const GroupTable& groups) {
    StepScore score;
    for (const Block& block : program.blocks) {
        std::vector<ScoreLine>& lines = score.blocks.emplace_back();
        for (const Instruction& one : block.code) {
            ScoreLine line{to_picoseconds(one.duration), one.exchange, -1, one.op, one.part};
            if (one.op != Op::compute) {
                line.slot = static_cast<std::int16_t>(groups.slot_of_exchange[static_cast<std::size_t>(one.exchange)]);
            }
            lines.push_back(line);
        }
    }
    PassIndex index(program.stages.size());
    for (std::size_t s = 0; s < program.stages.size(); ++s) {
        std::int32_t next = 0;
        for (const PassProgram& pass : program.stages[s].passes) {
            const std::int32_t place = next++;
            if (pass.pass.part == PassPart::weight) continue;
            index[s][{pass.pass.backward, pass.pass.chunk, pass.pass.micro_batch}] = place;
        }
    }
    for (std::size_t s = 0; s < program.stages.size(); ++s) {
        const StageProgram& stage = program.stages[s];
        ScoreStage scored{stage.prologue, stage.epilogue, {}};
        for (const PassProgram& pass : stage.passes) {
            scored.passes.push_back(score_pass(program, index, static_cast<int>(s), pass));
        }
        for (std::size_t i = 0; i + 1 < scored.passes.size(); ++i) {
            scored.passes[i].waits_for_next = stage.passes[i].pass.joins_next && scored.passes[i + 1].waits;
        }
        score.stages.push_back(std::move(scored));
    }
    return score;
}

}  // namespace orrery
