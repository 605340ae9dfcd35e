// Plans all transfers of a step, then keeps of their loads what others can contend for.
#include "sim/traffic.hpp"

#include <algorithm>
#include <array>
#include <limits>

namespace orrery {
namespace {

class TrafficPlanner {
  public:
    TrafficPlanner(const Cluster& cluster, const StepProgram& program, const GroupTable& groups)
        : cluster_(cluster), program_(program), groups_(groups), user_(cluster.fabric.links.size(), nobody) {
        LinkRates rates = link_rates_of(cluster);
        nominal_ = std::move(rates.nominal);
        actual_ = std::move(rates.actual);
    }

    TrafficPlan plan() {
        plan_exchanges();
        plan_messages();
        keep_shared_links();
        return std::move(plan_);
    }

  private:
    static constexpr std::int32_t nobody = -1;
    static constexpr std::int32_t several = -2;

    const Cluster& cluster_;
    const StepProgram& program_;
    const GroupTable& groups_;
    std::vector<BytesPerSecond> nominal_, actual_;
    std::vector<std::int32_t> user_;  // by link: the one group or message stream that loads it
    std::vector<LinkLoad> pool_;      // loads on all links
    RouteMemory memory_;              // what adaptive routing has put where so far in the step
    TrafficPlan plan_;

    /// Notes the loads of `transfer` as used by `user`; returns the range in the pool.
    PlannedTransfer note_loads(const Transfer& transfer, std::int32_t user) {
        PlannedTransfer planned;
        planned.first_load = static_cast<std::int32_t>(pool_.size());
        planned.load_count = static_cast<std::int32_t>(transfer.loads.size());
        for (const LinkLoad& load : transfer.loads) {
            pool_.push_back(load);
            std::int32_t& known = user_[static_cast<std::size_t>(load.link)];
            known = known == nobody || known == user ? user : several;
        }
        return planned;
    }

    /// `overhead`, then the transfer, stretched so that it takes `idle` on healthy links that nobody else loads.
    void set_times(PlannedTransfer& planned, const Transfer& transfer, Seconds overhead, Seconds idle) const {
        planned.alone = overhead + idle;
        planned.latency = planned.alone;
        planned.alone += transfer.distance;
        planned.latency = planned.alone;
        const BytesPerSecond healthy = rate_alone(nominal_, transfer);
        const Seconds unscaled = transfer.size > Bytes{} ? transfer.latency + transfer.size / healthy : Seconds{};
        if (unscaled <= Seconds{}) {  // one member, or nothing to send: the price is all latency
            planned.load_count = 0;
            return;
        }
        const double latency_share = transfer.latency / unscaled;
        planned.latency = overhead + idle * latency_share + transfer.distance;
        planned.size = idle * (1.0 - latency_share) * healthy;
        planned.rate_max = rate_alone(actual_, transfer);
        if (planned.rate_max < healthy) planned.alone = planned.latency + planned.size / planned.rate_max;
    }

    void plan_exchanges() {
        const std::vector<std::vector<bool>> held = exchanges_by_stage(program_);
        plan_.first_transfer.assign(program_.exchanges.size(), -1);
        for (std::size_t x = 0; x < program_.exchanges.size(); ++x) {
            const std::int32_t slot_index = groups_.slot_of_exchange[x];
            if (slot_index < 0) continue;
            const GroupSlot& slot = groups_.slots[static_cast<std::size_t>(slot_index)];
            const std::int32_t twin = same_collective(x);
            plan_.first_transfer[x] = static_cast<std::int32_t>(plan_.transfers.size());
            for (std::int32_t g = slot.first_group; g < slot.first_group + slot.group_count; ++g) {
                const RankGroup& group = groups_.groups[static_cast<std::size_t>(g)];
                const auto members = groups_.members_of(group);
                const auto stage = static_cast<std::size_t>(place_of(program_.parallelism, members.front()).pipeline);
                if (!held[stage][x] && slot.exchange < 0) {
                    plan_.transfers.emplace_back();
                    continue;
                }
                plan_.transfers.push_back(plan_group(x, twin, g - slot.first_group, g, members));
            }
        }
    }

    /// An earlier exchange along the same axis with the same collective, whose plan is the same; -1: none.
    [[nodiscard]] std::int32_t same_collective(std::size_t x) const {
        for (std::size_t y = 0; y < x; ++y) {
            if (plan_.first_transfer[y] >= 0 && groups_.slot_of_exchange[y] == groups_.slot_of_exchange[x] &&
                program_.exchanges[y].collective == program_.exchanges[x].collective &&
                program_.exchanges[y].idle == program_.exchanges[x].idle) {
                return static_cast<std::int32_t>(y);
            }
        }
        return -1;
    }

    PlannedTransfer plan_group(std::size_t x, std::int32_t twin, std::int32_t offset, std::int32_t user,
                               std::span<const RankId> members) {
        if (twin >= 0) {
            const auto at = plan_.first_transfer[static_cast<std::size_t>(twin)] + offset;
            const PlannedTransfer& known = plan_.transfers[static_cast<std::size_t>(at)];
            if (known.alone > Seconds{}) return known;
        }
        const Fabric& fabric = cluster_.alike_at(members.front()).fabric;
        const Transfer transfer = plan_transfer(fabric, program_.exchanges[x].collective, members, &memory_);
        PlannedTransfer planned = note_loads(transfer, user);
        set_times(planned, transfer, Seconds{}, program_.exchanges[x].idle);
        return planned;
    }

