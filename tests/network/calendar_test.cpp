// The event calendar keeps time order, first in first out among equals.
#include "hardware/rng.hpp"
#include "network/calendar.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <limits>
#include <vector>

using namespace orrery;

namespace {

struct Pending {
    std::int64_t at;
    std::uint64_t number;
};

bool comes_first(const Pending& a, const Pending& b) { return a.at != b.at ? a.at < b.at : a.number < b.number; }

}  // namespace

TEST_CASE("the calendar gives events back in time order, and in the order of pushing at equal times",
          "[network][calendar]") {
    // Method: a stable sort of the same events is the oracle.
    Rng rng(7);
    std::vector<Pending> events;
    Calendar<std::uint64_t> calendar;
    for (std::uint64_t i = 0; i < 5000; ++i) {
        events.push_back({static_cast<std::int64_t>(rng.below(700)), i});
        calendar.push(events.back().at, i);
    }
    std::sort(events.begin(), events.end(), comes_first);
    std::uint64_t got = 0;
    for (const Pending& expected : events) {
        REQUIRE(calendar.next());
        REQUIRE(calendar.take(got));
        REQUIRE(calendar.now_ps() == expected.at);
        REQUIRE(got == expected.number);
    }
    CHECK_FALSE(calendar.next());
    CHECK_FALSE(calendar.take(got));
}

TEST_CASE("events pushed while the clock runs come in their place", "[network][calendar]") {
    // Method: hold model (Vaucher & Duval, CACM 18(4), 1975) with the least of a list of what is pending as oracle.
    Rng rng(11);
    Calendar<std::uint64_t> calendar;
    std::vector<Pending> pending;
    std::uint64_t count = 0;
    const auto push = [&](std::int64_t at) {
        pending.push_back({at, count});
        calendar.push(at, count++);
    };
    for (int i = 0; i < 64; ++i) push(static_cast<std::int64_t>(rng.below(1'000'000'000'000)));
    std::uint64_t got = 0;
    for (int i = 0; i < 4000; ++i) {
        const auto first = std::min_element(pending.begin(), pending.end(), comes_first);
        REQUIRE(calendar.next());
        REQUIRE(calendar.now_ps() == first->at);
        REQUIRE(calendar.take(got));
        REQUIRE(got == first->number);
        const std::int64_t now = first->at;
        pending.erase(first);
        const std::uint64_t kind = rng.below(4);
        push(now + static_cast<std::int64_t>(kind == 0 ? 0 : rng.below(kind == 1 ? 3 : 1'000'000'000)));
    }
}

TEST_CASE("the calendar reaches the last picosecond of a signed count", "[network][calendar]") {
    // Method: the extremes of the type.
    Calendar<int> calendar;
    constexpr std::int64_t end = std::numeric_limits<std::int64_t>::max();
    calendar.push(end, 1);
    calendar.push(0, 2);
    int got = 0;
    REQUIRE(calendar.next());
    REQUIRE(calendar.take(got));
    CHECK(got == 2);
    REQUIRE(calendar.next());
    CHECK(calendar.now_ps() == end);
}
