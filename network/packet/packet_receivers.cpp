// Receivers of a packet run: what they keep, refuse and answer.
#include "network/packet/packet_run.hpp"

#include <algorithm>

namespace orrery {

void PacketRun::receive(PacketId id) {
    Packet& packet = packets_[id];
    PacketStream& stream = streams_[packet.stream];
    const std::int64_t ahead = packet.sequence - stream.expected;
    const bool refused = (packet.flags & packet_trimmed) ||
                         (options_.reorder_buffer > 0 && ahead > options_.reorder_buffer);
    if (ahead > 0 && !(packet.flags & packet_trimmed)) {
        ++times_.out_of_order;
        times_.reorder_max = std::max(times_.reorder_max, ahead);
    }
    if (refused) {
        if (!(packet.flags & packet_trimmed)) ++times_.discarded;
        packet.flags |= packet_refused;
    } else {
        accept(packet);
    }
    if (options_.control == CongestionControl::dcqcn && (packet.flags & packet_marked) &&
        now() - stream.notified_ps >= to_picoseconds(options_.dcqcn.notification_gap)) {
        stream.notified_ps = now();
        packet.flags |= packet_notifies;
    }
    if (options_.answers_take_rate) charge_answer(packet);
    schedule(answer_ps(packet) + way_back(packet), answer_arrives, id);
}

/// Where receivers pull, answers that ask for more go out at the rate of their port, and no more of them than there is
/// left to send (Handley et al., "Re-architecting datacenter networks and stacks for low latency and high
/// performance", SIGCOMM 2017).
std::int64_t PacketRun::answer_ps(Packet& packet) {
    if (options_.control != CongestionControl::pull) return now();
    PacketStream& stream = streams_[packet.stream];
    if (packet.flags & packet_refused) ++stream.refused;
    if (stream.asked >= stream.allowed - stream.next + stream.again_count + stream.refused) return now();
    ++stream.asked;
    packet.flags |= packet_asks;
    PacketLink& port = links_[link_of(packet)];
    const std::int64_t at = std::max(now(), port.pull_ps);
    port.pull_ps = at + wire_time(link_of(packet), packet_size_);
    return at;
}

void PacketRun::accept(const Packet& packet) {
    const StreamId s = packet.stream;
    PacketStream& stream = streams_[s];
    std::uint64_t* seen = seen_.data() + stream.seen_at;
    std::uint64_t& word = seen[packet.sequence / 64];
    const std::uint64_t bit = std::uint64_t{1} << (packet.sequence % 64);
    ORRERY_CHECK((word & bit) == 0);
    word |= bit;
    while (stream.expected < stream.next && (seen[stream.expected / 64] >> (stream.expected % 64) & 1)) {
        if (++stream.expected % stream.per_message == 0) finish_round(s);
    }
}

std::int64_t PacketRun::way_back(const Packet& packet) const {
    std::int64_t sum = 0;
    for (std::int32_t i = packet.last;; --i) {
        const LinkId link = flows_.routes.links[i];
        sum += links_[link].latency_ps + wire_time(link, header_);
        if (link == port_of(packet.stream)) return sum;
    }
}

/// The links that lead back are busy with the answer for as long as it takes; it does not wait for them itself.
void PacketRun::charge_answer(const Packet& packet) {
    for (std::int32_t i = packet.last;; --i) {
        const LinkId link = flows_.routes.links[i];
        const LinkId back = table_.reverse[static_cast<std::size_t>(link)];
        if (back >= 0) {
            PacketLink& there = links_[back];
            if (there.free_ps < now()) {  // idle until now: earlier answers have passed
                there.answers_ps = std::max<std::int64_t>(0, there.answers_ps - (now() - there.free_ps));
                there.free_ps = now();
            }
            there.answers_ps += wire_time(back, header_);
            there.carried += header_;
        }
        if (link == port_of(packet.stream)) return;
    }
}

}  // namespace orrery
