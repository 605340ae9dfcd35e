// Holds calibration files to their round trip, their messages, and the committed ones to published rates.
#include "scenarios/calibration_file.hpp"

#include "hardware/device.hpp"
#include "hardware/residuals.hpp"
#include "scenarios/catalog.hpp"

#include <catch2/catch.hpp>

using namespace orrery;

namespace {

Calibration small_calibration() {
    Calibration c;
    c.device = "test-gpu";
    c.date = "2026-11-25";
    GemmCalibration g;
    g.type = DataType::fp8;
    g.library = "lib-1 fp8";
    g.parameters = {2.5_us, 0.8, 0.85, 0.3_us, 140.0_GBps, 12000.0_GBps, 4.0, 3.0_us, 0.05, 1.2};
    g.quantise_launch = 9.0_us;
    g.residuals.cores = 132.0;
    g.residuals.lengths = {1.5F, 0.0F, 0.25F};
    g.residuals.points = {{{7, 4096, 65536}, 0.125F}, {{16384, 33, 2147483647, 0, 0, 0, 0, 5}, -40.5F}, {{1}, 0.0F}};
    prepare_residuals(g.residuals, product_features);
    g.quality.table = "test_gpu.lib-1.gemm.csv";
    g.quality.rows = 2;
    c.gemm = {g};
    c.grouped = {GroupedCalibration{}};
    c.grouped[0].parameters = g.parameters;
    c.grouped[0].layer_launch = 30.0_us;
    c.grouped[0].row_efficiency = 0.25;
    c.prefill = {PrefillCalibration{}};
    c.prefill[0].parameters.tile_overhead = 1.0_us;
    c.decode = {DecodeCalibration{}};
    c.decode[0].parameters.core_feed = 25.0_GBps;
    c.streaming = StreamingParameters{2.0_us, 0.75};
    ProcessorCost cost;
    cost.kind = ProcessorKind::streaming;
    cost.library = "lib-2";
    cost.factors = {3.5, 0.625, 1.0};
    cost.norm = 2.0;
    cost.residuals.lengths = {1.0F};
    cost.residuals.points = {{{100, 1, 250, 33}, 0.5F}};
    prepare_residuals(cost.residuals, streaming_features);
    c.processor = {cost};
    c.training_slowdown[DataType::bf16] = 1.125;
    c.attention_training_efficiency = 0.5;
    c.training_source = "somewhere";
    return c;
}

std::string first_problem(std::string_view text) {
    const auto calibration = parse_calibration(text, "f.json");
    REQUIRE(!calibration.ok());
    return calibration.problems()[0].place + ": " + calibration.problems()[0].problem;
}

}  // namespace

TEST_CASE("a calibration comes back from its file as it went", "[scenarios][calibration]") {
    // Method: round trip of a value with every part filled; numbers come back to their six digits, so text is compared.
    const Calibration before = small_calibration();
    const auto after = parse_calibration(calibration_json(before), "f.json");
    REQUIRE(after.ok());
    CHECK(calibration_json(*after) == calibration_json(before));
    CHECK(after->gemm[0].residuals == before.gemm[0].residuals);
    CHECK(after->grouped[0].row_efficiency == before.grouped[0].row_efficiency);
    CHECK(after->gemm[0].parameters.core_feed / before.gemm[0].parameters.core_feed == Approx(1.0));
    CHECK(after->processor == before.processor);
    CHECK(after->training_slowdown == before.training_slowdown);
    CHECK(after->training_source == before.training_source);
    CHECK(after->streaming->memory_efficiency == before.streaming->memory_efficiency);
}

