// The simulated clock behind SystemC: order, instants, many runs in one process.
#include "sim/engine.hpp"

#include <catch2/catch.hpp>
#include <stdexcept>
#include <vector>

using namespace orrery;

TEST_CASE("the clock visits events in time order and ends when none is left", "[sim][engine]") {
    // Method: a chain of events, each of which schedules the next 3 ps later; n events end at 3 (n - 1) ps.
    Engine engine;
    engine.schedule(0, 1, 0);
    Picoseconds last = -1;
    engine.run(
        [&](const Event& event) {
            REQUIRE(event.at == engine.now());
            last = event.at;
            if (event.subject + 1 < 1000) engine.schedule(event.at + 3, 1, event.subject + 1);
        },
        [] {});
    CHECK(last == 2997);
    CHECK(engine.events() == 1000);
}

TEST_CASE("an instant is closed once all its events are handled, and may be opened again", "[sim][engine]") {
    // Method: two events at 5 ps; the closing call adds a third at 5 ps once, so 5 ps is closed twice.
    Engine engine;
    engine.schedule(5, 0, 0);
    engine.schedule(5, 0, 1);
    std::vector<int> story;
    engine.run([&](const Event& event) { story.push_back(static_cast<int>(event.subject)); },
               [&] {
                   story.push_back(-1);
                   if (engine.now() == 5 && story.size() < 5) engine.schedule(5, 0, 2);
               });
    CHECK(story == std::vector<int>{-1, 0, 1, -1, 2, -1});
}

TEST_CASE("what an instant's end schedules may come before everything that was pending", "[sim][engine]") {
    // Method: 3 ps is scheduled at the end of instant 1 ps, while 100 ps is pending already.
    Engine engine;
    engine.schedule(1, 0, 0);
    engine.schedule(100, 0, 1);
    std::vector<Picoseconds> seen;
    engine.run([&](const Event& event) { seen.push_back(event.at); },
               [&] {
                   if (engine.now() == 1) engine.schedule(3, 0, 2);
               });
    CHECK(seen == std::vector<Picoseconds>{1, 3, 100});
}

TEST_CASE("two thousand runs in one process each start at zero", "[sim][engine]") {
    // Method: every run must see the same times as the first; SystemC's own clock goes on behind them.
    for (int run = 0; run < 2000; ++run) {
        Engine engine;
        REQUIRE(engine.now() == 0);
        engine.schedule(1'000'000 + run, 0, 0);
        Picoseconds seen = 0;
        engine.run([&](const Event& event) { seen = event.at; }, [] {});
        REQUIRE(seen == 1'000'000 + run);
    }
}

TEST_CASE("an exception of a handler leaves the clock, and the next run is sound", "[sim][engine]") {
    // Method: throw in the middle of a run whose later events must not leak into the next run.
    {
        Engine engine;
        engine.schedule(10, 0, 0);
        engine.schedule(20, 0, 1);
        CHECK_THROWS_AS(engine.run([](const Event&) { throw std::runtime_error("stop"); }, [] {}), std::runtime_error);
    }
    Engine engine;
    engine.schedule(7, 0, 0);
    int seen = 0;
    engine.run([&](const Event& event) { seen += static_cast<int>(event.at); }, [] {});
    CHECK(seen == 7);
}
