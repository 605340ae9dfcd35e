// Every CUDA kernel against its oracle in float64, on an emulated GPU; and the refusals where there is no real one.
#include "kernels/cuda/device_step.hpp"
#include "kernels/cuda/device_suite.hpp"
#include "kernels/cuda/gpu_sensors.hpp"
#include "kernels/cuda/table.hpp"
#include "tests/kernels/emulated_gpu.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <set>
#include <utility>

using namespace orrery;
using orrery::testing::EmulatedGpu;
using orrery::testing::EmulatedLane;
using orrery::testing::EmulationError;

namespace {

using SizeLists = std::vector<std::vector<std::int64_t>>;

// Whole vectors and odd sizes; rows of a warp, of a block, of all its registers and beyond; single values and none.
SizeLists sizes_of(const KernelEntry& entry) {
    const std::string_view name = entry.name;
    if (name == "tiled-multiply" || name == "matrix-multiply") return {{1, 64, 96, 128}, {1, 1, 1, 1}, {3, 17, 33, 65}, {1, 131, 257, 77}, {1, 0, 8, 8}, {1, 5, 7, 0}, {1, 136, 136, 136}};
    if (name == "grouped-multiply") return {{4, 64, 32, 48}, {3, 17, 13, 29}, {8, 3, 16, 16}, {1, 5, 9, 7}, {2, 0, 4, 4}, {2, 300, 40, 40}};
    if (name == "attention-prefill" || name == "attention-backward") {
        return {{1, 2, 2, 64, 130, 130, 0, 1}, {2, 4, 2, 32, 77, 77, 0, 1}, {1, 2, 1, 16, 65, 200, 0, 1}, {1, 2, 2, 40, 150, 150, 37, 1},
                {1, 3, 3, 24, 70, 131, 0, 0}, {1, 1, 1, 8, 1, 1, 0, 1}, {0, 2, 2, 16, 8, 8, 0, 1}, {1, 2, 1, 128, 100, 100, 0, 1},
                {1, 1, 1, 13, 20, 9, 0, 1}, {1, 2, 2, 66, 64, 128, 0, 1}, {1, 2, 1, 192, 70, 70, 0, 1}, {1, 1, 1, 256, 65, 80, 40, 1}};
    }
    if (name == "attention-decode") {
        return {{2, 4, 2, 64, 100, 0}, {1, 8, 1, 40, 333, 0}, {3, 3, 3, 32, 16, 0}, {2, 4, 4, 16, 129, 50}, {1, 1, 1, 8, 1, 0}, {0, 2, 2, 16, 8, 0},
                {1, 40, 2, 128, 700, 0}, {1, 2, 1, 9, 75, 20}, {1, 2, 1, 128, 1500, 1000}, {1, 4, 2, 192, 90, 0}, {1, 18, 1, 256, 500, 0}};
    }
    if (name == "two-four-multiply") return {{5, 24, 64}, {130, 140, 200}, {17, 33, 71}, {1, 1, 1}, {3, 16, 0}, {0, 8, 8}, {9, 129, 65}};
    if (name == "two-four-compress") return {{5, 64}, {7, 67}, {1, 1}, {33, 128}, {16, 72}, {0, 16}, {2, 6}};
    if (name == "muon") return {{5, 64}, {7, 67}, {67, 7}, {1, 1}, {64, 40}, {3, 1500}, {1, 2}, {0, 16}};
    if (name == "convolution") {
        return {{2, 3, 9, 7, 5, 3, 1}, {1, 16, 14, 14, 32, 3, 2}, {1, 8, 5, 5, 8, 1, 1}, {0, 4, 4, 4, 4, 3, 1}, {1, 24, 13, 11, 136, 5, 2}, {1, 1, 1, 1, 1, 3, 1},
                {1, 40, 6, 7, 130, 2, 1}};
    }
    if (name == "rotary") return {{33, 3, 10}, {1, 1, 2}, {0, 2, 8}, {64, 4, 64}};
    if (name == "gather" || name == "scatter-add") return {{50, 33, 20}, {1, 1, 1}, {0, 8, 4}, {100, 136, 7}, {3, 1000, 2}};
    if (name == "top-k") return {{33, 17, 3}, {100, 64, 8}, {1, 1, 1}, {0, 8, 2}, {5, 2, 4}, {6, 300, 6}, {2, 512, 512}};
    if (name == "pointer-chase") return {{1 << 14, 1000}, {64, 10}};
    if (name == "launch") return {{1}, {10}};
    // A single value has no direction left for a gradient of the RMS norm: all is rounding.
    if (name == "rms-norm-backward") return {{5, 64}, {7, 67}, {1, 3}, {3, 1500}, {2, 5003}, {2, 20000}, {9, 600}, {2, 60000}, {0, 16}};
    if (name == "layer-norm-backward") return {{5, 64}, {7, 67}, {1, 3}, {3, 1500}, {2, 5003}, {2, 20000}, {9, 600}, {2, 30000}, {0, 16}};
    if (name.find("quantise") != std::string_view::npos) return {{5, 64}, {7, 67}, {1, 1}, {3, 1500}, {1, 17000}, {0, 16}};
    if (entry.sizes.find(' ') == std::string_view::npos) return {{4096}, {1}, {0}, {9001}};
    return {{5, 64}, {7, 67}, {1, 1}, {3, 1500}, {2, 4096}, {2, 5003}, {1, 17000}, {1, 36000}, {0, 16}};
}

}  // namespace

