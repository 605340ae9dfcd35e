// What a packet player keeps: packets in a pool, links with their queues, flows with their senders and receivers.
#pragma once

#include "network/packet/congestion.hpp"

#include <cstdint>
#include <vector>

namespace orrery {

using PacketId = std::int32_t;
inline constexpr PacketId no_packet = -1;

enum PacketFlag : std::uint8_t { packet_marked = 1, packet_trimmed = 2, packet_refused = 4, packet_notifies = 8, packet_asks = 16 };

/// On its way, waiting, or on its way back as an acknowledgement. 24 bytes, so that a million are 24 MB.
struct Packet {
    std::int32_t stream = 0;
    std::int32_t sequence = 0;    // from the first packet of the stream's first round on
    std::int32_t at = 0;          // index into Routes::links of the link that it is on or waits for
    std::int32_t last = 0;        // index of the last link of its way
    PacketId next = no_packet;    // behind it in its queue
    std::uint16_t way = 0;        // of its stream's ways
    std::uint8_t flags = 0;
};

/// First in, first out, through Packet::next.
struct PacketQueue {
    PacketId head = no_packet;
    PacketId tail = no_packet;
    [[nodiscard]] bool empty() const { return head == no_packet; }
    void push(std::vector<Packet>& packets, PacketId id) {
        packets[id].next = no_packet;
        if (tail == no_packet) {
            head = id;
        } else {
            packets[tail].next = id;
        }
        tail = id;
    }
    PacketId pop(const std::vector<Packet>& packets) {
        const PacketId id = head;
        head = packets[id].next;
        if (head == no_packet) tail = no_packet;
        return id;
    }
};

/// A link with what waits for it.
struct PacketLink {
    double ps_per_byte = 0.0;
    std::int64_t latency_ps = 0;
    std::int64_t free_ps = 0;        // end of the packet that it sends now
    std::int64_t pull_ps = 0;        // when its receiver may ask for more next
    std::int64_t answers_ps = 0;     // time for answers that pass it, where they take any
    double waiting = 0.0;            // bytes in its queues
    double waiting_max = 0.0;
    double carried = 0.0;
    double served = 0.0;             // of the class that sent last, where classes have weights
    std::int64_t paused_ps = 0;
    PacketQueue first;               // trimmed headers, before all data
    bool wakes = false;              // an event for free_ps is in the calendar
};

/// One traffic class of a link: its queue, and what the far end has buffered of what came over it.
struct PacketLane {
    PacketQueue data;
    double waiting = 0.0;            // bytes in it
    double buffered = 0.0;           // at the far end
    double served = 0.0;             // bytes over weight, where classes have weights
    std::int64_t paused_at_ps = 0;
    std::int32_t ready_head = -1;    // streams of this host that may send, in turn
    std::int32_t ready_tail = -1;
    bool is_paused = false;
    bool has_asked_to_pause = false; // its far end has, whether or not that is here already
    bool own_turn = false;           // where hosts forward: own packets next
    bool was_idle = true;
};

/// Both ends of a stream.
struct PacketStream {
    std::int64_t allowed = 0;        // packets of the rounds started
    std::int64_t next = 0;           // to be sent first
    std::int64_t expected = 0;       // the first that is missing at the receiver
    std::int64_t acknowledged = 0;
    std::int64_t send_ps = 0;        // not before, under a rate
    std::int64_t notified_ps = INT64_MIN / 2;
    double under_way = 0.0;          // bytes sent and neither acknowledged nor known to be lost
    double withheld = 0.0;           // bytes whose answers asked for no more, where receivers pull
    double window = 0.0;
    double window_full = 0.0;        // at which it began
    double port_rate = 0.0;
    std::int32_t per_message = 1;    // packets
    std::int32_t way_first = 0;      // the way of by-flow choice; the first of a round robin
    std::int32_t next_ready = -1;
    std::int32_t asked = 0;          // answers under way that ask for a packet
    std::int32_t refused = 0;        // of those, for one to send again
    std::int32_t again_count = 0;
    PacketQueue again;               // lost packets to send once more
    std::uint64_t seen_at = 0;       // its first word in the bit map of arrived packets
    bool is_ready = false;           // in the line of its link
    bool wakes = false;              // an event for send_ps is in the calendar
};

}  // namespace orrery
