// Flows in progress on shared links: the state a simulator keeps between its events. Rates are max-min fair; only the
// flows that a start or an end can touch are solved again.
#pragma once

#include "network/fabric.hpp"
#include "network/filling.hpp"

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
    /// Flows whose rate was found again since construction: what sharing costs.
    [[nodiscard]] std::uint64_t solved_flows() const { return solved_flows_; }
    /// Current rate of an active flow; zero before its first settle.
    [[nodiscard]] BytesPerSecond rate(FlowId flow) const;
    /// Bytes that `link` has carried for flows already complete: sum of size times load.
    [[nodiscard]] Bytes carried(LinkId link) const;

  private:
    struct Membership {  // one flow on one link
        FlowId flow = 0;
        std::int32_t entry = 0;  // index into the flow's loads
    };
    struct Flow {
        std::vector<LinkLoad> loads;
        std::vector<std::int32_t> place;  // of each load in its link's members
        double size = 0.0;
        double remaining = 0.0;  // at last_ps
        double rate = 0.0;
        double rate_max = 0.0;
        double weight = 1.0;  // of the fair share of a short link
        std::int64_t last_ps = 0;
        std::int64_t completion_ps = 0;
        std::uint64_t tag = 0;
        std::uint32_t version = 0;  // goes on counting when the id is used again
        bool active = false;
        bool fresh = false;       // started since the last settle
        std::uint32_t visit = 0;  // of the last search that met it
    };
    struct LinkState {
        double bandwidth = 0.0;
        double demand = 0.0;  // sum of load * rate_max over its flows
        double carried = 0.0;
        std::vector<Membership> members;
        bool dirty = false;  // was or is short, and touched since the last settle
        std::uint32_t visit = 0;
        std::int32_t slot = 0;  // in the component being solved
    };

    [[nodiscard]] bool is_short(const LinkState& link) const;
    void mark_dirty(LinkId link);
    void advance(Flow& flow, std::int64_t now_ps);
    void collect_component(FlowId seed);
    void visit_flow(FlowId flow);
    void solve_component(std::int64_t now_ps, std::vector<FlowUpdate>& changed);
    void join_links(FlowId id, double weight);
    void leave_links(FlowId id);
    void assign_rate(FlowId id, double rate, std::int64_t now_ps, std::vector<FlowUpdate>& changed);

    std::vector<LinkState> links_;
    std::vector<Flow> flows_;
    std::vector<FlowId> free_, fresh_;
    std::vector<LinkId> dirty_;
    std::vector<FlowId> component_flows_;  // scratch, kept to save allocations
    std::vector<LinkId> component_links_;
    FillingProblem component_;
    std::vector<double> component_rates_;
    std::size_t active_ = 0;
    std::uint64_t solved_flows_ = 0;
    std::uint32_t visit_ = 0;
    std::int64_t now_ps_ = 0;
};

}  // namespace orrery