    void plan_messages() {
        plan_.first_message = static_cast<std::int32_t>(plan_.transfers.size());
        if (program_.parallelism.pipeline < 2) return;
        const Collective message{CollectiveKind::send_recv, program_.boundary_message, DataType::bf16};
        for (RankId rank = 0; rank < groups_.ranks; ++rank) {
            const RankId next = stage_neighbour(program_.parallelism, rank, 1);
            const RankId previous = stage_neighbour(program_.parallelism, rank, -1);
            const int stage = place_of(program_.parallelism, rank).pipeline;
            const auto user = static_cast<std::int32_t>(groups_.groups.size()) + 2 * rank;
            for (const RankId to : {next, previous}) {
                const StageMessage price = program_.message_between(stage, place_of(program_.parallelism, to).pipeline);
                const Transfer transfer = plan_transfer(message_fabric(cluster_, rank, to), message, std::array{rank, to}, &memory_);
                PlannedTransfer planned = note_loads(transfer, user + (to == next ? 0 : 1));
                set_times(planned, transfer, price.overhead, std::max(price.idle - price.overhead, Seconds{}));
                plan_.transfers.push_back(planned);
            }
        }
    }

    /// Numbers the links that several use, and cuts every transfer's loads down to them.
    void keep_shared_links() {
        std::vector<LinkId> number(user_.size(), -1);
        for (std::size_t link = 0; link < user_.size(); ++link) {
            if (user_[link] != several) continue;
            number[link] = static_cast<LinkId>(plan_.bandwidth.size());
            plan_.bandwidth.push_back(actual_[link]);
        }
        std::vector<std::int32_t> moved(pool_.size() + 1, 0);  // where the pool's entries went
        for (std::size_t i = 0; i < pool_.size(); ++i) {
            moved[i] = static_cast<std::int32_t>(plan_.loads.size());
            const LinkId link = number[static_cast<std::size_t>(pool_[i].link)];
            if (link >= 0) plan_.loads.push_back({link, pool_[i].bytes_per_byte});
        }
        moved[pool_.size()] = static_cast<std::int32_t>(plan_.loads.size());
        for (PlannedTransfer& transfer : plan_.transfers) {
            const std::int32_t end = moved[static_cast<std::size_t>(transfer.first_load + transfer.load_count)];
            transfer.first_load = moved[static_cast<std::size_t>(transfer.first_load)];
            transfer.load_count = end - transfer.first_load;
            double slowest = 0.0;  // seconds of a link per byte of progress
            for (const LinkLoad& load : plan_.loads_of(transfer)) {
                const BytesPerSecond bandwidth = plan_.bandwidth[static_cast<std::size_t>(load.link)];
                const double here = load.bytes_per_byte / bandwidth.si();
                if (here <= slowest) continue;
                slowest = here;
                transfer.weight = 1.0 / load.bytes_per_byte;
            }
        }
    }
};

}  // namespace

const Fabric& message_fabric(const Cluster& cluster, RankId from, RankId to) {
    const Fabric& sender = cluster.alike_at(from).fabric;
    const Fabric& receiver = cluster.alike_at(to).fabric;
    return receiver.node_nic < sender.node_nic ? receiver : sender;
}

LinkRates link_rates_of(const Cluster& cluster) {
    const Fabric& fabric = cluster.fabric;
    LinkRates rates;
    for (const Link& link : fabric.links) rates.nominal.push_back(link.bandwidth);
    rates.actual = rates.nominal;
    for (std::size_t rank = 0; rank < fabric.port_left.size(); ++rank) {
        rates.nominal[static_cast<std::size_t>(fabric.nic_tx[rank])] /= fabric.port_left[rank];
        rates.nominal[static_cast<std::size_t>(fabric.nic_rx[rank])] /= fabric.port_left[rank];
    }
    if (fabric.network != nullptr) {
        const auto first = rates.nominal.begin() + fabric.first_network_link;
        std::fill(first, rates.nominal.end(), BytesPerSecond::from_si(std::numeric_limits<double>::max()));
    }
    for (const SlowLink& slow : cluster.faults.slow_links) {
        const auto rank = static_cast<std::size_t>(slow.rank);
        if (rank < fabric.nic_tx.size()) rates.actual[static_cast<std::size_t>(fabric.nic_tx[rank])] *= slow.rate;
        if (rank < fabric.nic_rx.size()) rates.actual[static_cast<std::size_t>(fabric.nic_rx[rank])] *= slow.rate;
    }
    return rates;
}

BytesPerSecond rate_alone(const std::vector<BytesPerSecond>& bandwidth, const Transfer& transfer) {
    BytesPerSecond rate = transfer.rate_max;
    for (const LinkLoad& load : transfer.loads) {
        rate = std::min(rate, bandwidth[static_cast<std::size_t>(load.link)] / load.bytes_per_byte);
    }
    return rate;
}

RankId stage_neighbour(const Parallelism& parallelism, RankId rank, int step) {
    RankPlace place = place_of(parallelism, rank);
    place.pipeline = (place.pipeline + step + parallelism.pipeline) % parallelism.pipeline;
    return rank_at(parallelism, place);
}

TrafficPlan plan_traffic(const Cluster& cluster, const StepProgram& program, const GroupTable& groups) {
    return TrafficPlanner(cluster, program, groups).plan();
}

}  // namespace orrery
