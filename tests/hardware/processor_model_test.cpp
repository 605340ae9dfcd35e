// The counts behind prices on processors, by hand and by walking tiles, and what they make of factors.
#include "hardware/work_kinds/processor_model.hpp"

#include "hardware/device.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <memory>
#include <vector>

using namespace orrery;

namespace {

Device processor(int cores) {
    Device device;
    device.kind = DeviceKind::cpu;
    device.matrix_peak[DataType::fp32] = device.vector_peak = 0.4_TFLOPps;
    device.matrix_peak[DataType::bf16] = 4.0_TFLOPps;
    device.memory_bandwidth = 40.0_GBps;
    device.cache = 40.0_MB;
    device.cores = cores;
    return device;
}

ProcessorTerms terms_on(const Device& device, const Work& work) {
    return processor_terms(machine_of(device, arithmetic_of(work)), machine_of(device, DataType::fp32), work);
}

Attention attention(std::int64_t queries, std::int64_t window, bool causal) {
    Attention work;
    work.heads = 3;
    work.kv_heads = 3;
    work.head_size = work.value_head_size = 64;
    work.queries = work.keys = queries;
    work.window = window;
    work.causal = causal;
    work.type = work.kv_type = DataType::fp32;
    return work;
}

}  // namespace

TEST_CASE("a product counts its arithmetic, its operands and what registers are padded with", "[hardware][processor]") {
    // Method: 100 x 50 x 200 in fp32 by hand: rows padded to 104, columns to 64; one panel of K; every operand once.
    const ProcessorTerms terms = terms_on(processor(1), MatrixMultiply{100, 50, 200, 1, DataType::fp32, 4.0});
    CHECK(terms.seconds[1] == Approx(2.0 * 100 * 50 * 200 / 0.4e12));
    CHECK(terms.seconds[2] == Approx(2.0 * 200 * (104 * 64 - 100 * 50) / 0.4e12));
    CHECK(terms.seconds[3] == 0.0);
    CHECK(terms.seconds[4] == Approx(4.0 * 100 * 200 / 40e9));
    CHECK(terms.seconds[5] == Approx(4.0 * 50 * 200 / 40e9));
    CHECK(terms.seconds[6] == Approx(4.0 * 100 * 50 / 40e9));
    CHECK(terms.seconds[7] == Approx(terms.seconds[5]));
    // Tile units pad the depth too: 33 bf16 values of K fill two rows of 32.
    const ProcessorTerms tiles = terms_on(processor(1), MatrixMultiply{16, 16, 33, 1, DataType::bf16, 4.0});
    CHECK(tiles.seconds[1] + tiles.seconds[2] == Approx(2.0 * 16 * 16 * 64 / 4e12));
}

TEST_CASE("rows that a period of the cache's sets parts count as pushing each other out", "[hardware][processor]") {
    // Method: bytes between neighbouring rows by hand: 1,024 fp32 values are 4 KiB, the period of 64 sets of 64 bytes. A
    // transposed side's rows are its columns; packed sides of tile units have no such rows.
    const auto aliased = [](std::int64_t m, std::int64_t n, std::int64_t k, DataType type, Transposed transposed) {
        return terms_on(processor(1), MatrixMultiply{m, n, k, 1, type, 4.0, transposed}).seconds[8] * 40e9;
    };
    CHECK(aliased(100, 50, 1024, DataType::fp32, Transposed::none) == Approx(4.0 * 100 * 1024));
    CHECK(aliased(100, 50, 1024, DataType::fp32, Transposed::right) == Approx(4.0 * (100 * 1024 + 50 * 1024)));
    CHECK(aliased(1024, 50, 200, DataType::fp32, Transposed::left) == Approx(4.0 * 1024 * 200));
    CHECK(aliased(100, 2048, 300, DataType::fp32, Transposed::none) == Approx(4.0 * (100 * 2048 + 2048 * 300)));
    CHECK(aliased(100, 2048, 300, DataType::bf16, Transposed::none) == Approx(4.0 * 100 * 2048));
    CHECK(aliased(100, 1000, 300, DataType::fp32, Transposed::none) == 0.0);
}

TEST_CASE("a transposed product has its own price where one was measured, else the plain product's", "[hardware][processor]") {
    // Method: two costs that differ in their start alone.
    Calibration calibration;
    ProcessorCost plain;
    plain.factors = {1.0};
    ProcessorCost left = plain;
    left.kind = ProcessorKind::product_left;
    calibration.processor = {plain, left};
    const auto found = [&](Transposed transposed) { return find_processor_cost(calibration, MatrixMultiply{8, 8, 8, 1, DataType::fp32, 4.0, transposed}); };
    CHECK(found(Transposed::none) == &calibration.processor[0]);
    CHECK(found(Transposed::left) == &calibration.processor[1]);
    CHECK(found(Transposed::right) == &calibration.processor[0]);
}

