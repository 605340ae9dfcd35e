// Holds the operator fits to tables that were made from known parameters, and the readers to their messages.
#include "kernels/fit_calibration.hpp"

#include "hardware/rng.hpp"
#include "hardware/work_kinds/matrix_multiply_model.hpp"

#include <catch2/catch.hpp>

#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include <unistd.h>

using namespace orrery;

namespace {

Device gpu_under_test() {
    Device d;
    d.name = "test-gpu";
    d.matrix_peak[DataType::bf16] = 989.4_TFLOPps;
    d.matrix_peak[DataType::fp8] = 1978.9_TFLOPps;
    d.vector_peak = 67.0_TFLOPps;
    d.memory_bandwidth = 3350.0_GBps;
    d.cache = 50.0_MB;
    d.cores = 132;
    return d;
}

const GemmParameters truth{2.5_us, 0.8, 0.85, 0.3_us, 140.0_GBps, 12000.0_GBps, 4.0, 3.0_us, 0.05, 1.2};

// A table whose rows follow `truth` with `noise` (standard deviation of the log).
MeasuredTable made_products(const Device& device, const std::string& format, Seconds quantise, double noise) {
    MeasuredTable table;
    table.name = {"test_gpu.made-1.0.gemm.csv", "test_gpu", "made-1.0", "gemm"};
    Rng rng(3);
    const DataType type = table_format(format).type;
    const Machine machine = machine_of(device, type);
    for (int i = 0; i < 1200; ++i) {
        const auto size = [&](double min_log2, double max_log2) {
            return static_cast<std::int64_t>(std::exp2(min_log2 + rng.uniform() * (max_log2 - min_log2)));
        };
        const MatrixMultiply work{.m = size(0, 14), .n = 32 * size(1, 10), .k = 32 * size(1, 10), .type = type};
        double seconds = truth.launch.si() + matrix_multiply_seconds(machine, truth, work);
        if (quantise.si() > 0.0) seconds += quantise.si() + quantise_seconds(machine, truth, work);
        table.products.push_back({format, work, Seconds::from_si(seconds * std::exp(noise * rng.normal()))});
    }
    return table;
}

/// Of this process alone; gone with it.
std::filesystem::path tables_folder() {
    struct Folder {
        std::filesystem::path path = std::filesystem::temp_directory_path() / ("orrery-measured-tables-" + std::to_string(getpid()));
        ~Folder() { std::filesystem::remove_all(path); }
    };
    static const Folder folder;
    return folder.path;
}

/// In a folder of its own, since the name tells what the table holds.
std::string write_table(const std::string& name, const std::string& text) {
    const auto folder = tables_folder();
    std::filesystem::create_directories(folder);
    std::ofstream(folder / name) << text;
    return folder / name;
}

/// The problem of a table without the folder it lies in.
std::string without_folder(std::string text) {
    const std::string folder = tables_folder().string() + "/";
    if (text.rfind(folder, 0) == 0) text.erase(0, folder.size());
    return text;
}

}  // namespace

TEST_CASE("a fit finds the parameters that made a table", "[kernels][fit]") {
    // Method: 2 % noise; the error on unseen rows must be that of the noise, and identified parameters come back.
    const Device device = gpu_under_test();
    const auto fits = fit_products(device, made_products(device, "bfloat16", {}, 0.02), {});
    REQUIRE(fits.size() == 1);
    CHECK(fits[0].quality.rows == 1200);
    CHECK(fits[0].quality.rows_fitted == 900);  // a quarter is kept to judge by
    CHECK(fits[0].quality.mean_error < 0.025);
    CHECK(fits[0].parameters.launch / truth.launch == Approx(1.0).epsilon(0.1));
    CHECK(fits[0].parameters.memory_efficiency == Approx(truth.memory_efficiency).epsilon(0.05));
    CHECK(fits[0].parameters.matrix_efficiency == Approx(truth.matrix_efficiency).epsilon(0.05));
}

TEST_CASE("the quantise kernel of 8-bit tables is kept out of the price of a product", "[kernels][fit]") {
    // Method: rows made with 9 us of quantising on top of a 2.5 us launch: at most 3 us stay with the product, and
    // together they are what was put in.
    const Device device = gpu_under_test();
    const auto fits = fit_products(device, made_products(device, "fp8", 9.0_us, 0.01), {});
    REQUIRE(fits.size() == 1);
    CHECK(fits[0].parameters.launch <= 3.0_us);
    CHECK((fits[0].parameters.launch + fits[0].quantise_launch) / 11.5_us == Approx(1.0).epsilon(0.03));
}

TEST_CASE("rows faster than the device are left out and counted", "[kernels][fit]") {
    // Method: 50 rows claim half of what memory and arithmetic need at least.
    const Device device = gpu_under_test();
    MeasuredTable table = made_products(device, "bfloat16", {}, 0.01);
    for (std::size_t i = 0; i < 50; ++i) table.products[i].measured = 0.5 * physical_floor(device, table.products[i].work);
    CHECK(fit_products(device, table, {})[0].quality.rows_left_out == 50);
}

