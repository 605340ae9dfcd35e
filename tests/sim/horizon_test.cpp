// Steps that no clock should be asked to hold are the user's slip of a unit, told as such.
#include "sim/simulate.hpp"

#include <catch2/catch.hpp>

using namespace orrery;

TEST_CASE("a step of more than a million seconds is refused with the place to look", "[sim][simulate]") {
    // Method: one device, one pass of 2e6 s; the fabric is never used.
    StepProgram program;
    program.blocks.push_back({"forward", {{Op::compute, TimePart::compute, -1, 2e6 * 1.0_s}}});
    program.stages.push_back({-1, {{{false, 0, 0}, 0}}, -1});
    Cluster cluster;
    cluster.node.devices = 1;
    cluster.fabric.devices = 1;
    const Result<StepOutcome> outcome = simulate(cluster, program, {});
    REQUIRE_FALSE(outcome.ok());
    CHECK(outcome.problems().front().place == "/cluster");
    CHECK(outcome.problems().front().problem.find("2000000 s") != std::string::npos);
    CHECK(outcome.problems().front().remedy.find("units") != std::string::npos);
}
