// One packet run: everything that it counts and owns; the calendar's events are its verbs.
#pragma once

#include "network/calendar.hpp"
#include "network/packet/packet_player.hpp"
#include "network/packet/packet_state.hpp"

#include <cmath>
#include <span>
#include <vector>

namespace orrery {

class PacketRun {
  public:
    /// Keeps references to all three.
    PacketRun(const LinkTable& links, const FlowSet& flows, const PacketOptions& options);
    Result<PacketTimes> run();

  private:
    enum Kind : std::uint32_t { packet_arrives, link_is_free, answer_arrives, round_starts, pause_arrives, stream_wakes, times_out };
    struct Event {
        Kind kind;
        std::int32_t id;  // of a packet, link, lane or stream, as the kind says
    };

    static std::int64_t to_picoseconds(Seconds time) { return static_cast<std::int64_t>(std::llround(time.si() * 1e12)); }
    static Seconds from_picoseconds(std::int64_t ps) { return Seconds::from_si(static_cast<double>(ps) * 1e-12); }
    /// splitmix64 (Steele, Lea & Flood, OOPSLA 2014): a draw that needs no state, by what it is for.
    static std::uint64_t draw(std::uint64_t seed, std::uint64_t stream, std::uint64_t sequence) {
        std::uint64_t z = seed + 0x9e3779b97f4a7c15ULL * (1 + stream) + 0xd1b54a32d192ed03ULL * sequence;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
        return z ^ (z >> 31);
    }

    void schedule(std::int64_t at_ps, Kind kind, std::int32_t id) { calendar_.push(at_ps, {kind, id}); }
    [[nodiscard]] std::int64_t now() const { return calendar_.now_ps(); }
    [[nodiscard]] std::uint64_t ways_of(StreamId s) const {
        return flows_.ways.empty() ? 1 : static_cast<std::uint64_t>(flows_.ways[s]);
    }
    [[nodiscard]] int class_of(StreamId s) const { return flows_.traffic_class.empty() ? 0 : flows_.traffic_class[s]; }
    [[nodiscard]] PacketLane& lane_of(LinkId link, int traffic_class) {
        return lanes_[static_cast<std::size_t>(link) * static_cast<std::size_t>(classes_) + static_cast<std::size_t>(traffic_class)];
    }
    [[nodiscard]] std::int32_t lane_id(const PacketLane& lane) const { return static_cast<std::int32_t>(&lane - lanes_.data()); }
    [[nodiscard]] std::int64_t wire_time(LinkId link, double bytes) const {
        return static_cast<std::int64_t>(links_[link].ps_per_byte * bytes + 0.5);
    }
    [[nodiscard]] LinkId link_of(const Packet& packet) const { return flows_.routes.links[packet.at]; }
    [[nodiscard]] LinkId port_of(StreamId s) const { return flows_.routes[flows_.route[s]][0]; }
    [[nodiscard]] static bool has_to_send(const PacketStream& stream) {
        return !stream.again.empty() || stream.next < stream.allowed;
    }
    /// On the wire: the last packet of a message is as long as what is left.
    [[nodiscard]] double size_of(const Packet& packet) const {
        if (packet.flags & packet_trimmed) return header_;
        const PacketStream& stream = streams_[packet.stream];
        const std::int32_t place = packet.sequence % stream.per_message;
        if (place + 1 < stream.per_message) return packet_size_;
        return header_ + flows_.size[packet.stream].si() - payload_ * static_cast<double>(stream.per_message - 1);
    }

    // Beginning and end (packet_player.cpp).
    void open_links(const LinkTable& links);
    void open_streams(const LinkTable& links);
    void handle(const Event& event);
    [[nodiscard]] Problems unfinished() const;
    void close();

    // Senders (packet_senders.cpp).
    void start_rounds(StreamId s);
    [[nodiscard]] std::int64_t idle_latency(StreamId s) const;
    void allow_round(StreamId s);
    void finish_round(StreamId s);
    void offer(StreamId s);
    PacketId emit(PacketLane& lane);
    void choose_way(Packet& packet);
    PacketId new_packet();
    void take_answer(PacketId id);
    void send_again(PacketId id);

    // Links and their queues (packet_links.cpp).
    void wake(LinkId id);
    void transmit(LinkId id);
    PacketLane* next_lane(LinkId id);
    [[nodiscard]] double weight_of(const PacketLane* lane) const;
    void leave_queue(LinkId id, PacketId packet);
    void take_pause(std::int32_t lane_index);
    void turn_to_shortest_queue(Packet& packet);
    void arrive(PacketId id);
    [[nodiscard]] bool should_mark(const PacketLane& lane, const Packet& packet) const;
    void hold_input(LinkId from, int traffic_class, double size);

    // Receivers (packet_receivers.cpp).
    void receive(PacketId id);
    [[nodiscard]] std::int64_t answer_ps(Packet& packet);
    void accept(const Packet& packet);
    [[nodiscard]] std::int64_t way_back(const Packet& packet) const;
    void charge_answer(const Packet& packet);

    const LinkTable& table_;
    const FlowSet& flows_;
    const PacketOptions& options_;
    FlowProgress progress_;
    double packet_size_, payload_, header_;
    int classes_ = 1;
    Calendar<Event> calendar_;
    std::vector<Packet> packets_;
    std::vector<PacketId> free_;
    std::vector<PacketLink> links_;
    std::vector<PacketLane> lanes_;  // by link and class
    std::vector<PacketStream> streams_;
    std::vector<DcqcnState> rates_;
    std::vector<DctcpState> windows_;
    std::vector<std::uint64_t> seen_;  // a bit a packet
    PacketTimes times_;
    double buffered_max_ = 0.0;
};

}  // namespace orrery
