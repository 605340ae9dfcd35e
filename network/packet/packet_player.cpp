// Playing a set of flows packet by packet.
#include "network/packet/packet_player.hpp"

#include "network/calendar.hpp"
#include "network/packet/packet_state.hpp"

#include <algorithm>
#include <cmath>
#include <string>

namespace orrery {

namespace {

std::int64_t to_picoseconds(Seconds time) { return static_cast<std::int64_t>(std::llround(time.si() * 1e12)); }
Seconds from_picoseconds(std::int64_t ps) { return Seconds::from_si(static_cast<double>(ps) * 1e-12); }

/// splitmix64 (Steele, Lea & Flood, OOPSLA 2014): a draw that needs no state, by what it is for.
std::uint64_t draw(std::uint64_t seed, std::uint64_t stream, std::uint64_t sequence) {
    std::uint64_t z = seed + 0x9e3779b97f4a7c15ULL * (1 + stream) + 0xd1b54a32d192ed03ULL * sequence;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}

/// Everything that a packet run counts and owns; the calendar's events are its verbs.
class PacketRun {
  public:
    PacketRun(const LinkTable& links, const FlowSet& flows, const PacketOptions& options)
        : flows_(flows), options_(options), progress_(flows), packet_size_(options.packet.si()),
          payload_(options.packet.si() - options.header.si()), header_(options.header.si()) {
        open_links(links);
        open_streams(links);
    }

    Result<PacketTimes> run() {
        for (std::size_t s = 0; s < streams_.size(); ++s) start_rounds(static_cast<StreamId>(s));
        Event event;
        while (calendar_.next()) {
            while (calendar_.take(event)) {
                ++times_.events;
                handle(event);
            }
        }
        if (!progress_.finished()) return unfinished();
        close();
        return std::move(times_);
    }

  private:
    enum Kind : std::uint32_t { packet_arrives, link_is_free, answer_arrives, round_starts, pause_arrives, stream_wakes, times_out };
    struct Event {
        Kind kind;
        std::int32_t id;  // of a packet, link or stream, as the kind says
    };

    void schedule(std::int64_t at_ps, Kind kind, std::int32_t id) { calendar_.push(at_ps, {kind, id}); }
    [[nodiscard]] std::int64_t now() const { return calendar_.now_ps(); }

    void handle(const Event& event) {
        const std::int32_t id = event.id;
        switch (event.kind) {
            case packet_arrives: return arrive(id);
            case link_is_free: links_[id].wakes = false; return transmit(id);
            case answer_arrives: return take_answer(id);
            case round_starts: return allow_round(id);
            case pause_arrives: return take_pause(id);
            case stream_wakes: streams_[id].wakes = false; return offer(id);
            case times_out: return send_again(id);
        }
    }

    void open_links(const LinkTable& links) {
        links_.resize(links.size());
        for (std::size_t l = 0; l < links.size(); ++l) {
            links_[l].ps_per_byte = 1e12 / links.bandwidth[l].si();
            links_[l].latency_ps = to_picoseconds(links.latency[l]);
        }
    }

    void open_streams(const LinkTable& links) {
        const std::size_t n = flows_.streams();
        streams_.resize(n);
        times_.finish.resize(n);
        times_.acknowledged.resize(n);
        if (options_.control == CongestionControl::dcqcn) rates_.resize(n);
        if (options_.control == CongestionControl::dctcp) windows_.resize(n);
        std::uint64_t words = 0;
        for (std::size_t s = 0; s < n; ++s) {
            const auto id = static_cast<StreamId>(s);
            PacketStream& stream = streams_[s];
            stream.per_message = static_cast<std::int32_t>(std::ceil(flows_.size[s].si() / payload_));
            const std::int64_t all = std::int64_t{stream.per_message} * flows_.rounds_of(id);
            times_.data_packets += all;
            stream.seen_at = words;
            words += static_cast<std::uint64_t>((all + 63) / 64);
            const std::span<const LinkId> way = flows_.routes[flows_.route[s]];
            if (way.empty()) continue;
            stream.way_first = static_cast<std::int32_t>(draw(options_.seed, s, 0) % ways_of(id));
            stream.port_rate = links.bandwidth[way[0]].si();
            std::int64_t round_trip = 0;
            for (const LinkId link : way) round_trip += 2 * links_[link].latency_ps + wire_time(link, packet_size_) + wire_time(link, header_);
            stream.window_full = std::max(options_.window * static_cast<double>(round_trip) * 1e-12 * stream.port_rate, packet_size_);
            stream.window = options_.control == CongestionControl::dcqcn ? INFINITY : stream.window_full;
            if (options_.control == CongestionControl::dcqcn) rates_[s].rate = rates_[s].target = stream.port_rate;
            if (options_.control == CongestionControl::dctcp) windows_[s].window = stream.window_full;
        }
        seen_.resize(words);
    }

