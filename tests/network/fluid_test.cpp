// Flows in progress held to conservation of bytes, to the rates of the pure solver and to schedules worked out by hand.
#include "network/fluid.hpp"

#include "hardware/rng.hpp"
#include "network/sharing.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

using namespace orrery;

namespace {

/// Plays starts at given times until all is done, the way a simulator would.
struct FluidPlayer {
    FluidNetwork network;
    std::set<std::tuple<std::int64_t, FlowId, std::uint32_t, std::uint64_t>> events;
    std::map<std::uint64_t, std::int64_t> finished;  // tag -> time
    std::vector<FlowUpdate> changed;

    explicit FluidPlayer(std::span<const BytesPerSecond> bandwidth) : network(bandwidth) {}
    void settle(std::int64_t now) {
        changed.clear();
        network.settle(now, changed);
        for (const FlowUpdate& u : changed) events.insert({u.completion_ps, u.flow, u.version, u.tag});
    }
    void run_until(std::int64_t limit) {
        while (!events.empty() && std::get<0>(*events.begin()) <= limit) {
            const std::int64_t now = std::get<0>(*events.begin());
            while (!events.empty() && std::get<0>(*events.begin()) == now) {
                const auto [at, flow, version, tag] = *events.begin();
                events.erase(events.begin());
                if (network.complete(flow, version, now)) finished[tag] = now;
            }
            settle(now);
        }
    }
};

constexpr std::int64_t all_time = std::int64_t{1} << 60;

}  // namespace

