// Loads of all groups of an axis added up by link; the slowest group is what a stage waits for.
#include "sim/routed_prices.hpp"

#include "sim/groups.hpp"
#include "sim/traffic.hpp"

#include <algorithm>
#include <array>

namespace orrery {
namespace {

class RoutePricer {
  public:
    RoutePricer(const Cluster& cluster, const GroupTable& groups)
        : cluster_(cluster), groups_(groups), rates_(link_rates_of(cluster)), bytes_(rates_.actual.size(), 0.0) {}

    /// The slowest group's time of an exchange that takes `idle` on links that are all as good as the ports.
    Seconds exchange(const StepProgram& program, std::size_t x, const std::vector<std::vector<bool>>& held) {
        const GroupSlot& slot = groups_.slots[static_cast<std::size_t>(groups_.slot_of_exchange[x])];
        transfers_.clear();
        for (std::int32_t g = slot.first_group; g < slot.first_group + slot.group_count; ++g) {
            const auto members = groups_.members_of(groups_.groups[static_cast<std::size_t>(g)]);
            const auto stage = static_cast<std::size_t>(place_of(program.parallelism, members.front()).pipeline);
            if (!held[stage][x] && slot.exchange < 0) continue;
            const Fabric& fabric = cluster_.alike_at(members.front()).fabric;
            transfers_.push_back(plan_transfer(fabric, program.exchanges[x].collective, members, &memory_));
        }
        const Seconds idle = program.exchanges[x].idle;
        Seconds worst = idle;
        load_links();
        for (const Transfer& transfer : transfers_) worst = std::max(worst, time_of(transfer, idle));
        unload_links();
        return worst;
    }

    /// Messages to the next (step 1) or previous stage, all ranks at once: `slowest` of those behind each pipeline rank.
    void messages(const StepProgram& program, int step, std::vector<Seconds>& slowest) {
        const Collective message{CollectiveKind::send_recv, program.boundary_message, DataType::bf16};
        transfers_.clear();
        for (RankId rank = 0; rank < groups_.ranks; ++rank) {
            const RankId to = stage_neighbour(program.parallelism, rank, step);
            transfers_.push_back(plan_transfer(message_fabric(cluster_, rank, to), message, std::array{rank, to}, &memory_));
        }
        load_links();
        for (RankId rank = 0; rank < groups_.ranks; ++rank) {
            const RankId before = step > 0 ? rank : stage_neighbour(program.parallelism, rank, -1);
            const int behind = place_of(program.parallelism, before).pipeline;
            const StageMessage price = program.message_behind(behind);
            const Seconds moving = std::max(price.idle - price.overhead, Seconds{});
            const Seconds time = std::max(moving, time_of(transfers_[static_cast<std::size_t>(rank)], moving));
            slowest[static_cast<std::size_t>(behind)] = std::max(slowest[static_cast<std::size_t>(behind)], price.overhead + time);
        }
        unload_links();
    }

  private:
    void load_links() {
        for (const Transfer& transfer : transfers_) {
            for (const LinkLoad& load : transfer.loads) {
                double& bytes = bytes_[static_cast<std::size_t>(load.link)];
                if (bytes == 0.0) touched_.push_back(load.link);
                bytes += load.bytes_per_byte * transfer.size.si();
            }
        }
    }

    void unload_links() {
        for (const LinkId link : touched_) bytes_[static_cast<std::size_t>(link)] = 0.0;
        touched_.clear();
    }

    [[nodiscard]] Seconds time_of(const Transfer& transfer, Seconds idle) const {
        if (!(transfer.size > Bytes{})) return idle;
        const Seconds moving = transfer.size / rate_alone(rates_.nominal, transfer);
        Seconds routed = transfer.size / transfer.rate_max;
        for (const LinkLoad& load : transfer.loads) {
            const auto link = static_cast<std::size_t>(load.link);
            routed = std::max(routed, Bytes::from_si(bytes_[link]) / rates_.actual[link]);
        }
        const double latency_share = transfer.latency / (transfer.latency + moving);
        return idle * (latency_share + (1.0 - latency_share) * std::max(1.0, routed / moving)) + transfer.distance;
    }

    const Cluster& cluster_;
    const GroupTable& groups_;
    LinkRates rates_;
    std::vector<double> bytes_;  // by link, of the exchange being priced
    std::vector<LinkId> touched_;
    std::vector<Transfer> transfers_;
    RouteMemory memory_;
};

}  // namespace

StepProgram priced_on_routes(const Cluster& cluster, StepProgram program) {
    const Fabric& fabric = cluster.fabric;
    if (fabric.network == nullptr && fabric.leaf_up.empty() && cluster.faults.slow_links.empty()) return program;
    const GroupTable groups = group_ranks(program);
    const std::vector<std::vector<bool>> held = exchanges_by_stage(program);
    RoutePricer pricer(cluster, groups);
    std::vector<Seconds> routed(program.exchanges.size());
    for (std::size_t x = 0; x < program.exchanges.size(); ++x) {
        const Exchange& one = program.exchanges[x];
        routed[x] = one.idle;
        if (groups.slot_of_exchange[x] < 0) continue;
        const auto is_same = [&](const Exchange& before) { return before.axis == one.axis && before.collective == one.collective && before.idle == one.idle; };
        const auto end = program.exchanges.begin() + static_cast<std::ptrdiff_t>(x);
        const auto known = std::find_if(program.exchanges.begin(), end, is_same);
        routed[x] = known != end ? routed[static_cast<std::size_t>(known - program.exchanges.begin())] : pricer.exchange(program, x, held);
    }
    if (program.parallelism.pipeline > 1) {
        std::vector<Seconds> slowest(static_cast<std::size_t>(program.parallelism.pipeline));
        for (const int step : {1, -1}) pricer.messages(program, step, slowest);
        program.boundary_idle = *std::max_element(slowest.begin(), slowest.end());
        for (std::size_t s = 0; s < program.messages.size(); ++s) program.messages[s].idle = slowest[s];
    }
    for (std::size_t x = 0; x < routed.size(); ++x) program.exchanges[x].idle = routed[x];
    return program;
}

}  // namespace orrery