TEST_CASE("every CUDA kernel agrees with its oracle in float64 on an emulated GPU", "[kernels][cuda]") {
    // Method: the very structs that nvcc compiles, run thread by thread with checked addresses and meetings, outputs
    // poisoned; threads and blocks in their order, backwards and shuffled, together and warp by warp.
    std::uint64_t seed = 0;
    for (const KernelEntry& entry : cuda::device_table<EmulatedGpu>()) {
        for (const DataType type : entry.types) {
            for (const auto& sizes : sizes_of(entry)) {
                const KernelCase kernel_case{std::string(entry.name), sizes, type};
                EmulatedGpu::set_order(++seed % 4);
                Rng rng(seed);
                const PreparedKernel kernel = entry.prepare(kernel_case, 1, rng);
                if (!kernel.refused.empty()) {   // gradients of long heads in bf16 alone
                    CHECK_THAT(kernel.refused, Catch::Contains("attention-backward bf16") && Catch::Contains("this kernel holds up to 128"));
                    continue;
                }
                const double error = kernel.check();
                INFO(words_of(kernel_case) << " in order " << seed % 4 << ": " << error);
                CHECK(error <= kernel.error_max);
            }
        }
    }
}

namespace {

// A GPU whose blocks have less shared memory, as consumer cards do.
struct SmallGpu : EmulatedGpu {
    static int shared_most() { return 99 * 1024; }   // of 8.6 and 8.9 (CUDA C++ Programming Guide, table of compute capabilities)
};

}  // namespace

TEST_CASE("a training step by a device's kernels is that of the processor", "[kernels][cuda]") {
    // Method: equal seeds, three steps of AdamW on one batch; losses and the norm of all gradients of the last step, which the
    // processor has by other kernels. In fp32 within rounding; in bf16 within what eight bits of activations leave.
    EmulatedGpu::set_order(2);
    const StepShape shape{.layers = 2, .hidden = 32, .heads = 4, .kv_heads = 2, .inner = 48, .vocabulary = 40, .sequence = 12, .batch = 2};
    const MeasuredStep want = run_training_step(shape, 3, 5);
    std::size_t marks = 0;
    const cuda::StepMarks clock{[&] { ++marks; }, [&] { return std::vector<double>(std::exchange(marks, 0) - 1, 1e-6); }};
    const MeasuredStep exact = cuda::run_step_on_device<EmulatedGpu, float>(shape, 3, 5, clock);
    const MeasuredStep narrow = cuda::run_step_on_device<EmulatedGpu, cuda::Bf16>(shape, 3, 5, clock);
    REQUIRE(exact.losses.size() == 3);
    for (std::size_t i = 0; i < 3; ++i) {
        INFO("step " << i);
        CHECK(exact.losses[i] == Approx(want.losses[i]).epsilon(1e-5));
        CHECK(narrow.losses[i] == Approx(want.losses[i]).epsilon(1e-2));
    }
    CHECK(exact.losses[2] < exact.losses[0]);
    CHECK(exact.gradient_norm == Approx(want.gradient_norm).epsilon(1e-4));
    CHECK(narrow.gradient_norm == Approx(want.gradient_norm).epsilon(3e-2));
    // The same operators in the same order, each with the same arithmetic.
    REQUIRE(exact.operators.size() == want.operators.size());
    for (std::size_t i = 0; i < exact.operators.size(); ++i) {
        INFO(want.operators[i].words);
        CHECK(exact.operators[i].kind == want.operators[i].kind);
        CHECK(flop_of(exact.operators[i].work).si() == Approx(flop_of(want.operators[i].work).si()));
        CHECK(bytes_of(exact.operators[i].work).si() == Approx(bytes_of(want.operators[i].work).si()));
        CHECK(exact.operators[i].measured.si() == Approx(1e-6));
    }
    CHECK(exact.total.si() == Approx(1e-6 * static_cast<double>(exact.operators.size())));
}

