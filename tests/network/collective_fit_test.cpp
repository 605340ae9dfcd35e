// Fitting of collectives held to data of known origin; each complaint about a table.
#include "network/collective_fit.hpp"

#include <catch2/catch.hpp>

#include <cmath>

using namespace orrery;

namespace {

const std::string nccl_head = "op_name,nccl_dtype,num_gpus,message_size,latency\n";

MeasuredDomain switched_domain() { return {450.0_GBps, 8, ScaleUp::switched}; }

/// What a machine with exactly these parameters would have measured.
std::vector<CollectiveSample> made_by(const CollectiveParameters& p, const MeasuredDomain& domain) {
    std::vector<CollectiveSample> samples;
    for (const CollectiveKind kind : {CollectiveKind::all_reduce, CollectiveKind::all_gather,
                                      CollectiveKind::reduce_scatter, CollectiveKind::all_to_all}) {
        for (const int ranks : {2, 4, 8}) {
            for (int place = 9; place <= 29; ++place) {
                CollectiveSample s{kind, DataType::fp16, ranks, Bytes::from_si(std::exp2(place)), {}};
                s.time = predicted_time(p, domain, s);
                samples.push_back(s);
            }
        }
    }
    return samples;
}

Problem first_table_problem(const std::string& text) {
    const auto samples = parse_nccl_table(text, "t.csv");
    REQUIRE_FALSE(samples.ok());
    return samples.problems().front();
}

}  // namespace

TEST_CASE("an NCCL table is read in elements and milliseconds", "[network][fit]") {
    // Method: by hand; 1,024 halves are 2,048 bytes, 0.0125 ms are 12.5 us; column order is free.
    const auto samples = parse_nccl_table(
                             "latency,op_name,nccl_dtype,num_gpus,message_size\r\n"
                             "0.0125,alltoall,half,4,1024\r\n\n0.5,all_gather,int8,8,4096",
                             "t.csv")
                             .value();
    REQUIRE(samples.size() == 2);
    CHECK(samples[0].kind == CollectiveKind::all_to_all);
    CHECK(samples[0].type == DataType::fp16);
    CHECK(samples[0].ranks == 4);
    CHECK(samples[0].size == 2048.0_B);
    CHECK(samples[0].time / 1.0_us == Approx(12.5));
    CHECK(samples[1].size == 4096.0_B);
}

TEST_CASE("bad lines of a table are named", "[network][fit]") {
    // Method: the messages.
    CHECK(first_table_problem("op_name,num_gpus\n").problem == "has no column nccl_dtype");
    CHECK(first_table_problem(nccl_head).problem == "has no row");
    CHECK(first_table_problem(nccl_head + "all_reduce,half,4,8\n").problem == "has 4 cells where the head has 5");
    CHECK(first_table_problem(nccl_head + "gossip,half,4,8,1\n").problem == "op_name \"gossip\" is not a collective");
    CHECK(first_table_problem(nccl_head + "all_reduce,quarter,4,8,1\n").problem ==
          "nccl_dtype \"quarter\" is not known");
    CHECK(first_table_problem(nccl_head + "all_reduce,half,1,8,1\n").problem == "num_gpus must be 2 or more");
    CHECK(first_table_problem(nccl_head + "all_reduce,half,2,0,1\n").problem ==
          "message_size must be a positive number of elements");
    const Problem p = first_table_problem(nccl_head + "all_reduce,half,2,8,1\nall_reduce,half,2,8,nan\n");
    CHECK(p.problem == "latency must be a positive number of milliseconds");
    CHECK(p.place == "t.csv:3");
}

TEST_CASE("replicates count as their median", "[network][fit]") {
    // Method: by hand.
    CollectiveSample s{CollectiveKind::all_reduce, DataType::fp16, 2, 1024.0_B, 3.0_us};
    std::vector<CollectiveSample> samples{s, s, s};
    samples[0].time = 100.0_us;
    samples[2].time = 1.0_us;
    const auto medians = median_samples(samples);
    REQUIRE(medians.size() == 1);
    CHECK(medians[0].time == 3.0_us);
}

TEST_CASE("residuals make up for what the physical model misses", "[network][fit]") {
    // Method: a machine 1.25 times as slow as the model has the residual 1.25 everywhere, and no error with it.
    const CollectiveParameters p;
    std::vector<CollectiveSample> samples = made_by(p, switched_domain());
    for (CollectiveSample& s : samples) s.time = 1.25 * s.time;
    CHECK(mean_collective_error(p, switched_domain(), samples) == Approx(0.2));
    CollectiveParameters calibrated = p;
    calibrated.residuals = tabulate_residuals(p, switched_domain(), samples);
    CHECK(calibrated.residuals.size() == 12);
    CHECK(calibrated.residuals[0].ratio[3] == Approx(1.25).epsilon(0.01));
    CHECK(mean_collective_error(calibrated, switched_domain(), samples) < 0.01);
    const CollectiveFitQuality quality = judge_fit(p, switched_domain(), samples, 1);
    CHECK(quality.rows == 252);
    CHECK(quality.physical_error == Approx(0.2));
    CHECK(quality.calibrated_error < 0.05);
    CHECK(quality.gap_error < 0.1);
}

TEST_CASE("a size missing from a table leans on its neighbours, and noise is not taken for structure", "[network][fit]") {
    // Method: two equal values v around a gap, by hand: v * 2 exp(-1/3) / (1 + exp(-2/3) + 0.3^2) of the logarithm in it.
    const CollectiveParameters p;
    std::vector<CollectiveSample> samples;
    for (const double size : {1024.0, 4096.0}) {
        CollectiveSample s{CollectiveKind::all_gather, DataType::fp16, 4, Bytes::from_si(size), {}};
        s.time = 2.0 * predicted_time(p, switched_domain(), s);
        samples.push_back(s);
    }
    const auto residuals = tabulate_residuals(p, switched_domain(), samples);
    REQUIRE(residuals.size() == 1);
    CHECK(residuals[0].log2_bytes_min == 10);
    REQUIRE(residuals[0].ratio.size() == 3);
    CHECK(std::log2(residuals[0].ratio[1]) == Approx(2.0 * std::exp(-1.0 / 3.0) / (1.0 + std::exp(-2.0 / 3.0) + 0.09)));
}

TEST_CASE("a fit finds the parameters that made its data", "[network][fit]") {
    // Method: samples computed from known parameters half as slow again per step and lower in efficiency; starting from
    // the defaults the fit must come within 1.5 % of the times, from above 10 %, and find the asymptote to 2 %.
    CollectiveParameters truth;
    truth.base = 4.5_us;
    truth.ll_step = 1.6_us;
    truth.simple_step = 8.0_us;
    truth.simple_efficiency = 0.75;
    truth.exchange_base = 10.0_us;
    truth.exchange_efficiency = 0.65;
    const auto samples = made_by(truth, switched_domain());
    const CollectiveParameters prior;
    CHECK(mean_collective_error(prior, switched_domain(), samples) > 0.10);
    const CollectiveParameters fitted = fit_collectives(prior, switched_domain(), samples, 0.0001, 200);
    CHECK(mean_collective_error(fitted, switched_domain(), samples) < 0.015);
    CHECK(fitted.simple_efficiency == Approx(truth.simple_efficiency).epsilon(0.02));
    CHECK(fitted.exchange_efficiency == Approx(truth.exchange_efficiency).epsilon(0.02));
}
