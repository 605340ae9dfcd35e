// Lays out the groups once per step, so that a player only follows indices.
#include "sim/groups.hpp"

#include "hardware/result.hpp"

#include <algorithm>

namespace orrery {
namespace {

void mark_block(const StepProgram& program, std::int32_t block, std::vector<bool>& held) {
    if (block < 0) return;
    for (const Instruction& one : program.blocks[static_cast<std::size_t>(block)].code) {
        if (one.op != Op::compute) held[static_cast<std::size_t>(one.exchange)] = true;
    }
}

/// Copies of parameters lie on two stages under a bidirectional schedule.
bool crosses_stages(const Parallelism& parallelism, Axis axis) {
    if (axis == Axis::pipeline || axis == Axis::world) return true;
    const bool holds_copies = axis == Axis::data_context || axis == Axis::expert_data || axis == Axis::shard ||
                              axis == Axis::shard_peers;
    return holds_copies && parallelism.copies() > 1;
}

/// Appends the groups of one slot; `takes_part` says which stages hold an exchange of it.
void add_slot(const Parallelism& parallelism, const std::vector<bool>& takes_part, GroupSlot slot, GroupTable& table) {
    const auto index = static_cast<std::int32_t>(table.slots.size());
    const std::size_t base = table.group_at.size();
    const auto has_part = [&](RankId rank) {
        return takes_part[static_cast<std::size_t>(place_of(parallelism, rank).pipeline)];
    };
    table.group_at.resize(base + static_cast<std::size_t>(table.ranks), -1);
    slot.first_group = static_cast<std::int32_t>(table.groups.size());
    for (RankId rank = 0; rank < table.ranks; ++rank) {
        if (table.group_at[base + static_cast<std::size_t>(rank)] >= 0 || !has_part(rank)) continue;
        RankGroup group{index, static_cast<std::int32_t>(table.members.size()), 0};
        for (const RankId member : group_of(parallelism, slot.axis, rank)) {
            if (!has_part(member)) continue;
            table.members.push_back(member);
            table.group_at[base + static_cast<std::size_t>(member)] = static_cast<std::int32_t>(table.groups.size());
        }
        group.count = static_cast<std::int32_t>(table.members.size()) - group.first;
        table.groups.push_back(group);
    }
    slot.group_count = static_cast<std::int32_t>(table.groups.size()) - slot.first_group;
    table.slots.push_back(slot);
}

}  // namespace

std::vector<std::vector<bool>> exchanges_by_stage(const StepProgram& program) {
    std::vector<std::vector<bool>> held;
    for (const StageProgram& stage : program.stages) {
        std::vector<bool> blocks(program.blocks.size());
        for (const PassProgram& pass : stage.passes) blocks[static_cast<std::size_t>(pass.block)] = true;
        std::vector<bool>& exchanges = held.emplace_back(program.exchanges.size());
        mark_block(program, stage.prologue, exchanges);
        mark_block(program, stage.epilogue, exchanges);
        for (std::size_t b = 0; b < blocks.size(); ++b) {
            if (blocks[b]) mark_block(program, static_cast<std::int32_t>(b), exchanges);
        }
    }
    return held;
}

GroupTable group_ranks(const StepProgram& program) {
    ORRERY_CHECK(static_cast<int>(program.stages.size()) == program.parallelism.pipeline);
    const std::vector<std::vector<bool>> held = exchanges_by_stage(program);
    GroupTable table;
    table.ranks = program.parallelism.devices();
    table.slot_of_exchange.assign(program.exchanges.size(), -1);
    for (std::size_t x = 0; x < program.exchanges.size(); ++x) {
        if (table.slot_of_exchange[x] >= 0) continue;
        const Axis axis = program.exchanges[x].axis;
        const bool alone = crosses_stages(program.parallelism, axis);
        std::vector<bool> takes_part(program.stages.size());
        for (std::size_t y = x; y < program.exchanges.size(); ++y) {
            if (program.exchanges[y].axis != axis || (alone && y != x)) continue;
            for (std::size_t s = 0; s < held.size(); ++s) {
                if (!held[s][y]) continue;
                takes_part[s] = true;
                table.slot_of_exchange[y] = static_cast<std::int32_t>(table.slots.size());
            }
        }
        if (std::find(takes_part.begin(), takes_part.end(), true) == takes_part.end()) continue;
        add_slot(program.parallelism, takes_part, {axis, alone ? static_cast<std::int32_t>(x) : -1, 0, 0}, table);
    }
    return table;
}

}  // namespace orrery
