// Holds the fitter to problems whose answers are known.
#include "kernels/least_squares.hpp"

#include <catch2/catch.hpp>

#include <cmath>

using namespace orrery;

TEST_CASE("a line is found from its points", "[kernels][fit]") {
    // Method: y = 2 + 0.5 x without noise; the least-squares answer is exact.
    const Residuals residuals = [](const std::vector<double>& p, std::vector<double>& out) {
        out.clear();
        for (int x = 0; x < 10; ++x) out.push_back(p[0] + p[1] * x - (2.0 + 0.5 * x));
    };
    Rng rng(1);
    const FitResult fit = fit_least_squares(residuals, {{1.0, -10.0, 10.0}, {0.0, -10.0, 10.0}}, {}, rng);
    CHECK(fit.parameters[0] == Approx(2.0).margin(1e-3));
    CHECK(fit.parameters[1] == Approx(0.5).margin(1e-3));
    CHECK(fit.cost < 1e-6);
}

TEST_CASE("an answer outside the bounds ends at the bound", "[kernels][fit]") {
    // Method: the free optimum is 5, the bound 3.
    const Residuals residuals = [](const std::vector<double>& p, std::vector<double>& out) { out = {p[0] - 5.0}; };
    Rng rng(1);
    CHECK(fit_least_squares(residuals, {{1.0, 0.0, 3.0}}, {}, rng).parameters[0] == Approx(3.0));
}

TEST_CASE("one wild point does not move a robust fit", "[kernels][fit]") {
    // Method: nineteen points at 1 and one at 100: the mean is 5.95, the soft-L1 location stays near 1.
    const Residuals residuals = [](const std::vector<double>& p, std::vector<double>& out) {
        out.assign(20, p[0] - 1.0);
        out[7] = p[0] - 100.0;
    };
    Rng rng(1);
    CHECK(fit_least_squares(residuals, {{50.0, 0.1, 200.0, true}}, {}, rng).parameters[0] == Approx(1.0).epsilon(0.02));
}

TEST_CASE("the same seed gives the same fit", "[kernels][fit]") {
    // Method: a wavy function with many minima, twice.
    const Residuals residuals = [](const std::vector<double>& p, std::vector<double>& out) {
        out = {std::sin(20.0 * p[0]) + p[1], p[0] * p[1] - 0.3};
    };
    Rng first(7);
    Rng second(7);
    const std::vector<FitParameter> bounds{{0.5, 0.0, 1.0}, {0.5, 0.0, 1.0}};
    CHECK(fit_least_squares(residuals, bounds, {}, first).parameters ==
          fit_least_squares(residuals, bounds, {}, second).parameters);
}
