// Max-min fair sharing held to its defining properties on generated cases, and to small cases solved by hand.
#include "network/sharing.hpp"

#include "hardware/rng.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <numeric>

using namespace orrery;

namespace {

struct SharingCase {
    std::vector<BytesPerSecond> bandwidth;
    std::vector<std::vector<LinkLoad>> loads;
    std::vector<FlowDemand> flows;
};

SharingCase random_case(std::uint64_t seed, std::uint64_t links, std::uint64_t flows) {
    Rng rng = Rng::stream(seed, "sharing case", 0);
    SharingCase c;
    for (std::uint64_t l = 0; l < links; ++l) c.bandwidth.push_back((1.0 + rng.uniform()) * 10.0_GBps);
    for (std::uint64_t f = 0; f < flows; ++f) {
        std::vector<LinkLoad> loads;
        for (std::uint64_t l = 0; l < links; ++l) {
            if (rng.uniform() < 0.25) loads.push_back({static_cast<LinkId>(l), 0.1 + 2.0 * rng.uniform()});
        }
        c.loads.push_back(loads);
        c.flows.push_back({{}, (0.2 + 5.0 * rng.uniform()) * 1.0_GBps, 0.5 + rng.uniform()});
    }
    for (std::uint64_t f = 0; f < flows; ++f) c.flows[f].loads = c.loads[f];
    return c;
}

std::vector<double> link_use(const SharingCase& c, const std::vector<BytesPerSecond>& rates) {
    std::vector<double> use(c.bandwidth.size());
    for (std::size_t f = 0; f < rates.size(); ++f) {
        for (const LinkLoad& load : c.flows[f].loads) use[load.link] += load.bytes_per_byte * rates[f].si();
    }
    return use;
}

}  // namespace

TEST_CASE("fair rates fill no link beyond its bandwidth and leave every flow at its limit or at a full link",
          "[network][sharing]") {
    // Method: the definition of weighted max-min fairness (Bertsekas & Gallager 1992, 6.5.2), on 200 generated cases.
    for (std::uint64_t seed = 1; seed <= 200; ++seed) {
        const SharingCase c = random_case(seed, 1 + seed % 13, 1 + seed % 29);
        const std::vector<BytesPerSecond> rates = max_min_rates(c.bandwidth, c.flows);
        const std::vector<double> use = link_use(c, rates);
        bool within = true;
        for (std::size_t l = 0; l < use.size(); ++l) within = within && use[l] <= c.bandwidth[l].si() * (1.0 + 1e-9);
        bool held = true;
        for (std::size_t f = 0; f < rates.size(); ++f) {
            const double level = rates[f].si() / c.flows[f].weight;
            bool held_here = rates[f].si() >= c.flows[f].rate_max.si() * (1.0 - 1e-9);
            for (const LinkLoad& load : c.flows[f].loads) {
                if (use[load.link] < c.bandwidth[load.link].si() * (1.0 - 1e-9)) continue;
                bool highest = true;
                for (std::size_t g = 0; g < rates.size(); ++g) {
                    const auto on = [&](const LinkLoad& other) { return other.link == load.link; };
                    if (std::none_of(c.loads[g].begin(), c.loads[g].end(), on)) continue;
                    highest = highest && rates[g].si() / c.flows[g].weight <= level * (1.0 + 1e-9);
                }
                held_here = held_here || highest;
            }
            held = held && held_here;
        }
        INFO("seed " << seed);
        CHECK(within);
        CHECK(held);
    }
}

TEST_CASE("fair rates do not depend on the order of the flows", "[network][sharing]") {
    // Method: permutation of generated cases.
    for (std::uint64_t seed = 1; seed <= 50; ++seed) {
        const SharingCase c = random_case(seed, 9, 20);
        std::vector<std::size_t> order(c.flows.size());
        std::iota(order.begin(), order.end(), std::size_t{0});
        Rng rng = Rng::stream(seed, "order", 0);
        for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[rng.below(i)]);
        std::vector<FlowDemand> mixed;
        for (const std::size_t f : order) mixed.push_back(c.flows[f]);
        const auto straight = max_min_rates(c.bandwidth, c.flows);
        const auto permuted = max_min_rates(c.bandwidth, mixed);
        bool same = true;
        for (std::size_t i = 0; i < order.size(); ++i) {
            same = same && permuted[i].si() == Approx(straight[order[i]].si()).epsilon(1e-11);
        }
        CHECK(same);
    }
}

TEST_CASE("three flows over two links share as the textbook solves it", "[network][sharing]") {
    // Method: by hand. A and B meet on link 0 (10 GB/s), B and C on link 1 (4 GB/s): B and C get 2, A the other 8.
    const std::vector<BytesPerSecond> bandwidth{10.0_GBps, 4.0_GBps};
    const std::vector<LinkLoad> a{{0, 1.0}};
    const std::vector<LinkLoad> b{{0, 1.0}, {1, 1.0}};
    const std::vector<LinkLoad> c{{1, 1.0}};
    const std::vector<FlowDemand> flows{{a, 100.0_GBps, 1.0}, {b, 100.0_GBps, 1.0}, {c, 100.0_GBps, 1.0}};
    const auto rates = max_min_rates(bandwidth, flows);
    CHECK(rates[0].si() == Approx(8e9));
    CHECK(rates[1].si() == Approx(2e9));
    CHECK(rates[2].si() == Approx(2e9));
}

TEST_CASE("a flow without links runs at its own limit", "[network][sharing]") {
    // Method: nothing else can hold it.
    const std::vector<FlowDemand> flows{{{}, 3.0_GBps, 1.0}};
    CHECK(max_min_rates({}, flows)[0] == 3.0_GBps);
}
