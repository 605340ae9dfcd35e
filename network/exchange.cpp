// Building schedules of messages, their needs and their closed forms.
#include "network/exchange.hpp"

#include "network/collective_case.hpp"

#include <algorithm>
#include <numeric>

namespace orrery {

ExchangeStream& Exchange::send(int from, int to, double bytes, int phase) {
    ORRERY_CHECK(from != to);
    phases = std::max(phases, phase + 1);
    ends = std::max(ends, std::max(from, to) + 1);
    streams.push_back({from, to, bytes, 1, phase, 0, 0, -1});
    return streams.back();
}

std::vector<int> domain_of_members(const ExchangeCase& c) {
    std::vector<int> domain_of(static_cast<std::size_t>(c.ranks), 0);
    for (std::size_t d = 0; d < c.domains.size(); ++d) {
        for (const int member : c.domains[d]) domain_of[member] = static_cast<int>(d);
    }
    return domain_of;
}

ExchangeFigures exchange_figures(const ExchangeCase& c, const Exchange& exchange) {
    ExchangeFigures figures;
    figures.sent.resize(static_cast<std::size_t>(exchange.ends));
    figures.received.resize(static_cast<std::size_t>(exchange.ends));
    const std::vector<int> domain_of = domain_of_members(c);
    const int network_switch = c.ranks + static_cast<int>(c.domains.size());
    std::vector<int> steps(static_cast<std::size_t>(exchange.phases), 0);
    std::vector<int> hops(static_cast<std::size_t>(exchange.phases), 0);
    for (const ExchangeStream& s : exchange.streams) {
        figures.sent[s.from] += s.bytes * s.rounds;
        figures.received[s.to] += s.bytes * s.rounds;
        const bool members = s.from < c.ranks && s.to < c.ranks;
        const bool crosses = std::max(s.from, s.to) == network_switch || (members && domain_of[s.from] != domain_of[s.to]);
        const int inside = s.lead_steps + (crosses ? 0 : s.rounds);
        const int across = s.lead_hops + (crosses ? s.rounds : 0);
        // Hops weigh more than steps on every fabric: the chain with most of them is the longest.
        if (std::pair{across, inside} > std::pair{hops[s.phase], steps[s.phase]}) {
            hops[s.phase] = across;
            steps[s.phase] = inside;
        }
    }
    figures.steps = std::accumulate(steps.begin(), steps.end(), 0);
    figures.hops = std::accumulate(hops.begin(), hops.end(), 0);
    return figures;
}

void add_phase_needs(const Exchange& exchange, FlowSet& flows) {
    const auto ends = static_cast<std::size_t>(exchange.ends);
    std::vector<std::vector<StreamId>> since(ends);   // arrivals and own sends, of phases before, that the next sends wait for
    std::vector<std::vector<StreamId>> coming(ends);  // arrivals of the phase under way
    std::vector<std::vector<StreamId>> sending(ends);
    int phase = 0;
    const auto close_phase = [&] {
        for (std::size_t e = 0; e < ends; ++e) {
            if (!sending[e].empty()) since[e] = std::move(sending[e]);
            since[e].insert(since[e].end(), coming[e].begin(), coming[e].end());
            sending[e].clear();
            coming[e].clear();
        }
    };
    for (std::size_t i = 0; i < exchange.streams.size(); ++i) {
        const ExchangeStream& s = exchange.streams[i];
        ORRERY_CHECK(s.phase >= phase);
        if (s.phase > phase) close_phase();
        phase = s.phase;
        for (const StreamId before : since[s.from]) flows.needs.push_back({before, all_rounds});
        if (s.previous >= 0) flows.needs.push_back({s.previous, 1});
        flows.need_first.push_back(static_cast<std::int32_t>(flows.needs.size()));
        coming[s.to].push_back(static_cast<StreamId>(i));
        sending[s.from].push_back(static_cast<StreamId>(i));
    }
}

std::vector<int> channel_order(const ExchangeCase& c, int channel) {
    std::vector<int> order;
    order.reserve(static_cast<std::size_t>(c.ranks));
    for (const std::vector<int>& domain : c.domains) {
        const std::size_t size = domain.size();
        for (std::size_t i = 0; i < size; ++i) order.push_back(domain[(i + static_cast<std::size_t>(channel)) % size]);
    }
    return order;
}

void add_ring(const ExchangeCase& c, std::span<const int> order, double bytes, int rounds, int phase, Exchange& exchange) {
    const int n = static_cast<int>(order.size());
    if (n < 2 || rounds < 1) return;
    const std::vector<int> domain_of = domain_of_members(c);
    const auto next = [&](int i) { return order[static_cast<std::size_t>((i + 1) % n)]; };
    int crossings = 0;
    for (int i = 0; i < n; ++i) crossings += domain_of[order[i]] != domain_of[next(i)] ? 1 : 0;
    // A chunk meets each edge but one in each n - 1 rounds; the edge left out is one that crosses, where any does.
    const int hops = crossings > 0 ? rounds / std::max(1, n - 1) * (crossings - 1) : 0;
    const int first = static_cast<int>(exchange.streams.size());
    for (int i = 0; i < n; ++i) {
        ExchangeStream& s = exchange.send(order[i], next(i), bytes, phase);
        if (c.whole_rounds) {
            s.rounds = rounds;
            s.previous = first + (i + n - 1) % n;
            continue;
        }
        s.bytes = bytes * rounds;
        const bool crosses = domain_of[order[i]] != domain_of[next(i)];
        s.lead_hops = std::max(0, hops - (crosses ? 1 : 0));
        s.lead_steps = std::max(0, rounds - hops - (crosses ? 0 : 1));
    }
}

std::vector<std::string_view> playable_algorithms(const ExchangeCase& c) {
    std::vector<std::string_view> names;
    ExchangeCase small = c;
    small.whole_rounds = false;
    for (const CollectiveAlgorithm& algorithm : collective_algorithms()) {
        Exchange exchange;
        if (algorithm.schedule(small, exchange)) names.push_back(algorithm.name);
    }
    return names;
}

Result<Exchange> make_exchange(const ExchangeCase& c, std::string_view algorithm) {
    const auto table = collective_algorithms();
    const auto found = std::find_if(table.begin(), table.end(), [&](const auto& a) { return a.name == algorithm; });
    Exchange exchange;
    exchange.ends = c.ranks + static_cast<int>(c.domains.size()) + 1;
    if (found != table.end() && found->schedule(c, exchange)) return exchange;
    std::string names;
    for (const std::string_view name : playable_algorithms(c)) names += (names.empty() ? "" : ", ") + std::string(name);
    const std::string quoted_name = "is \"" + std::string(algorithm) + "\", which ";
    return Problem{"/workload/algorithm",
                   quoted_name + (found == table.end() ? std::string("is no algorithm")
                                                       : "does not do " + std::string(name_of(c.kind)) + " among these ranks"),
                   names.empty() ? std::string("write \"auto\"") : "write \"auto\", or one of " + names};
}

}  // namespace orrery
