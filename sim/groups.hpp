// Who exchanges with whom in a step: the groups of ranks along each axis that the program uses.
#pragma once

#include "sim/step_program.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace orrery {

/// The partition of ranks in which some exchanges take place. Axes inside a pipeline stage have one slot each; an
/// exchange across stages has its own, because only the stages whose program holds it take part.
struct GroupSlot {
    Axis axis = Axis::tensor;
    std::int32_t exchange = -1;  // the only one of this slot; -1: all along `axis`
    std::int32_t first_group = 0;
    std::int32_t group_count = 0;
};

struct RankGroup {
    std::int32_t slot = 0;
    std::int32_t first = 0;  // into GroupTable::members
    std::int32_t count = 0;
};

struct GroupTable {
    std::int32_t ranks = 0;
    std::vector<GroupSlot> slots;
    std::vector<std::int32_t> slot_of_exchange;  // -1: no stage holds it
    std::vector<RankGroup> groups;               // by slot, in order of their lowest rank
    std::vector<RankId> members;
    std::vector<std::int32_t> group_at;  // [slot * ranks + rank]; -1: takes no part

    [[nodiscard]] std::span<const RankId> members_of(const RankGroup& group) const {
        return std::span(members).subspan(static_cast<std::size_t>(group.first), static_cast<std::size_t>(group.count));
    }
};

/// [stage][exchange]: whether the stage's program meets it.
std::vector<std::vector<bool>> exchanges_by_stage(const StepProgram& program);

/// Requires as many stages as the plan has pipeline ranks.
GroupTable group_ranks(const StepProgram& program);

}  // namespace orrery