TEST_CASE("cores wait for the fullest where rows and columns do not divide", "[hardware][processor]") {
    // Method: three blocks of eight rows and one of columns on two cores: the fuller has two of three blocks.
    const ProcessorTerms uneven = terms_on(processor(2), MatrixMultiply{24, 16, 100, 1, DataType::fp32, 4.0});
    CHECK(uneven.seconds[3] == Approx(uneven.seconds[1] * (4.0 / 3.0 - 1.0)));
    const ProcessorTerms even = terms_on(processor(2), MatrixMultiply{32, 16, 100, 1, DataType::fp32, 4.0});
    CHECK(even.seconds[3] == 0.0);
}

TEST_CASE("attention counts the tiles that its kernel walks", "[hardware][processor]") {
    // Method: every pair of a query tile of 64 rows and a key tile of 128 columns looked at: it is walked where the mask
    // leaves any pair of it, up to the last key that its last row sees.
    for (const auto& [queries, window, causal] : {std::tuple{200, 0, true}, std::tuple{200, 0, false}, std::tuple{512, 100, true}, std::tuple{33, 0, true}}) {
        const Attention work = attention(queries, window, causal);
        double pairs = 0.0;
        double tiles = 0.0;
        for (int row = 0; row < queries; row += 64) {
            const int rows = std::min(64, queries - row);
            const int end = causal ? row + rows : queries;
            const int first_seen = window > 0 ? std::max(row - window + 1, 0) : 0;
            for (int key = first_seen / 128 * 128; key < end; key += 128) {
                pairs += static_cast<double>(rows) * std::min(128, end - key);
                tiles += 1.0;
            }
        }
        const ProcessorTerms terms = terms_on(processor(1), work);
        INFO(queries << " queries, window " << window << (causal ? ", causal" : ""));
        CHECK(terms.seconds[1] == Approx(3.0 * pairs * 4.0 * 64.0 / 0.4e12));
        CHECK(terms.seconds[3] == Approx(3.0 * tiles * 1e-6));
    }
}

TEST_CASE("three equal heads take two cores as long as four", "[hardware][processor]") {
    // Method: heads of one tile each; the fuller of two cores has two of three, or of four.
    const ProcessorTerms three = terms_on(processor(2), attention(64, 0, false));
    Attention four = attention(64, 0, false);
    four.heads = four.kv_heads = 4;
    CHECK(three.seconds[1] == Approx(terms_on(processor(2), four).seconds[1]));
    CHECK(three.seconds[1] == Approx(4.0 / 3.0 * terms_on(processor(1), attention(64, 0, false)).seconds[1]));
}

TEST_CASE("results that lie in new places are fetched first, unless they are large", "[hardware][processor]") {
    // Method: a copy of 8 MB moves 4 MB in, 4 MB fetched, 4 MB out; of 80 MB nothing is fetched; in place nothing either.
    const Device device = processor(2);
    const auto moved = [&](double bytes, double share) { return 40e9 * terms_on(device, Streaming{Bytes::from_si(bytes), 1, {}, share}).seconds[2]; };
    CHECK(moved(8e6, 0.5) == Approx(12e6));
    CHECK(moved(80e6, 0.5) == Approx(80e6));
    CHECK(moved(8e6, 0.0) == Approx(8e6));
}

TEST_CASE("a price on a processor is its start, and cores and memory joined by the norm", "[hardware][processor]") {
    // Method: streaming with factors of our own; norm 1 adds, a large norm takes the larger; the device's price is the same.
    Device device = processor(2);
    const Streaming work{8.0_MB, 1, Flop::from_si(4e7), 0.0};
    ProcessorCost cost;
    cost.kind = ProcessorKind::streaming;
    cost.factors = {3.0, 2.0, 1.5};
    const double cores = 2.0 * 4e7 / 0.4e12;
    const double memory = 1.5 * 8e6 / 40e9;
    const ProcessorTerms terms = terms_on(device, work);
    CHECK(processor_seconds(terms, cost) == Approx(3e-6 + cores + memory));
    cost.norm = 64.0;
    CHECK(processor_seconds(terms, cost) == Approx(3e-6 + std::max(cores, memory)).epsilon(1e-3));
    auto calibration = std::make_shared<Calibration>();
    calibration->device = "a processor";
    calibration->processor = {cost};
    device.calibration = calibration;
    CHECK(execution_time(device, work).si() == Approx(processor_seconds(terms, cost)));
    CHECK(price_basis(device, work) == "measured on a processor");
    // Kinds that were not measured are priced as without a calibration.
    const Work product = MatrixMultiply{512, 512, 512, 1, DataType::fp32, 4.0};
    const Seconds before = execution_time(processor(2), product);
    CHECK(execution_time(device, product).si() == Approx(before.si()));
}
