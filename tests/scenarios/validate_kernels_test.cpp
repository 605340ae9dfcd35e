// Kernel CSVs: rows read by the kind that the file's name says, predicted, skipped with a reason, or refused by line.
#include "scenarios/validate.hpp"

#include "tests/program.hpp"

#include <catch2/catch.hpp>

using namespace orrery;
using orrery::testing::contains;
using orrery::testing::run_program;
using orrery::testing::TemporaryFolder;

namespace {

Result<ValidationReport> validate_csv(const std::string& name, const std::string& text) {
    const TemporaryFolder folder;
    std::ofstream(folder.file(name)) << text;
    return validate_tables({folder.file(name)});
}

ValidationReport report_of_csv(const std::string& name, const std::string& text) {
    const Result<ValidationReport> report = validate_csv(name, text);
    INFO(name);
    REQUIRE(report.ok());
    return *report;
}

Problem problem_of_csv(const std::string& name, const std::string& text) {
    const Result<ValidationReport> report = validate_csv(name, text);
    INFO(name);
    REQUIRE(!report.ok());
    return report.problems().front();
}

const std::string gemm_head = "gemm_dtype,m,n,k,latency\n";
const std::string moe_head =
    "moe_dtype,num_tokens,hidden_size,inter_size,topk,num_experts,moe_tp_size,moe_ep_size,distribution,latency\n";

}  // namespace

TEST_CASE("a large product on an H100 is predicted near its best measured rate", "[validate][kernel]") {
    // Method: ml-engineering's MAMF finder reaches 794 TFLOP/s on an H100 SXM: 2 * 8192^3 flop in 1.385 ms; torch's
    // tables have 710 to 811.
    const ValidationReport report =
        report_of_csv("h100_sxm.test-1.gemm.csv", gemm_head + "bfloat16,8192,8192,8192,1.385\n");
    REQUIRE(report.results.size() == 1);
    CHECK(std::abs(report.results[0].error()) < 0.15);
    CHECK(report.results[0].metric == "gemm_s");
    REQUIRE(report.fits.size() == 1);
    CHECK(contains(report.fits[0], "0 of 1 rows of h100_sxm.test-1.gemm.csv were used in the fit of h100-sxm"));
}

TEST_CASE("rows faster than the device and formats without a model are skipped, each with its reason",
          "[validate][kernel]") {
    // Method: 8192^3 in 1 us would be a thousand times the peak.
    const ValidationReport report = report_of_csv(
        "h100_sxm.test-1.gemm.csv",
        gemm_head + "bfloat16,8192,8192,8192,0.001\nint4_wo,64,64,64,0.01\nbfloat16,8192,8192,8192,1.4\n");
    CHECK(report.rows == 3);
    CHECK(report.predicted == 1);
    CHECK(report.skipped.at("faster than the device's arithmetic or memory allow") == 1);
    CHECK(report.skipped.at("no model of the number format") == 1);
    const ValidationReport nobody = report_of_csv("abacus.test-1.gemm.csv", gemm_head + "bfloat16,8,8,8,1\n");
    CHECK(nobody.skipped.at("no catalogue entry for the system") == 1);
}

TEST_CASE("long decode attention is bound by reading the cache", "[validate][kernel]") {
    // Method: 64 sequences of 8192 keys, 8 heads of 128, keys and values of 2 bytes: 2.15 GB, 0.64 ms at 3.35 TB/s.
    const ValidationReport report =
        report_of_csv("h100_sxm.vllm-0.19.0.generation_attention.csv",
                      "batch_size,isl,num_heads,num_key_value_heads,head_dim,attn_dtype,kv_cache_dtype,step,"
                      "latency\n64,1,64,8,128,bfloat16,bfloat16,8191,0.75\n");
    REQUIRE(report.results.size() == 1);
    CHECK(report.results[0].predicted > 0.64e-3);
    CHECK(report.results[0].predicted < 1.1e-3);
}

TEST_CASE("a prefill table too fast for its device is left out whole", "[validate][kernel]") {
    // Method: 4 * 32 heads * 8192^2 / 2 * 128 flop are 0.55 TFLOP: 0.1 ms would be 5 PFLOP/s.
    const std::string head =
        "batch_size,isl,num_heads,num_key_value_heads,head_dim,attn_dtype,kv_cache_dtype,step,latency\n";
    const ValidationReport report =
        report_of_csv("h100_sxm.test-1.context_attention.csv",
                      head + "1,8192,32,32,128,bfloat16,bfloat16,0,0.1\n1,8192,32,32,128,bfloat16,bfloat16,0,1.0\n");
    CHECK(report.predicted == 0);
    CHECK(contains(report.skipped.begin()->first, "over 5 % is faster"));
}

