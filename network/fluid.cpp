// Flows in progress on shared links: bookkeeping around progressive filling, so that an event costs what it touches.
#include "network/fluid.hpp"

#include <algorithm>
#include <cmath>

namespace orrery {

namespace {

/// A link counts as short when its flows' own limits add up to more than this over its bandwidth: sums of a few
/// thousand doubles are good to 1e-12.
constexpr double short_tolerance = 1.0 + 1e-9;
/// Later than any simulated time, and far from the wrap of the picosecond clock.
constexpr double latest_ps = 4.0e18;

}  // namespace

FluidNetwork::FluidNetwork(std::span<const BytesPerSecond> bandwidth) {
    links_.resize(bandwidth.size());
    for (std::size_t i = 0; i < bandwidth.size(); ++i) {
        ORRERY_CHECK(bandwidth[i].si() > 0.0);
        links_[i].bandwidth = bandwidth[i].si();
    }
}

bool FluidNetwork::is_short(const LinkState& link) const { return link.demand > link.bandwidth * short_tolerance; }

void FluidNetwork::mark_dirty(LinkId id) {
    if (links_[id].dirty) return;
    links_[id].dirty = true;
    dirty_.push_back(id);
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
    flow.place.resize(flow.loads.size());
    join_links(id, weight);
    fresh_.push_back(id);
    ++active_;
    return id;
}

void FluidNetwork::join_links(FlowId id, double weight) {
    Flow& flow = flows_[id];
    double seconds = 0.0;  // per byte of progress on the slowest link
    double load_there = 1.0;
    for (std::size_t e = 0; e < flow.loads.size(); ++e) {
        const LinkLoad& load = flow.loads[e];
        ORRERY_CHECK(load.bytes_per_byte > 0.0);
        ORRERY_CHECK(e == 0 || flow.loads[e - 1].link < load.link);
        ORRERY_CHECK(load.link >= 0 && static_cast<std::size_t>(load.link) < links_.size());
        const double here = load.bytes_per_byte / links_[load.link].bandwidth;
        if (here <= seconds) continue;
        seconds = here;
        load_there = load.bytes_per_byte;
    }
    flow.weight = weight > 0.0 ? weight : 1.0 / load_there;
    // What its own links forbid is no demand: a flow alone on its links never makes one short.
    if (seconds > 0.0) flow.rate_max = std::min(flow.rate_max, 1.0 / seconds);
    for (std::size_t e = 0; e < flow.loads.size(); ++e) {
        const LinkLoad& load = flow.loads[e];
        LinkState& link = links_[load.link];
        flow.place[e] = static_cast<std::int32_t>(link.members.size());
        link.members.push_back({id, static_cast<std::int32_t>(e)});
        link.demand += load.bytes_per_byte * flow.rate_max;
        if (is_short(link)) mark_dirty(load.link);
    }
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
    leave_links(id);
    flow.active = false;
    free_.push_back(id);
    --active_;
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
    leave_links(id);
    flow.active = flow.fresh = false;
    free_.push_back(id);
    --active_;
    return Bytes::from_si(left);
}

void FluidNetwork::leave_links(FlowId id) {
    Flow& flow = flows_[id];
    for (std::size_t e = 0; e < flow.loads.size(); ++e) {
        LinkState& link = links_[flow.loads[e].link];
        if (is_short(link)) mark_dirty(flow.loads[e].link);
        link.carried += flow.loads[e].bytes_per_byte * flow.size;
        link.demand -= flow.loads[e].bytes_per_byte * flow.rate_max;
        const Membership last = link.members.back();
        link.members[flow.place[e]] = last;
        flows_[last.flow].place[last.entry] = flow.place[e];
        link.members.pop_back();
        if (link.members.empty()) link.demand = 0.0;  // forget rounding
    }
}

void FluidNetwork::advance(Flow& flow, std::int64_t now_ps) {
    flow.remaining -= flow.rate * (static_cast<double>(now_ps - flow.last_ps) * 1e-12);
    flow.last_ps = now_ps;
}

void FluidNetwork::settle(std::int64_t now_ps, std::vector<FlowUpdate>& changed) {
    ORRERY_CHECK(now_ps >= now_ps_);
    now_ps_ = now_ps;
    const std::size_t before = changed.size();
    ++visit_;
    for (const LinkId id : dirty_) {
        for (const Membership& member : links_[id].members) {
            if (flows_[member.flow].visit == visit_) continue;
            collect_component(member.flow);
            solve_component(now_ps, changed);
        }
        links_[id].dirty = false;
    }
    dirty_.clear();
    for (const FlowId id : fresh_) {
        if (flows_[id].visit != visit_) assign_rate(id, flows_[id].rate_max, now_ps, changed);
    }
    fresh_.clear();
    std::sort(changed.begin() + static_cast<std::ptrdiff_t>(before), changed.end(),
              [](const FlowUpdate& a, const FlowUpdate& b) { return a.flow < b.flow; });
}

void FluidNetwork::visit_flow(FlowId id) {
    if (flows_[id].visit == visit_) return;
    flows_[id].visit = visit_;
    component_flows_.push_back(id);
}

/// All flows that `seed` reaches over short links; the links get their slots in the problem.
void FluidNetwork::collect_component(FlowId seed) {
    component_flows_.clear();
    component_links_.clear();
    visit_flow(seed);
    for (std::size_t i = 0; i < component_flows_.size(); ++i) {
        const Flow& flow = flows_[component_flows_[i]];
        for (const LinkLoad& load : flow.loads) {
            LinkState& link = links_[load.link];
            if (link.visit == visit_ || !is_short(link)) continue;
            link.visit = visit_;
            link.slot = static_cast<std::int32_t>(component_links_.size());
            component_links_.push_back(load.link);
            for (const Membership& member : link.members) visit_flow(member.flow);
        }
    }
}

void FluidNetwork::solve_component(std::int64_t now_ps, std::vector<FlowUpdate>& changed) {
    component_.clear();
    for (const LinkId id : component_links_) component_.capacity.push_back(links_[id].bandwidth);
    for (const FlowId id : component_flows_) {
        const Flow& flow = flows_[id];
        for (const LinkLoad& load : flow.loads) {
            if (!is_short(links_[load.link])) continue;
            component_.entry_link.push_back(links_[load.link].slot);
            component_.entry_load.push_back(load.bytes_per_byte);
        }
        component_.end_flow(flow.rate_max, flow.weight);
    }
    fill_progressively(component_, component_rates_);
    for (std::size_t i = 0; i < component_flows_.size(); ++i) {
        assign_rate(component_flows_[i], component_rates_[i], now_ps, changed);
    }
    solved_flows_ += component_flows_.size();
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

Bytes FluidNetwork::carried(LinkId link) const { return Bytes::from_si(links_.at(link).carried); }

}  // namespace orrery
