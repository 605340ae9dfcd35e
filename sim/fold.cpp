// Colour refinement over ranks, groups, stage messages and shared links.
#include "sim/fold.hpp"

#include <algorithm>
#include <bit>
#include <numeric>
#include <unordered_map>

namespace orrery {
namespace {

using Colour = std::uint64_t;

constexpr Colour mixed(Colour z) {  // finaliser of splitmix64: Steele, Lea & Flood, OOPSLA 2014
    z += 0x9E3779B97F4A7C15ULL;
    z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27U)) * 0x94D049BB133111EBULL;
    return z ^ (z >> 31U);
}
constexpr Colour joined(Colour a, Colour b) { return mixed(a * 0xD6E8FEB86659FD93ULL + b); }
Colour bits_of(double value) { return std::bit_cast<Colour>(value); }

class Refiner {
  public:
    Refiner(const Cluster& cluster, const StepProgram& program, const GroupTable& groups, const TrafficPlan& traffic)
        : program_(program),
          groups_(groups),
          traffic_(traffic),
          rank_(static_cast<std::size_t>(groups.ranks)),
          column_(rank_.size()),
          group_(groups.groups.size()),
          link_(traffic.bandwidth.size()),
          group_load_(groups.groups.size()),
          message_load_(rank_.size() * 2) {
        first_colours(cluster);
    }

    /// Until no class splits any more.
    Folding refine() {
        std::size_t before = 0;
        for (std::size_t now = distinct_ranks(); now != before; now = distinct_ranks()) {
            before = now;
            colour_groups();
            colour_links();
            colour_loads();
            colour_ranks();
        }
        return {numbered(rank_), numbered(group_), numbered(link_)};
    }

  private:
    const StepProgram& program_;
    const GroupTable& groups_;
    const TrafficPlan& traffic_;
    std::vector<Colour> rank_, column_, group_, link_, group_load_, message_load_;
    std::vector<Colour> sorted_;
    std::vector<std::size_t> column_of_;  // by rank: the first of those that differ in their stage only

    void first_colours(const Cluster& cluster) {
        const std::vector<double> factors = compute_factors(cluster.faults, groups_.ranks);
        for (std::size_t r = 0; r < rank_.size(); ++r) {
            RankPlace place = place_of(program_.parallelism, static_cast<RankId>(r));
            rank_[r] = joined(static_cast<Colour>(place.pipeline), bits_of(factors[r]));
            place.pipeline = 0;
            column_of_.push_back(static_cast<std::size_t>(rank_at(program_.parallelism, place)));
        }
        for (const SlowLink& slow : cluster.faults.slow_links) {
            if (slow.rank < groups_.ranks) {
                Colour& colour = rank_[static_cast<std::size_t>(slow.rank)];
                colour = joined(colour, bits_of(slow.rate));
            }
        }
    }

    std::size_t distinct_ranks() {
        sorted_ = rank_;
        std::sort(sorted_.begin(), sorted_.end());
        return static_cast<std::size_t>(std::unique(sorted_.begin(), sorted_.end()) - sorted_.begin());
    }

    [[nodiscard]] Colour message_colour(std::size_t rank, std::size_t direction) const {
        return joined(rank_[rank], direction + 1);
    }

    void colour_groups() {
        for (std::size_t g = 0; g < group_.size(); ++g) {
            Colour sum = 0;
            for (const RankId member : groups_.members_of(groups_.groups[g]))
                sum += mixed(rank_[static_cast<std::size_t>(member)]);
            group_[g] = joined(static_cast<Colour>(groups_.groups[g].slot), sum);
        }
    }

    /// Calls `visit(user's colour, transfer's place among its user's, transfer, where its load colour is kept)`.
    template <class Visit>
    void for_each_transfer(Visit&& visit) {
        for (std::size_t x = 0; x < program_.exchanges.size(); ++x) {
            if (traffic_.first_transfer[x] < 0) continue;
            const GroupSlot& slot = groups_.slots[static_cast<std::size_t>(groups_.slot_of_exchange[x])];
            for (std::int32_t i = 0; i < slot.group_count; ++i) {
                const auto g = static_cast<std::size_t>(slot.first_group + i);
                visit(group_[g], x, traffic_.transfers[static_cast<std::size_t>(traffic_.first_transfer[x] + i)],
                      group_load_[g]);
            }
        }
        const auto messages = static_cast<std::size_t>(traffic_.first_message);
        for (std::size_t m = messages; m < traffic_.transfers.size(); ++m) {
            const std::size_t at = m - messages;
            visit(message_colour(at / 2, at % 2), program_.exchanges.size(), traffic_.transfers[m], message_load_[at]);
        }
    }

