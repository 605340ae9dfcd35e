// Flows of a list on a FluidNetwork: an event a completion, and one a change of the network.
#include "network/flow_run.hpp"

#include "hardware/rng.hpp"
#include "network/fluid.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <set>
#include <tuple>

namespace orrery {

namespace {

std::int64_t to_ps(Seconds time) { return std::llround(time.si() * 1e12); }

class FlowPlayer {
  public:
    FlowPlayer(const NetworkGraph& graph, std::span<const NetworkFlow> flows, const FlowRunOptions& options)
        : graph_(graph), flows_(flows), options_(options), state_(flows.size()) {
        run_.end.resize(flows.size());
        // Twins stay apart where some of them may fail later.
        route_ = options.route;
        route_.merge = options.changes.empty();
    }

    Result<FlowRun> run() {
        if (Problems problems = check_ends(); !problems.empty()) return problems;
        Result<RoutedNetwork> routed = route_network(graph_, route_);
        if (!routed) return routed.problems();
        use(std::move(routed).value());
        for (std::size_t f = 0; f < flows_.size(); ++f) events_.insert({to_ps(flows_[f].start), Kind::start, f, 0});
        for (std::size_t c = 0; c < options_.changes.size(); ++c) {
            const NetworkChange& change = options_.changes[c];
            events_.insert({to_ps(change.at), Kind::change, c, 0});
            events_.insert({to_ps(change.at + change.faults.reroute), Kind::reroute, c, 0});
        }
        while (!events_.empty()) {
            const std::int64_t now = std::get<0>(*events_.begin());
            while (!events_.empty() && std::get<0>(*events_.begin()) == now) {
                const Event event = *events_.begin();
                events_.erase(events_.begin());
                if (Problems problems = handle(event, now); !problems.empty()) return problems;
            }
            settle(now);
        }
        return finish();
    }

  private:
    enum class Kind : std::uint8_t { done, change, reroute, start };
    using Event = std::tuple<std::int64_t, Kind, std::size_t, std::uint64_t>;  // time, kind, flow or change, version
    struct State {
        std::vector<LinkLoad> loads;
        FlowId id = -1;  // in the fluid network; -1: not started, waiting for a way, or done
        Bytes left;
        Seconds latency;
        bool started = false;
        bool done = false;
    };

    const NetworkGraph& graph_;
    std::span<const NetworkFlow> flows_;
    const FlowRunOptions& options_;
    RouteOptions route_;
    std::vector<State> state_;
    std::set<Event> events_;
    std::vector<FlowUpdate> changed_;
    RoutedNetwork network_;                 // the ways that traffic takes
    RoutedNetwork next_;                    // those it will take once the last change is known
    std::vector<BytesPerSecond> capacity_;  // of network_'s links as they are now; zero: failed
    std::vector<FluidNetwork> fluid_;       // one, made anew with every change
    std::uint64_t epoch_ = 0;               // how many there were
    RouteMemory memory_;
    FlowRun run_;

    [[nodiscard]] Problems check_ends() const {
        Problems problems;
        for (std::size_t f = 0; f < flows_.size() && problems.size() < 10; ++f) {
            const NetworkFlow& flow = flows_[f];
            const bool inside = std::min(flow.from, flow.to) >= 0 && std::max(flow.from, flow.to) < graph_.end_points;
            if (inside && flow.from != flow.to) continue;
            problems.push_back({"flow " + std::to_string(f),
                                "goes from end point " + std::to_string(flow.from) + " to " + std::to_string(flow.to) +
                                    " of a network of " + std::to_string(graph_.end_points),
                                "name two different end points from 0 to " + std::to_string(graph_.end_points - 1)});
        }
        return problems;
    }

    Result<FlowRun> finish() {
        Problems problems;
        for (std::size_t f = 0; f < flows_.size() && problems.size() < 10; ++f) {
            if (state_[f].done) continue;
            problems.push_back({"flow " + std::to_string(f),
                                "from " + vertex_name(graph_, flows_[f].from) + " to " +
                                    vertex_name(graph_, flows_[f].to) + " never arrives: no way is left",
                                "let a later change mend the network"});
        }
        if (!problems.empty()) return problems;
        for (const Seconds end : run_.end) run_.last = std::max(run_.last, end);
        ORRERY_CHECK(run_.sent == run_.arrived);
        return std::move(run_);
    }

    void use(RoutedNetwork network) {
        network_ = std::move(network);
        capacity_.clear();
        for (const DirectedLink& link : network_.links) capacity_.push_back(link.bandwidth);
        memory_ = {};
        renew_fluid();
    }

    void renew_fluid() {
        std::vector<BytesPerSecond> bandwidth = capacity_;
        for (BytesPerSecond& one : bandwidth) one = std::max(one, BytesPerSecond::from_si(1.0));  // no flow is on it
        fluid_.clear();
        fluid_.emplace_back(bandwidth);
        ++epoch_;
    }

