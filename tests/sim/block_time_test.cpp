// Straight-line code on two streams, against sums worked out by hand.
#include "sim/block_time.hpp"

#include <catch2/catch.hpp>

using namespace orrery;

namespace {

StepProgram program_with(Seconds idle, double exposed, double contention) {
    StepProgram program;
    program.exchanges.push_back({{CollectiveKind::all_gather, 1.0_MB, DataType::bf16}, Axis::data, exposed, TimePart::data_comm, idle});
    program.contention = contention;
    return program;
}

Seconds part(const BlockTime& time, TimePart which) { return time.parts[static_cast<std::size_t>(which)]; }

}  // namespace

TEST_CASE("an exchange holds compute up for its exposed share only", "[sim][block]") {
    // Method: 3 + 0.25 * 8 = 5 by hand.
    const StepProgram program = program_with(8.0_s, 0.25, 0.0);
    const std::vector<Instruction> code{{Op::compute, TimePart::compute, -1, 3.0_s}, {Op::exchange, TimePart::data_comm, 0, {}}};
    const BlockTime time = block_time(program, code);
    CHECK(time.total / 1.0_s == Approx(5.0));
    CHECK(part(time, TimePart::data_comm) / 1.0_s == Approx(2.0));
}

TEST_CASE("a started exchange hides behind compute and shows only its rest", "[sim][block]") {
    // Method: gather of 8 s beside 3 s of compute leaves 5 s of waiting.
    const StepProgram program = program_with(8.0_s, 1.0, 0.0);
    const std::vector<Instruction> code{{Op::start, TimePart::data_comm, 0, {}},
                                        {Op::compute, TimePart::compute, -1, 3.0_s},
                                        {Op::wait, TimePart::data_comm, 0, {}}};
    const BlockTime time = block_time(program, code);
    CHECK(time.total / 1.0_s == Approx(8.0));
    CHECK(part(time, TimePart::data_comm) / 1.0_s == Approx(5.0));
}

TEST_CASE("compute beside an exchange runs slower by the contention", "[sim][block]") {
    // Method: 10 s of work at rate 1/1.25 for the first 5 s does 4 s of it; the other 6 s run at full rate: 11 s.
    const StepProgram program = program_with(5.0_s, 1.0, 0.25);
    const std::vector<Instruction> code{{Op::start, TimePart::data_comm, 0, {}}, {Op::compute, TimePart::compute, -1, 10.0_s}};
    CHECK(block_time(program, code).total / 1.0_s == Approx(11.0));
}

TEST_CASE("started exchanges follow each other on one communication stream", "[sim][block]") {
    // Method: two gathers of 4 s started together end at 8 s.
    const StepProgram program = program_with(4.0_s, 1.0, 0.0);
    const std::vector<Instruction> code{{Op::start, TimePart::data_comm, 0, {}},
                                        {Op::start, TimePart::data_comm, 0, {}},
                                        {Op::wait, TimePart::data_comm, 0, {}}};
    CHECK(block_time(program, code).total / 1.0_s == Approx(8.0));
}
