// Convolutions as work: arithmetic, traffic, the implicit product, and prices against their floors.
#include "hardware/device.hpp"
#include "hardware/work_kinds/convolution_model.hpp"

#include <catch2/catch.hpp>

using namespace orrery;

namespace {

Convolution bottleneck_convolution() {
    Convolution work;
    work.batch = 32;
    work.height = 56;
    work.width = 56;
    work.channels = 64;
    work.filters = 64;
    work.kernel_height = 3;
    work.kernel_width = 3;
    work.type = DataType::fp16;
    return work;
}

Device convolution_device() {
    Device device;
    device.year = 2020;
    device.matrix_peak[DataType::fp16] = FlopPerSecond::from_si(312e12);
    device.vector_peak = FlopPerSecond::from_si(19.5e12);
    device.memory_bandwidth = BytesPerSecond::from_si(2.0e12);
    device.cache = 40.0_MB;
    device.cores = 108;
    return device;
}

}  // namespace

TEST_CASE("a convolution's arithmetic is two per output value, channel and kernel point, in every pass",
          "[hardware][convolution]") {
    // Method: closed form, 2 N H W K C R S.
    Convolution work = bottleneck_convolution();
    const double expected = 2.0 * 32 * 56 * 56 * 64 * 64 * 9;
    for (const auto pass : {ConvolutionPass::forward, ConvolutionPass::input_gradient, ConvolutionPass::weight_gradient}) {
        work.pass = pass;
        CHECK(flop_of(work).si() == expected);
        const MatrixMultiply product = implicit_product(work);
        CHECK(flop_of(product).si() == expected);
    }
}

TEST_CASE("a stride halves each side of the output and thins the input's gradient", "[hardware][convolution]") {
    // Method: a quarter of the output pixels, hence of the arithmetic, whichever pass.
    Convolution work = bottleneck_convolution();
    const double whole = flop_of(work).si();
    work.stride = 2;
    CHECK(work.output_pixels() == 32 * 28 * 28);
    CHECK(flop_of(work).si() == whole / 4.0);
    work.pass = ConvolutionPass::input_gradient;
    CHECK(flop_of(implicit_product(work)).si() == whole / 4.0);
    work.height = 57;  // odd sides round up
    CHECK(work.output_pixels() == 32 * 29 * 28);
}

TEST_CASE("narrow channels are padded and narrow groups share a product", "[hardware][convolution]") {
    // Method: 3 channels of 16 bit fill one vector of 8; 32 groups of 4 become 4 products of 32 channels.
    Convolution stem = bottleneck_convolution();
    stem.channels = 3;
    CHECK(implicit_product(stem).k == 8 * 9);
    Convolution grouped = bottleneck_convolution();
    grouped.channels = 128;
    grouped.filters = 128;
    grouped.groups = 32;
    const MatrixMultiply product = implicit_product(grouped);
    CHECK(product.batch == 4);
    CHECK(product.n == 32);
    CHECK(product.k == 32 * 9);
    CHECK(flop_of(grouped).si() == 2.0 * 32 * 56 * 56 * 128 * 4 * 9);
}

TEST_CASE("no convolution is priced below its arithmetic or its traffic", "[hardware][convolution]") {
    // Method: physical floors, and an upper bound that a compute-bound kernel on known hardware keeps (a third of peak).
    const Device device = convolution_device();
    for (const std::int64_t kernel : {1, 3, 7}) {
        for (const std::int64_t channels : {3, 64, 512}) {
            for (const auto pass :
                 {ConvolutionPass::forward, ConvolutionPass::input_gradient, ConvolutionPass::weight_gradient}) {
                Convolution work = bottleneck_convolution();
                work.kernel_height = kernel;
                work.kernel_width = kernel;
                work.channels = channels;
                work.pass = pass;
                CHECK(execution_time(device, work) >= physical_floor(device, work));
            }
        }
    }
    Convolution large = bottleneck_convolution();
    large.batch = 256;
    large.channels = 512;
    large.filters = 512;
    CHECK(execution_time(device, large) < 3.0 * (flop_of(large) / FlopPerSecond::from_si(312e12)));
}

TEST_CASE("a depthwise convolution is bound by memory or vector units, never by matrix units", "[hardware][convolution]") {
    // Method: ten times the matrix peak changes nothing.
    Convolution work = bottleneck_convolution();
    work.groups = 64;
    REQUIRE(work.is_depthwise());
    Device device = convolution_device();
    const Seconds before = execution_time(device, work);
    device.matrix_peak[DataType::fp16] = 10.0 * device.matrix_peak[DataType::fp16];
    CHECK(execution_time(device, work) == before);
}