TEST_CASE("attention refuses by name the heads that a block cannot hold", "[kernels][cuda]") {
    // Method: bytes of the tiles by hand: five of 64 x 256 in bf16 are 160 KiB; heads of 300 fit no kernel.
    Rng rng(1);
    const KernelCase wide{"attention-prefill", {1, 1, 1, 256, 8, 8, 0, 1}, DataType::bf16};
    CHECK(cuda::attention_prefill_kernel<SmallGpu, cuda::Bf16>(wide, 1, rng).refused ==
          "attention-prefill bf16 1 x 1 x 1 x 256 x 8 x 8 x 0 x 1: heads of 256 values take 160 KiB of shared memory; a block of this GPU has 99");
    CHECK(cuda::attention_prefill_kernel<EmulatedGpu, cuda::Bf16>(wide, 1, rng).refused.empty());
    const KernelCase long_heads{"attention-decode", {1, 1, 1, 300, 8, 0}, DataType::bf16};
    CHECK_THAT(cuda::prepare_attention_decode<EmulatedGpu>(long_heads, 1, rng).refused, Catch::Contains("heads of 300 values are too long: this kernel holds up to 256"));
}

TEST_CASE("memory-bound CUDA kernels move each byte once", "[kernels][cuda]") {
    // Method: bytes of all loads and stores of a run counted by the emulator, against the least that the work must move;
    // gains, shifts and targets, which stay in the caches, are left out by tall shapes.
    EmulatedGpu::set_order(0);
    const auto ratio_of = [](const KernelCase& kernel_case) {
        Rng rng(3);
        const auto& table = cuda::device_table<EmulatedGpu>();
        const auto entry = std::find_if(table.begin(), table.end(), [&](const KernelEntry& e) { return e.name == kernel_case.kernel; });
        const PreparedKernel kernel = entry->prepare(kernel_case, 1, rng);
        const std::uint64_t before = EmulatedGpu::bytes_moved();
        kernel.run(0);
        return static_cast<double>(EmulatedGpu::bytes_moved() - before) / kernel.bytes.si();
    };
    for (const DataType type : {DataType::fp32, DataType::bf16}) {
        CHECK(ratio_of({"softmax", {3, 8192}, type}) == 1.0);
        CHECK(ratio_of({"softmax-backward", {2, 8192}, type}) == 1.0);
        CHECK(ratio_of({"copy", {30000}, type}) == 1.0);
        CHECK(ratio_of({"swiglu", {3, 5000}, type}) == 1.0);
    }
    CHECK(ratio_of({"softmax", {2, 16384}, DataType::fp32}) == 1.0);
    CHECK(ratio_of({"adam", {20000}, DataType::fp32}) == 1.0);
    CHECK(ratio_of({"softmax", {1, 40000}, DataType::fp32}) == 1.5);   // longer than the registers: read twice
}

TEST_CASE("the table of CUDA kernels says each kernel once", "[kernels][cuda]") {
    // Method: names counted; the sizes are those of the processor's kernel of that name where there is one.
    std::set<std::string_view> seen;
    for (const KernelEntry& entry : cuda::device_table<EmulatedGpu>()) {
        INFO(entry.name);
        CHECK(seen.insert(entry.name).second);
        CHECK(!entry.doc.empty());
        const KernelEntry* reference = find_kernel(entry.name);
        if (reference != nullptr) CHECK(reference->sizes == entry.sizes);
    }
    for (const KernelEntry& entry : device_kernels()) CHECK((seen.contains(entry.name) || entry.name == "all-reduce"));   // of real GPUs only
    CHECK(find_device_kernel("no such kernel") == nullptr);
    CHECK((device_kernels().empty() || find_device_kernel("softmax") != nullptr));
}

