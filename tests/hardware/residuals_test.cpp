// Holds layer B to its closed form and to what tells shapes apart.
#include "hardware/residuals.hpp"

#include <catch2/catch.hpp>

#include <cmath>

using namespace orrery;

namespace {

ResidualField two_bumps() {
    ResidualField field;
    field.cores = 132.0;
    field.lengths = {2.0F, 0.0F, 1.0F};
    field.points = {{{1024, 4096, 4096}, 0.5F}, {{256, 64, 8192}, -0.25F}};
    prepare_residuals(field, product_features);
    return field;
}

}  // namespace

TEST_CASE("a residual is the sum of bumps around the measured shapes", "[hardware][residuals]") {
    // Method: weight / (1 + d^2 / 2) by hand, distances in lengths; n has no length and so does not count.
    const ResidualField field = two_bumps();
    const auto at = [&](std::int64_t m, std::int64_t n, std::int64_t k) {
        return residual_at(field, product_features(shape_of(MatrixMultiply{.m = m, .n = n, .k = k}), 132.0));
    };
    CHECK(at(1024, 4096, 4096) == Approx(0.5 - 0.25 / (1.0 + 0.5 * (1.0 + 1.0))));
    CHECK(at(1024, 64, 4096) == Approx(at(1024, 4096, 4096)));
    CHECK(at(256, 64, 8192) == Approx(0.5 / 2.0 - 0.25));
    CHECK(std::abs(at(1, 64, 1)) < 0.02);  // far away the physics stands alone
    CHECK(residual_at(ResidualField{}, product_features(Shape{1, 1, 1}, 1.0)) == 0.0);
}

TEST_CASE("more points than one block of sixteen all count", "[hardware][residuals]") {
    // Method: forty bumps at one shape add up.
    ResidualField field;
    field.lengths = {1.0F};
    field.points.assign(40, {{64, 64, 64}, 0.01F});
    prepare_residuals(field, product_features);
    CHECK(residual_at(field, product_features(Shape{64, 64, 64}, 1.0)) == Approx(0.4));
}

TEST_CASE("shapes hold what kernels are chosen by", "[hardware][residuals]") {
    // Method: alignment and fill by hand: 192 = 3 x 64 rows fill 1.5 tiles of 128; 132 cores, 2 x 33 tiles of 128 x 128.
    const Features f = product_features(shape_of(MatrixMultiply{.m = 192, .n = 33 * 128, .k = 96}), 132.0);
    CHECK(f[0] == Approx(std::log2(192.0)));
    CHECK(f[3] == 6.0F);
    CHECK(f[4] == 7.0F);
    CHECK(f[5] == 5.0F);
    CHECK(f[7] == Approx(0.5));
    CHECK(f[11] == Approx(0.75));
    CHECK(f[12] == Approx(1.0));
    const Shape huge = shape_of(MatrixMultiply{.m = std::int64_t{1} << 40U});
    CHECK(huge[0] == 2147483647);
    const Shape attention = shape_of(Attention{.value_head_size = 128, .kv_type = DataType::fp8});
    CHECK(attention[7] == 4 * 128 + 2 + 1);
}
