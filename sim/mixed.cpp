// Stages on groups of nodes, and programs spliced from the stages of several.
#include "sim/mixed.hpp"

#include "sim/pricer.hpp"

#include <algorithm>
#include <array>

namespace orrery {
namespace {

std::string devices_text(int first, int end) {
    return "devices " + std::to_string(first) + " to " + std::to_string(end - 1);
}

/// Devices from the first to the end of a group.
int end_of(const Cluster& cluster, const DeviceGroup& group) { return (group.first_node + group.nodes) * cluster.node.devices; }

/// Puts stages of programs together. Blocks and exchanges that are equal become one, as those of a single program are.
class ProgramSplicer {
  public:
    explicit ProgramSplicer(StepProgram first) : program_(std::move(first)) {}

    void take(const StepProgram& from, std::size_t stage) {
        if (from_ != &from) {
            from_ = &from;
            known_.assign(from.blocks.size(), -1);
        }
        StageProgram taken = from.stages[stage];
        for (std::int32_t* block : {&taken.prologue, &taken.epilogue}) *block = block_of(*block);
        for (PassProgram& pass : taken.passes) pass.block = block_of(pass.block);
        program_.stages[stage] = std::move(taken);
    }

    StepProgram spliced() { return std::move(program_); }

  private:
    StepProgram program_;
    const StepProgram* from_ = nullptr;
    std::vector<std::int32_t> known_;   // of `from_`: where its blocks are

    std::int32_t block_of(std::int32_t block) {
        if (block < 0) return block;
        std::int32_t& place = known_[static_cast<std::size_t>(block)];
        if (place >= 0) return place;
        Block copy = from_->blocks[static_cast<std::size_t>(block)];
        for (Instruction& one : copy.code) {
            if (one.exchange >= 0) one.exchange = exchange_of(from_->exchanges[static_cast<std::size_t>(one.exchange)]);
        }
        const auto same = std::find_if(program_.blocks.begin(), program_.blocks.end(), [&](const Block& other) {
            return other.name == copy.name && other.code == copy.code;
        });
        place = static_cast<std::int32_t>(same - program_.blocks.begin());
        if (same == program_.blocks.end()) program_.blocks.push_back(std::move(copy));
        return place;
    }

    std::int32_t exchange_of(const Exchange& exchange) {
        const auto same = std::find(program_.exchanges.begin(), program_.exchanges.end(), exchange);
        const auto place = static_cast<std::int32_t>(same - program_.exchanges.begin());
        if (same == program_.exchanges.end()) program_.exchanges.push_back(exchange);
        return place;
    }
};

}  // namespace

std::optional<Problem> mixed_problem(const Cluster& cluster, const Parallelism& plan) {
    if (!cluster.is_mixed()) return std::nullopt;
    const int devices = plan.devices();
    const int stage = devices / plan.pipeline;
    if (plan.pipeline > 1 && rank_strides(plan).pipeline != stage) {
        return Problem{"/workload/parallelism/order", "numbers other axes behind pipeline, which spreads every stage over nodes of several types",
                       "put pipeline last, or leave it out"};
    }
    int first = 0;
    for (const DeviceGroup& group : cluster.groups) {
        const int end = end_of(cluster, group);
        if (end >= devices) break;
        if (end % stage != 0) {
            const int cut = end / stage;
            return Problem{"/workload/parallelism",
                           "puts " + std::to_string(stage) + " devices on a stage, and stage " + std::to_string(cut) + " (" +
                               devices_text(cut * stage, (cut + 1) * stage) + ") would lie on " + group.name + " (" + devices_text(first, end) +
                               ") and on what follows",
                           "choose a pipeline whose stages end where a type of nodes does: replicas of a stage on different types are not modelled"};
        }
        first = end;
    }
    if (plan.copies() < 2) return std::nullopt;
    const std::vector<int> groups = groups_of_stages(cluster, plan);
    for (std::size_t s = 0; s < groups.size(); ++s) {
        if (groups[s] == groups[groups.size() - 1 - s]) continue;
        return Problem{"/workload/parallelism/schedule", "is " + std::string(name_of(plan.schedule)) + ", which keeps stage " + std::to_string(s) +
                           " once more on stage " + std::to_string(groups.size() - 1 - s) + ", of another type of nodes",
                       "take 1f1b, 1f1b-interleaved, zb-h1 or zb-v"};
    }
    return std::nullopt;
}

std::vector<int> groups_of_stages(const Cluster& cluster, const Parallelism& plan) {
    std::vector<int> groups(static_cast<std::size_t>(plan.pipeline), 0);
    if (!cluster.is_mixed()) return groups;
    const int stage = plan.devices() / plan.pipeline;
    for (std::size_t s = 0; s < groups.size(); ++s) {
        const int device = static_cast<int>(s) * stage;
        while (groups[s] + 1 < static_cast<int>(cluster.groups.size()) &&
               device >= end_of(cluster, cluster.groups[static_cast<std::size_t>(groups[s])])) {
            ++groups[s];
        }
    }
    return groups;
}

StageMessages stage_messages(std::span<const int> groups, std::span<const StageMessage> by_group) {
    StageMessages messages;
    for (std::size_t stage = 0; stage < groups.size(); ++stage) {
        const StageMessage& own = by_group[static_cast<std::size_t>(groups[stage])];
        const StageMessage& next = by_group[static_cast<std::size_t>(groups[(stage + 1) % groups.size()])];
        messages.behind.push_back(next.idle > own.idle ? next : own);
        if (messages.behind.back().idle > messages.slowest.idle) messages.slowest = messages.behind.back();
        messages.alike = messages.alike && messages.behind.back() == messages.behind.front();
    }
    return messages;
}

StepProgram price_mixed_in_step(const Cluster& cluster, const StepGraph& graph, const TrainingSpec& spec,
                                const FrameworkProfile& framework, std::span<const LayerPrices* const> known) {
    const std::vector<int> group_of = groups_of_stages(cluster, spec.parallelism);
    std::vector<const Fabric*> crossed;
    for (const DeviceGroup& group : cluster.groups) crossed.push_back(&group.alike->fabric);
    crossed.resize(static_cast<std::size_t>(group_of.back()) + 1);
    const std::array<const Fabric*, 2> ends{crossed.front(), crossed.back()};
    std::vector<StepProgram> programs;
    std::vector<StageMessage> sides;
    for (std::size_t g = 0; g < crossed.size(); ++g) {
        Pricer pricer(*cluster.groups[g].alike, graph, spec, framework);
        pricer.sum_across(crossed, ends);
        const Boundary side = pricer.boundary();
        sides.push_back({side.idle, side.overhead, side.port});
        programs.push_back(pricer.price_in_step(known.empty() ? nullptr : known[g]));
    }
    ProgramSplicer splicer(programs.front());
    for (std::size_t stage = 0; stage < group_of.size(); ++stage) {
        const auto group = static_cast<std::size_t>(group_of[stage]);
        if (group > 0) splicer.take(programs[group], stage);
    }
    StepProgram program = splicer.spliced();
    StageMessages messages = stage_messages(group_of, sides);
    program.boundary_idle = messages.slowest.idle;
    program.boundary_overhead = messages.slowest.overhead;
    program.boundary_port = messages.slowest.port;
    if (!messages.alike) program.messages = std::move(messages.behind);
    return program;
}

}  // namespace orrery
