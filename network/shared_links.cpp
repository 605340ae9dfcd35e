// Max-min fair rates kept right as flows come and go: local progressive filling, checked against those held.
#include "network/shared_links.hpp"

#include "network/filling.hpp"

#include <algorithm>
#include <functional>

namespace orrery {

namespace {

/// Sums of a few thousand doubles are good to 1e-12; levels closer than this are one level, so that symmetric flows get
/// the same rate to the last bit.
constexpr double level_tolerance = 1e-9;
constexpr double never_full = INFINITY;

}  // namespace

template <class Entry>
LinkSharing<Entry>::LinkSharing(std::span<const BytesPerSecond> bandwidth, int classes)
    : links_(static_cast<std::int32_t>(bandwidth.size())), classes_(classes) {
    for (const BytesPerSecond link : bandwidth) {
        ORRERY_CHECK(link.si() > 0.0);
        bandwidth_.push_back(link.si());
    }
    lanes_.resize(bandwidth_.size() * static_cast<std::size_t>(classes));
    for (std::size_t i = 0; i < lanes_.size(); ++i) lanes_[i].room = bandwidth_[i % bandwidth_.size()];
    fresh_.resize(static_cast<std::size_t>(classes));
    dirty_.resize(static_cast<std::size_t>(classes));
}

template <class Entry>
bool LinkSharing<Entry>::is_short(const Lane& lane) { return lane.demand > lane.room * (1.0 + level_tolerance); }

template <class Entry>
void LinkSharing<Entry>::mark_dirty(std::int32_t lane) {
    if (lanes_[lane].dirty) return;
    lanes_[lane].dirty = true;
    dirty_[static_cast<std::size_t>(lane / links_)].push_back(lane);
}

template <class Entry>
typename LinkSharing<Entry>::Slot LinkSharing<Entry>::join(std::span<const Entry> way, double weight, int traffic_class,
                                                           double rate_limit) {
    ORRERY_CHECK(!way.empty());
    Slot slot = static_cast<Slot>(flows_.size());
    if (free_.empty()) {
        flows_.emplace_back();
    } else {
        slot = free_.back();
        free_.pop_back();
    }
    Flow& flow = flows_[slot];
    const std::size_t place_first = flow.place_first;
    const std::int32_t place_room = flow.place_room;
    flow = Flow{.weight = weight, .way = way.data(), .length = static_cast<std::int32_t>(way.size()), .traffic_class = traffic_class};
    length_max_ = std::max(length_max_, flow.length);
    flow.place_first = place_room >= flow.length ? place_first : place_.size();
    flow.place_room = place_room >= flow.length ? place_room : length_max_;
    if (flow.place_room != place_room) place_.resize(place_.size() + static_cast<std::size_t>(flow.place_room));
    flow.rate_max = rate_limit;
    for (const Entry& entry : way) flow.rate_max = std::min(flow.rate_max, bandwidth_[link_of(entry)] / load_of(entry));
    std::int32_t* place = place_.data() + flow.place_first;
    for (std::int32_t e = 0; e < flow.length; ++e) {
        const std::int32_t id = lane_of(flow, way[e]);
        Lane& lane = lanes_[id];
        place[e] = static_cast<std::int32_t>(lane.members.size());
        lane.members.push_back({slot, e});
        lane.demand += flow.rate_max * load_of(way[e]);
        if (is_short(lane)) mark_dirty(id);
    }
    fresh_[static_cast<std::size_t>(traffic_class)].push_back(slot);
    return slot;
}

template <class Entry>
void LinkSharing<Entry>::leave(Slot slot) {
    Flow& flow = flows_[slot];
    ORRERY_CHECK(flow.length > 0);
    const std::int32_t* place = place_.data() + flow.place_first;
    for (std::int32_t e = 0; e < flow.length; ++e) {
        const std::int32_t id = lane_of(flow, flow.way[e]);
        Lane& lane = lanes_[id];
        if (is_short(lane) || classes_ > 1) mark_dirty(id);
        lane.demand -= flow.rate_max * load_of(flow.way[e]);
        const Member last = lane.members.back();
        lane.members[place[e]] = last;
        place_[flows_[last.slot].place_first + static_cast<std::size_t>(last.entry)] = place[e];
        lane.members.pop_back();
        if (lane.members.empty()) lane.demand = 0.0;  // forget rounding
    }
    flow.length = 0;
    free_.push_back(slot);
}

template <class Entry>
void LinkSharing<Entry>::settle(std::vector<Slot>& changed) {
    for (int c = 0; c < classes_; ++c) settle_class(c, changed);
}

template <class Entry>
void LinkSharing<Entry>::settle_class(int traffic_class, std::vector<Slot>& changed) {
    auto& fresh = fresh_[static_cast<std::size_t>(traffic_class)];
    auto& dirty = dirty_[static_cast<std::size_t>(traffic_class)];
    if (fresh.empty() && dirty.empty()) return;
    seed(traffic_class, changed);
    while (!part_.empty() && !solve()) {}
    solved_ += part_.size();
    for (std::size_t i = 0; i < part_.size(); ++i) {
        if (flows_[part_[i]].rate != rate_before_[i]) changed.push_back(part_[i]);
    }
    if (traffic_class + 1 < classes_) give_room_to_next(traffic_class);
    for (const std::int32_t id : dirty) lanes_[id].dirty = false;
    dirty.clear();
    fresh.clear();
}

template <class Entry>
void LinkSharing<Entry>::include(Slot slot) {
    Flow& flow = flows_[slot];
    if (flow.mark == mark_) return;
    flow.mark = mark_;
    part_.push_back(slot);
    rate_before_.push_back(flow.rate);
}

template <class Entry>
bool LinkSharing<Entry>::meets_short_lane(const Flow& flow) const {
    return std::any_of(flow.way, flow.way + flow.length, [&](const Entry& entry) { return is_short(lanes_[lane_of(flow, entry)]); });
}

/// New flows, and those that a link with a change had held back. A new flow that no short link meets has its own limit,
/// whatever the others do.
template <class Entry>
void LinkSharing<Entry>::seed(int traffic_class, std::vector<Slot>& changed) {
    ++mark_;
    part_.clear();
    rate_before_.clear();
    for (const Slot slot : fresh_[static_cast<std::size_t>(traffic_class)]) {
        Flow& flow = flows_[slot];
        if (flow.length == 0 || flow.mark == mark_) continue;  // left again, or its slot came twice
        if (classes_ == 1 && !meets_short_lane(flow)) {
            flow.mark = mark_;
            flow.rate = flow.rate_max;
            changed.push_back(slot);
            continue;
        }
        include(slot);
        rate_before_.back() = -1.0;  // new even if its rate is that of the slot's last flow
    }
    for (const std::int32_t id : dirty_[static_cast<std::size_t>(traffic_class)]) {
        for (const Member& member : lanes_[id].members) {
            if (flows_[member.slot].bottleneck == id || traffic_class > 0) include(member.slot);
        }
    }
}

/// One attempt; false if others had to be included.
template <class Entry>
bool LinkSharing<Entry>::solve() {
    open_lanes();
    if (hold_others()) return false;
    fill_lanes();
    return !include_broken();
}

template <class Entry>
void LinkSharing<Entry>::open_lanes() {
    ++lane_mark_;
    open_.clear();
    for (const Slot slot : part_) {
        Flow& flow = flows_[slot];
        flow.rate = -1.0;
        for (std::int32_t e = 0; e < flow.length; ++e) {
            const std::int32_t id = lane_of(flow, flow.way[e]);
            Lane& lane = lanes_[id];
            if (lane.mark != lane_mark_) {
                if (!is_short(lane)) continue;
                lane.mark = lane_mark_;
                lane.left = lane.room;
                lane.level = never_full;
                lane.rising = lane.level_max = 0.0;
                lane.solved = 0;
                open_.push_back(id);
            }
            lane.rising += flow.weight * load_of(flow.way[e]);
            ++lane.solved;
        }
    }
    for (const std::int32_t id : open_) lanes_[id].to_come = lanes_[id].solved;
}

/// Takes the rates of the flows held from their links; true if they did not fit and became part.
template <class Entry>
bool LinkSharing<Entry>::hold_others() {
    const std::size_t before = part_.size();
    for (const std::int32_t id : open_) {
        Lane& lane = lanes_[id];
        if (static_cast<std::size_t>(lane.solved) == lane.members.size()) continue;
        for (const Member& member : lane.members) {
            if (flows_[member.slot].mark != mark_) lane.left -= rate_on(member);
        }
        if (lane.left > -level_tolerance * lane.room) {
            lane.left = std::max(lane.left, 0.0);
            continue;
        }
        for (const Member& member : lane.members) include(member.slot);
    }
    return part_.size() > before;
}

template <class Entry>
bool LinkSharing<Entry>::push_if_rising(std::int32_t id) {
    const Lane& lane = lanes_[id];
    if (lane.to_come == 0) return false;
    heap_.emplace_back(std::max(lane.left / lane.rising, level_), id);
    return true;
}

/// All rates rise together, in proportion to weight, until a flow meets its own limit or a link is full; those stop and
/// the others go on. Entries of the heap that are out of date are too low, because levels only rise as flows stop.
template <class Entry>
void LinkSharing<Entry>::fill_lanes() {
    level_ = 0.0;
    heap_.clear();
    for (const std::int32_t id : open_) push_if_rising(id);
    std::make_heap(heap_.begin(), heap_.end(), std::greater<>());
    by_limit_.clear();
    for (const Slot slot : part_) by_limit_.emplace_back(flows_[slot].rate_max / flows_[slot].weight, slot);
    const auto lower = [](const auto& a, const auto& b) { return a.first < b.first; };
    if (!std::is_sorted(by_limit_.begin(), by_limit_.end(), lower)) std::sort(by_limit_.begin(), by_limit_.end());
    std::size_t next = 0;
    const auto stop_up_to = [&](double level) {
        for (; next < by_limit_.size() && by_limit_[next].first <= level; ++next) {
            if (flows_[by_limit_[next].second].rate >= 0.0) continue;
            level_ = std::max(level_, by_limit_[next].first);
            stop_flow(by_limit_[next].second, by_limit_[next].first, flows_[by_limit_[next].second].rate_max, -1);
            return true;  // levels have changed
        }
        return false;
    };
    rising_ = part_.size();
    while (rising_ > 0 && !heap_.empty()) {
        const auto [level, id] = heap_.front();
        const Lane& lane = lanes_[id];
        const double now = lane.to_come > 0 ? std::max(lane.left / lane.rising, level_) : never_full;
        const bool up_to_date = lane.to_come > 0 && now <= level * (1.0 + level_tolerance);
        if (up_to_date && stop_up_to(level)) continue;
        std::pop_heap(heap_.begin(), heap_.end(), std::greater<>());
        heap_.pop_back();
        if (up_to_date) {
            fill_lane(id, now);
        } else if (push_if_rising(id)) {
            std::push_heap(heap_.begin(), heap_.end(), std::greater<>());
        }
    }
    while (rising_ > 0 && stop_up_to(never_full)) {}
}

template <class Entry>
void LinkSharing<Entry>::fill_lane(std::int32_t id, double level) {
    if (level > level_ * (1.0 + level_tolerance)) level_ = level;
    lanes_[id].level = level_;
    for (const Member& member : lanes_[id].members) {
        const Flow& flow = flows_[member.slot];
        if (flow.rate < 0.0) stop_flow(member.slot, level_, cut_rate(std::min(flow.rate_max, level_ * flow.weight)), id);
    }
}

template <class Entry>
void LinkSharing<Entry>::stop_flow(Slot slot, double level, double rate, std::int32_t bottleneck) {
    Flow& flow = flows_[slot];
    flow.rate = rate;
    flow.bottleneck = bottleneck;
    --rising_;
    for (std::int32_t e = 0; e < flow.length; ++e) {
        const double load = load_of(flow.way[e]);
        Lane& lane = lanes_[lane_of(flow, flow.way[e])];
        if (lane.mark != lane_mark_) continue;
        lane.left = std::max(lane.left - flow.rate * load, 0.0);
        lane.rising -= flow.weight * load;
        lane.level_max = std::max(lane.level_max, level);
        if (--lane.to_come == 0) lane.rising = 0.0;
    }
}

/// Includes those held whose condition the answer breaks; true if there was one.
template <class Entry>
bool LinkSharing<Entry>::include_broken() {
    const std::size_t before = part_.size();
    for (const std::int32_t id : open_) {
        const Lane& lane = lanes_[id];
        if (static_cast<std::size_t>(lane.solved) == lane.members.size()) continue;
        const bool full = lane.level < never_full || lane.left <= level_tolerance * lane.room;
        for (const Member& member : lane.members) {
            const Flow& flow = flows_[member.slot];
            if (flow.mark == mark_) continue;
            const double level = flow.rate / flow.weight;
            const bool too_fast = level > lane.level * (1.0 + level_tolerance);
            const bool can_rise = flow.bottleneck == id && (!full || level < lane.level_max * (1.0 - level_tolerance));
            if (too_fast || can_rise) include(member.slot);
        }
    }
    return part_.size() > before;
}

/// What the classes up to this one leave on the links that it changed; the next class solves all its flows there.
template <class Entry>
void LinkSharing<Entry>::give_room_to_next(int traffic_class) {
    std::vector<std::int32_t> touched = dirty_[static_cast<std::size_t>(traffic_class)];
    for (const Slot slot : part_) {
        for (std::int32_t e = 0; e < flows_[slot].length; ++e) touched.push_back(lane_of(flows_[slot], flows_[slot].way[e]));
    }
    std::sort(touched.begin(), touched.end());
    touched.erase(std::unique(touched.begin(), touched.end()), touched.end());
    for (const std::int32_t id : touched) {
        double room = lanes_[id].room;
        for (const Member& member : lanes_[id].members) room -= rate_on(member);
        const double bandwidth = bandwidth_[static_cast<std::size_t>(id % links_)];
        if (room < level_tolerance * bandwidth) room = 0.0;
        Lane& next = lanes_[id + links_];
        if (next.room == room) continue;
        next.room = room;
        mark_dirty(id + links_);
    }
}

template class LinkSharing<LinkId>;
template class LinkSharing<LinkLoad>;

}  // namespace orrery
