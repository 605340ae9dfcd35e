// Turns groups, traffic and classes into the tables that are played.
#include "sim/cast.hpp"

#include "hardware/result.hpp"

#include <algorithm>
#include <cmath>

namespace orrery {
namespace {

class CastBuilder {
  public:
    CastBuilder(const StepProgram& program, const GroupTable& groups, const TrafficPlan& traffic,
                const Folding& folding)
        : program_(program), groups_(groups), traffic_(traffic), folding_(folding) {}

    Cast build(const Cluster& cluster) {
        add_actors(cluster);
        add_groups();
        for (const std::int32_t link : folding_.links.first) {
            cast_.bandwidth.push_back(traffic_.bandwidth[static_cast<std::size_t>(link)]);
        }
        add_exchange_transfers();
        add_message_transfers();
        return std::move(cast_);
    }

  private:
    const StepProgram& program_;
    const GroupTable& groups_;
    const TrafficPlan& traffic_;
    const Folding& folding_;
    Cast cast_;

    void add_actors(const Cluster& cluster) {
        const std::vector<double> factors = compute_factors(cluster.faults, groups_.ranks);
        for (const RankId rank : folding_.ranks.first) {
            CastActor actor;
            actor.rank = rank;
            actor.stage = place_of(program_.parallelism, rank).pipeline;
            actor.factor = factors[static_cast<std::size_t>(rank)];
            for (int direction = 0; direction < 2; ++direction) {
                const RankId other = stage_neighbour(program_.parallelism, rank, direction == 0 ? 1 : -1);
                actor.neighbour[direction] = folding_.ranks.of[static_cast<std::size_t>(other)];
            }
            cast_.actors.push_back(actor);
        }
    }

    /// The classes of a group's members, each once.
    void add_groups() {
        for (const std::int32_t g : folding_.groups.first) {
            const RankGroup& group = groups_.groups[static_cast<std::size_t>(g)];
            const auto first = static_cast<std::ptrdiff_t>(cast_.members.size());
            for (const RankId member : groups_.members_of(group)) {
                cast_.members.push_back(folding_.ranks.of[static_cast<std::size_t>(member)]);
            }
            std::sort(cast_.members.begin() + first, cast_.members.end());
            cast_.members.erase(std::unique(cast_.members.begin() + first, cast_.members.end()), cast_.members.end());
            cast_.groups.push_back(
                {group.slot, static_cast<std::int32_t>(first),
                 static_cast<std::int32_t>(cast_.members.size()) - static_cast<std::int32_t>(first)});
        }
        cast_.slot_of_exchange = groups_.slot_of_exchange;
        for (std::size_t s = 0; s < groups_.slots.size(); ++s) {
            for (const RankId rank : folding_.ranks.first) {
                const std::int32_t g =
                    groups_.group_at[s * static_cast<std::size_t>(groups_.ranks) + static_cast<std::size_t>(rank)];
                cast_.group_at.push_back(g < 0 ? -1 : folding_.groups.of[static_cast<std::size_t>(g)]);
            }
        }
    }

    /// One class of `copies` like transfers, of which `planned` is one. Each link of a class carries the same sum over
    /// all copies, so that sum is their total load on the class over its links.
    CastTransfer transfer(const PlannedTransfer& planned, double held, std::int32_t copies) {
        CastTransfer cast;
        cast.alone = to_picoseconds(planned.alone);
        cast.held_alone = to_picoseconds(planned.alone * held);
        cast.moving_alone = to_picoseconds(planned.alone - planned.latency);
        cast.latency = planned.latency;
        cast.size = planned.size;
        cast.rate_max = planned.rate_max;
        cast.weight = planned.weight;
        cast.held = held;
        cast.first_load = static_cast<std::int32_t>(cast_.loads.size());
        for (const LinkLoad& load : traffic_.loads_of(planned)) {
            const auto link = static_cast<std::size_t>(folding_.links.of[static_cast<std::size_t>(load.link)]);
            const double share = static_cast<double>(copies) / folding_.links.size[link];
            cast_.loads.push_back({static_cast<LinkId>(link), load.bytes_per_byte * share});
        }
        add_up_equal_links(cast.first_load);
        cast.load_count = static_cast<std::int32_t>(cast_.loads.size()) - cast.first_load;
        return cast;
    }

    void add_up_equal_links(std::int32_t first) {
        const auto begin = cast_.loads.begin() + first;
        std::sort(begin, cast_.loads.end(), [](const LinkLoad& a, const LinkLoad& b) { return a.link < b.link; });
        auto kept = begin;
        for (auto load = begin; load != cast_.loads.end(); ++load) {
            if (kept != begin && (kept - 1)->link == load->link) {
                (kept - 1)->bytes_per_byte += load->bytes_per_byte;
            } else {
                *kept++ = *load;
            }
        }
        cast_.loads.erase(kept, cast_.loads.end());
    }

    void add_exchange_transfers() {
        std::vector<std::int32_t> first_class(groups_.slots.size(), -1);
        for (std::size_t g = 0; g < cast_.groups.size(); ++g) {
            std::int32_t& first = first_class[static_cast<std::size_t>(cast_.groups[g].slot)];
            if (first < 0) first = static_cast<std::int32_t>(g);
        }
        cast_.transfer_of.assign(program_.exchanges.size(), -1);
        for (std::size_t x = 0; x < program_.exchanges.size(); ++x) {
            if (traffic_.first_transfer[x] < 0) continue;
            const auto slot = static_cast<std::size_t>(groups_.slot_of_exchange[x]);
            const std::int32_t first = first_class[slot];
            cast_.transfer_of[x] = static_cast<std::int32_t>(cast_.transfers.size()) - first;
            for (auto g = static_cast<std::size_t>(first);
                 g < cast_.groups.size() && cast_.groups[g].slot == static_cast<std::int32_t>(slot); ++g) {
                const std::int32_t offset = folding_.groups.first[g] - groups_.slots[slot].first_group;
                const auto at = static_cast<std::size_t>(traffic_.first_transfer[x] + offset);
                cast_.transfers.push_back(
                    transfer(traffic_.transfers[at], program_.exchanges[x].exposed, folding_.groups.size[g]));
            }
        }
    }

    void add_message_transfers() {
        cast_.first_message = static_cast<std::int32_t>(cast_.transfers.size());
        if (program_.parallelism.pipeline < 2) return;
        for (std::size_t a = 0; a < cast_.actors.size(); ++a) {
            for (int direction = 0; direction < 2; ++direction) {
                const auto at = static_cast<std::size_t>(traffic_.first_message + 2 * cast_.actors[a].rank + direction);
                cast_.transfers.push_back(
                    transfer(traffic_.transfers[at], program_.boundary_exposed, folding_.ranks.size[a]));
            }
        }
    }
};

}  // namespace

Picoseconds to_picoseconds(Seconds time) {
    const double whole = time.si() * 1e12;
    ORRERY_CHECK(whole >= 0.0);
    ORRERY_CHECK(whole < 4.6e18);  // half of what 63 bits hold: two of them can still be added
    return std::llround(whole);
}

Cast cast_step(const Cluster& cluster, const StepProgram& program, const GroupTable& groups, const TrafficPlan& traffic,
               const Folding& folding) {
    return CastBuilder(program, groups, traffic, folding).build(cluster);
}

}  // namespace orrery
