// Holds that remembered prices are the prices.
#include "hardware/price_cache.hpp"

#include "devices.hpp"

#include <catch2/catch.hpp>

using namespace orrery;

TEST_CASE("a remembered price is the price, for every kind of work", "[hardware][price_cache]") {
    // Method: both ways of asking, twice, over works that differ in one field each.
    const SoftwareFactors software{.matrix_slowdown = 1.1, .graph_launch = true};
    PriceCache cache(test::h100(), software);
    const std::vector<Work> works{
        MatrixMultiply{.m = 64, .n = 4096, .k = 4096},
        MatrixMultiply{.m = 64, .n = 4096, .k = 4096, .output_element_bytes = 8.0},
        MatrixMultiply{.m = 64, .n = 4096, .k = 4096, .type = DataType::fp8},
        GroupedMatrixMultiply{.rows = 64, .rows_max = 8, .groups = 16, .n = 4096, .k = 4096},
        Attention{.batch = 2, .heads = 32, .kv_heads = 8, .queries = 512, .keys = 512},
        Attention{.batch = 2, .heads = 32, .kv_heads = 8, .queries = 512, .keys = 512, .causal = false},
        Attention{.batch = 2, .heads = 32, .kv_heads = 8, .queries = 512, .keys = 512, .backward = true},
        Attention{.batch = 2, .heads = 32, .kv_heads = 8, .queries = 512, .keys = 512, .kv_type = DataType::fp8},
        Streaming{.bytes = 1.0_GB},
        Gather{.rows = 100, .row_bytes = 4.0_KiB, .table_bytes = 1.0_GB},
    };
    for (int round = 0; round < 2; ++round) {
        for (const Work& work : works) CHECK(cache.price(work) == execution_time(test::h100(), work, software));
    }
    CHECK(cache.entries() == works.size());
}

TEST_CASE("a cache that grew still knows its prices", "[hardware][price_cache]") {
    // Method: more works than its first table holds, asked again after growing.
    PriceCache cache(test::h100());
    for (std::int64_t m = 1; m <= 3000; ++m) cache.price(Streaming{.bytes = Bytes::from_si(static_cast<double>(m) * 1e6)});
    CHECK(cache.entries() == 3000);
    const Streaming early{.bytes = 7.0_MB};
    CHECK(cache.price(early) == execution_time(test::h100(), early));
    CHECK(cache.entries() == 3000);
}