TEST_CASE("latent prefill is attention with keys of 192 and values of 128", "[validate][kernel]") {
    // Method: 128 heads, 8192 queries, causal: 2 * 128 * 8192^2 / 2 * (192 + 128) flop are 2.75 TFLOP; no less than 2.8
    // ms at 989 TFLOP/s, and kernels reach a third to three quarters of it.
    const ValidationReport report = report_of_csv(
        "h100_sxm.test-1.context_mla.csv",
        "mla_dtype,kv_cache_dtype,num_heads,batch_size,isl,tp_size,step,latency\nbfloat16,bfloat16,128,1,8192,1,0,5\n");
    REQUIRE(report.results.size() == 1);
    CHECK(report.results[0].predicted > 2.75e-3);
    CHECK(report.results[0].predicted < 9e-3);
}

TEST_CASE("expert layers read the weights of the experts that tokens reach", "[validate][kernel]") {
    // Method: 4096 tokens reach all 8 experts, whose three matrices of 4096 x 14336 in 2 bytes are 2.8 GB; their
    // arithmetic, 2 * 4096 * 2 * 3 * 4096 * 14336 flop, takes 2.9 ms at the H100's peak and no product reaches 81 % of
    // it.
    const ValidationReport report = report_of_csv(
        "h100_sxm.test-1.moe.csv",
        moe_head +
            "bfloat16,4096,4096,14336,2,8,1,1,balanced,4\nbfloat16,4096,4096,14336,2,8,1,1,power_law_1.2,4\n"
            "bfloat16,4096,4096,14336,2,8,1,1,zipf,4\nint4_wo,1,64,64,2,8,1,1,balanced,4\n");
    REQUIRE(report.results.size() == 2);
    for (const Comparison& one : report.results) CHECK(one.predicted > 2.9e-3);
    CHECK(report.results[0].predicted < 6e-3);
    CHECK(report.skipped.at("no model of the distribution of tokens over experts") == 1);
    CHECK(report.skipped.at("no model of the number format") == 1);
}

TEST_CASE("an NCCL table counts elements, not bytes", "[validate][kernel]") {
    // Method: 268435456 halves are 512 MiB; eight H100 reach 450 to 480 GB/s of bus bandwidth, 7/4 of the bytes over
    // it: 1.96 to 2.09 ms.
    const ValidationReport report = report_of_csv("h100_sxm.nccl-9.nccl.csv",
                                                  "op_name,nccl_dtype,num_gpus,message_size,latency\nall_reduce,half,8,"
                                                  "268435456,2.1\nall_reduce,half,64,1024,1\n");
    REQUIRE(report.results.size() == 1);
    CHECK(report.results[0].predicted == Approx(2.1e-3).epsilon(0.12));
    CHECK(contains(report.results[0].id, "536870912 bytes"));
    CHECK(report.skipped.at("more devices than the scale-up domain has") == 1);
    CHECK(contains(report.fits.at(0), "0 of 2 rows"));
    const ValidationReport nobody = report_of_csv(
        "abacus.nccl-9.nccl.csv", "op_name,nccl_dtype,num_gpus,message_size,latency\nall_reduce,half,8,1024,1\n");
    CHECK(nobody.skipped.at("no catalogue entry for the system") == 1);
}

TEST_CASE("tables of kernels that have no model here are skipped as such", "[validate][kernel]") {
    const auto reason = [](const std::string& table) {
        return report_of_csv("h100_sxm.test-1." + table + ".csv", "a,latency\n1,2\n").skipped.begin()->first;
    };
    CHECK(contains(reason("mamba2"), "state-space"));
    CHECK(contains(reason("generation_mla"), "latent cache"));
}

