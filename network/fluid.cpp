// Flows in progress on shared links: sizes, progress and times of completion around the rates that they share.
#include "network/fluid.hpp"

#include <algorithm>
#include <cmath>

namespace orrery {

namespace {

/// Later than any simulated time, and far from the wrap of the picosecond clock.
constexpr double latest_ps = 4.0e18;

}  // namespace

FluidNetwork::FluidNetwork(std::span<const BytesPerSecond> bandwidth) : shares_(bandwidth, 1), carried_(bandwidth.size(), 0.0) {
    for (const BytesPerSecond link : bandwidth) bandwidth_.push_back(link.si());
}

FlowId FluidNetwork::start(std::int64_t now_ps, Bytes size, BytesPerSecond rate_max, std::span<const LinkLoad> loads,
                           std::uint64_t tag, double weight) {
    ORRERY_CHECK(now_ps >= now_ps_);
    ORRERY_CHECK(size.si() >= 0.0 && std::isfinite(size.si()));
    now_ps_ = now_ps;
    FlowId id = static_cast<FlowId>(flows_.size());
    if (free_.empty()) {
        flows_.emplace_back();
    } else {
        id = free_.back();
        free_.pop_back();
    }
    Flow& flow = flows_[id];
    flow.size = flow.remaining = size.si();
    flow.rate = 0.0;
    flow.last_ps = now_ps;
    flow.tag = tag;
    flow.active = flow.fresh = true;
    flow.rate_max = 1.0;
    flow.loads.clear();
    if (size.si() > 0.0) {
        ORRERY_CHECK(rate_max.si() > 0.0 && std::isfinite(rate_max.si()));
        flow.rate_max = rate_max.si();
        flow.loads.assign(loads.begin(), loads.end());
    }
    flow.slot = -1;
    if (!flow.loads.empty()) {
        const double load_there = check_loads(flow);
        flow.slot = shares_.join(flow.loads, weight > 0.0 ? weight : 1.0 / load_there, 0, flow.rate_max);
        const auto slot = static_cast<std::size_t>(flow.slot);
        if (slot >= flow_of_slot_.size()) flow_of_slot_.resize(slot + 1);
        flow_of_slot_[slot] = id;
    }
    fresh_.push_back(id);
    ++active_;
    return id;
}

/// Its load on its slowest link.
double FluidNetwork::check_loads(const Flow& flow) const {
    double seconds = 0.0;  // per byte of progress on the slowest link
    double load_there = 1.0;
    for (std::size_t e = 0; e < flow.loads.size(); ++e) {
        const LinkLoad& load = flow.loads[e];
        ORRERY_CHECK(load.bytes_per_byte > 0.0);
        ORRERY_CHECK(e == 0 || flow.loads[e - 1].link < load.link);
        ORRERY_CHECK(load.link >= 0 && static_cast<std::size_t>(load.link) < bandwidth_.size());
        const double here = load.bytes_per_byte / bandwidth_[load.link];
        if (here <= seconds) continue;
        seconds = here;
        load_there = load.bytes_per_byte;
    }
    return load_there;
}

bool FluidNetwork::complete(FlowId id, std::uint32_t version, std::int64_t now_ps) {
    ORRERY_CHECK(id >= 0 && static_cast<std::size_t>(id) < flows_.size());
    ORRERY_CHECK(now_ps >= now_ps_);
    now_ps_ = now_ps;
    Flow& flow = flows_[id];
    if (!flow.active || flow.fresh || flow.version != version) return false;
    ORRERY_CHECK(now_ps == flow.completion_ps);
    advance(flow, now_ps);
    // Completion is rounded up to a picosecond: what is over or missing is that and the rounding of doubles.
    ORRERY_CHECK(std::abs(flow.remaining) <= flow.rate * 1.01e-12 + flow.size * 1e-9);
    end_flow(id);
    return true;
}

Bytes FluidNetwork::stop(FlowId id, std::int64_t now_ps) {
    ORRERY_CHECK(id >= 0 && static_cast<std::size_t>(id) < flows_.size());
    ORRERY_CHECK(now_ps >= now_ps_);
    now_ps_ = now_ps;
    Flow& flow = flows_[id];
    ORRERY_CHECK(flow.active);
    if (flow.fresh) {
        std::erase(fresh_, id);
    } else {
        advance(flow, now_ps);
    }
    const double left = std::max(flow.remaining, 0.0);
    flow.size -= left;
    end_flow(id);
    return Bytes::from_si(left);
}

void FluidNetwork::end_flow(FlowId id) {
    Flow& flow = flows_[id];
    for (const LinkLoad& load : flow.loads) carried_[load.link] += load.bytes_per_byte * flow.size;
    if (flow.slot >= 0) shares_.leave(flow.slot);
    flow.slot = -1;
    flow.active = flow.fresh = false;
    free_.push_back(id);
    --active_;
}

void FluidNetwork::advance(Flow& flow, std::int64_t now_ps) {
    flow.remaining -= flow.rate * (static_cast<double>(now_ps - flow.last_ps) * 1e-12);
    flow.last_ps = now_ps;
}

void FluidNetwork::settle(std::int64_t now_ps, std::vector<FlowUpdate>& changed) {
    ORRERY_CHECK(now_ps >= now_ps_);
    now_ps_ = now_ps;
    const std::size_t before = changed.size();
    rates_changed_.clear();
    shares_.settle(rates_changed_);
    for (const LoadedLinks::Slot slot : rates_changed_) {
        assign_rate(flow_of_slot_[static_cast<std::size_t>(slot)], shares_.rate(slot), now_ps, changed);
    }
    for (const FlowId id : fresh_) {
        const Flow& flow = flows_[id];
        if (flow.active && flow.fresh && flow.slot < 0) assign_rate(id, flow.rate_max, now_ps, changed);
    }
    fresh_.clear();
    std::sort(changed.begin() + static_cast<std::ptrdiff_t>(before), changed.end(),
              [](const FlowUpdate& a, const FlowUpdate& b) { return a.flow < b.flow; });
}

void FluidNetwork::assign_rate(FlowId id, double rate, std::int64_t now_ps, std::vector<FlowUpdate>& changed) {
    Flow& flow = flows_[id];
    if (!flow.fresh && rate == flow.rate) return;
    ORRERY_CHECK(rate > 0.0);
    if (!flow.fresh) advance(flow, now_ps);
    flow.fresh = false;
    flow.rate = rate;
    ++flow.version;
    const double wait_ps = std::ceil(std::max(flow.remaining, 0.0) / rate * 1e12);
    ORRERY_CHECK(wait_ps < latest_ps - static_cast<double>(now_ps));
    flow.completion_ps = now_ps + static_cast<std::int64_t>(wait_ps);
    changed.push_back({id, flow.version, flow.completion_ps, flow.tag});
}

BytesPerSecond FluidNetwork::rate(FlowId flow) const {
    ORRERY_CHECK(flow >= 0 && static_cast<std::size_t>(flow) < flows_.size());
    return BytesPerSecond::from_si(flows_[flow].active ? flows_[flow].rate : 0.0);
}

Bytes FluidNetwork::carried(LinkId link) const { return Bytes::from_si(carried_.at(link)); }

}  // namespace orrery