namespace {

// Kernels that are wrong in one way each.
struct OutOfBounds {
    static constexpr int threads_most = 32;
    float* y;
    template <class Lane>
    void operator()(Lane& lane) const {
        lane.store(y + lane.thread(), 1.0F);
    }
};
struct Misaligned {
    static constexpr int threads_most = 32;
    const float* x;
    template <class Lane>
    void operator()(Lane& lane) const {
        lane.load(reinterpret_cast<const cuda::Pack<float, 4>*>(x + lane.thread()));
    }
};
struct HalfBarrier {
    static constexpr int threads_most = 64;
    template <class Lane>
    void operator()(Lane& lane) const {
        if (lane.thread() < 40) lane.sync();
    }
};
struct HalfShuffle {
    static constexpr int threads_most = 32;
    template <class Lane>
    void operator()(Lane& lane) const {
        if (lane.thread() < 16) lane.shuffle_xor(1.0F, 1);
    }
};
struct MissingBarrier {
    static constexpr int threads_most = 64;
    float* y;
    template <class Lane>
    void operator()(Lane& lane) const {
        const auto values = lane.template shared<float>(0, 64);
        values[lane.thread()] = 1.0F;
        lane.store(y + lane.thread(), values[63 - lane.thread()]);
    }
};
struct SharedBeyond {
    static constexpr int threads_most = 32;
    template <class Lane>
    void operator()(Lane& lane) const {
        lane.template shared<float>(0, 33);
    }
};

}  // namespace

TEST_CASE("the emulated GPU refuses what a GPU would not bear", "[kernels][cuda]") {
    // Method: one kernel for each mistake, and the word that its error must hold.
    EmulatedGpu::set_order(0);
    const auto memory = EmulatedGpu::allocate(31 * sizeof(float));
    auto* values = static_cast<float*>(memory.get());
    CHECK_THROWS_WITH(EmulatedGpu::launch({1, 32, 0}, OutOfBounds{values}), Catch::Contains("at byte 124 of an array of 124"));
    CHECK_THROWS_WITH(EmulatedGpu::launch({1, 32, 0}, Misaligned{values}), Catch::Contains("no multiple"));
    CHECK_THROWS_WITH(EmulatedGpu::launch({1, 64, 0}, HalfBarrier{}), Catch::Contains("never"));
    CHECK_THROWS_WITH(EmulatedGpu::launch({1, 32, 0}, HalfShuffle{}), Catch::Contains("never come"));
    CHECK_THROWS_WITH(EmulatedGpu::launch({1, 32, 128}, SharedBeyond{}), Catch::Contains("132 of 128"));
    CHECK_THROWS_WITH(EmulatedGpu::launch({1, 33, 0}, HalfShuffle{}), Catch::Contains("more threads"));
    const auto wide = EmulatedGpu::allocate(64 * sizeof(float));
    auto* results = static_cast<float*>(wide.get());
    EmulatedGpu::launch({1, 64, 256}, MissingBarrier{results});
    CHECK(std::isnan(results[0]));   // thread 63 had not written when thread 0 read
}

TEST_CASE("a device of CUDA is named by its number", "[kernels][cuda]") {
    // Method: names by hand.
    for (const char* name : {"cuda", "cuda:0", "cuda:17"}) CHECK(names_gpu(name));
    for (const char* name : {"", "cpu", "cuda:", "cuda:x", "cuda:-1", "cuda:1234", "h100-sxm"}) CHECK(!names_gpu(name));
}

