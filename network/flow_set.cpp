// Messages between end points: building sets of them, checking them, and keeping count of what has arrived.
#include "network/flow_set.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace orrery {

namespace {

constexpr std::size_t problems_max = 10;
/// A message that would take longer than this has a wrong unit somewhere; the picosecond clock holds twice as much.
constexpr Seconds longest_message = Seconds::from_si(4.0e6);

class FlowCheck {
  public:
    FlowCheck(const LinkTable& links, const FlowSet& flows) : links_(links), flows_(flows) {}

    Problems run() {
        for (std::size_t l = 0; l < links_.size() && room(); ++l) check_link(l);
        check_columns();
        if (problems_.empty()) {
            for (std::size_t s = 0; s < flows_.streams() && room(); ++s) check_stream(static_cast<StreamId>(s));
        }
        return std::move(problems_);
    }

  private:
    [[nodiscard]] bool room() const { return problems_.size() < problems_max; }
    void add(std::string place, std::string problem, std::string remedy) {
        problems_.push_back({std::move(place), std::move(problem), std::move(remedy)});
    }

    void check_link(std::size_t l) {
        const std::string place = "/links/" + std::to_string(l);
        const double rate = links_.bandwidth[l].si();
        if (!(rate > 0.0) || !std::isfinite(rate)) {
            add(place + "/bandwidth", "is " + std::to_string(rate) + " bytes/s",
                "give a positive rate, or take the link out of every route if it has failed");
        }
        const double latency = links_.latency[l].si();
        if (!(latency >= 0.0) || !(latency < longest_message.si())) {
            add(place + "/latency", "is " + std::to_string(latency) + " s", "give the time of one bit, such as 1 us");
        }
    }

    void check_columns() {
        const std::size_t n = flows_.streams();
        const auto check = [&](const char* name, std::size_t size, bool may_be_empty) {
            if (size == n || (may_be_empty && size == 0)) return;
            add(std::string("/flows/") + name, std::to_string(size) + " entries for " + std::to_string(n) + " flows",
                may_be_empty ? "give one for each flow, or none" : "give one for each flow");
        };
        check("destination", flows_.destination.size(), false);
        check("size", flows_.size.size(), false);
        check("route", flows_.route.size(), false);
        check("needs", flows_.need_first.size() - 1, false);
        check("rounds", flows_.rounds.size(), true);
        check("start", flows_.start.size(), true);
        check("delay", flows_.delay.size(), true);
        check("weight", flows_.weight.size(), true);
        check("traffic_class", flows_.traffic_class.size(), true);
        check("ways", flows_.ways.size(), true);
    }

    void check_stream(StreamId s) {
        const std::string place = "/flows/" + std::to_string(s);
        const double size = flows_.size[s].si();
        if (!(size >= 0.0) || !std::isfinite(size)) {
            add(place + "/size", "is " + std::to_string(size) + " bytes", "give a number of bytes, 0 or more");
        }
        if (flows_.rounds_of(s) < 0) {
            add(place + "/rounds", "is " + std::to_string(flows_.rounds_of(s)), "give how many messages follow, 0 or more");
        }
        if (!flows_.weight.empty() && !(flows_.weight[s] > 0.0 && std::isfinite(flows_.weight[s]))) {
            add(place + "/weight", "is " + std::to_string(flows_.weight[s]), "give a positive share");
        }
        if (!flows_.traffic_class.empty() && flows_.traffic_class[s] >= traffic_classes_max) {
            add(place + "/traffic_class", "is " + std::to_string(flows_.traffic_class[s]),
                "there are 8, from 0 (first) to 7, as in IEEE 802.1Q");
        }
        check_times(s, place);
        check_routes(s, place);
        for (std::int32_t i = flows_.need_first[s]; i < flows_.need_first[s + 1]; ++i) {
            const Need& need = flows_.needs[i];
            if (need.stream >= 0 && static_cast<std::size_t>(need.stream) < flows_.streams() &&
                (need.lag >= 0 || need.lag == all_rounds)) {
                continue;
            }
            add(place + "/needs", "flow " + std::to_string(need.stream) + " with lag " + std::to_string(need.lag),
                "name a flow of this set, and a lag of 0 or more rounds (or all_rounds)");
        }
    }

