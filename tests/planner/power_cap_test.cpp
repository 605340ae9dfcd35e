// Caps on power against the inverse of the power law, and what is conserved under them.
#include "planner/power_cap.hpp"

#include <catch2/catch.hpp>

#include <cmath>

using namespace orrery;

TEST_CASE("half of the dynamic power leaves the cube root of a half of the clock", "[planner][power]") {
    // Method: the inverse of P = f^3 for a job that is always busy; 0.5^(1/3) = 0.7937.
    const UncappedStep step{10.0_s, 1.0, 1.0, 0.0_W, 1000.0_W};
    const auto capped = step_under_cap(PowerModel{}, step, 500.0_W);
    REQUIRE(capped.has_value());
    CHECK(capped->frequency == Approx(0.793700526).epsilon(1e-9));
    CHECK(capped->step.si() == Approx(10.0 / 0.793700526).epsilon(1e-9));   // all of it waits for the clock
    CHECK(capped->power.si() == Approx(500.0).epsilon(1e-9));
    PowerModel square;
    square.exponent = 2.0;
    CHECK(step_under_cap(square, step, 500.0_W)->frequency == Approx(std::sqrt(0.5)));
}

TEST_CASE("a cap is met by the highest clock that keeps it", "[planner][power]") {
    // Method: the clock found, put back into the power law, draws the cap; a hair faster draws more.
    const PowerModel model;
    for (const double busy : {0.3, 0.6, 0.9}) {
        for (const double bound : {0.0, 0.5, 1.0}) {
            const UncappedStep step{4.0_s, busy, busy * bound, 2200.0_W, 5200.0_W};
            const CappedStep usual = step_at_clock(model, step, 1.0);
            CHECK(usual.power.si() == Approx(2200.0 + 5200.0 * busy));
            const Watts cap = 2200.0_W + (usual.power - 2200.0_W) * 0.6;
            const auto capped = step_under_cap(model, step, cap);
            REQUIRE(capped.has_value());
            CHECK(capped->power.si() == Approx(cap.si()).epsilon(1e-9));
            CHECK(step_at_clock(model, step, capped->frequency * 1.001).power > cap);
            // Only the bound share stretches.
            CHECK(capped->step.si() == Approx(4.0 * (1.0 + busy * bound * (1.0 / capped->frequency - 1.0))));
        }
    }
}

TEST_CASE("a cap that is wide changes nothing, and one below the lowest clock cannot be kept", "[planner][power]") {
    // Method: power at the ends of the range by hand: 100 W idle and 0.5^3 of 800 W at half the clock.
    const UncappedStep step{1.0_s, 1.0, 0.0, 100.0_W, 800.0_W};
    CHECK(step_under_cap(PowerModel{}, step, 900.0_W)->frequency == 1.0);
    CHECK(step_under_cap(PowerModel{}, step, 200.0_W)->frequency == Approx(0.5).epsilon(1e-6));
    CHECK_FALSE(step_under_cap(PowerModel{}, step, 199.0_W).has_value());
}