TEST_CASE("a device's suite judges, samples and refuses by the device's own clock", "[kernels][cuda]") {
    // Method: on an emulated GPU whose clock says 2 us a run and a nanosecond for each 1000 bytes moved; a shape too large
    // for its memory, a kernel that it has not, and a datasheet that it beats.
    EmulatedGpu::set_order(0);
    int asked = 0;
    DeviceBench bench;
    bench.kernels = &cuda::device_table<EmulatedGpu>();
    bench.cache = Bytes::from_si(65536.0);
    bench.memory_free = [] { return Bytes::from_si(1048576.0); };
    bench.seconds_of = [](const std::function<void()>& launches) {
        const std::uint64_t before = EmulatedGpu::bytes_moved();
        launches();
        return 2e-3 + 1e-12 * static_cast<double>(EmulatedGpu::bytes_moved() - before);   // as long as a sample must be
    };
    bench.held_back = [&asked] { return ++asked % 3 == 0; };
    Device device;
    device.matrix_peak[DataType::fp32] = device.vector_peak = FlopPerSecond::from_si(1e12);
    device.memory_bandwidth = BytesPerSecond::from_si(1e12);
    SuiteOptions options;
    options.spell = 0.3_s;   // of real time: emulated runs take milliseconds
    options.rounds = 1;
    std::size_t told = 0;
    const auto rows = measure_device_suite({{{"softmax", {8, 256}, DataType::fp32}, true},
                                            {{"copy", {1 << 20}, DataType::fp32}, false},
                                            {{"no such kernel", {1}, DataType::fp32}, false},
                                            {{"matrix-multiply", {1, 8, 8, 8}, DataType::fp32}, true},
                                            {{"attention-decode", {3, 16, 4, 64, 64, 0}, DataType::bf16}, true}},
                                           bench, device, options, [&](const SuiteProgress&) { ++told; });
    REQUIRE(rows.size() == 5);
    CHECK(told == 5);
    CHECK(rows[3].refused.empty());
    CHECK(rows[4].refused.empty());
    CHECK(class_of(rows[4]) == "decode bf16");
    CHECK(rows[0].refused.empty());
    CHECK(rows[0].time.seconds().si() == Approx(2e-3).epsilon(0.01));
    CHECK(rows[0].time.disturbed > 0);
    CHECK(rows[0].time.repeats >= 7);
    CHECK(class_of(rows[0]) == "streaming cold");
    CHECK(rows[1].shrunk_from == "copy fp32 1048576");
    CHECK(rows[1].kernel_case.sizes.front() < 1 << 20);
    CHECK(rows[2].refused == "the device has no such kernel");
    device.matrix_peak[DataType::fp32] = device.vector_peak = FlopPerSecond::from_si(1e3);
    const auto beaten = measure_device_suite({{{"matrix-multiply", {1, 8, 8, 8}, DataType::fp32}, true}}, bench, device, options, [](const SuiteProgress&) {});
    CHECK_THAT(beaten.front().refused, Catch::Contains("times the peak"));
}

TEST_CASE("the shapes of a GPU's suite fit its memory and its formats", "[kernels][cuda]") {
    // Method: each case by its footprint, its flop and the types that the table of kernels lists.
    Device device;
    for (const DataType type : {DataType::fp32, DataType::tf32, DataType::bf16, DataType::int8}) device.matrix_peak[type] = FlopPerSecond::from_si(1e14);
    device.vector_peak = FlopPerSecond::from_si(1e13);
    device.memory_capacity = Bytes::from_si(80e9);
    const auto cases = device_suite_cases(false, 1, device);
    CHECK(cases.size() > 200);
    CHECK(cases == device_suite_cases(false, 1, device));
    CHECK(cases != device_suite_cases(false, 2, device));
    const auto& table = cuda::device_table<EmulatedGpu>();
    for (const SuiteCase& one : cases) {
        INFO(words_of(one.kernel_case));
        const auto entry = std::find_if(table.begin(), table.end(), [&](const KernelEntry& e) { return e.name == one.kernel_case.kernel; });
        REQUIRE(entry != table.end());
        CHECK(std::find(entry->types.begin(), entry->types.end(), one.kernel_case.type) != entry->types.end());
        CHECK(static_cast<std::size_t>(std::count(entry->sizes.begin(), entry->sizes.end(), ' ')) + 1 == one.kernel_case.sizes.size());
        CHECK(footprint_of(one.kernel_case) < 0.4 * device.memory_capacity);
        const bool product = one.kernel_case.kernel == "matrix-multiply";
        CHECK((!product || one.kernel_case.type != DataType::fp8));   // this device has no fp8
    }
}

