// Links of a packet run: queues by class, pauses, marks, what is dropped or cut.
#include "network/packet/packet_run.hpp"

#include <algorithm>
#include <cmath>

namespace orrery {

namespace {

/// Packets by which queues must differ for a switch to see it. Told apart to the byte, ports that all send at their rate
/// would give every flow the port that its own last packet has just left: one way for ever, as if hashed.
constexpr double adaptive_grade = 16.0;

}  // namespace

/// Sends now if the link is free, else when it will be.
void PacketRun::wake(LinkId id) {
    PacketLink& link = links_[id];
    if (link.wakes) return;
    if (link.free_ps <= now()) {
        transmit(id);
    } else {
        link.wakes = true;
        schedule(link.free_ps, link_is_free, id);
    }
}

void PacketRun::transmit(LinkId id) {
    PacketLink& link = links_[id];
    if (link.free_ps > now()) return;
    PacketId sent = no_packet;
    bool own = false;
    if (!link.first.empty()) {
        sent = link.first.pop(packets_);
        leave_queue(id, sent);
    } else if (PacketLane* lane = next_lane(id); lane != nullptr) {
        own = lane->ready_head >= 0 && (lane->own_turn || lane->data.empty());
        sent = own ? emit(*lane) : lane->data.pop(packets_);
        lane->own_turn = !own;
        const double size = size_of(packets_[sent]);
        if (!own) {
            lane->waiting -= size;
            leave_queue(id, sent);
        }
        if (!options_.class_weights.empty()) lane->served += size / weight_of(lane);
    }
    if (sent == no_packet) return;
    const Packet& packet = packets_[sent];
    const double size = size_of(packet);
    link.carried += size;
    const std::int64_t answers = std::max<std::int64_t>(0, link.answers_ps - (now() - link.free_ps));
    link.answers_ps = 0;
    link.free_ps = now() + answers + wire_time(id, size);
    schedule(link.free_ps + link.latency_ps, packet_arrives, sent);
    if (own) offer(packet.stream);
    if (!link.first.empty() || next_lane(id) != nullptr) wake(id);
}

/// The class that sends next: the first that may, or the one that has had least for its weight (Goyal, Vin & Cheng,
/// "Start-time fair queueing", SIGCOMM 1996); a class that had nothing to send makes no claim on the time before.
PacketLane* PacketRun::next_lane(LinkId id) {
    PacketLane* first = &lanes_[static_cast<std::size_t>(id) * static_cast<std::size_t>(classes_)];
    PacketLane* best = nullptr;
    for (PacketLane* lane = first; lane != first + classes_; ++lane) {
        const bool has_packet = !lane->data.empty() || lane->ready_head >= 0;
        if (!has_packet) lane->was_idle = true;
        if (!has_packet || lane->is_paused) continue;
        if (options_.class_weights.empty()) return lane;
        if (lane->was_idle) lane->served = std::max(lane->served, links_[id].served);
        lane->was_idle = false;
        if (best == nullptr || lane->served < best->served) best = lane;
    }
    if (best != nullptr) links_[id].served = best->served;
    return best;
}

double PacketRun::weight_of(const PacketLane* lane) const {
    return options_.class_weights[static_cast<std::size_t>(lane - lanes_.data()) % static_cast<std::size_t>(classes_)];
}

void PacketRun::leave_queue(LinkId id, PacketId packet) {
    const double size = size_of(packets_[packet]);
    links_[id].waiting -= size;
    const LinkId from = flows_.routes.links[packets_[packet].at - 1];
    PacketLane& input = lane_of(from, class_of(packets_[packet].stream));
    input.buffered -= size;
    if (!input.has_asked_to_pause || input.buffered >= options_.resume_below.si()) return;
    input.has_asked_to_pause = false;
    schedule(now() + links_[from].latency_ps, pause_arrives, lane_id(input));
}

void PacketRun::take_pause(std::int32_t lane_index) {
    PacketLane& lane = lanes_[lane_index];
    PacketLink& link = links_[lane_index / classes_];
    lane.is_paused = !lane.is_paused;  // words to pause and to go on take turns and overtake none
    if (lane.is_paused) {
        lane.paused_at_ps = now();
        ++times_.pauses;
        return;
    }
    link.paused_ps += now() - lane.paused_at_ps;
    wake(lane_index / classes_);
}

/// Of the ways that it has followed so far and that go on from here, to the link with least before it.
void PacketRun::turn_to_shortest_queue(Packet& packet) {
    const std::uint64_t ways = ways_of(packet.stream);
    const RouteId base = flows_.route[packet.stream];
    const std::span<const LinkId> own = flows_.routes[base + packet.way];
    const auto passed = static_cast<std::size_t>(packet.at - flows_.routes.first[base + packet.way]) + 1;
    const std::uint64_t from = draw(options_.seed + 2, static_cast<std::uint64_t>(packet.stream), static_cast<std::uint64_t>(times_.events));
    double least = INFINITY;
    std::uint64_t best = packet.way;
    for (std::uint64_t i = 0; i < ways; ++i) {
        const std::uint64_t way = (from + i) % ways;
        const std::span<const LinkId> other = flows_.routes[base + static_cast<RouteId>(way)];
        if (other.size() <= passed || !std::equal(own.begin(), own.begin() + static_cast<std::ptrdiff_t>(passed), other.begin())) continue;
        const PacketLink& link = links_[other[passed]];
        const double sending = static_cast<double>(std::max<std::int64_t>(0, link.free_ps - now())) / link.ps_per_byte;
        const double grade = std::floor((link.waiting + sending) / (adaptive_grade * packet_size_));
        if (grade >= least) continue;
        least = grade;
        best = way;
    }
    packet.way = static_cast<std::uint16_t>(best);
    const RouteId route = base + static_cast<RouteId>(best);
    packet.at = flows_.routes.first[route] + static_cast<std::int32_t>(passed) - 1;
    packet.last = flows_.routes.first[route + 1] - 1;
}

void PacketRun::arrive(PacketId id) {
    Packet& packet = packets_[id];
    if (packet.at == packet.last) {
        receive(id);
        return;
    }
    if (options_.path == PathChoice::least_queued && ways_of(packet.stream) > 1) turn_to_shortest_queue(packet);
    ++packet.at;
    const LinkId to = link_of(packet);
    PacketLink& link = links_[to];
    PacketLane& lane = lane_of(to, class_of(packet.stream));
    double size = size_of(packet);
    if (options_.limit != QueueLimit::pause && lane.waiting + size > options_.queue_max.si() &&
        !(packet.flags & packet_trimmed)) {
        if (options_.limit == QueueLimit::drop) {
            ++times_.dropped;
            schedule(now() + to_picoseconds(options_.timeout), times_out, id);
            return;
        }
        ++times_.trimmed;
        packet.flags |= packet_trimmed;
        size = header_;
    }
    if (should_mark(lane, packet)) {
        packet.flags |= packet_marked;
        ++times_.marked;
    }
    link.waiting += size;
    link.waiting_max = std::max(link.waiting_max, link.waiting);
    if (packet.flags & packet_trimmed) {
        link.first.push(packets_, id);
    } else {
        lane.data.push(packets_, id);
        lane.waiting += size;
    }
    hold_input(flows_.routes.links[packet.at - 1], class_of(packet.stream), size);
    wake(to);
}

/// Random early marking on the queue that a packet finds, linear from mark_from to mark_all (Zhu et al. 2015).
bool PacketRun::should_mark(const PacketLane& lane, const Packet& packet) const {
    if (lane.waiting <= options_.mark_from.si() || (packet.flags & packet_marked)) return false;
    if (lane.waiting >= options_.mark_all.si()) return true;
    const double share = (lane.waiting - options_.mark_from.si()) / (options_.mark_all - options_.mark_from).si();
    const std::uint64_t ticket = draw(options_.seed + 1, static_cast<std::uint64_t>(packet.stream),
                                      static_cast<std::uint64_t>(times_.events));
    return static_cast<double>(ticket >> 11) * 0x1.0p-53 < share * options_.mark_share;
}

void PacketRun::hold_input(LinkId from, int traffic_class, double size) {
    PacketLane& input = lane_of(from, traffic_class);
    input.buffered += size;
    buffered_max_ = std::max(buffered_max_, input.buffered);
    if (options_.limit != QueueLimit::pause || input.has_asked_to_pause) return;
    if (input.buffered <= options_.pause_above.si()) return;
    input.has_asked_to_pause = true;
    schedule(now() + links_[from].latency_ps, pause_arrives, lane_id(input));
}

}  // namespace orrery
