// What makes options or flows unplayable packet by packet.
#include "network/packet/packet_player.hpp"

#include <algorithm>
#include <cmath>
#include <string>

namespace orrery {

namespace {

std::string in_bytes(Bytes size) { return std::to_string(std::lround(size.si())) + " bytes"; }

void check_options(const PacketOptions& o, Problems& problems) {
    const auto require = [&](bool right, const char* name, std::string problem, std::string remedy) {
        if (!right) problems.push_back({std::string("/packet/") + name, std::move(problem), std::move(remedy)});
    };
    require(o.header.si() > 0.0 && o.packet > o.header, "packet",
            "is " + in_bytes(o.packet) + " with a header of " + in_bytes(o.header), "give more than the header, such as 4150 bytes");
    require(o.window > 0.0 && std::isfinite(o.window), "window", "is " + std::to_string(o.window),
            "give how often what is under way fills the way there and back, such as 1.5");
    require(o.queue_max >= o.packet, "queue_max", "is " + in_bytes(o.queue_max), "give room for a packet of " + in_bytes(o.packet));
    require(o.resume_below.si() > 0.0 && o.pause_above >= o.resume_below, "resume_below",
            "is " + in_bytes(o.resume_below) + " where pauses begin above " + in_bytes(o.pause_above), "give less than pause_above");
    require(o.mark_from.si() >= 0.0 && o.mark_all > o.mark_from, "mark_all",
            "is " + in_bytes(o.mark_all) + " where marks begin at " + in_bytes(o.mark_from), "give more than mark_from");
    require(o.mark_share >= 0.0 && o.mark_share <= 1.0, "mark_share", "is " + std::to_string(o.mark_share), "give 0 to 1");
    require(o.reorder_buffer >= 0, "reorder_buffer", "is " + std::to_string(o.reorder_buffer), "give 0 (no limit) or more packets");
    require(o.timeout.si() > 0.0 && std::isfinite(o.timeout.si()), "timeout", "is " + std::to_string(o.timeout.si()) + " s",
            "give a positive time, such as 100 us");
    require(std::all_of(o.class_weights.begin(), o.class_weights.end(), [](double w) { return w > 0.0 && std::isfinite(w); }),
            "class_weights", "have one that is not positive", "give a positive number for each class");
}

}  // namespace

Problems packet_problems(const FlowSet& flows, const PacketOptions& options) {
    Problems problems;
    check_options(options, problems);
    if (!problems.empty()) return problems;
    int classes = 1;
    for (const std::uint8_t c : flows.traffic_class) classes = std::max(classes, c + 1);
    const auto weights = static_cast<int>(options.class_weights.size());
    if (weights > 0 && weights < classes) {
        return {{"/packet/class_weights", "has " + std::to_string(weights) + " weights for " + std::to_string(classes) + " traffic classes",
                 "give one for each class, or none"}};
    }
    const double payload = (options.packet - options.header).si();
    constexpr double packets_max = 2147483647.0;
    for (std::size_t s = 0; s < flows.streams() && problems.size() < 10; ++s) {
        const std::string place = "/flows/" + std::to_string(s);
        const double packets = std::ceil(flows.size[s].si() / payload) * flows.rounds_of(static_cast<StreamId>(s));
        if (packets > packets_max) {
            problems.push_back({place + "/size", "makes more than 2147483647 packets", "use the fluid, or larger packets"});
        }
        const std::span<const LinkId> way = flows.routes[flows.route[s]];
        const std::int32_t ways = flows.ways.empty() ? 1 : flows.ways[s];
        for (std::int32_t w = 1; w < ways; ++w) {
            const std::span<const LinkId> other = flows.routes[flows.route[s] + w];
            if (other.empty() == way.empty() && (way.empty() || other[0] == way[0])) continue;
            problems.push_back({place + "/ways", "begin with different links", "split the flow, one for each port that it leaves through"});
            break;
        }
    }
    return problems;
}

}  // namespace orrery
