// The closed-form step, against the textbook's pipeline formulae.
#include "sim/price.hpp"
#include "sim/simulate.hpp"

#include <catch2/catch.hpp>

#include <numeric>

using namespace orrery;

namespace {

/// `stages` equal stages of `virtual_stages` chunks; forward f and backward b seconds per chunk.
StepProgram uniform_pipeline(int stages, int virtual_stages, int micro_batches, Seconds forward, Seconds backward) {
    StepProgram program;
    program.parallelism.pipeline = stages;
    program.parallelism.virtual_stages = virtual_stages;
    program.micro_batches = micro_batches;
    program.blocks.push_back({"forward", {{Op::compute, TimePart::compute, -1, forward}}});
    program.blocks.push_back({"backward", {{Op::compute, TimePart::compute, -1, backward}}});
    for (int s = 0; s < stages; ++s) {
        StageProgram stage;
        for (int m = 0; m < micro_batches; ++m) {
            for (int c = 0; c < virtual_stages; ++c) {
                stage.passes.push_back({{false, m, c}, 0});
                stage.passes.push_back({{true, m, c}, 1});
            }
        }
        program.stages.push_back(stage);
    }
    return program;
}

}  // namespace

TEST_CASE("a pipeline of equal stages takes (m + p - 1) (f + b)", "[sim][estimate]") {
    // Method: Huang et al., GPipe, arXiv 1811.06965: m = 6, p = 4, f + b = 3 s.
    const StepOutcome outcome = estimate(uniform_pipeline(4, 1, 6, 1.0_s, 2.0_s));
    CHECK(outcome.step / 1.0_s == Approx((6 + 4 - 1) * 3.0));
    CHECK(outcome.breakdown[static_cast<std::size_t>(TimePart::pipeline_bubble)] / 1.0_s == Approx(9.0));
}

TEST_CASE("virtual stages divide the bubble", "[sim][estimate]") {
    // Method: Narayanan et al., arXiv 2104.04473, 2.2: bubble (p - 1) (f + b) / v, f + b the whole rank's pass.
    const StepOutcome outcome = estimate(uniform_pipeline(4, 2, 6, 0.5_s, 1.0_s));
    CHECK(outcome.breakdown[static_cast<std::size_t>(TimePart::pipeline_bubble)] / 1.0_s == Approx(3 * 3.0 / 2));
}

TEST_CASE("the breakdown adds up to the step", "[sim][estimate]") {
    // Method: conservation of time.
    StepProgram program = uniform_pipeline(3, 1, 5, 1.0_ms, 2.0_ms);
    program.boundary_message = 1.0_MB;
    program.boundary_idle = 10.0_us;
    const StepOutcome outcome = estimate(program);
    const Seconds sum = std::accumulate(outcome.breakdown.begin(), outcome.breakdown.end(), Seconds{});
    CHECK(sum / outcome.step == Approx(1.0).epsilon(1e-12));
}

TEST_CASE("tensor groups fill a domain first and data groups stride over it", "[sim][price]") {
    // Method: Megatron's rank order on nodes of eight: tensor 4 leaves two positions of data in a node.
    Parallelism p;
    p.tensor = 4;
    p.data = 16;
    const GroupShape tensor = shape_along(p, Axis::tensor, 8);
    CHECK(tensor.ranks == 4);
    CHECK(tensor.domains == 1);
    const GroupShape data = shape_along(p, Axis::data_context, 8);
    CHECK(data.ranks == 16);
    CHECK(data.per_domain == 2);
    CHECK(data.domains == 8);
    CHECK(data.per_node_peers == 4);
}
