// Max-min fair rates of flows over routes, kept right as flows come and go, at the cost of what each change touches.
#pragma once

#include "network/flow_set.hpp"

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace orrery {

/// Weighted max-min fairness within a traffic class; a class gets what the classes before it leave. Between two calls of
/// settle() any number of flows may join and leave.
///
/// How a change spreads: the flows that it touches are solved with all others held; where the answer breaks the
/// condition of max-min fairness for one that was held (its full link is full no more, or has a faster flow; or it runs
/// faster than those that its links hold back), that one is solved as well, until no condition is broken. Rates of a
/// max-min fair allocation are unique (Bertsekas & Gallager, Data Networks, 1992, 6.5.2), so this ends at the answer that
/// solving all flows would give. Links whose flows could all run at what the rest of their way allows bind nobody.
class SharedLinks {
  public:
    using Slot = std::int32_t;

    /// Keeps references to both. Requires what flow_set_problems() finds no fault with.
    SharedLinks(std::span<const BytesPerSecond> bandwidth, const Routes& routes, int classes);

    /// Adds a flow and returns its slot; slots of flows that left are used again. `route` must not be empty.
    Slot join(RouteId route, double weight, int traffic_class);
    void leave(Slot slot);
    /// Finds the rates; appends the slots whose rate changed or is new. Rates of one level are equal to the last bit.
    void settle(std::vector<Slot>& changed);

    /// Bytes per second; 0 where classes before leave nothing.
    [[nodiscard]] double rate(Slot slot) const { return flows_[slot].rate; }
    [[nodiscard]] RouteId route(Slot slot) const { return flows_[slot].route; }
    /// Flows whose rate was found again, since construction.
    [[nodiscard]] std::uint64_t solved() const { return solved_; }

  private:
    struct Member {
        Slot slot;
        std::int32_t entry;
    };
    struct Flow {
        double rate = 0.0;
        double weight = 1.0;
        double rate_max = 0.0;         // of its slowest link
        const LinkId* way = nullptr;
        std::int32_t length = 0;
        RouteId route = 0;
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

    [[nodiscard]] std::int32_t lane_of(const Flow& flow, LinkId link) const {
        return flow.traffic_class * links_ + link;
    }
    [[nodiscard]] static bool is_short(const Lane& lane);
    void mark_dirty(std::int32_t lane);
    void settle_class(int traffic_class, std::vector<Slot>& changed);
    void seed(int traffic_class);
    void include(Slot slot);
    bool solve();
    void open_lanes();
    bool hold_others();
    void fill_lanes();
    void fill_lane(std::int32_t id, double level);
    void stop_flow(Slot slot, double level, std::int32_t bottleneck);
    bool include_broken();
    bool push_if_rising(std::int32_t id);
    void give_room_to_next(int traffic_class);

    const Routes& routes_;
    std::int32_t links_ = 0;
    int classes_ = 1;
    std::vector<double> bandwidth_;
    std::vector<Flow> flows_;
    std::vector<std::int32_t> place_;  // of each flow's entry in its lane's members; stride_ a flow
    std::int32_t stride_ = 1;
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

}  // namespace orrery