TEST_CASE("malformed kernel tables name place, problem and remedy", "[validate][kernel]") {
    const Problem name = problem_of_csv("gemm.csv", gemm_head);
    CHECK(contains(name.problem, "not of the form SYSTEM.LIBRARY-VERSION.TABLE.csv"));
    const Problem table = problem_of_csv("h100_sxm.test-1.knitting.csv", gemm_head);
    CHECK(table.problem == "\"knitting\" is no kind of table");
    CHECK(contains(table.remedy, "gemm"));
    CHECK(contains(problem_of_csv("h100_sxm.test-1.gemm.csv", "m,n,k,latency\n1,2,3,4\n").problem,
                   "no column gemm_dtype"));
    const Problem cell = problem_of_csv("h100_sxm.test-1.moe.csv", moe_head + "bfloat16,many,1,1,1,1,1,1,balanced,1\n");
    CHECK(contains(cell.place, "moe.csv:2"));
    CHECK(cell.problem == "column num_tokens is \"many\"");
    CHECK(cell.remedy == "write a number");
    CHECK(contains(problem_of_csv("h100_sxm.test-1.moe.csv", moe_head + "bfloat16,1\n").problem,
                   "has 2 cells where the head has 10"));
    CHECK(contains(problem_of_csv("h100_sxm.test-1.moe.csv", moe_head + "bfloat16,0,1,1,1,1,1,1,balanced,1\n").problem,
                   "not positive"));
    CHECK(contains(problem_of_csv("h100_sxm.test-1.moe.csv", "a,b\n").problem, "no column moe_dtype"));
    CHECK(contains(problem_of_csv("h100_sxm.test-1.mamba2.csv", "a,b\n").problem, "has no row"));
    CHECK(contains(problem_of_csv("h100_sxm.test-1.nccl.csv", "op_name,latency\n").problem, "no column"));
    CHECK(contains(
        problem_of_csv("h100_sxm.test-1.context_mla.csv",
                       "mla_dtype,kv_cache_dtype,num_heads,batch_size,isl,step,latency\nbfloat16,bfloat16,0,1,1,0,1\n")
            .problem,
        "not positive"));
}

TEST_CASE("the text report has a block a kind and a line a table that tells of its fit", "[validate][program]") {
    const TemporaryFolder folder;
    std::ofstream(folder.file("h100_sxm.test-1.gemm.csv")) << gemm_head << "bfloat16,8192,8192,8192,1.385\n";
    const auto run = run_program({"validate", folder.file("h100_sxm.test-1.gemm.csv"), "scenarios/published.jsonl",
                                  "scenarios/published-collectives.jsonl"});
    CHECK(run.status == 0);
    for (const char* part :
         {"\nkernel ", "\ntraining ", "\ncollective ", "were used in the fit of h100-sxm", "\nall "}) {
        INFO(part);
        CHECK(contains(run.out, part));
    }
}

TEST_CASE("libraries' own collectives are predicted, or skipped with a reason", "[validate][kernel]") {
    // Method: rows of AIConfigurator's tables (Apache-2.0) of H100 and GB200; then rows without a model.
    const auto error = [](const std::string& name, const std::string& text) {
        const ValidationReport report = report_of_csv(name, text);
        INFO(name);
        REQUIRE(!report.results.empty());
        return std::abs(report.results.front().error());
    };
    const std::string trtllm = "op_name,kernel_source,moe_dtype,num_tokens,hidden_size,topk,num_experts,moe_ep_size,distribution,latency\n";
    const std::string low = "node_num,hidden_size,num_token,num_topk,num_experts,combine_avg_t_us,dispatch_avg_t_us\n";
    CHECK(error("h100_sxm.test-1.custom_allreduce.csv", "allreduce_dtype,num_gpus,message_size,latency\nbfloat16,8,4096,0.003608\n") < 0.05);
    CHECK(error("gb200.test-1.trtllm_alltoall.csv", trtllm + "alltoall_combine,NVLinkTwoSided,nvfp4,1536,7168,8,256,8,balanced,0.31513\n") < 0.1);
    CHECK(error("h100_sxm.test-1.wideep_deepep_ll.csv", low + "1,6144,64,8,256,35.491,22.733\n") < 0.15);
    const ValidationReport skipped = report_of_csv("gb200.test-1.trtllm_alltoall.csv", trtllm + "alltoall_gossip,Pigeon,nvfp4,1536,7168,8,256,8,balanced,0.3\n"
                                                   "alltoall_combine,NVLinkTwoSided,nvfp4,0,7168,8,256,8,balanced,0.3\n");
    CHECK(skipped.predicted == 0);
    CHECK(skipped.skipped.count("no model of the kernel Pigeon gossip") == 1);
    CHECK(skipped.skipped.count("a size or the time is not positive, or there is one rank") == 1);
    CHECK(report_of_csv("h100_sxm.test-1.wideep_deepep_ll.csv", low + "2,6144,64,8,256,35.491,22.733\n").skipped.count("expert exchanges between nodes have no model") == 1);
    CHECK(report_of_csv("abacus.test-1.custom_allreduce.csv", "allreduce_dtype,num_gpus,message_size,latency\nbfloat16,8,4096,0.0036\n").skipped.count(
              "no catalogue entry for the system") == 1);
}
