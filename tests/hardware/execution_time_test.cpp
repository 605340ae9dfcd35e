// Holds the operator model to published rates, to the physical floor and to the shapes of tile and wave quantisation.
#include "hardware/device.hpp"

#include "devices.hpp"

#include <catch2/catch.hpp>

#include <cmath>

using namespace orrery;

namespace {

double tflops(const Device& device, const Work& work) {
    return flop_of(work).si() / execution_time(device, work).si() / 1e12;
}

Work product(std::int64_t m, std::int64_t n, std::int64_t k, DataType type = DataType::bf16) {
    return MatrixMultiply{.m = m, .n = n, .k = k, .type = type};
}

}  // namespace

TEST_CASE("large 16-bit products run at the maximum achievable rate that was measured", "[hardware][operators]") {
    // Method: ml-engineering (commit 744d01e), maximum achievable matmul FLOPS: A100 271, H100 794, B200 1,745 TFLOP/s;
    // the kernel tables' median of large products is 3 to 15 % lower (262, 767, 1,481).
    CHECK(tflops(test::a100(), product(8192, 8192, 8192)) == Approx(262.0).epsilon(0.08));
    CHECK(tflops(test::h100(), product(8192, 8192, 8192)) == Approx(784.0).epsilon(0.04));
    CHECK(tflops(test::b200(), product(8192, 8192, 8192)) == Approx(1500.0).epsilon(0.08));
}

TEST_CASE("a product of one row streams its weights near the memory bandwidth", "[hardware][operators]") {
    // Method: kernel tables, m = 1: A100 1,775, H100 2,912, B200 6,797 GB/s of weights.
    const auto weights_rate = [](const Device& device) {
        const MatrixMultiply work{.m = 1, .n = 28672, .k = 16384};
        return 2.0 * 28672 * 16384 / execution_time(device, work).si() / 1e9;
    };
    CHECK(weights_rate(test::a100()) == Approx(1775.0).epsilon(0.12));
    CHECK(weights_rate(test::h100()) == Approx(2912.0).epsilon(0.1));
    CHECK(weights_rate(test::b200()) == Approx(6797.0).epsilon(0.18));
}

TEST_CASE("no price lies below the physical floor", "[hardware][operators]") {
    // Method: flop over peak and bytes over bandwidth, computed here from the definitions.
    for (const Device& device : {test::a100(), test::h100(), test::b200(), test::tpu_v4()}) {
        for (const std::int64_t m : {1, 16, 129, 1000, 8192}) {
            const MatrixMultiply work{.m = m, .n = 4096, .k = 4096};
            const double flop = 2.0 * static_cast<double>(m) * 4096 * 4096;
            const double bytes = 2.0 * (static_cast<double>(m) * 8192 + 4096.0 * 4096);
            const double floor = std::max(flop / device.peak(DataType::bf16).si(), bytes / device.memory_bandwidth.si());
            CHECK(physical_floor(device, work).si() == Approx(floor));
            CHECK(execution_time(device, work).si() >= floor);
            CHECK(execution_time(device, work, {.graph_launch = true}).si() >= floor);
        }
        const Attention attention{.batch = 4, .heads = 32, .kv_heads = 8, .queries = 4096, .keys = 4096};
        CHECK(execution_time(device, attention) >= physical_floor(device, attention));
    }
}

TEST_CASE("a larger product never takes less time beyond one wave", "[hardware][operators]") {
    // Method: monotonicity; quantisation may make one step flat, and splits of K may win up to 10 % back.
    const Device device = test::h100();
    const std::int64_t sizes[] = {64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384};
    for (int axis = 0; axis < 3; ++axis) {
        double before = 0.0;
        for (const std::int64_t size : sizes) {
            const double seconds = execution_time(device, product(axis == 0 ? size : 2048, axis == 1 ? size : 2048,
                                                                  axis == 2 ? size : 2048)).si();
            CHECK(seconds >= before * 0.9);
            before = seconds;
        }
    }
}

TEST_CASE("1,025 columns cost a systolic array what 1,152 do", "[hardware][operators]") {
    // Method: XLA pads to 8 x 128 x 128 on TPU v4: 1,025 columns fill nine arrays of 128, 1,024 fill eight.
    const Device tpu = test::tpu_v4();
    const double nine = execution_time(tpu, product(8192, 1152, 8192)).si();
    CHECK(execution_time(tpu, product(8192, 1025, 8192)).si() == Approx(nine).epsilon(0.01));
    CHECK(execution_time(tpu, product(8192, 1024, 8192)).si() == Approx(nine * 8.0 / 9.0).epsilon(0.02));
}