    [[nodiscard]] std::uint64_t ways_of(StreamId s) const {
        return flows_.ways.empty() ? 1 : static_cast<std::uint64_t>(flows_.ways[s]);
    }
    [[nodiscard]] std::int64_t wire_time(LinkId link, double bytes) const {
        return static_cast<std::int64_t>(links_[link].ps_per_byte * bytes + 0.5);
    }
    [[nodiscard]] LinkId link_of(const Packet& packet) const { return flows_.routes.links[packet.at]; }
    [[nodiscard]] LinkId port_of(StreamId s) const { return flows_.routes[flows_.route[s]][0]; }

    /// On the wire: the last packet of a message is as long as what is left.
    [[nodiscard]] double size_of(const Packet& packet) const {
        if (packet.flags & packet_trimmed) return header_;
        const PacketStream& stream = streams_[packet.stream];
        const std::int32_t place = packet.sequence % stream.per_message;
        if (place + 1 < stream.per_message) return packet_size_;
        return header_ + flows_.size[packet.stream].si() - payload_ * static_cast<double>(stream.per_message - 1);
    }

    // Streams and their needs.

    void start_rounds(StreamId s) {
        std::int32_t sends = progress_.start_ready(s);
        if (sends == 0) return;
        std::int64_t at = now();
        if (!flows_.start.empty()) at = std::max(at, to_picoseconds(flows_.start[s]));
        if (!flows_.delay.empty()) at += to_picoseconds(flows_.delay[s]);
        if (streams_[s].per_message == 0 || flows_.routes[flows_.route[s]].empty()) at += idle_latency(s);
        for (; sends > 0; --sends) schedule(at, round_starts, s);
    }

    [[nodiscard]] std::int64_t idle_latency(StreamId s) const {
        std::int64_t sum = 0;
        for (const LinkId link : flows_.routes[flows_.route[s]]) sum += links_[link].latency_ps;
        return sum;
    }

