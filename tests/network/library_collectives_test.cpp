// Libraries' own collectives held to published rows and to their limits.
#include "network/library_collectives.hpp"

#include <catch2/catch.hpp>

using namespace orrery;

TEST_CASE("an own all-reduce of 8 KiB among eight H100 takes 3.6 us, of 1 GiB as long as two shots", "[network][library]") {
    // Method: AIConfigurator's custom_allreduce table of H100 (Apache-2.0): 4,096 values among 8 in 3.608 us, 262,144 values in
    // 17.56 us, 134,217,728 values among 4 in 1.181 ms.
    CHECK(custom_all_reduce_time(8, Bytes::from_si(8192), 450.0_GBps) / 1.0_us == Approx(3.608).epsilon(0.05));
    CHECK(custom_all_reduce_time(8, Bytes::from_si(524288), 450.0_GBps) / 1.0_us == Approx(17.56).epsilon(0.1));
    CHECK(custom_all_reduce_time(4, Bytes::from_si(268435456), 450.0_GBps) / 1.0_us == Approx(1180.6).epsilon(0.1));
}

TEST_CASE("expert exchanges grow with tokens, ranks and experts, and gain by multiprocessors", "[network][library]") {
    // Method: monotone in each; double tokens at most double the time.
    for (const ExpertKernel& kernel : expert_kernels()) {
        INFO(kernel.name);
        const ExpertExchange few{128, 7168, 2.0, 8, 256, 8, 8};
        ExpertExchange more = few;
        more.tokens = 256;
        const double ratio = expert_exchange_time(kernel, more, 450.0_GBps) / expert_exchange_time(kernel, few, 450.0_GBps);
        CHECK(ratio > 1.0);
        CHECK(ratio <= 2.0);
        more = few;
        more.sms = 24;
        CHECK(expert_exchange_time(kernel, more, 450.0_GBps) <= expert_exchange_time(kernel, few, 450.0_GBps));
        CHECK(find_expert_kernel(kernel.name) == &kernel);
    }
    CHECK(find_expert_kernel("none") == nullptr);
}

TEST_CASE("DeepEP's low-latency dispatch of 64 tokens takes what its table says", "[network][library]") {
    // Method: AIConfigurator's wideep_deepep_ll table of H100 (Apache-2.0): hidden 6,144, 8 of 256 experts, 64 tokens: 22.7 us
    // out (fp8 with a scale for each 128 values), 35.5 us back (bf16).
    const ExpertExchange out{64, 6144, 1.03125, 8, 256, 8, 0};
    CHECK(expert_exchange_time(*find_expert_kernel("deepep low-latency dispatch"), out, 450.0_GBps) / 1.0_us == Approx(22.733).epsilon(0.15));
    const ExpertExchange back{64, 6144, 2.0, 8, 256, 8, 0};
    CHECK(expert_exchange_time(*find_expert_kernel("deepep low-latency combine"), back, 450.0_GBps) / 1.0_us == Approx(35.491).epsilon(0.15));
}
