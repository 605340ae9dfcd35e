// Fits to few measurements held to tables made from known parameters; nccl-tests' text read and refused.
#include "network/collective_anchors.hpp"

#include <catch2/catch.hpp>

#include <cmath>
#include <memory>

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
    const auto samples = parse_nccl_tests(text, "h100/all_reduce_perf.txt").value().samples;
    REQUIRE(samples.size() == 1);
    CHECK(samples[0] == CollectiveSample{CollectiveKind::all_reduce, DataType::fp32, 2, Bytes::from_si(1048576.0), Seconds::from_si(30.5 * 1e-6), 1});
    CHECK(parse_nccl_tests(text, "log.txt").problems().front() ==
          Problem{"log.txt", "does not name its test", "put the test's name into the file's, as all_reduce_perf.txt"});
    CHECK(parse_nccl_tests("", "all_reduce_perf").problems().front().problem == "lists 0 ranks");
    std::string broken = text;
    broken.replace(broken.find("30.50"), 5, "-3.05");
    CHECK(parse_nccl_tests(broken, "all_reduce_perf").problems().front() ==
          Problem{"all_reduce_perf:9", "has no size or no time", "keep the lines as nccl-tests printed them"});
}

namespace {

const std::string perf_ranks = "#  Rank  0 Group  0 Pid  7 on alpha device  0 [0x1] NVIDIA H100\n#  Rank  1 Group  0 Pid  7 on beta device  0 [0x2] NVIDIA H100\n";
const std::string perf_head_lines =
    "#       size         count      type   redop    root     time   algbw   busbw #wrong     time   algbw   busbw #wrong\n"
    "#        (B)    (elements)                               (us)  (GB/s)  (GB/s)            (us)  (GB/s)  (GB/s)\n";
const std::string perf_line = "     1048576        262144     float     sum      -1    30.50   34.38   34.38      0    30.10   34.84   34.84      0\n";

Problem log_problem(const std::string& text) {
    const auto log = parse_nccl_tests(text, "all_reduce_perf.txt");
    REQUIRE(!log.ok());
    return log.problems().front();
}

}  // namespace

TEST_CASE("a log that was cut is read up to the cut, and says so", "[network][collective]") {
    // Method: whole lines are kept and a note is left; a line broken in two is refused with its place.
    const auto log = parse_nccl_tests(perf_ranks + perf_head_lines + perf_line, "all_reduce_perf.txt").value();
    CHECK(log.samples.size() == 1);
    REQUIRE(log.notes.size() == 1);
    CHECK(log.notes.front() == "all_reduce_perf.txt: ends without its average: cut short? 1 sizes were read");
    CHECK(parse_nccl_tests(perf_ranks + perf_head_lines + perf_line + "# Avg bus bandwidth    : 34.4\n", "all_reduce_perf.txt").value().notes.empty());
    CHECK(log_problem(perf_ranks + perf_head_lines + perf_line + "     2097152        524288     flo") ==
          Problem{"all_reduce_perf.txt:6", "breaks off after 3 of 13 columns", "remove the broken line, or give the whole output"});
    CHECK(log_problem(perf_ranks).problem == "has no head \"# size count type ..\"");
    CHECK(log_problem(perf_ranks + perf_head_lines).problem == "has no line with a size and a time");
}

TEST_CASE("columns and units of a log are found by name", "[network][collective]") {
    // Method: a column that is not known in front of the time and milliseconds instead of microseconds give the same time.
    const std::string other = "#       size         count      type   redop    root   jitter     time\n#        (B)    (elements)     (ms)\n"
                              "     1048576        262144     float     sum      -1    9.99   0.0305\n";
    const auto log = parse_nccl_tests(perf_ranks + other, "all_reduce_perf.txt").value();
    REQUIRE(log.samples.size() == 1);
    CHECK(log.samples.front().time / 1.0_us == Approx(30.5));
    std::string units = perf_head_lines;
    units.replace(units.find("(B)"), 3, "(KB)");
    CHECK(log_problem(perf_ranks + units + perf_line) ==
          Problem{"all_reduce_perf.txt:4", "gives sizes in (KB), not in bytes", "give sizes in (B) and times in (us), (ms) or (s)"});
    CHECK(log_problem(perf_ranks + "# size count type redop root time\n# (B) (elements) (cycles)\n").problem == "gives no unit of time that is known");
    CHECK(log_problem(perf_ranks + "# size count type redop root duration\n").problem == "has no column \"time\"");
}

TEST_CASE("hosts of a log are its domains", "[network][collective]") {
    // Method: two ranks on two hosts; then three on two, which no shape of equal domains has.
    const auto log = parse_nccl_tests(perf_ranks + perf_head_lines + perf_line, "all_reduce_perf.txt").value();
    CHECK(log.samples.front().ranks == 2);
    CHECK(log.samples.front().domains == 2);
    CHECK(log_problem(perf_ranks + "#  Rank  2 Group  0 Pid  7 on beta device  1 [0x2] NVIDIA H100\n" + perf_head_lines + perf_line).problem ==
          "has hosts with unequal numbers of ranks");
}

TEST_CASE("a fabric's start, hop and port share are found in a sweep between nodes", "[network][collective]") {
    // Method: times made with a start of 200 us, hops of 12 us and half of the port rate; the fit predicts sizes it was not
    // given within a tenth.
    Node node;
    node.name = "node";
    node.devices = node.scale_up_domain = 8;
    node.nics = 8;
    node.nic_bandwidth = 50.0_GBps;
    node.nic_kind = "infiniband";
    const Fabric fabric = build_fabric({}, node, 4, 450.0_GBps, std::make_shared<const CollectiveParameters>()).value();
    CollectiveParameters truth;
    truth.across_start = 200.0_us;
    truth.across_hop = 12.0_us;
    truth.across_port_share = 0.47;
    const Fabric made = with_parameters(fabric, truth);
    std::vector<CollectiveSample> seen;
    std::vector<CollectiveSample> unseen;
    for (int place = 16; place <= 33; ++place) {
        CollectiveSample s{CollectiveKind::all_reduce, DataType::fp32, 32, Bytes::from_si(std::exp2(place)), {}, 4};
        s.time = sample_time(made, s);
        (place % 4 == 0 ? seen : unseen).push_back(s);
    }
    const Fabric fitted = with_parameters(fabric, fit_across(fabric, seen));
    for (const CollectiveSample& s : unseen) CHECK(sample_time(fitted, s) / s.time == Approx(1.0).epsilon(0.1));
}

}  // namespace orrery