TEST_CASE("one row more than a full wave of tiles costs a GPU a visible step", "[hardware][operators]") {
    // Method: 12 x 11 tiles of 256 x 128 fill the 132 SMs of an H100; one row more needs another row of tiles
    // (NVIDIA, Matrix Multiplication Background, wave quantisation).
    const Device device = test::h100();
    const double full = execution_time(device, product(12 * 128, 11 * 256, 16384)).si();
    const double spilled = execution_time(device, product(12 * 128 + 1, 11 * 256, 16384)).si();
    CHECK(spilled > 1.04 * full);
}

TEST_CASE("arithmetic and traffic of work follow their definitions", "[hardware][work]") {
    // Method: closed forms by hand.
    CHECK(flop_of(MatrixMultiply{.m = 2, .n = 3, .k = 5, .batch = 7}).si() == 2.0 * 2 * 3 * 5 * 7);
    CHECK(bytes_of(MatrixMultiply{.m = 2, .n = 3, .k = 5, .batch = 7}).si() == 7.0 * 2 * (2 * 5 + 3 * 5 + 2 * 3));
    // Causal: 4 queries see 1 + 2 + 3 + 4 keys; a window of 2 leaves 1 + 2 + 2 + 2; 1 query of decode sees all.
    const Attention causal{.queries = 4, .keys = 4};
    CHECK(flop_of(causal).si() == 2.0 * 256 * 10);
    Attention windowed = causal;
    windowed.window = 2;
    CHECK(flop_of(windowed).si() == 2.0 * 256 * 7);
    Attention full = causal;
    full.causal = false;
    CHECK(flop_of(full).si() == 2.0 * 256 * 16);
    Attention continued{.queries = 2, .keys = 10};
    CHECK(flop_of(continued).si() == 2.0 * 256 * (9 + 10));
    Attention backward = causal;
    backward.backward = true;
    CHECK(flop_of(backward).si() == 2.5 * flop_of(causal).si());
    const Attention decode{.batch = 3, .heads = 8, .kv_heads = 2, .queries = 1, .keys = 100};
    CHECK(bytes_of(decode).si() == 3.0 * 8 * 256 * 2 + 3.0 * 2 * 100 * 256 * 2);
    CHECK(bytes_of(Gather{.rows = 10, .row_bytes = 64.0_B, .table_bytes = 1.0_MB}).si() == 1280.0);
    CHECK(bytes_of(Gather{.rows = 10, .row_bytes = 64.0_B, .table_bytes = 1.0_MB, .scatter_add = true}).si() == 1920.0);
}

TEST_CASE("a grouped product of equal full groups costs about what one product of all rows costs",
          "[hardware][operators]") {
    // Method: with 8 groups of 1,024 rows every tile is full, so only the weights' bytes differ.
    const Device device = test::h100();
    const GroupedMatrixMultiply grouped{.rows = 8192, .rows_max = 1024, .groups = 8, .n = 4096, .k = 4096};
    CHECK(execution_time(device, grouped).si() ==
          Approx(execution_time(device, product(8192, 4096, 4096)).si()).epsilon(0.1));
    // And skew costs: one group with 129 rows among 63 with 1 computes at least 64 tiles of 64 rows.
    const GroupedMatrixMultiply skewed{.rows = 192, .rows_max = 129, .groups = 64, .n = 4096, .k = 4096};
    CHECK(execution_time(device, skewed) > execution_time(device, product(192, 4096, 4096)) * 3.0);
}

TEST_CASE("prefill attention on H100 runs between half and four fifths of the peak", "[hardware][operators]") {
    // Method: FlashAttention-3 (Shah et al., arXiv 2407.08608) figure 5: causal, head size 128, 16k: about 600-650 of
    // 989 TFLOP/s; FlashAttention-2 on A100 (arXiv 2307.08691): about 190-200 of 312 for the same.
    const Attention causal{.batch = 1, .heads = 16, .kv_heads = 16, .queries = 16384, .keys = 16384};
    CHECK(tflops(test::h100(), causal) == Approx(620.0).epsilon(0.12));
    CHECK(tflops(test::a100(), causal) > 0.4 * 312.0);
    CHECK(tflops(test::a100(), causal) < 0.65 * 312.0);
}

