// Playing a set of flows as fluid: the calendar around max-min fair sharing.
#include "network/flow_player.hpp"

#include "network/calendar.hpp"
#include "network/shared_links.hpp"

#include <algorithm>
#include <cmath>

namespace orrery {

namespace {

/// Later than any simulated time, and far from the wrap of the picosecond clock.
constexpr double last_ps = 4.6e18;
constexpr std::int64_t never_ps = INT64_MAX;

std::int64_t picoseconds_up(Seconds time) { return static_cast<std::int64_t>(std::ceil(time.si() * 1e12 - 1e-6)); }

int classes_in(const FlowSet& flows) {
    int classes = 1;
    for (const std::uint8_t c : flows.traffic_class) classes = std::max(classes, c + 1);
    return classes;
}

class FluidFlows {
  public:
    FluidFlows(const LinkTable& links, const FlowSet& flows)
        : links_(links), flows_(flows), progress_(flows), shares_(links.bandwidth, classes_in(flows)) {
        times_.finish.resize(flows.streams());
        times_.carried.resize(links.size());
        times_.messages = flows.messages();
        latency_ps_.reserve(flows.routes.size());
        for (std::size_t r = 0; r < flows.routes.size(); ++r) {
            Seconds sum;
            for (const LinkId link : flows.routes[static_cast<RouteId>(r)]) sum += links.latency[link];
            latency_ps_.push_back(picoseconds_up(sum));
        }
    }

    Result<FlowTimes> run() {
        for (std::size_t s = 0; s < flows_.streams(); ++s) start_ready(static_cast<StreamId>(s));
        Event event;
        while (calendar_.next()) {
            ++times_.instants;
            do {
                while (calendar_.take(event)) {
                    ++times_.events;
                    if (event.is_finish) {
                        finish_if_due(event.id);
                    } else {
                        join(event.id);
                    }
                }
                settle();
            } while (calendar_.has_now());
        }
        if (!progress_.finished()) return progress_.unfinished();
        for (std::size_t s = 0; s < flows_.streams(); ++s) close(static_cast<StreamId>(s));
        times_.solved = static_cast<std::int64_t>(shares_.solved());
        return std::move(times_);
    }

  private:
    struct Event {
        std::uint32_t is_finish : 1;
        std::uint32_t id : 31;  // slot if it is a finish, else stream
    };
    /// A message on its way, by slot.
    struct Message {
        double left = 0.0;              // bytes, at `at_ps`
        double rate = 0.0;
        std::int64_t at_ps = 0;
        std::int64_t due_ps = never_ps;
        std::int64_t event_ps = never_ps;  // of its earliest event in the calendar
        StreamId stream = -1;              // -1: no message
    };

    void start_ready(StreamId s) {
        std::int32_t sends = progress_.start_ready(s);
        if (sends == 0) return;
        std::int64_t at = calendar_.now_ps();
        if (!flows_.start.empty()) at = std::max(at, picoseconds_up(flows_.start[s]));
        if (!flows_.delay.empty()) at += picoseconds_up(flows_.delay[s]);
        at += latency_ps_[flows_.route[s]];
        for (; sends > 0; --sends) calendar_.push(at, {0, static_cast<std::uint32_t>(s) & 0x7fffffffU});
    }

    void join(std::uint32_t id) {
        const auto s = static_cast<StreamId>(id);
        const RouteId route = flows_.route[s];
        if (flows_.routes[route].empty() || !(flows_.size[s].si() > 0.0)) {
            arrive(s);
            return;
        }
        const double weight = flows_.weight.empty() ? 1.0 : flows_.weight[s];
        const int traffic_class = flows_.traffic_class.empty() ? 0 : flows_.traffic_class[s];
        const SharedLinks::Slot slot = shares_.join(flows_.routes[route], weight, traffic_class);
        if (static_cast<std::size_t>(slot) >= under_way_.size()) under_way_.resize(static_cast<std::size_t>(slot) + 1);
        const std::int64_t pending = under_way_[slot].event_ps;  // stale, of the slot's last message
        under_way_[slot] = {flows_.size[s].si(), 0.0, calendar_.now_ps(), never_ps,
                            pending >= calendar_.now_ps() ? pending : never_ps, s};
        times_.active_max = std::max(times_.active_max, ++active_);
    }

