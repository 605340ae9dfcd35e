// Routes of stage messages through virtual stages (Narayanan et al., arXiv 2104.04473, section 2.2).
#include "sim/score.hpp"

#include "sim/cast.hpp"

#include <map>
#include <optional>
#include <tuple>

namespace orrery {
namespace {

using PassKey = std::tuple<bool, int, int>;  // backward, chunk, micro-batch
using PassIndex = std::vector<std::map<PassKey, std::int32_t>>;

/// Where data goes: stage and chunk one virtual stage on (forward) or back (backward).
struct VirtualStage {
    int stage = 0;
    int chunk = 0;
};

std::optional<VirtualStage> step_along(VirtualStage from, bool backward, int stages, int chunks) {
    const int position = from.chunk * stages + from.stage + (backward ? -1 : 1);
    if (position < 0 || position >= stages * chunks) return std::nullopt;
    return VirtualStage{position % stages, position / stages};
}

ScorePass score_pass(const StepProgram& program, const PassIndex& index, int stage, const PassProgram& pass) {
    const int stages = static_cast<int>(program.stages.size());
    const int chunks = program.parallelism.virtual_stages;
    const VirtualStage here{stage, pass.pass.chunk};
    ScorePass scored;
    scored.block = pass.block;
    scored.waits = step_along(here, !pass.pass.backward, stages, chunks).has_value();
    scored.is_local = stages == 1;
    scored.direction = pass.pass.backward ? 1 : 0;
    if (const auto to = step_along(here, pass.pass.backward, stages, chunks)) {
        const auto& known = index[static_cast<std::size_t>(to->stage)];
        const auto found = known.find({pass.pass.backward, to->chunk, pass.pass.micro_batch});
        if (found != known.end()) scored.receiving_pass = found->second;
    }
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
            index[s][{pass.pass.backward, pass.pass.chunk, pass.pass.micro_batch}] = next++;
        }
    }
    for (std::size_t s = 0; s < program.stages.size(); ++s) {
        const StageProgram& stage = program.stages[s];
        ScoreStage scored{stage.prologue, stage.epilogue, {}};
        for (const PassProgram& pass : stage.passes) {
            scored.passes.push_back(score_pass(program, index, static_cast<int>(s), pass));
        }
        score.stages.push_back(std::move(scored));
    }
    return score;
}

}  // namespace orrery
