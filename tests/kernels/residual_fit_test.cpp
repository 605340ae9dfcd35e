// Holds the residual field to functions that it has to find again from noisy samples.
#include "kernels/fit_residuals.hpp"

#include <catch2/catch.hpp>

#include <cmath>

using namespace orrery;

namespace {

MatrixMultiply some_product(Rng& rng) {
    const auto size = [&](std::uint64_t least, std::uint64_t span) {
        return static_cast<std::int64_t>(std::exp2(static_cast<double>(least) + static_cast<double>(span) * rng.uniform()));
    };
    return {.m = size(0, 13), .n = 64 * size(0, 8), .k = 64 * size(0, 8)};
}

// A kernel switch at 1,000 rows, a slope over k, nothing else.
double law(const MatrixMultiply& work) {
    return (work.m > 1000 ? 0.3 : -0.1) + 0.05 * std::log2(static_cast<double>(work.k) / 1024.0);
}

std::vector<ResidualSample> samples_of(int count, double noise, Rng& rng) {
    std::vector<ResidualSample> samples;
    for (int i = 0; i < count; ++i) {
        const MatrixMultiply work = some_product(rng);
        samples.push_back({law(work) + noise * rng.normal(), {shape_of(work)}});
    }
    return samples;
}

double mean_miss(const ResidualField& field, Rng& rng) {
    double sum = 0.0;
    for (int i = 0; i < 400; ++i) {
        const MatrixMultiply work = some_product(rng);
        sum += std::abs(residual_of(field, product_features, 132.0, {0.0, {shape_of(work)}}) - law(work));
    }
    return sum / 400.0;
}

}  // namespace

TEST_CASE("a field finds a law over shapes again, whatever a few wild rows say", "[kernels][residuals]") {
    // Method: unseen shapes against the law that made the samples; then one row in twenty is off by e^1.5.
    Rng rng(11);
    std::vector<ResidualSample> samples = samples_of(500, 0.02, rng);
    Rng fit_rng(1);
    const ResidualField field = fit_residuals(samples, product_features, 132.0, 160, fit_rng);
    CHECK(field.points.size() == 160);
    Rng judge(7);
    CHECK(mean_miss(field, judge) < 0.03);
    for (std::size_t i = 0; i < samples.size(); i += 20) samples[i].log_ratio += 1.5;
    const ResidualField wild = fit_residuals(samples, product_features, 132.0, 160, fit_rng);
    CHECK(mean_miss(wild, judge) < 0.12);  // a least-squares fit would be pulled by 5 % of 1.5 and more near each
}

TEST_CASE("a row of two kernels tells of both by their shares", "[kernels][residuals]") {
    // Method: ratios mixed 0.7 to 0.3 from the law at two shapes; the field is judged at single shapes.
    Rng rng(13);
    std::vector<ResidualSample> samples;
    for (int i = 0; i < 500; ++i) {
        const MatrixMultiply first = some_product(rng);
        const MatrixMultiply second = some_product(rng);
        samples.push_back({0.7 * law(first) + 0.3 * law(second), {shape_of(first), shape_of(second)}, {0.7, 0.3}});
    }
    Rng judge(7);
    CHECK(mean_miss(fit_residuals(samples, product_features, 132.0, 160, rng), judge) < 0.04);
}

TEST_CASE("without samples or points there is no residual", "[kernels][residuals]") {
    // Method: the empty field is 0 everywhere.
    Rng rng(3);
    CHECK(fit_residuals({}, product_features, 132.0, 100, rng).points.empty());
    const auto samples = samples_of(30, 0.0, rng);
    const ResidualField none = fit_residuals(samples, product_features, 132.0, 0, rng);
    CHECK(residual_of(none, product_features, 132.0, samples[0]) == 0.0);
}