    /// An event may be early, because the rate fell since, or stale.
    void finish_if_due(std::uint32_t slot) {
        Message& message = under_way_[slot];
        if (message.event_ps == calendar_.now_ps()) message.event_ps = never_ps;
        if (message.stream < 0) return;
        if (message.due_ps > calendar_.now_ps()) {
            schedule(static_cast<SharedLinks::Slot>(slot));
            return;
        }
        advance(message);
        // The due time is rounded up to a picosecond: what is over or missing is that and the rounding of doubles.
        ORRERY_CHECK(std::abs(message.left) <= message.rate * 1.01e-12 + flows_.size[message.stream].si() * 1e-9);
        const StreamId s = message.stream;
        message.stream = -1;
        shares_.leave(static_cast<SharedLinks::Slot>(slot));
        --active_;
        arrive(s);
    }

    void arrive(StreamId s) {
        times_.finish[s] = Seconds::from_si(static_cast<double>(calendar_.now_ps()) * 1e-12);
        maybe_ready_.clear();
        progress_.arrive(s, maybe_ready_);
        for (const StreamId other : maybe_ready_) start_ready(other);
    }

    void settle() {
        changed_.clear();
        shares_.settle(changed_);
        for (const SharedLinks::Slot slot : changed_) {
            Message& message = under_way_[slot];
            advance(message);
            message.rate = shares_.rate(slot);
            message.due_ps = never_ps;
            if (!(message.rate > 0.0)) continue;  // starved by other classes until they end
            const double wait = std::ceil(std::max(message.left, 0.0) / message.rate * 1e12);
            ORRERY_CHECK(wait < last_ps - static_cast<double>(calendar_.now_ps()));
            message.due_ps = calendar_.now_ps() + static_cast<std::int64_t>(wait);
            schedule(slot);
        }
    }

    /// One event a message in the calendar, unless it has to come earlier than the one that is there.
    void schedule(SharedLinks::Slot slot) {
        Message& message = under_way_[slot];
        if (message.due_ps >= message.event_ps) return;
        message.event_ps = message.due_ps;
        calendar_.push(message.due_ps, {1, static_cast<std::uint32_t>(slot) & 0x7fffffffU});
    }

    void advance(Message& message) {
        message.left -= message.rate * (static_cast<double>(calendar_.now_ps() - message.at_ps) * 1e-12);
        message.at_ps = calendar_.now_ps();
    }

    void close(StreamId s) {
        ORRERY_CHECK(progress_.arrived(s) == flows_.rounds_of(s));
        times_.last = std::max(times_.last, times_.finish[s]);
        const Bytes all = static_cast<double>(flows_.rounds_of(s)) * flows_.size[s];
        for (const LinkId link : flows_.routes[flows_.route[s]]) times_.carried[link] += all;
    }

    const LinkTable& links_;
    const FlowSet& flows_;
    FlowProgress progress_;
    SharedLinks shares_;
    Calendar<Event> calendar_;
    FlowTimes times_;
    std::vector<std::int64_t> latency_ps_;  // by route
    std::vector<Message> under_way_;        // by slot
    std::vector<SharedLinks::Slot> changed_;
    std::vector<StreamId> maybe_ready_;
    std::int64_t active_ = 0;
};

}  // namespace

Result<FlowTimes> play_flows(const LinkTable& links, const FlowSet& flows) {
    Problems problems = flow_set_problems(links, flows);
    if (!problems.empty()) return problems;
    return FluidFlows(links, flows).run();
}

}  // namespace orrery