    void find_way(std::size_t f) {
        State& state = state_[f];
        state.loads.clear();
        if (!can_reach(network_, flows_[f].from, flows_[f].to)) return;
        const RouteLatency latency =
            add_route(network_, flows_[f].from, flows_[f].to, f, state.left.si(), &memory_, state.loads);
        merge_loads(state.loads);
        state.latency = latency.hops * options_.link_latency + latency.distance;
    }

    /// Starts what has a way over links that all work; else it waits.
    void start(std::size_t f, std::int64_t now) {
        State& state = state_[f];
        double rate = std::numeric_limits<double>::max();
        for (const LinkLoad& load : state.loads) rate = std::min(rate, capacity_[load.link].si() / load.bytes_per_byte);
        if (state.loads.empty() || rate <= 0.0) return;
        state.id = fluid_[0].start(now, state.left, BytesPerSecond::from_si(rate), state.loads, f);
    }

    void stop_all(std::int64_t now) {
        for (State& state : state_) {
            if (state.id < 0) continue;
            state.left = fluid_[0].stop(state.id, now);
            state.id = -1;
        }
    }

    void start_all(std::int64_t now) {
        for (std::size_t f = 0; f < state_.size(); ++f) {
            if (state_[f].started && !state_[f].done) start(f, now);
        }
    }

    void settle(std::int64_t now) {
        changed_.clear();
        fluid_[0].settle(now, changed_);
        for (const FlowUpdate& update : changed_) {
            events_.insert({update.completion_ps, Kind::done, update.tag, epoch_ << 32U | update.version});
        }
    }

    Problems handle(const Event& event, std::int64_t now) {
        const auto& [at, kind, index, version] = event;
        if (kind == Kind::change) return change(options_.changes[index].faults, now);
        if (kind == Kind::reroute) {
            if (is_latest(index, now)) reroute(now);
            return {};
        }
        State& state = state_[index];
        if (kind == Kind::start) {
            state.left = flows_[index].size;
            state.started = true;
            run_.sent += flows_[index].size;
            find_way(index);
            start(index, now);
            return {};
        }
        const bool is_stale = state.id < 0 || version >> 32U != epoch_;
        if (is_stale || !fluid_[0].complete(state.id, static_cast<std::uint32_t>(version), now)) return {};
        state.id = -1;
        state.done = true;
        run_.arrived += flows_[index].size;
        run_.end[index] = Seconds::from_si(static_cast<double>(now) * 1e-12) + state.latency;
        return {};
    }

    /// True if no later change has come before its own new ways were known.
    [[nodiscard]] bool is_latest(std::size_t index, std::int64_t now) const {
        return index + 1 >= options_.changes.size() || to_ps(options_.changes[index + 1].at) > now;
    }

    /// Links fail, slow down or come back; traffic keeps to its ways, and stands still where one of them has failed.
    Problems change(const NetworkFaults& faults, std::int64_t now) {
        Result<NetworkGraph> damaged = with_faults(graph_, faults);
        if (!damaged) return damaged.problems();
        next_ = find_ways(std::move(damaged).value(), route_);
        stop_all(now);
        // Links of one pair of ends are matched in their order; what is missing has failed.
        std::size_t l = 0;
        for (std::size_t n = 0; l < network_.links.size(); ++l) {
            const auto ends = [](const DirectedLink& link) { return std::pair(link.from, link.to); };
            while (n < next_.links.size() && ends(next_.links[n]) < ends(network_.links[l])) ++n;
            const bool works = n < next_.links.size() && ends(next_.links[n]) == ends(network_.links[l]);
            capacity_[l] = works ? next_.links[n++].bandwidth : BytesPerSecond{};
        }
        renew_fluid();
        start_all(now);
        return {};
    }

    void reroute(std::int64_t now) {
        for (const State& state : state_) run_.rerouted += state.started && !state.done && state.id < 0 ? 1 : 0;
        stop_all(now);
        use(next_);
        for (std::size_t f = 0; f < state_.size(); ++f) {
            if (state_[f].started && !state_[f].done) find_way(f);
        }
        start_all(now);
    }
};

}  // namespace

Result<FlowRun> run_flows(const NetworkGraph& graph, std::span<const NetworkFlow> flows,
                          const FlowRunOptions& options) {
    return FlowPlayer(graph, flows, options).run();
}

std::vector<NetworkFlow> permutation_flows(int end_points, Bytes size, std::uint64_t seed) {
    Rng rng = Rng::stream(seed, "permutation", static_cast<std::uint64_t>(end_points));
    std::vector<int> to(static_cast<std::size_t>(end_points));
    std::iota(to.begin(), to.end(), 0);
    for (std::size_t i = to.size(); i > 1; --i) std::swap(to[i - 1], to[rng.below(i - 1)]);
    std::vector<NetworkFlow> flows;
    for (int from = 0; from < end_points; ++from) flows.push_back({from, to[from], size, {}});
    return flows;
}

}  // namespace orrery
