// Flows in progress on shared links: the state a simulator keeps between its events. Rates are max-min fair (LoadedLinks
// in network/shared_links.hpp, the solver of flow sets as well); this adds sizes, progress and times of completion.
#pragma once

#include "network/fabric.hpp"
#include "network/shared_links.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace orrery {

using FlowId = std::int32_t;

/// A flow got its first rate or a new one: it will be done at `completion_ps` unless a later version says otherwise.
struct FlowUpdate {
    FlowId flow = 0;
    std::uint32_t version = 0;
    std::int64_t completion_ps = 0;
    std::uint64_t tag = 0;  // as given to start()
    bool operator==(const FlowUpdate&) const = default;
};

/// Time is in picoseconds and never goes back. In each instant: any number of start() and complete(), then one
/// settle(), then the caller schedules an event for every update and hands it to complete() when its time comes.
///
/// Fairness: where a link is short, the flows whose slowest link it is get equal shares of its bytes. A link whose
/// flows could all run at what their own limits and links allow them alone binds nobody and joins no component.
class FluidNetwork {
  public:
    /// `bandwidth` by link id, all positive.
    explicit FluidNetwork(std::span<const BytesPerSecond> bandwidth);

    /// Begins a flow of `size` bytes of progress (0: done at once, at the next settle). `rate_max` > 0 and finite;
    /// loads ascending by link, none twice, all positive. Flow ids are used again once their flow is complete.
    /// `weight` of its share of a short link; 0: 1 / its load on its slowest link, so that all get equal bytes there.
    /// A flow that stands for several carries all their loads and the weight of one of them.
    FlowId start(std::int64_t now_ps, Bytes size, BytesPerSecond rate_max, std::span<const LinkLoad> loads,
                 std::uint64_t tag, double weight = 0.0);

    /// Gives every flow touched since the last settle its rate; appends the flows whose completion moved, ascending by
    /// flow id.
    void settle(std::int64_t now_ps, std::vector<FlowUpdate>& changed);

    /// Ends `flow` if `version` is its latest and says false if the event is stale (rate changed since, or already
    /// complete). Checks that all its bytes have arrived.
    bool complete(FlowId flow, std::uint32_t version, std::int64_t now_ps);

    /// Takes an active flow out before it is done; returns the progress that it still had to make.
    Bytes stop(FlowId flow, std::int64_t now_ps);

    [[nodiscard]] std::size_t active() const { return active_; }
    /// Flows whose rate was found by sharing since construction: what sharing costs.
    [[nodiscard]] std::uint64_t solved_flows() const { return shares_.solved(); }
    /// Current rate of an active flow; zero before its first settle.
    [[nodiscard]] BytesPerSecond rate(FlowId flow) const;
    /// Bytes that `link` has carried for flows already complete: sum of size times load.
    [[nodiscard]] Bytes carried(LinkId link) const;

  private:
    struct Flow {
        std::vector<LinkLoad> loads;
        double size = 0.0;
        double remaining = 0.0;  // at last_ps
        double rate = 0.0;
        double rate_max = 0.0;
        std::int64_t last_ps = 0;
        std::int64_t completion_ps = 0;
        std::uint64_t tag = 0;
        std::uint32_t version = 0;       // goes on counting when the id is used again
        LoadedLinks::Slot slot = -1;     // -1: it loads no link
        bool active = false;
        bool fresh = false;              // started since the last settle
    };

    double check_loads(const Flow& flow) const;
    void advance(Flow& flow, std::int64_t now_ps);
    void end_flow(FlowId id);
    void assign_rate(FlowId id, double rate, std::int64_t now_ps, std::vector<FlowUpdate>& changed);

    LoadedLinks shares_;
    std::vector<double> bandwidth_, carried_;    // by link
    std::vector<Flow> flows_;
    std::vector<FlowId> free_, fresh_;
    std::vector<FlowId> flow_of_slot_;
    std::vector<LoadedLinks::Slot> rates_changed_;  // scratch
    std::size_t active_ = 0;
    std::int64_t now_ps_ = 0;
};

}  // namespace orrery