    void check_times(StreamId s, const std::string& place) {
        for (const auto* times : {&flows_.start, &flows_.delay}) {
            if (times->empty()) continue;
            const double time = (*times)[s].si();
            if (time >= 0.0 && time < longest_message.si()) continue;
            add(place + (times == &flows_.start ? "/start" : "/delay"), "is " + std::to_string(time) + " s",
                "give seconds from 0 to " + std::to_string(longest_message.si()));
        }
    }

    void check_routes(StreamId s, const std::string& place) {
        const std::int32_t ways = flows_.ways.empty() ? 1 : flows_.ways[s];
        const RouteId from = flows_.route[s];
        if (ways < 1 || from < 0 || static_cast<std::size_t>(from) + static_cast<std::size_t>(ways) > flows_.routes.size()) {
            add(place + "/route", "routes " + std::to_string(from) + " and on, " + std::to_string(ways) + " of " +
                std::to_string(flows_.routes.size()), "name routes of this set");
            return;
        }
        for (RouteId route = from; route < from + ways && room(); ++route) check_route(s, route, place);
    }

    void check_route(StreamId s, RouteId route, const std::string& place) {
        const std::span<const LinkId> way = flows_.routes[route];
        if (way.empty() && flows_.source[s] != flows_.destination[s]) {
            add(place + "/route", "is empty, from " + std::to_string(flows_.source[s]) + " to " +
                std::to_string(flows_.destination[s]), "give the links in between; only a flow to itself has none");
            return;
        }
        double slowest = INFINITY;
        for (const LinkId link : way) {
            if (link < 0 || static_cast<std::size_t>(link) >= links_.size()) {
                add(place + "/route", "link " + std::to_string(link) + " of " + std::to_string(links_.size()),
                    "name links of the table");
                return;
            }
            slowest = std::min(slowest, links_.bandwidth[link].si());
        }
        if (flows_.size[s].si() / slowest < longest_message.si()) return;
        add(place + "/size", std::to_string(flows_.size[s].si()) + " bytes over " + std::to_string(slowest) +
            " bytes/s take longer than " + std::to_string(longest_message.si()) + " s", "check the units of both");
    }

    static constexpr int traffic_classes_max = 8;  // IEEE 802.1Q
    const LinkTable& links_;
    const FlowSet& flows_;
    Problems problems_;
};

}  // namespace

LinkId LinkTable::add(BytesPerSecond link_bandwidth, Seconds link_latency) {
    bandwidth.push_back(link_bandwidth);
    latency.push_back(link_latency);
    return static_cast<LinkId>(bandwidth.size() - 1);
}

RouteId Routes::add(std::span<const LinkId> way) {
    links.insert(links.end(), way.begin(), way.end());
    ORRERY_CHECK(links.size() < std::size_t{1} << 31);
    first.push_back(static_cast<std::int32_t>(links.size()));
    return static_cast<RouteId>(first.size() - 2);
}

std::int64_t FlowSet::messages() const {
    if (rounds.empty()) return static_cast<std::int64_t>(streams());
    return std::accumulate(rounds.begin(), rounds.end(), std::int64_t{0});
}

StreamId FlowSet::add(std::int32_t from, std::int32_t to, Bytes message, std::span<const LinkId> way) {
    return add(from, to, message, routes.add(way));
}

StreamId FlowSet::add(std::int32_t from, std::int32_t to, Bytes message, RouteId way) {
    source.push_back(from);
    destination.push_back(to);
    size.push_back(message);
    route.push_back(way);
    need_first.push_back(need_first.back());
    return static_cast<StreamId>(source.size() - 1);
}

