// Messages between end points over routed links: what is sent, which way, and what each has to wait for.
#pragma once

#include "hardware/result.hpp"
#include "hardware/units.hpp"
#include "network/collective.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace orrery {

using StreamId = std::int32_t;
using RouteId = std::int32_t;

/// Directed links by id: what they carry and how long a bit takes from one end to the other.
struct LinkTable {
    std::vector<BytesPerSecond> bandwidth;
    std::vector<Seconds> latency;
    std::vector<LinkId> reverse;  // the link that leads back, -1: none; empty: not known
    LinkId add(BytesPerSecond link_bandwidth, Seconds link_latency);
    [[nodiscard]] std::size_t size() const { return bandwidth.size(); }
};

/// Ways through the links, each a run of link ids from the source to the destination.
struct Routes {
    std::vector<std::int32_t> first{0};
    std::vector<LinkId> links;
    RouteId add(std::span<const LinkId> way);
    [[nodiscard]] std::span<const LinkId> operator[](RouteId route) const {
        return {links.data() + first[route], static_cast<std::size_t>(first[route + 1] - first[route])};
    }
    [[nodiscard]] std::size_t size() const { return first.size() - 1; }
};

/// As a lag: all rounds of the other stream.
inline constexpr std::int32_t all_rounds = -(1 << 30);

/// Round r of a stream waits until round r - lag of `stream` has arrived (rounds before the first count as arrived, rounds
/// after the last mean the last).
struct Need {
    StreamId stream = 0;
    std::int32_t lag = 0;
    bool operator==(const Need&) const = default;
};

/// What a rank waits for before its next send: the arrival of what it hands on alone, or the end of its own last send as
/// well. On a ring whose time is latency the second is up to the ratio of the longest hop to the mean hop slower.
enum class StepRule : std::uint8_t { arrival, arrival_and_own_send };

/// One message in a stream, or many equal ones after each other ("rounds"). Columns by stream; those marked so may be
/// empty, which means their default for all.
struct FlowSet {
    std::vector<std::int32_t> source, destination;  // end points
    std::vector<Bytes> size;                        // of one round's message
    std::vector<RouteId> route;                     // into `routes`; for packets the first of `ways`
    Routes routes;
    std::vector<std::int32_t> rounds;               // empty: 1
    std::vector<Seconds> start;                     // not before; empty: 0
    std::vector<Seconds> delay;                     // from all needs met to sending, each round; empty: 0
    std::vector<double> weight;                     // of its share of a short link; empty: 1
    std::vector<std::uint8_t> traffic_class;        // 0 goes first, others get what it leaves; empty: 0
    std::vector<std::int32_t> ways;                 // routes that its packets may take, from `route` on; empty: 1
    std::vector<std::int32_t> need_first{0};        // needs of stream s: need_first[s] .. need_first[s + 1]
    std::vector<Need> needs;

    [[nodiscard]] std::size_t streams() const { return source.size(); }
    [[nodiscard]] std::int32_t rounds_of(StreamId s) const { return rounds.empty() ? 1 : rounds[s]; }
    [[nodiscard]] std::int64_t messages() const;
    /// Adds a stream of one round over `way`, without needs.
    StreamId add(std::int32_t from, std::int32_t to, Bytes message, std::span<const LinkId> way);
    /// The same over a route that is there already.
    StreamId add(std::int32_t from, std::int32_t to, Bytes message, RouteId way);
    /// Adds needs to the stream added last.
    void wait_for(StreamId stream, std::int32_t lag);
};

/// Everything that makes a flow set unplayable, each with its place ("/flows/7/route") and remedy; at most ten.
Problems flow_set_problems(const LinkTable& links, const FlowSet& flows);

/// "stream 7 (3 -> 4)".
std::string stream_name(const FlowSet& flows, StreamId stream);

/// Which rounds were sent and arrived, and what may go next: the part that a fluid and a packet player share.
class FlowProgress {
  public:
    explicit FlowProgress(const FlowSet& flows);
    /// Sends of `stream` that may go now beyond those already started; they count as started.
    std::int32_t start_ready(StreamId stream);
    /// A round of `stream` has arrived; appends the streams that may have become ready, ascending by first need.
    void arrive(StreamId stream, std::vector<StreamId>& maybe_ready);
    [[nodiscard]] std::int32_t arrived(StreamId stream) const { return rounds_[stream].arrived; }
    [[nodiscard]] bool finished() const { return open_ == 0; }
    /// Names the first ten streams that are not done and what they wait for; empty if all are.
    [[nodiscard]] Problems unfinished() const;

  private:
    struct Rounds {
        std::int32_t started = 0;
        std::int32_t arrived = 0;
        std::int32_t all = 1;
    };
    [[nodiscard]] bool may_start(StreamId stream) const;

    const FlowSet& flows_;
    std::vector<Rounds> rounds_;
    std::vector<std::int32_t> waiter_first_;
    std::vector<StreamId> waiters_;
    std::int64_t open_ = 0;  // streams with rounds to come
};

}  // namespace orrery