TEST_CASE("a table of prefill that beats the peak is refused", "[kernels][fit]") {
    // Method: 12 of 100 rows at twice the device's arithmetic; 5 in 100 would pass.
    const Device device = gpu_under_test();
    MeasuredTable table;
    table.name = {"test_gpu.made-1.0.context_attention.csv", "test_gpu", "made-1.0", "context_attention"};
    for (int i = 0; i < 100; ++i) {
        const Attention work{.batch = 1 + i, .heads = 32, .kv_heads = 8, .queries = 1024, .keys = 1024};
        const Seconds arithmetic = flop_of(work) / device.peak(DataType::bf16);
        table.attention.push_back({work, (i < 12 ? 0.5 : 2.0) * arithmetic});
    }
    const auto fit = fit_prefill(device, table, {});
    REQUIRE(!fit.ok());
    CHECK(fit.problems()[0].place == "test_gpu.made-1.0.context_attention.csv");
    CHECK(fit.problems()[0].problem == "12 of 100 rows are faster than the peak of test-gpu allows");
    CHECK(fit_calibration(device, {table}, {}, [](const std::string&) {}).refused.size() == 1);
}

TEST_CASE("decode rows whose window was ignored are left out", "[kernels][fit]") {
    // Method: rows priced on the whole cache, a third of them labelled with a window of 128.
    const Device device = gpu_under_test();
    MeasuredTable table;
    table.name = {"test_gpu.made-1.0.generation_attention.csv", "test_gpu", "made-1.0", "generation_attention"};
    Rng rng(5);
    std::int64_t cut = 0;
    for (int i = 0; i < 600; ++i) {
        Attention work{.batch = std::int64_t{1} << rng.below(8), .heads = 32, .kv_heads = 8,
                       .keys = std::int64_t{1} << (4 + rng.below(12))};
        const double seconds = 8e-6 + bytes_of(work).si() / 2.8e12;
        if (i % 3 == 0) work.window = 128;
        if (work.window > 0 && work.keys > 128) ++cut;
        table.attention.push_back({work, Seconds::from_si(seconds)});
    }
    const auto fit = fit_decode(device, table, {});
    REQUIRE(fit.ok());
    CHECK(fit->quality.rows_left_out == cut);
    CHECK(fit->quality.note == "rows with a window took the time of the whole cache and are left out");
    CHECK(fit->quality.mean_error < 0.05);
}

TEST_CASE("a calibrated device predicts its own table, quantise kernel included", "[kernels][fit]") {
    // Method: fit, attach, predict; the mean error over all rows is that of the noise.
    Device device = gpu_under_test();
    const MeasuredTable table = made_products(device, "fp8", 9.0_us, 0.01);
    CalibrationFit fit = fit_calibration(device, {table}, {}, [](const std::string&) {});
    CHECK(fit.calibration.device == "test-gpu");
    device.calibration = std::make_shared<const Calibration>(std::move(fit.calibration));
    CHECK(price_basis(device, table.products[0].work) == "measured on test-gpu");
    double error = 0.0;
    for (const RowPrediction& row : predict_rows(device, table)) error += std::abs(row.predicted / row.measured - 1.0);
    CHECK(error / static_cast<double>(table.products.size()) < 0.02);
}

TEST_CASE("expert layers are dealt as the collector deals them", "[kernels][experts]") {
    // Method: by hand. 16 tokens of 2 choices over 8 experts, even: stride 4, so each expert gets 4 rows and a rank of
    // two gets 8. Three tokens go to strides 0, 1 and 2 of 4: the first rank of four holds experts 0 and 1.
    MeasuredExperts row;
    row.tokens = 16;
    row.hidden = 1024;
    row.inner = 512;
    row.per_token = 2;
    row.experts = 8;
    row.expert_parallel = 4;
    row.tensor = 2;
    const ExpertLayer even = expert_layer(row);
    CHECK(even.up == GroupedMatrixMultiply{.rows = 8, .rows_max = 4, .groups = 2, .n = 512, .k = 1024});
    CHECK(even.down == GroupedMatrixMultiply{.rows = 8, .rows_max = 4, .groups = 2, .n = 1024, .k = 256});
    row.tokens = 3;
    CHECK(expert_layer(row).up.rows == 2);
    row.gated = false;
    CHECK(expert_layer(row).up.n == 256);
    // A power law keeps the number of rows and puts more than the even share on the fullest expert.
    row.tokens = 1000;
    row.expert_parallel = 1;
    row.power = 1.2;
    const ExpertLayer skewed = expert_layer(row);
    CHECK(skewed.up.rows == 2000);
    CHECK(skewed.up.rows_max > 500);
    CHECK(skewed.up.groups == 8);
}

