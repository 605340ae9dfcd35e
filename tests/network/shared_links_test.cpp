// Incremental fair sharing held to the pure solver and to the definition of max-min fairness on generated traffic.
#include "network/shared_links.hpp"

#include "hardware/rng.hpp"
#include "network/sharing.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <map>

using namespace orrery;

namespace {

struct LiveFlow {
    RouteId route;
    double weight;
    int traffic_class;
};

/// Random routes over random links, with flows that come and go one or a few at a time.
struct SharedTraffic {
    LinkTable links;
    Routes routes;
    std::map<SharedLinks::Slot, LiveFlow> live;

    explicit SharedTraffic(Rng& rng) {
        for (int l = 0; l < 10; ++l) links.add((1.0 + rng.uniform()) * 10.0_GBps, 1.0_us);
        for (int r = 0; r < 25; ++r) {
            std::vector<LinkId> way;
            for (LinkId l = 0; l < 10; ++l) {
                if (rng.uniform() < 0.3) way.push_back(l);
            }
            if (way.empty()) way.push_back(static_cast<LinkId>(rng.below(10)));
            routes.add(way);
        }
    }

    void change(SharedLinks& shared, Rng& rng, int classes) {
        if (!live.empty() && rng.uniform() < 0.45) {
            auto gone = live.begin();
            std::advance(gone, static_cast<std::ptrdiff_t>(rng.below(live.size())));
            shared.leave(gone->first);
            live.erase(gone);
            return;
        }
        const LiveFlow flow{static_cast<RouteId>(rng.below(routes.size())), 0.5 + 2.0 * rng.uniform(),
                            static_cast<int>(rng.below(static_cast<std::uint64_t>(classes)))};
        live[shared.join(routes[flow.route], flow.weight, flow.traffic_class)] = flow;
    }

    /// Rates by slot as the pure solver gives them, one class after the other with what is left; rooms below a
    /// billionth of a link count as none.
    std::map<SharedLinks::Slot, double> expected(int classes) const {
        std::map<SharedLinks::Slot, double> rates;
        std::vector<double> left;
        for (const BytesPerSecond b : links.bandwidth) left.push_back(b.si());
        for (int c = 0; c < classes; ++c) {
            std::vector<std::vector<LinkLoad>> loads;
            std::vector<SharedLinks::Slot> slots;
            std::vector<FlowDemand> demands;
            for (const auto& [slot, flow] : live) {
                if (flow.traffic_class != c) continue;
                std::vector<LinkLoad> load;
                bool starved = false;
                double limit = 1e30;
                for (const LinkId l : routes[flow.route]) {
                    load.push_back({l, 1.0});
                    starved = starved || left[l] < 1e-9 * links.bandwidth[l].si();
                    limit = std::min(limit, links.bandwidth[l].si());
                }
                rates[slot] = 0.0;
                if (starved) continue;
                loads.push_back(load);
                slots.push_back(slot);
                demands.push_back({{}, BytesPerSecond::from_si(limit), flow.weight});
            }
            for (std::size_t i = 0; i < demands.size(); ++i) demands[i].loads = loads[i];
            std::vector<BytesPerSecond> bandwidth;
            for (const double l : left) bandwidth.push_back(BytesPerSecond::from_si(std::max(l, 1.0)));
            const auto solved = max_min_rates(bandwidth, demands);
            for (std::size_t i = 0; i < slots.size(); ++i) {
                rates[slots[i]] = solved[i].si();
                for (const LinkLoad& load : loads[i]) left[load.link] -= solved[i].si();
            }
        }
        return rates;
    }
};

bool rates_agree(const SharedLinks& shared, const std::map<SharedLinks::Slot, double>& expected) {
    return std::all_of(expected.begin(), expected.end(), [&](const auto& one) {
        return shared.rate(one.first) == Approx(one.second).epsilon(1e-7).margin(100.0);
    });
}

}  // namespace

