// What a mixture's software costs beside its kernels: copies sent, host waits, groups on domains.
#include "sim/price_experts.hpp"
#include "sim/price.hpp"

#include <catch2/catch.hpp>

using namespace orrery;

TEST_CASE("copies sent once per place are the expected number of distinct places", "[sim][experts]") {
    // Method: by enumeration; two experts on two places: 4 equal cases with 1 or 2 distinct, mean 1.5 of 2.
    CHECK(copies_sent_share(2, 2) == Approx(0.75));
    CHECK(copies_sent_share(1, 7) == Approx(1.0));
    CHECK(copies_sent_share(8, 1) == Approx(1.0 / 8.0));
    CHECK(copies_sent_share(8, 1000000) == Approx(1.0).epsilon(1e-4));
}

TEST_CASE("an expert group is a run of ranks, and its parameters' copies lie a run apart", "[sim][experts]") {
    // Method: by hand; 32 ranks in domains of 8, experts over 16 of them: 2 domains; two copies, 16 ranks apart.
    Parallelism p;
    p.tensor = 2;
    p.data = 16;
    p.expert = 16;
    const GroupShape group = shape_along(p, Axis::expert, 8);
    CHECK(group.ranks == 16);
    CHECK(group.domains == 2);
    CHECK(group.per_domain == 8);
    const GroupShape copies = shape_along(p, Axis::expert_data, 8);
    CHECK(copies.ranks == 2);
    CHECK(copies.domains == 2);
}

TEST_CASE("the plain all-to-all waits for the host unless sizes are known or one graph holds the step",
          "[sim][experts]") {
    // Method: the documented floor and wait, each switched off by what removes it.
    FrameworkProfile f;
    f.expert_host_wait = 2.0_ms;
    f.expert_host_floor = 8.0_ms;
    TrainingSpec s;
    const auto time = [&](TokenDispatcher dispatcher) {
        return with_expert_waits(3.0_ms, 1.0_ms, s, f, dispatcher) / 1.0_ms;
    };
    CHECK(time(TokenDispatcher::all_to_all) == Approx(8.0));
    CHECK(time(TokenDispatcher::hybrid) == Approx(5.0));
    s.launch_graphs = LaunchGraphs::partial;
    CHECK(time(TokenDispatcher::all_to_all) == Approx(8.0));
    CHECK(time(TokenDispatcher::hybrid) == Approx(3.0));
    s.launch_graphs = LaunchGraphs::full_iteration;
    CHECK(time(TokenDispatcher::all_to_all) == Approx(3.0));
    CHECK(host_share(s, f) == 0.0);
    s.launch_graphs = LaunchGraphs::none;
    s.overlap.experts = true;
    CHECK(time(TokenDispatcher::hybrid) == Approx(11.0));  // floor, wait and launches follow each other
    s.token_drop = true;
    CHECK(time(TokenDispatcher::all_to_all) == Approx(3.0));
}

TEST_CASE("a dispatcher left open is the one of the machine", "[sim][experts]") {
    // Method: the documented default.
    TrainingSpec s;
    CHECK(dispatcher_of(s, 72, 4) == TokenDispatcher::hybrid);
    CHECK(dispatcher_of(s, 8, 8) == TokenDispatcher::all_to_all);
    s.token_dispatcher = TokenDispatcher::deep_ep;
    CHECK(dispatcher_of(s, 8, 8) == TokenDispatcher::deep_ep);
}