TEST_CASE("a table of expert layers gives the price of grouped products", "[kernels][experts]") {
    // Method: layers made of two known grouped products, 40 us of other kernels and rows moved at half the bandwidth;
    // layers and single products must come back.
    Device device = gpu_under_test();
    const Machine machine = machine_of(device, DataType::bf16);
    GroupedCalibration made;
    made.parameters = truth;
    made.parameters.split_reduce = Seconds{};
    made.layer_launch = 40.0_us;
    MeasuredTable table;
    table.name = {"test_gpu.made-1.0.moe.csv", "test_gpu", "made-1.0", "moe"};
    Rng rng(9);
    for (int i = 0; i < 600; ++i) {
        MeasuredExperts row;
        row.format = "bfloat16";
        row.tokens = std::exp2(static_cast<double>(rng.below(14)));
        row.hidden = 1024.0 * static_cast<double>(1 + rng.below(7));
        row.inner = 512.0 * static_cast<double>(1 + rng.below(8));
        row.per_token = 8;
        row.experts = 64;
        row.expert_parallel = std::exp2(static_cast<double>(rng.below(4)));
        const LayerSeconds parts = layer_seconds(machine, made, expert_layer(row));
        row.measured = Seconds::from_si((parts.up + parts.down + parts.rest) * std::exp(0.01 * rng.normal()));
        table.experts.push_back(row);
    }
    CalibrationFit fit = fit_calibration(device, {table}, {.starts = 4}, [](const std::string&) {});
    REQUIRE(fit.calibration.grouped.size() == 1);
    CHECK(fit.calibration.grouped[0].quality.mean_error_with_residuals < 0.02);
    device.calibration = std::make_shared<const Calibration>(std::move(fit.calibration));
    double error = 0.0;
    for (const RowPrediction& row : predict_rows(device, table)) error += std::abs(row.predicted / row.measured - 1.0);
    CHECK(error / 600.0 < 0.02);
    const GroupedMatrixMultiply one{.rows = 4096, .rows_max = 256, .groups = 16, .n = 4096, .k = 4096};
    const double known = truth.launch.si() + grouped_multiply_seconds(machine, made.parameters, one);
    CHECK(execution_time(device, one).si() == Approx(known).epsilon(0.15));
    CHECK(price_basis(device, one) == "measured on test-gpu");
}

TEST_CASE("tables are read by column name, whatever the order", "[kernels][table]") {
    // Method: two tables by hand, one with columns swapped and one with an unmodelled format.
    const auto products = read_measured_table(
        write_table("x_gpu.lib-1.gemm.csv", "k,latency,gemm_dtype,n,m\n64,0.5,fp8,32,16\n64,0.5,int4_wo,32,16\n"));
    REQUIRE(products.ok());
    REQUIRE(products->products.size() == 1);
    CHECK(products->products[0].work == MatrixMultiply{.m = 16, .n = 32, .k = 64, .type = DataType::fp8});
    CHECK(products->products[0].measured / 0.5_ms == Approx(1.0));
    CHECK(products->rows_unknown == 1);
    const auto decode = read_measured_table(write_table(
        "x_gpu.lib-1.generation_attention.csv",
        "batch_size,isl,num_heads,num_key_value_heads,head_dim,window_size,attn_dtype,kv_cache_dtype,step,latency\n"
        "4,1,32,8,64,128,bfloat16,fp8,1023,0.01\n"));
    REQUIRE(decode.ok());
    const Attention& work = decode->attention[0].work;
    CHECK(work.keys == 1024);
    CHECK(work.window == 128);
    CHECK(work.kv_type == DataType::fp8);
}

TEST_CASE("tables that cannot be read say why", "[kernels][table]") {
    // Method: one broken table per message.
    const auto problem_of = [](const std::string& path) {
        const auto table = read_measured_table(path);
        REQUIRE(!table.ok());
        return without_folder(table.problems()[0].place) + ": " + table.problems()[0].problem;
    };
    CHECK(problem_of("table.csv") == "table.csv: the name is not of the form SYSTEM.LIBRARY-VERSION.TABLE.csv");
    CHECK(problem_of("a.b-1.mamba2.csv") == "a.b-1.mamba2.csv: no operator model is fitted to a table of kind \"mamba2\"");
    CHECK(problem_of("absent.b-1.gemm.csv") == "absent.b-1.gemm.csv: cannot be read");
    CHECK(problem_of(write_table("y.b-1.gemm.csv", "gemm_dtype,m,n,latency\n")) == "y.b-1.gemm.csv:1: has no column k");
    CHECK(problem_of(write_table("z.b-1.gemm.csv", "gemm_dtype,m,n,k,latency\nfp8,1,2,three,4\n")) ==
          "z.b-1.gemm.csv:2: column k is \"three\"");
    CHECK(problem_of(write_table("w.b-1.gemm.csv", "gemm_dtype,m,n,k,latency\nint4_wo,1,2,3,4\n")) ==
          "w.b-1.gemm.csv: has no row of a known number format");
}

TEST_CASE("a table's system names its device", "[kernels][table]") {
    // Method: the names of the published tables against the catalogue's.
    CHECK(same_device("h100_sxm", "h100-sxm"));
    CHECK(same_device("a100_sxm", "a100-sxm-80"));
    CHECK(same_device("gb200", "gb200"));
    CHECK_FALSE(same_device("b200_sxm", "gb200"));
    CHECK_FALSE(same_device("h100_sxm", "h100-pcie"));
}