TEST_CASE("a fit to a GPU's suite predicts the rows that it did not see", "[kernels][cuda]") {
    // Method: rows that take a plain roofline's time, 80 % of the peak and 90 % of the memory plus 3 us; a fit to four fifths
    // of them must come within a tenth of the others on average, whatever calibration the device had before.
    Device device;
    device.name = "some-gpu";
    device.matrix_peak[DataType::bf16] = FlopPerSecond::from_si(1e15);
    device.matrix_peak[DataType::fp32] = device.vector_peak = FlopPerSecond::from_si(6e13);
    device.memory_bandwidth = BytesPerSecond::from_si(3.35e12);
    device.memory_capacity = Bytes::from_si(80e9);
    device.cache = Bytes::from_si(50e6);
    device.cores = 132;
    std::vector<MeasuredCase> rows;
    for (const SuiteCase& one : device_suite_cases(false, 3, device)) {
        const auto& [kernel, sizes, type] = one.kernel_case;
        MeasuredCase row;
        row.kernel_case = one.kernel_case;
        row.cold = one.cold;
        if (kernel == "matrix-multiply" && type == DataType::bf16) row.work = MatrixMultiply{sizes[1], sizes[2], sizes[3], 1, type, 2.0};
        if (kernel == "softmax") row.work = Streaming{Bytes::from_si(8.0 * static_cast<double>(sizes[0] * sizes[1])), 1, Flop{}};
        if (kernel == "adam") row.work = Streaming{Bytes::from_si(28.0 * static_cast<double>(sizes[0])), 1, Flop{}};
        if (!row.work) continue;
        row.flop = flop_of(*row.work);
        row.bytes = bytes_of(*row.work);
        const double seconds = 3e-6 + std::max(row.flop.si() / 0.8e15, row.bytes.si() / 3e12);
        row.time = {Seconds::from_si(seconds), Seconds::from_si(seconds), 0.0, 9, 0, true};
        rows.push_back(row);
    }
    const DeviceFit fit = fit_device(device, "CUDA 13.0", rows, 1);
    CHECK(fit.calibration.device == "some-gpu");
    REQUIRE(fit.calibration.gemm.size() == 1);
    CHECK(fit.calibration.gemm.front().type == DataType::bf16);
    CHECK(fit.calibration.prefill.empty());
    REQUIRE(fit.held_out.size() >= 8);
    double sum = 0.0;
    for (const CaseError& error : fit.held_out) sum += std::abs(error.error());
    CHECK(sum / static_cast<double>(fit.held_out.size()) < 0.1);
    // What the fit knows it predicts again; a shape that it has no entry for is left out.
    Device calibrated = device;
    calibrated.calibration = std::make_shared<const Calibration>(fit.calibration);
    rows.resize(30);
    rows.front().work = Gather{8, Bytes::from_si(64.0), Bytes::from_si(1e6), false};
    const auto again = predict_device_cases(calibrated, rows);
    CHECK(again.size() < rows.size());
    for (const CaseError& error : again) CHECK(error.kind == "product bf16");
    const auto checked = device_check_cases(20, 4, device);
    CHECK(checked.size() == 20);
    CHECK(checked != device_check_cases(20, 5, device));
    for (const SuiteCase& one : checked) CHECK((one.cold && one.kernel_case.kernel != "convolution" && one.kernel_case.kernel != "muon"));
    CHECK_THAT(fit.refused.front().place, Catch::Contains("streaming"));   // ten rows of a quick suite are too few
}

TEST_CASE("a GPU that the catalogue does not know is refused by its name", "[kernels][cuda]") {
    // Method: a name that no driver gives, names by hand, and each driver's name once.
    CHECK(device_of_gpu("--device cuda:0", "NVIDIA H100 80GB HBM3").value() == "h100-sxm");
    const Result<std::string> unknown = device_of_gpu("--device cuda:0", "NVIDIA Z9");
    REQUIRE(!unknown.ok());
    CHECK(unknown.problems().front().place == "--device cuda:0");
    CHECK_THAT(unknown.problems().front().problem, Catch::Contains("NVIDIA Z9"));
    std::set<std::string_view> seen;
    for (const GpuName& name : gpu_names()) CHECK(seen.insert(name.driver).second);
}

TEST_CASE("sensors of a GPU say nothing where there is none, and tell heat from the usual power limit", "[kernels][cuda]") {
    // Method: an address that no bus has; the bits of NVML's documentation by hand.
    CHECK(!GpuSensors("ffff:ff:1f.7").read());
    GpuReading reading{1.98e9, 2.619e9, 41.0, Watts::from_si(118.0), 0x4};
    CHECK(!reading.held_back());
    CHECK(words_of(reading) == "1980 MHz, memory 2619 MHz, 41 C, 118 W");
    reading.reasons = 0x40;
    CHECK(reading.held_back());
    CHECK_THAT(words_of(reading), Catch::Contains("held back"));
}

TEST_CASE("a machine without a GPU is refused in words", "[kernels][cuda]") {
    // Method: where there is a GPU the answer describes it; elsewhere the problem names the device and what is missing.
    const Result<GpuDescription> gpu = open_gpu("cuda:0");
    if (gpu) {
        CHECK(!gpu->name.empty());
        CHECK(gpu->processors > 0);
        CHECK(!open_gpu("cuda:99"));
        return;
    }
    CHECK(gpu.problems().front().place == "--device cuda:0");
    CHECK_THAT(gpu.problems().front().problem, Catch::Contains("cannot be"));
    CHECK(!gpu.problems().front().remedy.empty());
}