    void colour_links() {
        for (std::size_t l = 0; l < link_.size(); ++l) link_[l] = bits_of(traffic_.bandwidth[l].si());
        for_each_transfer([&](Colour user, std::size_t which, const PlannedTransfer& transfer, Colour&) {
            const Colour colour = joined(user, which);
            for (const LinkLoad& load : traffic_.loads_of(transfer)) {
                link_[static_cast<std::size_t>(load.link)] += joined(colour, bits_of(load.bytes_per_byte));
            }
        });
    }

    void colour_loads() {
        std::fill(group_load_.begin(), group_load_.end(), 0);
        std::fill(message_load_.begin(), message_load_.end(), 0);
        for_each_transfer([&](Colour user, std::size_t which, const PlannedTransfer& transfer, Colour& kept) {
            Colour sum =
                joined(joined(user, which), joined(bits_of(transfer.alone.si()), bits_of(transfer.rate_max.si())));
            for (const LinkLoad& load : traffic_.loads_of(transfer)) {
                sum += joined(link_[static_cast<std::size_t>(load.link)], bits_of(load.bytes_per_byte));
            }
            kept += mixed(sum);
        });
        for (std::size_t g = 0; g < group_.size(); ++g) group_[g] = joined(group_[g], group_load_[g]);
    }

    /// A rank sees its groups, its messages and, since stages wait for each other along it, its whole pipeline column.
    void colour_ranks() {
        std::fill(column_.begin(), column_.end(), 0);
        for (std::size_t r = 0; r < rank_.size(); ++r) {
            Colour colour = joined(rank_[r], joined(message_load_[2 * r], message_load_[2 * r + 1]));
            for (std::size_t s = 0; s < groups_.slots.size(); ++s) {
                const std::int32_t g = groups_.group_at[s * rank_.size() + r];
                if (g >= 0) colour = joined(colour, group_[static_cast<std::size_t>(g)]);
            }
            rank_[r] = colour;
            column_[column_of_[r]] += mixed(colour);
        }
        for (std::size_t r = 0; r < rank_.size(); ++r) rank_[r] = joined(rank_[r], column_[column_of_[r]]);
    }

    static Classes numbered(const std::vector<Colour>& colours) {
        Classes classes;
        classes.of.reserve(colours.size());
        std::unordered_map<Colour, std::int32_t> known;  // only looked up, never walked
        for (const Colour colour : colours) {
            const auto next = static_cast<std::int32_t>(classes.count());
            const auto [place, is_new] = known.try_emplace(colour, next);
            if (is_new) {
                classes.first.push_back(static_cast<std::int32_t>(classes.of.size()));
                classes.size.push_back(0);
            }
            classes.of.push_back(place->second);
            ++classes.size[static_cast<std::size_t>(place->second)];
        }
        return classes;
    }
};

Classes singletons(std::size_t count) {
    Classes classes;
    classes.of.resize(count);
    std::iota(classes.of.begin(), classes.of.end(), 0);
    classes.first = classes.of;
    classes.size.assign(count, 1);
    return classes;
}

}  // namespace

std::vector<double> compute_factors(const Faults& faults, int ranks) {
    std::vector<double> factors(static_cast<std::size_t>(ranks), 1.0);
    for (const SlowDevice& slow : faults.slow_devices) {
        if (slow.rank < ranks) factors[static_cast<std::size_t>(slow.rank)] *= slow.factor;
    }
    return factors;
}

Folding fold(const Cluster& cluster, const StepProgram& program, const GroupTable& groups, const TrafficPlan& traffic) {
    if (cluster.faults.jitter > 0.0) return unfolded(groups, traffic);
    return Refiner(cluster, program, groups, traffic).refine();
}

Folding unfolded(const GroupTable& groups, const TrafficPlan& traffic) {
    return {singletons(static_cast<std::size_t>(groups.ranks)), singletons(groups.groups.size()),
            singletons(traffic.bandwidth.size())};
}

}  // namespace orrery
