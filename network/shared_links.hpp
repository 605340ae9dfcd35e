// Max-min fair rates of flows over routes, kept right as flows come and go, at the cost of what each change touches.
#pragma once

#include "network/flow_set.hpp"
#include "network/load.hpp"

#include <cmath>
#include <cstdint>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

namespace orrery {

/// Weighted max-min fairness within a traffic class; a class gets what the classes before it leave. Between two calls of
/// settle() any number of flows may join and leave. `Entry` is what a flow meets on its way: a link that it loads with its
/// own bytes (LinkId), or a link and how much it loads it per byte of progress (LinkLoad).
///
/// How a change spreads: the flows that it touches are solved with all others held; where the answer breaks the
/// condition of max-min fairness for one that was held (its full link is full no more, or has a faster flow; or it runs
/// faster than those that its links hold back), that one is solved as well, until no condition is broken. Rates of a
/// max-min fair allocation are unique (Bertsekas & Gallager, Data Networks, 1992, 6.5.2), so this ends at the answer that
/// solving all flows would give. Links whose flows could all run at what the rest of their way allows bind nobody.
template <class Entry>
class LinkSharing {
  public:
    using Slot = std::int32_t;

    /// `bandwidth` by link id, all positive.
    LinkSharing(std::span<const BytesPerSecond> bandwidth, int classes);

    /// Adds a flow and returns its slot; slots of flows that left are used again. `way` must not be empty, has no link
    /// twice, and stays where it is until the flow leaves. `rate_limit`: of the flow itself, bytes/s.
    Slot join(std::span<const Entry> way, double weight, int traffic_class, double rate_limit = INFINITY);
    void leave(Slot slot);
    /// Finds the rates; appends the slots whose rate changed or is new. Rates of one level are equal to the last bit, and
    /// cut to 40 bits, so that the same flows in another order seldom get another answer.
    void settle(std::vector<Slot>& changed);

    /// Bytes per second; 0 where classes before leave nothing.
    [[nodiscard]] double rate(Slot slot) const { return flows_[slot].rate; }
    /// Flows whose rate was found by sharing a short link, since construction.
    [[nodiscard]] std::uint64_t solved() const { return solved_; }

  private:
    struct Member {
        Slot slot;
        std::int32_t entry;
    };
    struct Flow {
        double rate = 0.0;
        double weight = 1.0;
        double rate_max = 0.0;         // its own limit or that of its slowest link
        const Entry* way = nullptr;
        std::size_t place_first = 0;   // its part of place_
        std::int32_t place_room = 0;
        std::int32_t length = 0;
        std::int32_t bottleneck = -1;  // the lane that holds it; -1: its own limit
        std::uint32_t mark = 0;        // of the last solution that it was part of
        std::int32_t traffic_class = 0;
    };
    /// One link as one class sees it.
    struct Lane {
        double room = 0.0;    // bandwidth less what classes before use
        double demand = 0.0;  // sum of its flows' own limits
        std::vector<Member> members;
        bool dirty = false;
        std::uint32_t mark = 0;
        // While it is part of a solution:
        double left = 0.0;        // room not taken
        double rising = 0.0;      // weight of flows without a rate
        double level = 0.0;       // at which it was full; infinite if it was not
        double level_max = 0.0;   // of the flows solved on it
        std::int32_t solved = 0;  // members that are part of the solution
        std::int32_t to_come = 0; // of those, without a rate
    };
    using HeapEntry = std::pair<double, std::int32_t>;  // level, lane

    [[nodiscard]] static LinkId link_of(const Entry& entry) {
        if constexpr (std::is_same_v<Entry, LinkId>) {
            return entry;
        } else {
            return entry.link;
        }
    }
    [[nodiscard]] static double load_of(const Entry& entry) {
        if constexpr (std::is_same_v<Entry, LinkId>) {
            return 1.0;
        } else {
            return entry.bytes_per_byte;
        }
    }
    [[nodiscard]] double rate_on(const Member& member) const {  // bytes/s on the lane that it is a member of
        const Flow& flow = flows_[member.slot];
        return flow.rate * load_of(flow.way[member.entry]);
    }
    [[nodiscard]] std::int32_t lane_of(const Flow& flow, const Entry& entry) const {
        return flow.traffic_class * links_ + link_of(entry);
    }
    [[nodiscard]] bool meets_short_lane(const Flow& flow) const;
    [[nodiscard]] static bool is_short(const Lane& lane);
    void mark_dirty(std::int32_t lane);
    void settle_class(int traffic_class, std::vector<Slot>& changed);
    void seed(int traffic_class, std::vector<Slot>& changed);
    void include(Slot slot);
    bool solve();
    void open_lanes();
    bool hold_others();
    void fill_lanes();
    void fill_lane(std::int32_t id, double level);
    void stop_flow(Slot slot, double level, double rate, std::int32_t bottleneck);
    bool include_broken();
    bool push_if_rising(std::int32_t id);
    void give_room_to_next(int traffic_class);

    std::int32_t links_ = 0;
    int classes_ = 1;
    std::vector<double> bandwidth_;
    std::vector<Flow> flows_;
    std::vector<std::int32_t> place_;  // of each flow's entries in their lanes' members
    std::int32_t length_max_ = 0;      // of the ways so far
    std::vector<Lane> lanes_;
    std::vector<Slot> free_;
    std::vector<std::vector<Slot>> fresh_;          // by class
    std::vector<std::vector<std::int32_t>> dirty_;  // by class, lanes
    std::vector<Slot> part_;                        // of the solution under way
    std::vector<double> rate_before_;
    std::vector<std::int32_t> open_;                // lanes of the solution
    std::vector<HeapEntry> heap_;
    std::vector<std::pair<double, Slot>> by_limit_;
    std::size_t rising_ = 0;  // flows of the solution without a rate
    std::uint32_t mark_ = 0;
    std::uint32_t lane_mark_ = 0;
    double level_ = 0.0;
    std::uint64_t solved_ = 0;
};

extern template class LinkSharing<LinkId>;
extern template class LinkSharing<LinkLoad>;

using SharedLinks = LinkSharing<LinkId>;   // messages on routes: flow sets
using LoadedLinks = LinkSharing<LinkLoad>; // collectives as one flow with its loads: trainings, runs with failures

}  // namespace orrery