    void allow_round(StreamId s) {
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

    void finish_round(StreamId s) {
        times_.finish[s] = from_picoseconds(now());
        std::vector<StreamId> maybe_ready;
        progress_.arrive(s, maybe_ready);
        for (const StreamId other : maybe_ready) start_rounds(other);
    }

    // Senders.

    [[nodiscard]] bool has_to_send(const PacketStream& stream) const {
        return !stream.again.empty() || stream.next < stream.allowed;
    }

    /// Puts a stream in the line of its port if it may send now; wakes it later if it is its rate that forbids it.
    void offer(StreamId s) {
        PacketStream& stream = streams_[s];
        if (stream.is_ready || !has_to_send(stream)) return;
        if (stream.under_way > 0.0 && stream.under_way + packet_size_ > stream.window) return;
        if (stream.send_ps > now()) {
            if (!stream.wakes) schedule(stream.send_ps, stream_wakes, s);
            stream.wakes = true;
            return;
        }
        const LinkId port = port_of(s);
        PacketLink& link = links_[port];
        stream.is_ready = true;
        stream.next_ready = -1;
        if (link.ready_tail >= 0) {
            streams_[link.ready_tail].next_ready = s;
        } else {
            link.ready_head = s;
        }
        link.ready_tail = s;
        wake(port);
    }

    PacketId emit(LinkId port) {
        PacketLink& link = links_[port];
        const StreamId s = link.ready_head;
        PacketStream& stream = streams_[s];
        link.ready_head = stream.next_ready;
        if (link.ready_head < 0) link.ready_tail = -1;
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

    void choose_way(Packet& packet) {
        const PacketStream& stream = streams_[packet.stream];
        const std::uint64_t ways = ways_of(packet.stream);
        auto way = static_cast<std::uint64_t>(stream.way_first);
        if (options_.path == PathChoice::random_spray) {
            way = draw(options_.seed, static_cast<std::uint64_t>(packet.stream), static_cast<std::uint64_t>(times_.sent) + 1) % ways;
        } else if (options_.path == PathChoice::round_robin_spray) {
            way = (way + static_cast<std::uint64_t>(packet.sequence)) % ways;
        }
        const RouteId route = flows_.route[packet.stream] + static_cast<RouteId>(way);
        packet.at = flows_.routes.first[route];
        packet.last = flows_.routes.first[route + 1] - 1;
    }

    PacketId new_packet() {
        if (free_.empty()) {
            packets_.emplace_back();
            return static_cast<PacketId>(packets_.size() - 1);
        }
        const PacketId id = free_.back();
        free_.pop_back();
        return id;
    }

    void take_answer(PacketId id) {
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

    void send_again(PacketId id) {
        PacketStream& stream = streams_[packets_[id].stream];
        packets_[id].flags = 0;
        stream.under_way -= size_of(packets_[id]);
        stream.again.push(packets_, id);
        ++stream.again_count;
        offer(packets_[id].stream);
    }

    // Links and their queues.

    /// Sends now if the link is free, else when it will be.
    void wake(LinkId id) {
        PacketLink& link = links_[id];
        if (link.wakes || link.is_paused) return;
        if (link.free_ps <= now()) {
            transmit(id);
        } else {
            link.wakes = true;
            schedule(link.free_ps, link_is_free, id);
        }
    }

    void transmit(LinkId id) {
        PacketLink& link = links_[id];
        if (link.is_paused || link.free_ps > now()) return;
        PacketId sent = no_packet;
        bool own = false;
        if (!link.first.empty()) {
            sent = link.first.pop(packets_);
            leave_queue(id, sent);
        } else if (link.ready_head >= 0 && (link.own_turn || link.data.empty())) {
            sent = emit(id);
            link.own_turn = false;
            own = true;
        } else if (!link.data.empty()) {
            sent = link.data.pop(packets_);
            leave_queue(id, sent);
            link.own_turn = true;
        }
        if (sent == no_packet) return;
        const Packet& packet = packets_[sent];
        const double size = size_of(packet);
        link.carried += size;
        link.free_ps = now() + wire_time(id, size);
        schedule(link.free_ps + link.latency_ps, packet_arrives, sent);
        if (own) offer(packet.stream);
        if (!link.first.empty() || !link.data.empty() || link.ready_head >= 0) wake(id);
    }

    void leave_queue(LinkId id, PacketId packet) {
        const double size = size_of(packets_[packet]);
        links_[id].waiting -= size;
        const LinkId from = flows_.routes.links[packets_[packet].at - 1];
        PacketLink& input = links_[from];
        input.buffered -= size;
        if (!input.has_asked_to_pause || input.buffered >= options_.resume_below.si()) return;
        input.has_asked_to_pause = false;
        schedule(now() + input.latency_ps, pause_arrives, from);
    }

    void take_pause(LinkId id) {
        PacketLink& link = links_[id];
        link.is_paused = !link.is_paused;  // words to pause and to go on take turns and overtake none
        if (link.is_paused) {
            link.paused_at_ps = now();
            ++times_.pauses;
            return;
        }
        link.paused_ps += now() - link.paused_at_ps;
        wake(id);
    }

    void arrive(PacketId id) {
        Packet& packet = packets_[id];
        if (packet.at == packet.last) {
            receive(id);
            return;
        }
        ++packet.at;
        const LinkId to = link_of(packet);
        PacketLink& link = links_[to];
        double size = size_of(packet);
        if (options_.limit != QueueLimit::pause && link.waiting + size > options_.queue_max.si() &&
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
        if (should_mark(link, packet)) {
            packet.flags |= packet_marked;
            ++times_.marked;
        }
        link.waiting += size;
        link.waiting_max = std::max(link.waiting_max, link.waiting);
        (packet.flags & packet_trimmed ? link.first : link.data).push(packets_, id);
        hold_input(flows_.routes.links[packet.at - 1], size);
        wake(to);
    }

    /// Random early marking on the queue that a packet finds, linear from mark_from to mark_all (Zhu et al. 2015).
    [[nodiscard]] bool should_mark(const PacketLink& link, const Packet& packet) const {
        if (link.waiting <= options_.mark_from.si() || (packet.flags & packet_marked)) return false;
        if (link.waiting >= options_.mark_all.si()) return true;
        const double share = (link.waiting - options_.mark_from.si()) / (options_.mark_all - options_.mark_from).si();
        const std::uint64_t ticket = draw(options_.seed + 1, static_cast<std::uint64_t>(packet.stream),
                                          static_cast<std::uint64_t>(times_.events));
        return static_cast<double>(ticket >> 11) * 0x1.0p-53 < share * options_.mark_share;
    }

    void hold_input(LinkId from, double size) {
        PacketLink& input = links_[from];
        input.buffered += size;
        buffered_max_ = std::max(buffered_max_, input.buffered);
        if (options_.limit != QueueLimit::pause || input.has_asked_to_pause) return;
        if (input.buffered <= options_.pause_above.si()) return;
        input.has_asked_to_pause = true;
        schedule(now() + input.latency_ps, pause_arrives, from);
    }

    // Receivers.

    void receive(PacketId id) {
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
        schedule(answer_ps(packet) + way_back(packet), answer_arrives, id);
    }

    /// Where receivers pull, answers that ask for more go out at the rate of their port, and no more of them than there is
    /// left to send (Handley et al., "Re-architecting datacenter networks and stacks for low latency and high
    /// performance", SIGCOMM 2017).
    [[nodiscard]] std::int64_t answer_ps(Packet& packet) {
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

    void accept(const Packet& packet) {
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

    [[nodiscard]] std::int64_t way_back(const Packet& packet) const {
        std::int64_t sum = 0;
        for (std::int32_t i = packet.last;; --i) {
            const LinkId link = flows_.routes.links[i];
            sum += links_[link].latency_ps + wire_time(link, header_);
            if (link == port_of(packet.stream)) return sum;
        }
    }

    // The end.

    [[nodiscard]] Problems unfinished() const {
        Problems problems = progress_.unfinished();
        const auto paused = std::count_if(links_.begin(), links_.end(), [](const PacketLink& l) { return l.is_paused; });
        for (Problem& problem : problems) {
            if (paused > 0) problem.remedy += "; " + std::to_string(paused) + " links are paused for ever: ways form a cycle, so use \"trim\", or ways without cycles";
        }
        return problems;
    }

    void close() {
        for (std::size_t s = 0; s < streams_.size(); ++s) {
            const PacketStream& stream = streams_[s];
            if (!flows_.routes[flows_.route[s]].empty()) {
                ORRERY_CHECK(stream.acknowledged == stream.expected && stream.expected == stream.allowed);
            }
            times_.last = std::max(times_.last, times_.finish[s]);
            times_.last_acknowledged = std::max(times_.last_acknowledged, times_.acknowledged[s]);
        }
        for (const PacketLink& link : links_) {
            ORRERY_CHECK(link.data.empty() && link.first.empty() && !link.is_paused);
            times_.queue_max.push_back(Bytes::from_si(link.waiting_max));
            times_.carried.push_back(Bytes::from_si(link.carried));
            times_.paused.push_back(from_picoseconds(link.paused_ps));
        }
        times_.buffer_max = Bytes::from_si(buffered_max_);
    }

    const FlowSet& flows_;
    const PacketOptions& options_;
    FlowProgress progress_;
    double packet_size_, payload_, header_;
    Calendar<Event> calendar_;
    std::vector<Packet> packets_;
    std::vector<PacketId> free_;
    std::vector<PacketLink> links_;
    std::vector<PacketStream> streams_;
    std::vector<DcqcnState> rates_;
    std::vector<DctcpState> windows_;
    std::vector<std::uint64_t> seen_;  // a bit a packet
    PacketTimes times_;
    double buffered_max_ = 0.0;
};

}  // namespace

Result<PacketTimes> play_packets(const LinkTable& links, const FlowSet& flows, const PacketOptions& options) {
    Problems problems = flow_set_problems(links, flows);
    if (problems.empty()) problems = packet_problems(flows, options);
    if (!problems.empty()) return problems;
    return PacketRun(links, flows, options).run();
}

}  // namespace orrery