TEST_CASE("a window makes long attention linear in the sequence", "[hardware][operators]") {
    // Method: beyond the window work per query is constant: doubling queries doubles time.
    Attention shorter{.heads = 32, .kv_heads = 8, .queries = 16384, .keys = 16384, .window = 1024};
    Attention longer = shorter;
    longer.queries = longer.keys = 32768;
    const double ratio = execution_time(test::h100(), longer).si() / execution_time(test::h100(), shorter).si();
    CHECK(ratio == Approx(2.0).epsilon(0.1));
    shorter.window = 0;
    CHECK(execution_time(test::h100(), shorter).si() > 2.0 * execution_time(test::h100(), longer).si());
}

TEST_CASE("decode attention reads its cache at the memory's rate once it is long", "[hardware][operators]") {
    // Method: 64 sequences of 32k tokens, 8 KV heads of 128: 8.6 GB; flash-decoding reaches 80 % or more of the memory.
    const Attention decode{.batch = 64, .heads = 64, .kv_heads = 8, .queries = 1, .keys = 32768};
    const double rate = bytes_of(decode).si() / execution_time(test::h100(), decode).si();
    CHECK(rate > 0.75 * 3350e9);
    CHECK(rate <= 3350e9);
}

TEST_CASE("backward attention costs more than the five products over two of its forward", "[hardware][operators]") {
    // Method: 2.5 x the forward's arithmetic at a lower rate (Dao, arXiv 2307.08691: 1.2 to 1.3 times lower).
    Attention work{.batch = 1, .heads = 16, .kv_heads = 16, .queries = 16384, .keys = 16384};
    const double forward = execution_time(test::h100(), work).si();
    work.backward = true;
    const double ratio = execution_time(test::h100(), work).si() / forward;
    CHECK(ratio > 2.5);
    CHECK(ratio < 3.4);
}

TEST_CASE("a format that the device lacks is computed in the next wider one", "[hardware][device]") {
    // Method: A100 has no fp8; it computes in bf16. No matrix unit here does fp64: the price is infinite.
    CHECK(test::a100().peak(DataType::fp8) == test::a100().peak(DataType::bf16));
    CHECK(test::h100().peak(DataType::fp4) == test::h100().peak(DataType::fp8));
    CHECK(test::h100().peak(DataType::fp32) == test::h100().vector_peak);
    CHECK(test::h100().peak(DataType::fp64).si() == 0.0);
    CHECK(std::isinf(execution_time(test::h100(), product(64, 64, 64, DataType::fp64)).si()));
}

TEST_CASE("a device of which only rates are known still gets a price", "[hardware][device]") {
    // Method: without cores and cache the price lies between the floor and three times it for a large product.
    Device device;
    device.name = "sketch";
    device.matrix_peak[DataType::bf16] = 1000.0_TFLOPps;
    device.memory_bandwidth = 4000.0_GBps;
    const Seconds floor = physical_floor(device, product(8192, 8192, 8192));
    CHECK(execution_time(device, product(8192, 8192, 8192)) > floor);
    CHECK(execution_time(device, product(8192, 8192, 8192)) < floor * 3.0);
    CHECK(price_basis(device, product(1, 1, 1)).substr(0, 13) == "datasheet, as");
}

TEST_CASE("launches are hidden when kernels follow each other in a graph", "[hardware][operators]") {
    // Method: the same tiny product, isolated and in a stream: at least 2 us apart on H100 (profiled start 2.7 us).
    const Work tiny = product(16, 128, 128);
    const Seconds apart = execution_time(test::h100(), tiny) - execution_time(test::h100(), tiny, {.graph_launch = true});
    CHECK(apart > 2.0_us);
    CHECK(apart < 4.0_us);
}

TEST_CASE("software factors scale the kernel that they name", "[hardware][operators]") {
    // Method: a long product and long attention are all kernel, so the ratio is the factor.
    const Work large = product(16384, 16384, 16384);
    const double plain = execution_time(test::h100(), large).si();
    CHECK(execution_time(test::h100(), large, {.matrix_slowdown = 1.25}).si() / plain == Approx(1.25).epsilon(0.01));
    const Streaming copy{.bytes = 10.0_GB};
    CHECK(execution_time(test::h100(), copy, {.streaming_efficiency = 0.5}).si() ==
          Approx(10.0 / 1675.0 + 1.5e-6).epsilon(1e-6));
}