void FlowSet::wait_for(StreamId stream, std::int32_t lag) {
    needs.push_back({stream, lag});
    ++need_first.back();
}

std::string stream_name(const FlowSet& flows, StreamId stream) {
    return "flow " + std::to_string(stream) + " (" + std::to_string(flows.source[stream]) + " -> " +
           std::to_string(flows.destination[stream]) + ")";
}

Problems flow_set_problems(const LinkTable& links, const FlowSet& flows) { return FlowCheck(links, flows).run(); }

FlowProgress::FlowProgress(const FlowSet& flows) : flows_(flows), rounds_(flows.streams()) {
    waiter_first_.assign(flows.streams() + 1, 0);
    for (const Need& need : flows.needs) ++waiter_first_[need.stream + 1];
    std::partial_sum(waiter_first_.begin(), waiter_first_.end(), waiter_first_.begin());
    waiters_.resize(flows.needs.size());
    std::vector<std::int32_t> next(waiter_first_.begin(), waiter_first_.end() - 1);
    for (std::size_t s = 0; s < flows.streams(); ++s) {
        rounds_[s].all = flows.rounds_of(static_cast<StreamId>(s));
        open_ += rounds_[s].all > 0 ? 1 : 0;
        for (std::int32_t i = flows.need_first[s]; i < flows.need_first[s + 1]; ++i) {
            waiters_[next[flows.needs[i].stream]++] = static_cast<StreamId>(s);
        }
    }
}

bool FlowProgress::may_start(StreamId stream) const {
    const std::int32_t round = rounds_[stream].started;
    for (std::int32_t i = flows_.need_first[stream]; i < flows_.need_first[stream + 1]; ++i) {
        const Need& need = flows_.needs[i];
        const Rounds& other = rounds_[need.stream];
        if (other.arrived < std::min(other.all, round - need.lag + 1)) return false;
    }
    return true;
}

std::int32_t FlowProgress::start_ready(StreamId stream) {
    std::int32_t sends = 0;
    Rounds& mine = rounds_[stream];
    for (; mine.started < mine.all && may_start(stream); ++mine.started) ++sends;
    return sends;
}

void FlowProgress::arrive(StreamId stream, std::vector<StreamId>& maybe_ready) {
    Rounds& mine = rounds_[stream];
    ORRERY_CHECK(mine.arrived < mine.started);
    if (++mine.arrived == mine.all) --open_;
    for (std::int32_t i = waiter_first_[stream]; i < waiter_first_[stream + 1]; ++i) {
        maybe_ready.push_back(waiters_[i]);
    }
}

Problems FlowProgress::unfinished() const {
    Problems problems;
    for (std::size_t s = 0; s < rounds_.size() && problems.size() < problems_max; ++s) {
        const Rounds& mine = rounds_[s];
        if (mine.arrived == mine.all) continue;
        std::string why = mine.started > mine.arrived ? "was sent and never arrived" : "was never sent";
        for (std::int32_t i = flows_.need_first[s]; i < flows_.need_first[s + 1]; ++i) {
            const Need& need = flows_.needs[i];
            const std::int32_t wanted = std::min(rounds_[need.stream].all, mine.started - need.lag + 1);
            if (mine.started == mine.all || rounds_[need.stream].arrived >= wanted) continue;
            why += ": it waits for round " + std::to_string(wanted) + " of " + stream_name(flows_, need.stream);
            break;
        }
        problems.push_back({"/flows/" + std::to_string(s),
                            stream_name(flows_, static_cast<StreamId>(s)) + ", round " + std::to_string(mine.arrived + 1) +
                                " of " + std::to_string(mine.all) + ", " + why,
                            std::to_string(open_) + " flows did not end; look for needs that wait for each other, or for links without rate"});
    }
    return problems;
}

}  // namespace orrery
