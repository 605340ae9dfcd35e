// Flows that are taken out early, and flows that stand for several.
#include "network/fluid.hpp"

#include <array>
#include <catch2/catch.hpp>

using namespace orrery;

namespace {

constexpr std::array one_link{BytesPerSecond::from_si(100.0)};
constexpr std::array whole_load{LinkLoad{0, 1.0}};
constexpr std::int64_t second_ps = 1'000'000'000'000;

}  // namespace

TEST_CASE("a stopped flow gives back what it had not moved, and the link to the others", "[network][fluid]") {
    // Method: two flows of 300 B share 100 B/s for 2 s, so each moves 100 B; then the other has 200 B at full rate: 4
    // s.
    FluidNetwork network(one_link);
    std::vector<FlowUpdate> changed;
    const FlowId stopped = network.start(0, 300.0_B, 100.0_B / 1.0_s, whole_load, 0);
    const FlowId other = network.start(0, 300.0_B, 100.0_B / 1.0_s, whole_load, 1);
    network.settle(0, changed);
    CHECK(network.stop(stopped, 2 * second_ps) / 1.0_B == Approx(200.0));
    changed.clear();
    network.settle(2 * second_ps, changed);
    REQUIRE(changed.size() == 1);
    CHECK(changed[0].flow == other);
    CHECK(static_cast<double>(changed[0].completion_ps) == Approx(4.0 * second_ps));
    CHECK(network.complete(other, changed[0].version, changed[0].completion_ps));
    CHECK(network.active() == 0);
    CHECK(network.carried(0) / 1.0_B == Approx(400.0));
}

TEST_CASE("a flow stopped in the instant of its start leaves no trace", "[network][fluid]") {
    // Method: nothing moved, nothing to announce.
    FluidNetwork network(one_link);
    std::vector<FlowUpdate> changed;
    const FlowId flow = network.start(5, 300.0_B, 100.0_B / 1.0_s, whole_load, 0);
    CHECK(network.stop(flow, 5) / 1.0_B == Approx(300.0));
    network.settle(5, changed);
    CHECK(changed.empty());
    CHECK(network.active() == 0);
}

TEST_CASE("one weighted flow stands for several that are alike", "[network][fluid]") {
    // Method: three flows against one get three quarters of the link; folded into one with three times the load and the
    // weight of one of them, each still makes 25 B/s of progress.
    FluidNetwork network(one_link);
    std::vector<FlowUpdate> changed;
    constexpr std::array three_loads{LinkLoad{0, 3.0}};
    const FlowId three = network.start(0, 100.0_B, 100.0_B / 1.0_s, three_loads, 0, 1.0);
    const FlowId one = network.start(0, 100.0_B, 100.0_B / 1.0_s, whole_load, 1);
    network.settle(0, changed);
    CHECK(network.rate(three) / (1.0_B / 1.0_s) == Approx(25.0));
    CHECK(network.rate(one) / (1.0_B / 1.0_s) == Approx(25.0));
}
