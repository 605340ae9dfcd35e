// Fits to few measurements held to tables made from known parameters; nccl-tests' text read and refused.
#include "network/collective_anchors.hpp"

#include <catch2/catch.hpp>

namespace orrery {

namespace {

const MeasuredDomain eight_in_switches{450.0_GBps, 8, ScaleUp::switched};

/// What `truth` would measure.
std::vector<CollectiveSample> table_of(const CollectiveParameters& truth) {
    std::vector<CollectiveSample> samples;
    for (const CollectiveKind kind : {CollectiveKind::all_reduce, CollectiveKind::all_gather, CollectiveKind::all_to_all}) {
        for (const int ranks : {2, 4, 8}) {
            for (double size = 512.0; size <= 536870912.0; size *= 2.0) {
                CollectiveSample s{kind, DataType::fp16, ranks, Bytes::from_si(size), {}};
                s.time = predicted_time(truth, eight_in_switches, s);
                samples.push_back(s);
            }
        }
    }
    return samples;
}

}  // namespace

TEST_CASE("ten anchors find a generation whose latencies are all doubled", "[network][collective]") {
    // Method: a table made from the defaults with every start-up and step twice as long; the error on what is no anchor.
    CollectiveParameters truth;
    for (Seconds CollectiveParameters::*time : {&CollectiveParameters::base, &CollectiveParameters::ll_step, &CollectiveParameters::ll128_start,
                                                &CollectiveParameters::ll128_step, &CollectiveParameters::simple_start,
                                                &CollectiveParameters::simple_step, &CollectiveParameters::exchange_base,
                                                &CollectiveParameters::exchange_step, &CollectiveParameters::exchange_simple_start}) {
        truth.*time *= 2.0;
    }
    const std::vector<CollectiveSample> table = table_of(truth);
    const std::vector<CollectiveSample> anchors = anchors_of(table, 10);
    REQUIRE(anchors.size() == 10);
    CHECK(anchors.front().ranks == 8);
    CHECK(anchors.back().ranks == 2);
    const double before = mean_collective_error({}, eight_in_switches, table);
    const double after = mean_collective_error(fit_anchors({}, eight_in_switches, anchors), eight_in_switches, table);
    CHECK(before > 0.25);
    CHECK(after < 0.05);
}

TEST_CASE("pooled generations lie between those they come from", "[network][collective]") {
    // Method: the geometric mean by hand; in-switch sums only where they are said to be there.
    CollectiveParameters slow;
    slow.base = 8.0_us;
    CollectiveParameters quick;
    quick.base = 2.0_us;
    quick.nvls_efficiency = 0.6;
    const std::vector<CollectiveParameters> both{slow, quick};
    CHECK(pooled_parameters(both, true).base.si() == Approx(4e-6));
    CHECK(pooled_parameters(both, true).nvls_efficiency == Approx(0.6));
    CHECK(pooled_parameters(both, false).nvls_efficiency == 0.0);
}

TEST_CASE("what nccl-tests prints becomes samples", "[network][collective]") {
    // Method: lines as its README shows them, read back by hand.
    const char* const text =
        "# nThread 1 nGpus 2 minBytes 8 maxBytes 1024\n# Using devices\n#  Rank  0 Group  0 Pid  7 on host device  0 [0x1] NVIDIA H100\n"
        "#  Rank  1 Group  0 Pid  7 on host device  1 [0x2] NVIDIA H100\n#\n"
        "#       size         count      type   redop    root     time   algbw   busbw #wrong     time   algbw   busbw #wrong\n"
        "#        (B)    (elements)                               (us)  (GB/s)  (GB/s)            (us)  (GB/s)  (GB/s)\n"
        "           0             0     float     sum      -1     0.20    0.00    0.00      0     0.19    0.00    0.00      0\n"
        "     1048576        262144     float     sum      -1    30.50   34.38   34.38      0    30.10   34.84   34.84      0\n"
        "# Avg bus bandwidth    : 17.2\n";
    CHECK(is_nccl_tests(text));
    const auto samples = parse_nccl_tests(text, "h100/all_reduce_perf.txt").value();
    REQUIRE(samples.size() == 1);
    CHECK(samples[0] == CollectiveSample{CollectiveKind::all_reduce, DataType::fp32, 2, Bytes::from_si(1048576.0), Seconds::from_si(30.5 * 1e-6)});
    CHECK(parse_nccl_tests(text, "log.txt").problems().front() ==
          Problem{"log.txt", "does not name its test", "put the test's name into the file's, as all_reduce_perf.txt"});
    CHECK(parse_nccl_tests("", "all_reduce_perf").problems().front().problem == "lists 0 ranks");
    std::string broken = text;
    broken.replace(broken.find("30.50"), 5, "-3.05");
    CHECK(parse_nccl_tests(broken, "all_reduce_perf").problems().front() ==
          Problem{"all_reduce_perf:9", "has no size or no time", "keep the lines as nccl-tests printed them"});
}

}  // namespace orrery
