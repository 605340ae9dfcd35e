// Playing a set of flows packet by packet: from what is asked to what was counted.
#include "network/packet/packet_player.hpp"

#include "network/packet/packet_run.hpp"

#include <algorithm>
#include <cmath>
#include <string>

namespace orrery {

PacketRun::PacketRun(const LinkTable& links, const FlowSet& flows, const PacketOptions& options)
    : table_(links), flows_(flows), options_(options), progress_(flows), packet_size_(options.packet.si()),
      payload_(options.packet.si() - options.header.si()), header_(options.header.si()) {
    open_links(links);
    open_streams(links);
}

Result<PacketTimes> PacketRun::run() {
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


void PacketRun::handle(const Event& event) {
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


void PacketRun::open_links(const LinkTable& links) {
    links_.resize(links.size());
    for (const std::uint8_t c : flows_.traffic_class) classes_ = std::max(classes_, c + 1);
    lanes_.resize(links.size() * static_cast<std::size_t>(classes_));
    for (std::size_t l = 0; l < links.size(); ++l) {
        links_[l].ps_per_byte = 1e12 / links.bandwidth[l].si();
        links_[l].latency_ps = to_picoseconds(links.latency[l]);
    }
}

void PacketRun::open_streams(const LinkTable& links) {
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


Problems PacketRun::unfinished() const {
    Problems problems = progress_.unfinished();
    const auto paused = std::count_if(lanes_.begin(), lanes_.end(), [](const PacketLane& l) { return l.is_paused; });
    for (Problem& problem : problems) {
        if (paused > 0) problem.remedy += "; " + std::to_string(paused) + " links are paused for ever: ways form a cycle, so use \"trim\", or ways without cycles";
    }
    return problems;
}

void PacketRun::close() {
    for (std::size_t s = 0; s < streams_.size(); ++s) {
        const PacketStream& stream = streams_[s];
        if (!flows_.routes[flows_.route[s]].empty()) {
            ORRERY_CHECK(stream.acknowledged == stream.expected && stream.expected == stream.allowed);
        }
        times_.last = std::max(times_.last, times_.finish[s]);
        times_.last_acknowledged = std::max(times_.last_acknowledged, times_.acknowledged[s]);
    }
    for (const PacketLane& lane : lanes_) ORRERY_CHECK(lane.data.empty() && !lane.is_paused);
    for (const PacketLink& link : links_) {
        ORRERY_CHECK(link.first.empty());
        times_.queue_max.push_back(Bytes::from_si(link.waiting_max));
        times_.carried.push_back(Bytes::from_si(link.carried));
        times_.paused.push_back(from_picoseconds(link.paused_ps));
    }
    times_.buffer_max = Bytes::from_si(buffered_max_);
}

Result<PacketTimes> play_packets(const LinkTable& links, const FlowSet& flows, const PacketOptions& options) {
    Problems problems = flow_set_problems(links, flows);
    if (problems.empty()) problems = packet_problems(flows, options);
    if (problems.empty() && options.answers_take_rate && links.reverse.size() != links.size()) {
        problems.push_back({"/packet/answers_take_rate", "is true, and no link says which leads back", "leave it out, or fill LinkTable::reverse"});
    }
    if (!problems.empty()) return problems;
    return PacketRun(links, flows, options).run();
}

}  // namespace orrery