TEST_CASE("two flows on one link: the second halves the first, and gets all when it is gone", "[network][fluid]") {
    // Method: by hand. 10 GB at 10 GB/s alone; a second 10 GB joins at 0.5 s: 5 GB left at 5 GB/s ends at 1.5 s, the
    // other has 5 GB left then and ends at 2 s.
    const std::vector<BytesPerSecond> bandwidth{10.0_GBps};
    const std::vector<LinkLoad> loads{{0, 1.0}};
    FluidPlayer player(bandwidth);
    player.network.start(0, 10.0_GB, 100.0_GBps, loads, 1);
    player.settle(0);
    player.run_until(500'000'000'000);
    player.network.start(500'000'000'000, 10.0_GB, 100.0_GBps, loads, 2);
    player.settle(500'000'000'000);
    player.run_until(all_time);
    CHECK(player.finished.at(1) == 1'500'000'000'000);
    CHECK(player.finished.at(2) == 2'000'000'000'000);
    CHECK(player.network.active() == 0);
}

TEST_CASE("a flow that its own limit holds does not wake the solver", "[network][fluid]") {
    // Method: three flows of 3 GB/s on a 10 GB/s link need no sharing; a fourth does.
    const std::vector<BytesPerSecond> bandwidth{10.0_GBps};
    const std::vector<LinkLoad> loads{{0, 1.0}};
    FluidPlayer player(bandwidth);
    for (std::uint64_t tag = 0; tag < 3; ++tag) player.network.start(0, 3.0_GB, 3.0_GBps, loads, tag);
    player.settle(0);
    CHECK(player.network.solved_flows() == 0);
    CHECK(player.changed.size() == 3);
    player.network.start(0, 3.0_GB, 3.0_GBps, loads, 3);
    player.settle(0);
    CHECK(player.network.solved_flows() == 4);
    CHECK(player.network.rate(3).si() == Approx(2.5e9));
}

TEST_CASE("an update that a later start overtook is stale", "[network][fluid]") {
    // Method: the contract of complete().
    const std::vector<BytesPerSecond> bandwidth{10.0_GBps};
    const std::vector<LinkLoad> loads{{0, 1.0}};
    FluidNetwork network(bandwidth);
    std::vector<FlowUpdate> first;
    std::vector<FlowUpdate> second;
    network.start(0, 10.0_GB, 10.0_GBps, loads, 7);
    network.settle(0, first);
    network.start(1000, 10.0_GB, 10.0_GBps, loads, 8);
    network.settle(1000, second);
    REQUIRE(first.size() == 1);
    REQUIRE(second.size() == 2);
    CHECK(first[0].completion_ps == 1'000'000'000'000);
    CHECK_FALSE(network.complete(first[0].flow, first[0].version, first[0].completion_ps));
    CHECK(network.complete(second[0].flow, second[0].version, second[0].completion_ps));
    CHECK_FALSE(network.complete(second[0].flow, second[0].version, second[0].completion_ps));
}

TEST_CASE("a flow of no bytes ends in the instant in which it starts", "[network][fluid]") {
    // Method: nothing to carry.
    FluidPlayer player(std::vector<BytesPerSecond>{1.0_GBps});
    player.network.start(42, Bytes{}, BytesPerSecond{}, {}, 1);
    player.settle(42);
    player.run_until(all_time);
    CHECK(player.finished.at(1) == 42);
}

TEST_CASE("random traffic: rates equal those of the pure solver, and every byte arrives", "[network][fluid]") {
    // Method: after each settle the incremental state must agree with max_min_rates() on all active flows, weights as
    // documented (one over the load on the slowest link); at the end each link has carried the sum of size times load.
    for (std::uint64_t seed = 1; seed <= 30; ++seed) {
        Rng rng = Rng::stream(seed, "fluid traffic", 0);
        std::vector<BytesPerSecond> bandwidth;
        for (int l = 0; l < 8; ++l) bandwidth.push_back((1.0 + rng.uniform()) * 5.0_GBps);
        FluidPlayer player(bandwidth);
        struct Started {
            std::vector<LinkLoad> loads;
            BytesPerSecond rate_max;
            double weight = 1.0;
            FlowId flow;
            Bytes size;
        };
        std::map<std::uint64_t, Started> started;
        std::vector<double> expected(bandwidth.size());
        std::int64_t now = 0;
        for (std::uint64_t tag = 0; tag < 60; ++tag) {
            now += static_cast<std::int64_t>(rng.below(300'000'000));
            player.run_until(now);
            Started s;
            double slowest = 0.0;
            for (LinkId l = 0; l < 8; ++l) {
                if (rng.uniform() > 0.3) continue;
                s.loads.push_back({l, 0.2 + rng.uniform()});
                const double here = s.loads.back().bytes_per_byte / bandwidth[l].si();
                if (here <= slowest) continue;
                slowest = here;
                s.weight = 1.0 / s.loads.back().bytes_per_byte;
            }
            s.rate_max = (0.5 + 4.0 * rng.uniform()) * 1.0_GBps;
            s.size = rng.uniform() * 5.0_MB;
            s.flow = player.network.start(now, s.size, s.rate_max, s.loads, tag);
            for (const LinkLoad& load : s.loads) expected[load.link] += load.bytes_per_byte * s.size.si();
            started[tag] = s;
            player.settle(now);

            std::vector<FlowDemand> demands;
            std::vector<FlowId> ids;
            for (const auto& [t, one] : started) {
                if (player.finished.contains(t)) continue;
                demands.push_back({one.loads, one.rate_max, one.weight});
                ids.push_back(one.flow);
            }
            const auto rates = max_min_rates(bandwidth, demands);
            bool same = ids.size() == player.network.active();
            for (std::size_t i = 0; i < ids.size(); ++i) {
                same = same && player.network.rate(ids[i]).si() == Approx(rates[i].si()).epsilon(1e-9);
            }
            CHECK(same);
        }
        player.run_until(all_time);
        CHECK(player.finished.size() == 60);
        CHECK(player.network.active() == 0);
        for (std::size_t l = 0; l < bandwidth.size(); ++l) {
            CHECK(player.network.carried(static_cast<LinkId>(l)).si() == Approx(expected[l]).epsilon(1e-12));
        }
    }
}

TEST_CASE("thousands of equal flows that start together are solved once and end together", "[network][fluid]") {
    // Method: by symmetry 4,096 flows of 1 MB on one 64 GB/s trunk end after 4096 MB / 64 GB/s = 64 ms; each start and
    // end is one settle, so no flow is solved more than once.
    std::vector<BytesPerSecond> bandwidth(4097, 1.0_GBps);
    bandwidth[4096] = 64.0_GBps;
    FluidPlayer player(bandwidth);
    for (LinkId l = 0; l < 4096; ++l) {
        const std::vector<LinkLoad> loads{{l, 1.0}, {4096, 1.0}};
        player.network.start(0, 1.0_MB, 1.0_GBps, loads, static_cast<std::uint64_t>(l));
    }
    player.settle(0);
    player.run_until(all_time);
    CHECK(player.network.solved_flows() == 4096);
    CHECK(player.finished.size() == 4096);
    CHECK(static_cast<double>(player.finished.at(0)) == Approx(64e9).epsilon(1e-9));
    CHECK(player.finished.at(0) == player.finished.at(4095));
}
