// Measuring the machine at hand: shapes by seed, what memory is too small for, and a training step that learns.
#include "kernels/calibrate_machine.hpp"
#include "kernels/reference/pinned_team.hpp"
#include "kernels/training_step.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <memory>

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

TEST_CASE("a suite is the same for the same seed and has as many products as it says", "[kernels][calibrate]") {
    // Method: two draws compared; products counted; formats without instructions left out.
    MachineFigures machine = some_machine();
    const auto cases = suite_cases(false, 3, machine);
    CHECK(cases == suite_cases(false, 3, machine));
    CHECK(cases != suite_cases(false, 4, machine));
    const auto products = [](const std::vector<SuiteCase>& list) {
        return std::count_if(list.begin(), list.end(), [](const SuiteCase& c) { return find_kernel(c.kernel_case.kernel)->sizes.rfind("batch m n k", 0) == 0; });
    };
    CHECK(products(cases) == 56 + 32 + 32);
    machine.bf16_peak = machine.int8_peak = {};
    CHECK(products(suite_cases(false, 3, machine)) == 56);
    for (const SuiteCase& one : cases) CHECK(find_kernel(one.kernel_case.kernel) != nullptr);
}

TEST_CASE("a shape that memory is too small for shrinks and says so", "[kernels][calibrate]") {
    // Method: a copy of 2^45 elements, beyond any memory; what was measured fits what is free.
    const PinnedTeam team;
    MachineFigures machine = some_machine();
    machine.cache = 1.0_MiB;
    MeasuredCase measured;
    measure_case({{"launch", {1}, DataType::fp32}, false}, machine, 1, {}, measured);
    CHECK(measured.shrunk_from.empty());
    MeasuredCase shrunk;
    measure_case({{"sgd", {std::int64_t{1} << 45}, DataType::fp32}, true}, machine, 1, {}, shrunk);
    CHECK(shrunk.shrunk_from == "sgd fp32 35184372088832");
    CHECK(footprint_of(shrunk.kernel_case) < available_memory());
}

TEST_CASE("samples during which another program ran do not count", "[kernels][calibrate]") {
    // Method: twenty calm samples of 1 ms and ten disturbed of 5 ms; then five calm ones only, which are too few.
    Samples samples{std::vector<double>(20, 1e-3), std::vector<double>(10, 5e-3)};
    const Measurement calm = measurement_of(samples);
    CHECK(calm.seconds().si() == Approx(1e-3));
    CHECK(calm.steady);
    CHECK(calm.disturbed == 10);
    samples.calm.resize(5);
    const Measurement few = measurement_of(samples);
    CHECK(!few.steady);
    CHECK(few.repeats == 15);
}

TEST_CASE("a suite that has no time left says of each row that it was not measured", "[kernels][calibrate]") {
    // Method: a limit of no time at all.
    const PinnedTeam team;
    SuiteOptions options;
    options.limit = Seconds::from_si(-1.0);
    const auto rows = measure_suite({{{"add", {1000}, DataType::fp32}, false}}, some_machine(), options, [](const SuiteProgress&) {});
    REQUIRE(rows.size() == 1);
    CHECK(rows[0].refused == "the suite's time was over before it was measured");
    CHECK(predict_cases(some_machine(), with_figures(Device{}, some_machine()), rows).empty());
}

TEST_CASE("a fit to times of the model itself finds them again on rows held out", "[kernels][calibrate]") {
    // Method: times made by the processor model at factors of our own; five folds meet them within 3 %, also where the
    // cores ran at other clocks than when the machine's peaks were measured.
    const MachineFigures machine = some_machine();
    Device device = with_figures(Device{}, machine);
    Calibration truth;
    ProcessorCost products;
    products.factors = {5.0, 1.3, 0.5, 0.8, 1.5, 0.7, 0.3, 0.4};
    ProcessorCost streaming;
    streaming.kind = ProcessorKind::streaming;
    streaming.factors = {4.0, 2.0, 1.2};
    streaming.norm = 2.0;
    truth.processor = {products, streaming};
    device.calibration = std::make_shared<const Calibration>(truth);
    std::vector<MeasuredCase> rows;
    Rng rng(7);
    for (int i = 0; i < 60; ++i) {
        MeasuredCase row;
        const auto size = [&](std::int64_t most) { return static_cast<std::int64_t>(64 + rng.below(static_cast<std::uint64_t>(most))); };
        const bool product = i % 2 == 0;
        row.cold = !product;
        row.kernel_case = {product ? "matrix-multiply" : "add", {1, i}, DataType::fp32};
        row.work = product ? Work{MatrixMultiply{size(2000), size(2000), size(2000), 1, DataType::fp32, 4.0}}
                           : Work{Streaming{Bytes::from_si(1e5 * static_cast<double>(size(1000))), 1, {}}};
        row.clock = i % 3 == 0 ? 0.9 : 1.0;
        row.time.median = execution_time(with_figures(device, at_clock(machine, row.clock)), *row.work);
        row.time.steady = true;
        rows.push_back(row);
    }
    const MachineCalibration fit = fit_machine(machine, rows, 1);
    CHECK(fit.refused.empty());
    CHECK(fit.held_out.size() == rows.size());
    double sum = 0.0;
    for (const CaseError& one : fit.held_out) sum += std::abs(one.error());
    CHECK(sum / static_cast<double>(fit.held_out.size()) < 0.03);
    REQUIRE(fit.calibration.processor.size() == 2);
    CHECK(fit.calibration.processor[0].quality.rows == 30);
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
    MeasuredCase measured;
    measure_case({{"matrix-multiply", {1, 32, 32, 32}, DataType::fp32}, false}, machine, 1, {}, measured);
    CHECK(measured.refused.find("times the peak of the registers") != std::string::npos);
    CHECK(predict_cases(machine, with_figures(Device{}, machine), {measured}).empty());
    // Winograd's rate counts the multiplications of the definition, of which it does a quarter.
    MeasuredCase transformed;
    measure_case({{"winograd-4-convolution", {1, 16, 16, 16, 16, 3, 1}, DataType::fp32}, false}, machine, 1, {}, transformed);
    CHECK(transformed.refused.empty());
    CHECK(transformed.flop.si() == 2.0 * 9.0 * 16 * 16 * 16 * 16);
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
