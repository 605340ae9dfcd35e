// The figures of the accuracy tables, on errors chosen by hand.
#include "scenarios/error_statistics.hpp"

#include <catch2/catch.hpp>

using namespace orrery;

TEST_CASE("mean, median, 90th percentile and bias of known errors", "[validate]") {
    // Method: ten rows with errors 1..10 %, alternating in sign: mean 5.5, median 5.5, p90 9 (nearest rank), bias -0.5.
    std::vector<Comparison> rows;
    for (int i = 1; i <= 10; ++i) {
        const double sign = i % 2 == 1 ? 1.0 : -1.0;
        rows.push_back({"row", "source", "step_time_s", 100.0, 100.0 + sign * i, ""});
    }
    const ErrorStatistics s = error_statistics(rows);
    CHECK(s.mape == Approx(0.055));
    CHECK(s.median_ape == Approx(0.055));
    CHECK(s.p90_ape == Approx(0.09));
    CHECK(s.bias == Approx(-0.005));
}

TEST_CASE("no rows have no error", "[validate]") {
    // Method: definition.
    CHECK(error_statistics({}).rows == 0);
    CHECK(error_statistics({}).mape == 0.0);
}
