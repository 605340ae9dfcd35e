// Measuring the machine at hand: shapes by seed, what memory is too small for, and a training step that learns.
#include "kernels/calibrate_machine.hpp"
#include "kernels/reference/pinned_team.hpp"
#include "kernels/training_step.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>

using namespace orrery;

namespace {

MachineFigures some_machine() {
    MachineFigures figures;
    figures.processor = "a processor";
    figures.cores = 2;
    figures.fp32_peak = 0.2_TFLOPps;
    figures.bf16_peak = 0.4_TFLOPps;
    figures.int8_peak = 0.8_TFLOPps;
    figures.memory_bandwidth = 20.0_GBps;
    figures.cache = 32.0_MiB;
    return figures;
}

}  // namespace

TEST_CASE("a suite is the same for the same seed and has forty products", "[kernels][calibrate]") {
    // Method: two draws compared; products counted; formats without instructions left out.
    MachineFigures machine = some_machine();
    const auto cases = suite_cases(false, 3, machine);
    CHECK(cases == suite_cases(false, 3, machine));
    CHECK(cases != suite_cases(false, 4, machine));
    const auto products = [](const std::vector<KernelCase>& list) {
        return std::count_if(list.begin(), list.end(), [](const KernelCase& c) { return c.kernel.ends_with("matrix-multiply"); });
    };
    CHECK(products(cases) == 40);
    machine.bf16_peak = machine.int8_peak = {};
    CHECK(products(suite_cases(false, 3, machine)) == 24);
    for (const KernelCase& one : cases) CHECK(find_kernel(one.kernel) != nullptr);
}

TEST_CASE("a shape that memory is too small for shrinks and says so", "[kernels][calibrate]") {
    // Method: a copy of 2^45 elements, beyond any memory; what was measured fits what is free.
    const PinnedTeam team;
    const MeasuredCase measured = measure_case({"launch", {1}, DataType::fp32}, some_machine(), 1);
    CHECK(measured.shrunk_from.empty());
    const MeasuredCase shrunk = measure_case({"sgd", {std::int64_t{1} << 45}, DataType::fp32},
                                             [] { MachineFigures m = some_machine(); m.cache = 1.0_MiB; return m; }(), 1);
    CHECK(shrunk.shrunk_from == "sgd fp32 35184372088832");
    CHECK(footprint_of(shrunk.kernel_case) < available_memory());
}

TEST_CASE("a measurement keeps its repeats and their spread", "[kernels][calibrate]") {
    // Method: a kernel that only counts; the fastest eighth is never above the median.
    int runs = 0;
    PreparedKernel kernel;
    kernel.run = [&](int) { ++runs; };
    const Measurement measured = measure(kernel, {.budget = 0.01_s});
    CHECK(runs > measured.repeats);
    CHECK(measured.repeats >= 7);
    CHECK(measured.quiet <= measured.median);
    CHECK(measured.median > 0.0_s);
}

TEST_CASE("an arithmetic rate above the registers' peak is refused by name", "[kernels][calibrate]") {
    // Method: a machine said to have a peak of one FLOP/s; no kernel is that slow.
    MachineFigures machine = some_machine();
    machine.fp32_peak = FlopPerSecond::from_si(1.0);
    const PinnedTeam team;
    const MeasuredCase measured = measure_case({"matrix-multiply", {1, 32, 32, 32}, DataType::fp32}, machine, 1);
    CHECK(measured.impossible.find("times the peak of the registers") != std::string::npos);
    CHECK(predict_cases(with_figures(Device{}, machine), {measured}).empty());
}

TEST_CASE("the small training step learns its batch, equally for equal seeds", "[kernels][calibrate]") {
    // Method: the first loss of random weights is near ln(vocabulary); AdamW on one batch brings it down step by step.
    const StepShape shape{2, 32, 4, 2, 48, 50, 24, 2};
    const PinnedTeam team;
    const MeasuredStep step = run_training_step(shape, 12, 5);
    CHECK(step.losses.front() == Approx(std::log(50.0)).epsilon(0.2));
    CHECK(step.losses.back() < 0.9 * step.losses.front());
    CHECK(run_training_step(shape, 12, 5).losses == step.losses);
    // Three products per weight matrix, of which a layer has seven, and three of the unembedding.
    const auto products = std::count_if(step.operators.begin(), step.operators.end(),
                                        [](const StepOperator& one) { return one.kind == "product"; });
    CHECK(products == 3 * (2 * 7 + 1));
}
