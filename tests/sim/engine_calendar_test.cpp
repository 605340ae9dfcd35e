// The event calendar keeps time order, first in first out among equals.
#include "hardware/rng.hpp"
#include "sim/calendar.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <vector>

using namespace orrery;

TEST_CASE("the calendar gives events back in time order, and in the order of adding at equal times",
          "[sim][calendar]") {
    // Method: a stable sort of the same events is the oracle.
    Rng rng(7);
    std::vector<Event> events;
    Calendar calendar;
    for (std::uint64_t i = 0; i < 5000; ++i) {
        events.push_back({static_cast<Picoseconds>(rng.below(700)), 1, 2, i});
        calendar.add(events.back());
    }
    std::stable_sort(events.begin(), events.end(), [](const Event& a, const Event& b) { return a.at < b.at; });
    for (const Event& expected : events) {
        const Event got = calendar.take();
        REQUIRE(got.at == expected.at);
        REQUIRE(got.data == expected.data);
    }
    CHECK(calendar.empty());
}

TEST_CASE("events added while the clock runs come in their place", "[sim][calendar]") {
    // Method: hold model (Vaucher & Duval, CACM 18(4), 1975) with a std::stable_sort'ed list of what is pending as
    // oracle.
    Rng rng(11);
    Calendar calendar;
    std::vector<Event> pending;
    std::uint64_t count = 0;
    const auto add = [&](Picoseconds at) {
        pending.push_back({at, 0, 0, count++});
        calendar.add(pending.back());
    };
    for (int i = 0; i < 64; ++i) add(static_cast<Picoseconds>(rng.below(1'000'000'000'000)));
    for (int i = 0; i < 4000; ++i) {
        const auto first = std::min_element(pending.begin(), pending.end(), [](const Event& a, const Event& b) {
            return a.at != b.at ? a.at < b.at : a.data < b.data;
        });
        REQUIRE(calendar.earliest() == first->at);
        const Event got = calendar.take();
        REQUIRE(got.data == first->data);
        const Picoseconds now = first->at;
        pending.erase(first);
        const std::uint64_t kind = rng.below(4);
        add(now + static_cast<Picoseconds>(kind == 0 ? 0 : rng.below(kind == 1 ? 3 : 1'000'000'000)));
    }
    CHECK(calendar.size() == 64);
}

TEST_CASE("the calendar reaches the last picosecond of a signed count", "[sim][calendar]") {
    // Method: the extremes of the type.
    Calendar calendar;
    constexpr Picoseconds end = std::numeric_limits<Picoseconds>::max();
    calendar.add({end, 0, 0, 1});
    calendar.add({0, 0, 0, 2});
    CHECK(calendar.take().data == 2);
    CHECK(calendar.take().at == end);
}
