// Senders of a packet run: rounds, windows and rates, which way a packet takes, answers.
#include "network/packet/packet_run.hpp"

#include <algorithm>

namespace orrery {

void PacketRun::start_rounds(StreamId s) {
    std::int32_t sends = progress_.start_ready(s);
    if (sends == 0) return;
    std::int64_t at = now();
    if (!flows_.start.empty()) at = std::max(at, to_picoseconds(flows_.start[s]));
    if (!flows_.delay.empty()) at += to_picoseconds(flows_.delay[s]);
    if (streams_[s].per_message == 0 || flows_.routes[flows_.route[s]].empty()) at += idle_latency(s);
    for (; sends > 0; --sends) schedule(at, round_starts, s);
}

std::int64_t PacketRun::idle_latency(StreamId s) const {
    std::int64_t sum = 0;
    for (const LinkId link : flows_.routes[flows_.route[s]]) sum += links_[link].latency_ps;
    return sum;
}

void PacketRun::allow_round(StreamId s) {
    PacketStream& stream = streams_[s];
    if (stream.per_message == 0 || flows_.routes[flows_.route[s]].empty()) {
        times_.acknowledged[s] = from_picoseconds(now() + idle_latency(s));
        finish_round(s);
        return;
    }
    stream.allowed += stream.per_message;
    stream.under_way -= stream.withheld;
    stream.withheld = 0.0;
    offer(s);
}

void PacketRun::finish_round(StreamId s) {
    times_.finish[s] = from_picoseconds(now());
    std::vector<StreamId> maybe_ready;
    progress_.arrive(s, maybe_ready);
    for (const StreamId other : maybe_ready) start_rounds(other);
}

/// Puts a stream in the line of its port if it may send now; wakes it later if it is its rate that forbids it.
void PacketRun::offer(StreamId s) {
    PacketStream& stream = streams_[s];
    if (stream.is_ready || !has_to_send(stream)) return;
    if (stream.under_way > 0.0 && stream.under_way + packet_size_ > stream.window) return;
    if (stream.send_ps > now()) {
        if (!stream.wakes) schedule(stream.send_ps, stream_wakes, s);
        stream.wakes = true;
        return;
    }
    const LinkId port = port_of(s);
    PacketLane& lane = lane_of(port, class_of(s));
    stream.is_ready = true;
    stream.next_ready = -1;
    if (lane.ready_tail >= 0) {
        streams_[lane.ready_tail].next_ready = s;
    } else {
        lane.ready_head = s;
    }
    lane.ready_tail = s;
    wake(port);
}

/// The next packet of the first stream in line.
PacketId PacketRun::emit(PacketLane& lane) {
    const StreamId s = lane.ready_head;
    PacketStream& stream = streams_[s];
    lane.ready_head = stream.next_ready;
    if (lane.ready_head < 0) lane.ready_tail = -1;
    stream.is_ready = false;
    PacketId id = no_packet;
    if (!stream.again.empty()) {
        id = stream.again.pop(packets_);
        --stream.again_count;
    } else {
        id = new_packet();
        packets_[id].stream = s;
        packets_[id].sequence = static_cast<std::int32_t>(stream.next++);
    }
    Packet& packet = packets_[id];
    packet.flags = 0;
    choose_way(packet);
    const double size = size_of(packet);
    stream.under_way += size;
    ++times_.sent;
    if (options_.control == CongestionControl::dcqcn) {
        dcqcn_advance(options_.dcqcn, stream.port_rate, now(), size, rates_[s]);
        stream.send_ps = now() + static_cast<std::int64_t>(size / rates_[s].rate * 1e12);
    }
    return id;
}

void PacketRun::choose_way(Packet& packet) {
    const PacketStream& stream = streams_[packet.stream];
    const std::uint64_t ways = ways_of(packet.stream);
    auto way = static_cast<std::uint64_t>(stream.way_first);
    if (options_.path == PathChoice::random_spray || options_.path == PathChoice::least_queued) {
        way = draw(options_.seed, static_cast<std::uint64_t>(packet.stream), static_cast<std::uint64_t>(times_.sent) + 1) % ways;
    } else if (options_.path == PathChoice::round_robin_spray) {
        way = (way + static_cast<std::uint64_t>(packet.sequence)) % ways;
    }
    packet.way = static_cast<std::uint16_t>(way);
    const RouteId route = flows_.route[packet.stream] + static_cast<RouteId>(way);
    packet.at = flows_.routes.first[route];
    packet.last = flows_.routes.first[route + 1] - 1;
}

PacketId PacketRun::new_packet() {
    if (free_.empty()) {
        packets_.emplace_back();
        return static_cast<PacketId>(packets_.size() - 1);
    }
    const PacketId id = free_.back();
    free_.pop_back();
    return id;
}

void PacketRun::take_answer(PacketId id) {
    const Packet packet = packets_[id];
    PacketStream& stream = streams_[packet.stream];
    if (options_.control == CongestionControl::pull) {
        if (packet.flags & packet_asks) --stream.asked;
        if (packet.flags & packet_refused) --stream.refused;
    }
    if (packet.flags & packet_refused) {
        send_again(id);
        return;
    }
    free_.push_back(id);
    const bool gives_room = options_.control != CongestionControl::pull || (packet.flags & packet_asks);
    (gives_room ? stream.under_way : stream.withheld) += gives_room ? -size_of(packet) : size_of(packet);
    ++stream.acknowledged;
    times_.acknowledged[packet.stream] = from_picoseconds(now());
    if (options_.control == CongestionControl::dctcp) {
        DctcpState& window = windows_[packet.stream];
        dctcp_acknowledge(size_of(packet), packet.flags & packet_marked, packet_size_, stream.window_full, window);
        stream.window = window.window;
    }
    if (packet.flags & packet_notifies) {
        dcqcn_cut(options_.dcqcn, stream.port_rate, now(), rates_[packet.stream]);
    }
    offer(packet.stream);
}

void PacketRun::send_again(PacketId id) {
    PacketStream& stream = streams_[packets_[id].stream];
    packets_[id].flags = 0;
    stream.under_way -= size_of(packets_[id]);
    stream.again.push(packets_, id);
    ++stream.again_count;
    offer(packets_[id].stream);
}

}  // namespace orrery