TEST_CASE("local solutions are the global one: rates equal the pure solver's after every change", "[network][flows]") {
    // Method: 40 seeds of 150 changes, each compared with max_min_rates() over all flows present.
    for (std::uint64_t seed = 1; seed <= 40; ++seed) {
        Rng rng = Rng::stream(seed, "shared links", 0);
        SharedTraffic traffic(rng);
        SharedLinks shared(traffic.links.bandwidth, 1);
        std::vector<SharedLinks::Slot> changed;
        bool same = true;
        for (int step = 0; step < 150; ++step) {
            for (std::uint64_t i = 0; i <= rng.below(3); ++i) traffic.change(shared, rng, 1);
            shared.settle(changed);
            same = same && rates_agree(shared, traffic.expected(1));
        }
        INFO("seed " << seed);
        CHECK(same);
    }
}

TEST_CASE("a traffic class shares what the classes before it leave", "[network][flows]") {
    // Method: 40 seeds of three classes against the pure solver run class by class on what is left.
    for (std::uint64_t seed = 1; seed <= 40; ++seed) {
        Rng rng = Rng::stream(seed, "shared classes", 0);
        SharedTraffic traffic(rng);
        SharedLinks shared(traffic.links.bandwidth, 3);
        std::vector<SharedLinks::Slot> changed;
        bool same = true;
        for (int step = 0; step < 100; ++step) {
            traffic.change(shared, rng, 3);
            shared.settle(changed);
            same = same && rates_agree(shared, traffic.expected(3));
        }
        INFO("seed " << seed);
        CHECK(same);
    }
}

TEST_CASE("no link carries more than it can, and every flow has a full link on which none is faster",
          "[network][flows]") {
    // Method: the definition of max-min fairness (Bertsekas & Gallager 1992, 6.5.2) on generated traffic.
    for (std::uint64_t seed = 1; seed <= 40; ++seed) {
        Rng rng = Rng::stream(seed, "max-min definition", 0);
        SharedTraffic traffic(rng);
        SharedLinks shared(traffic.links.bandwidth, 1);
        std::vector<SharedLinks::Slot> changed;
        for (int step = 0; step < 120; ++step) {
            traffic.change(shared, rng, 1);
            shared.settle(changed);
        }
        std::vector<double> use(traffic.links.size());
        std::vector<double> fastest(traffic.links.size());
        for (const auto& [slot, flow] : traffic.live) {
            for (const LinkId l : traffic.routes[flow.route]) {
                use[l] += shared.rate(slot);
                fastest[l] = std::max(fastest[l], shared.rate(slot) / flow.weight);
            }
        }
        bool within = true;
        for (std::size_t l = 0; l < use.size(); ++l) {
            within = within && use[l] <= traffic.links.bandwidth[l].si() * (1.0 + 1e-8);
        }
        bool held = true;
        for (const auto& [slot, flow] : traffic.live) {
            const auto holds = [&, level = shared.rate(slot) / flow.weight](LinkId l) {
                return use[l] >= traffic.links.bandwidth[l].si() * (1.0 - 1e-8) && level >= fastest[l] * (1.0 - 1e-8);
            };
            const auto way = traffic.routes[flow.route];
            held = held && std::any_of(way.begin(), way.end(), holds);
        }
        INFO("seed " << seed);
        CHECK(within);
        CHECK(held);
    }
}

TEST_CASE("a change far away solves nothing here", "[network][flows]") {
    // Method: two links without a common flow; the second pair of flows on one leaves the pair on the other alone.
    LinkTable links;
    Routes routes;
    for (int l = 0; l < 2; ++l) {
        links.add(10.0_GBps, 1.0_us);
        routes.add(std::vector<LinkId>{l});
    }
    SharedLinks shared(links.bandwidth, 1);
    std::vector<SharedLinks::Slot> changed;
    shared.join(routes[0], 1.0, 0);
    shared.join(routes[0], 1.0, 0);
    shared.settle(changed);
    CHECK(changed.size() == 2);
    CHECK(shared.solved() == 2);
    changed.clear();
    const SharedLinks::Slot heavy = shared.join(routes[1], 3.0, 0);
    const SharedLinks::Slot light = shared.join(routes[1], 1.0, 0);
    shared.settle(changed);
    CHECK(changed == std::vector<SharedLinks::Slot>{heavy, light});
    CHECK(shared.solved() == 4);
    CHECK(shared.rate(heavy) == Approx(7.5e9));
    CHECK(shared.rate(light) == Approx(2.5e9));
}