TEST_CASE("a broken calibration file says where and why", "[scenarios][calibration]") {
    // Method: one mistake per message.
    CHECK(first_problem("[]").substr(0, 8) == "f.json::");
    CHECK(first_problem(R"({"gem": []})").find("gem") != std::string::npos);
    CHECK(first_problem(R"({"processor": [{"kind": "product", "type": "fp32"}]})") == "f.json:/processor/0/factors: is no list of 1 to 9 numbers");
    CHECK(first_problem(R"({"processor": [{"kind": "sieve", "type": "fp32", "factors": [1]}]})").find("/processor/0/kind") != std::string::npos);
    CHECK(first_problem(R"({"processor": [{"kind": "product", "type": "fp32", "factors": [-1]}]})").find("/processor/0/factors/0") != std::string::npos);
    CHECK(first_problem(R"({"gemm": [{"type": "bf16"}]})").find("/gemm/0") != std::string::npos);
    const auto residual_problem = [](const std::string& residuals) {
        return first_problem(R"({"gemm": [{"type": "bf16", "parameters": {}, "residuals": )" + residuals + "}]}");
    };
    CHECK(residual_problem(R"({"points": ["1"]})") == "f.json:/gemm/0/residuals/points/0: is \"1\"");
    CHECK(residual_problem(R"({"points": ["11 1~"]})") == "f.json:/gemm/0/residuals/points/0: is \"11 1~\"");
    CHECK(residual_problem(R"({"points": ["AAAAAAAA1"]})").find("/points/0") != std::string::npos);
    CHECK(residual_problem(R"({"points": [""]})").find("/points/0") != std::string::npos);
    CHECK(residual_problem(R"({"lengths": [0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]})") ==
          "f.json:/gemm/0/residuals/lengths: has 17 lengths");
    CHECK(residual_problem(R"({"unit": 0})").find("/residuals/unit") != std::string::npos);
    CHECK(residual_problem(R"({"bumps": 1})").find("bumps") != std::string::npos);
    CHECK(first_problem(R"({"training": {"slowdown": {"bf16": 100}}})").find("/training/slowdown/bf16") !=
          std::string::npos);
    CHECK(first_problem(R"({"gemm": [{"type": "bf16", "parameters": {"matrix_efficiency": 2}}]})")
              .find("/gemm/0/parameters/matrix_efficiency") != std::string::npos);
}

TEST_CASE("measured devices reach the rates that others measured on them", "[scenarios][calibration]") {
    // Method: isolated 8192^3 products in TFLOP/s (ml-engineering 744d01e, maximum achievable matmul: A100 271, H100 794,
    // B200 1,745; medians of large products of the kernel tables: 262, 767, 760, 1,481, 1,620, 205).
    const auto tflops = [](std::string_view name) {
        const auto device = find_device(name);
        REQUIRE(device.ok());
        const MatrixMultiply work{.m = 8192, .n = 8192, .k = 8192};
        CHECK(price_basis(*device, work) == "measured on " + std::string(name));
        return flop_of(work).si() / execution_time(*device, work).si() / 1e12;
    };
    CHECK(tflops("a100-sxm-80") == Approx(267.0).epsilon(0.06));
    CHECK(tflops("h100-sxm") == Approx(784.0).epsilon(0.05));
    // The H200's own rows beyond 6,144 in each size reach 525 to 760, where the H100's reach 710 to 811.
    CHECK(tflops("h200-sxm") == Approx(740.0).epsilon(0.07));
    CHECK(tflops("b200-sxm") == Approx(1550.0).epsilon(0.12));
    CHECK(tflops("gb200") == Approx(1650.0).epsilon(0.12));
    CHECK(tflops("l40s") == Approx(215.0).epsilon(0.15));
}

TEST_CASE("committed fits say how well they predict rows that they did not see", "[scenarios][calibration]") {
    // Method: the targets of the operator model on rows that no fit saw: products within 9 % mean, prefill within 9 %,
    // expert layers within 20 %.
    for (const std::string_view name : {"a100-sxm-80", "h100-sxm", "h200-sxm", "b200-sxm", "gb200", "l40s"}) {
        const auto device = find_device(name);
        REQUIRE(device.ok());
        const Calibration& calibration = *device->calibration;
        CHECK(calibration.device == name);
        REQUIRE(!calibration.gemm.empty());
        for (const GroupedCalibration& entry : calibration.grouped) {
            CHECK(entry.quality.mean_error_with_residuals < 0.2);
        }
        for (const PrefillCalibration& entry : calibration.prefill) {
            if (entry.library.find("encoder") == std::string::npos) CHECK(entry.quality.mean_error_with_residuals < 0.09);
        }
        for (const DataType type : {DataType::bf16, DataType::fp8, DataType::fp4, DataType::int8}) {
            for (const GemmCalibration& entry : calibration.gemm) {
                if (entry.type != type) continue;
                CHECK(entry.quality.rows_fitted + entry.quality.rows_left_out < entry.quality.rows);
                CHECK(entry.quality.mean_error_with_residuals < 0.09);
                break;  // the first entry of a type is the one that prices use
            }
        }
    }
}
