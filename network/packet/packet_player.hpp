// Playing a set of flows packet by packet: output queues, marks, pauses, losses and spraying, behind the same door as
// the fluid.
#pragma once

#include "network/flow_set.hpp"
#include "network/packet/congestion.hpp"

#include <array>
#include <cstdint>
#include <tuple>
#include <vector>

namespace orrery {

/// Which of its flow's ways a packet takes.
enum class PathChoice : std::uint8_t { by_flow, random_spray, round_robin_spray, least_queued };

template <>
struct EnumTable<PathChoice> {
    static constexpr std::array<EnumName<PathChoice>, 4> names{{
        {PathChoice::by_flow, "by-flow", "one way for all packets of a flow, by hash (ECMP)"},
        {PathChoice::random_spray, "random-spray", "any way, drawn for each packet"},
        {PathChoice::round_robin_spray, "round-robin-spray", "one way after the other, each flow from another one on"},
        {PathChoice::least_queued, "least-queued", "at every switch the way on with least before it (adaptive routing)"},
    }};
};

/// What a switch does where queues grow.
enum class QueueLimit : std::uint8_t { pause, drop, trim };

template <>
struct EnumTable<QueueLimit> {
    static constexpr std::array<EnumName<QueueLimit>, 3> names{{
        {QueueLimit::pause, "pause", "pauses whoever fills it (priority flow control, IEEE 802.1Qbb); nothing is lost"},
        {QueueLimit::drop, "drop", "drops what does not fit; the sender learns by its timer"},
        {QueueLimit::trim, "trim", "cuts what does not fit to its header, which asks for the packet again (NDP)"},
    }};
};

struct PacketOptions {
    Bytes packet = 4150.0_B;    // on the wire, with header: 4 KiB and headers, the default of htsim's Ultra Ethernet model
    Bytes header = 64.0_B;      // of it; also the size of an acknowledgement
    PathChoice path = PathChoice::random_spray;
    CongestionControl control = CongestionControl::window;
    double window = 1.5;        // of what fills the way there and back of a flow (bandwidth-delay product)
    QueueLimit limit = QueueLimit::pause;
    Bytes queue_max = 1.0_MB;   // per output, for drop and trim
    Bytes pause_above = 500.0_KiB;   // buffered from one input; about 1 MB a port is what switch chips share
    Bytes resume_below = 480.0_KiB;
    Bytes mark_from = 100.0_KiB;     // queue at which marking (ECN) begins: Zhu et al. 2015 scaled to 400 Gb/s
    Bytes mark_all = 400.0_KiB;      // at which every packet is marked
    double mark_share = 0.2;         // marked just below mark_all
    std::int32_t reorder_buffer = 0; // packets that a receiver keeps ahead of the first missing; 0: as many as come
    Seconds timeout = 100.0_us;      // until a dropped packet is sent again
    std::vector<double> class_weights; // of traffic classes at every port; empty: the lower class goes first
    bool answers_take_rate = false;  // acknowledgements use up the links that lead back
    std::uint64_t seed = 1;
    DcqcnParameters dcqcn;
    static constexpr auto fields() {
        using F = PacketOptions;
        return std::tuple{
            field("packet", &F::packet, {65.0, 1.0e6}, "Size of a full packet on the wire, header included."),
            field("header", &F::header, {1.0, 1.0e4}, "Header of a packet, and size of an acknowledgement."),
            field("path", &F::path, any_value, "Which of several equally short ways a packet takes."),
            field("control", &F::control, any_value, "How a sender reacts to marks."),
            field("window", &F::window, {0.01, 1000.0}, "Bytes under way without acknowledgement, over what fills the way."),
            field("limit", &F::limit, any_value, "What a switch does where queues grow."),
            field("queue_max", &F::queue_max, positive, "Most that waits at one output; for drop and trim."),
            field("pause_above", &F::pause_above, positive, "Bytes buffered from one input above which it is paused."),
            field("resume_below", &F::resume_below, positive, "Bytes buffered from one input below which it goes on."),
            field("mark_from", &F::mark_from, positive, "Queue at which packets begin to be marked."),
            field("mark_all", &F::mark_all, positive, "Queue at which every packet is marked."),
            field("mark_share", &F::mark_share, fraction, "Share of packets marked just below mark_all."),
            field("reorder_buffer", &F::reorder_buffer, {0.0, 1.0e9},
                  "Packets that a receiver keeps ahead of the first missing one; what is further ahead is sent again. 0: all."),
            field("timeout", &F::timeout, positive, "Time until a dropped packet is sent again."),
            field("class_weights", &F::class_weights, {0.001, 1.0e6},
                  "Parts of a port's rate for each traffic class that has something to send; absent: the lower class goes first."),
            field("answers_take_rate", &F::answers_take_rate, any_value,
                  "True: acknowledgements, one a packet and as long as its header, use up the links that lead back."),
        };
    }
};

struct PacketTimes {
    std::vector<Seconds> finish;        // by stream: its last byte has arrived
    std::vector<Seconds> acknowledged;  // by stream: and its sender knows
    Seconds last;
    Seconds last_acknowledged;
    std::vector<Bytes> queue_max;       // by link: most that waited for it
    std::vector<Bytes> carried;         // by link, on the wire
    std::vector<Seconds> paused;        // by link
    std::int64_t pauses = 0;
    std::int64_t data_packets = 0;      // of all messages, each once
    std::int64_t sent = 0;              // with those sent again
    std::int64_t marked = 0;
    std::int64_t dropped = 0;
    std::int64_t trimmed = 0;
    std::int64_t out_of_order = 0;      // arrived before one sent earlier
    std::int64_t discarded = 0;         // further ahead than the reorder buffer
    std::int64_t reorder_max = 0;       // packets that the furthest was ahead
    Bytes buffer_max;                   // most buffered from one input
    std::int64_t events = 0;
};

/// What makes options or flows unplayable packet by packet, with places ("/packet/mark_all", "/flows/3/ways"). Requires
/// flows without flow_set_problems().
Problems packet_problems(const FlowSet& flows, const PacketOptions& options);

/// Plays `flows` to their end. Packets of a stream leave through the first link of its route as its window or rate allows,
/// in turn with the other streams there, wait in the output queue of each further link and arrive when they have wholly
/// passed the last one (store and forward). Acknowledgements, one a packet, come back over the same way without queueing.
/// A stream takes one of its `ways` per packet; all of them begin with the same link. Traffic classes have a queue each at
/// every output, are paused each on their own, and go strictly first or by weight; weights of flows are of the fluid alone.
/// Problems: those of flow_set_problems() and of the options, and flows that did not end, such as those
/// in a cycle of pauses.
Result<PacketTimes> play_packets(const LinkTable& links, const FlowSet& flows, const PacketOptions& options);

}  // namespace orrery
