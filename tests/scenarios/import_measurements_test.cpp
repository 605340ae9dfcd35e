// Measurements of other tools: read in SI units, what cannot be true left out by name, cut logs refused.
#include "scenarios/import_measurements.hpp"

#include <catch2/catch.hpp>

#include <algorithm>

using namespace orrery;

namespace {

double value_of(const ImportedRow& row, const std::string& key) {
    for (const auto& [name, value] : row.values) {
        if (name == key) return value;
    }
    return -1.0;
}

const ImportedRow* row_of(const ImportedMeasurements& measurements, const std::string& name) {
    const auto found = std::find_if(measurements.rows.begin(), measurements.rows.end(), [&](const ImportedRow& row) { return row.name == name; });
    return found == measurements.rows.end() ? nullptr : &*found;
}

const std::string nvbandwidth_log = R"log({"nvbandwidth": {"git_version": "v0.8", "Driver Version": "550.54", "testcases": [
  {"name": "host_to_device_memcpy_ce", "status": "Passed", "bandwidth_description": "memcpy CE CPU(row) -> GPU(column) bandwidth (GB/s)",
   "bandwidth_matrix": [["55.25", 54.5]], "sum": 109.75, "news": 1},
  {"name": "device_to_device_memcpy_read_ce", "status": "Passed", "bandwidth_description": "bandwidth (GB/s)",
   "bandwidth_matrix": [["N/A", "276.0"], ["99999.0", "N/A"]]},
  {"name": "device_to_device_latency_sm", "status": "Passed", "bandwidth_description": "latency (ns)", "bandwidth_matrix": [["N/A", "650.0"]]},
  {"name": "odd", "status": "Passed", "bandwidth_description": "bandwidth (furlong)", "bandwidth_matrix": [["1.0"]]},
  {"name": "multinode", "status": "Waived"}]}})log";

const std::string cutlass_log =
    "Problem,Provider,OperationKind,Operation,Disposition,Status,m,n,k,A,B,C,cta_m,Bytes,Flops,Runtime,GB/s,GFLOPs\n"
    "1,CUTLASS,gemm,fast,passed,success,4096,4096,4096,bf16:column,bf16:column,bf16:column,256,1,137438953472,0.200,1,687194.8\n"
    "1,CUTLASS,gemm,slow,passed,success,4096,4096,4096,bf16:column,bf16:column,bf16:column,128,1,137438953472,0.250,1,549755.8\n"
    "2,CUTLASS,gemm,other,passed,success,1024,1024,1024,e4m3:column,e4m3:column,f32:column,128,1,2147483648,10.0,1,214748.4\n"
    "3,CUTLASS,gemm,wrong,incorrect,error_internal,1024,1024,1024,f16:column,f16:column,f16:column,128,1,2147483648,0.01,1,214748.4\n";

}  // namespace

TEST_CASE("nvbandwidth's matrices become rows in bytes per second and seconds", "[scenarios][import]") {
    // Method: a log of four cases by hand; 55.25 GB/s is 5.525e10 bytes/s, 650 ns is 6.5e-7 s.
    const auto read = import_nvbandwidth(nvbandwidth_log, "log.json");
    REQUIRE(read.ok());
    CHECK(read->tool == "nvbandwidth v0.8");
    CHECK(read->rows.size() == 4);
    CHECK(value_of(*row_of(*read, "host_to_device_memcpy_ce 0 to 0"), "bandwidth_bytes_per_s") == Approx(5.525e10));
    CHECK(value_of(*row_of(*read, "device_to_device_latency_sm 0 to 1"), "latency_s") == Approx(6.5e-7));
    REQUIRE(read->left_out.size() == 3);
    CHECK(read->left_out[0].problem == "is \"99999.0\" (GB/s), which no copy can be");
    CHECK(read->left_out[1].problem.find("names no known unit") != std::string::npos);
    CHECK(read->left_out[2].problem.find("Waived") != std::string::npos);
    CHECK(import_nvbandwidth("{\"nvbandwidth\": 1}", "log.json").problems().front().problem == "has no list /nvbandwidth/testcases");
}

TEST_CASE("a log that was cut in half says so, whatever tool wrote it", "[scenarios][import]") {
    // Method: the first half of a good log; an empty file; a list where an object belongs.
    for (const auto import : {import_nvbandwidth, import_fio, import_dlio, import_kineto}) {
        const auto cut = import(nvbandwidth_log.substr(0, nvbandwidth_log.size() / 2), "log.json");
        REQUIRE(!cut.ok());
        CHECK(cut.problems().front().problem == "ends in the middle: the log was cut off");
        CHECK(import("", "log.json").problems().front().problem == "is empty");
        CHECK(import("[1, 2]", "log.json").problems().front().problem == "holds no JSON object");
    }
    const auto cut = import_cutlass(cutlass_log.substr(0, cutlass_log.size() / 2), "log.csv");
    REQUIRE(!cut.ok());
    CHECK(cut.problems().back().problem.find("the log was cut off") != std::string::npos);
}

TEST_CASE("cutlass_profiler's rows become products, the fastest kernel of each shape", "[scenarios][import]") {
    // Method: 2 * 4096^3 flop in 0.2 ms is 687 TFLOP/s; a row whose rate and runtime differ a thousandfold is in microseconds.
    const auto read = import_cutlass(cutlass_log, "log.csv");
    REQUIRE(read.ok());
    REQUIRE(read->rows.size() == 1);
    CHECK(read->rows[0].name == "fast");
    CHECK(value_of(read->rows[0], "time_s") == Approx(2e-4));
    CHECK(read->rows[0].other["cta_m"] == "256");
    REQUIRE(read->left_out.size() == 2);
    CHECK(read->left_out[0].place == "log.csv:4");
    CHECK(read->left_out[0].problem.find("seems to be in microseconds") != std::string::npos);
    CHECK(read->left_out[1].problem == "has status error_internal");
    const auto table = gemm_table_text(*read, "log.csv");
    REQUIRE(table.ok());
    CHECK(*table == "kernel_source,gemm_dtype,m,n,k,latency\ncutlass_profiler,bfloat16,4096,4096,4096,0.2\n");
}

TEST_CASE("fio's jobs are read in versions 2 and 3, and checked against themselves", "[scenarios][import]") {
    // Method: 1 GiB in 500 ms is 2 GiB/s; version 2 tells KiB/s and microseconds; a job whose runtime is in other units.
    const std::string log = R"(fio: some warning
{"fio version": "fio-3.33", "jobs": [
  {"jobname": "seq", "error": 0, "job options": {"bs": "1M", "iodepth": "32"},
   "read": {"io_bytes": 1073741824, "bw_bytes": 2147483648, "iops": 2048.0, "runtime": 500, "clat_ns": {"mean": 15000.0, "percentile": {"99.000000": 40000}}},
   "write": {"io_bytes": 0, "bw_bytes": 0, "runtime": 0}},
  {"jobname": "old", "error": 0, "read": {"io_kbytes": 1024, "bw": 2048, "iops": 2.0, "runtime": 500, "clat": {"mean": 15.0}}},
  {"jobname": "odd", "error": 0, "write": {"io_bytes": 1073741824, "bw_bytes": 2147483648, "runtime": 500000}},
  {"jobname": "bad", "error": 5, "read": {"io_bytes": 5}}]})";
    const auto read = import_fio(log, "fio.json");
    REQUIRE(read.ok());
    CHECK(read->tool == "fio-3.33");
    REQUIRE(read->rows.size() == 2);
    CHECK(value_of(read->rows[0], "bandwidth_bytes_per_s") == Approx(2147483648.0));
    CHECK(value_of(read->rows[0], "latency_mean_s") == Approx(1.5e-5));
    CHECK(value_of(read->rows[0], "latency_p99_s") == Approx(4e-5));
    CHECK(read->rows[0].other["bs"] == "1M");
    CHECK(value_of(read->rows[1], "bandwidth_bytes_per_s") == Approx(2048.0 * 1024.0));
    CHECK(value_of(read->rows[1], "latency_mean_s") == Approx(1.5e-5));
    REQUIRE(read->left_out.size() == 2);
    CHECK(read->left_out[0].remedy.find("check the units") == 0);
    CHECK(read->left_out[1].problem == "ended with error 5");
    CHECK(import_fio("{\"jobs\": []}", "fio.json").problems().front().problem == "holds no job that moved bytes");
}

TEST_CASE("DLIO's megabytes are 2^20 bytes", "[scenarios][import]") {
    // Method: MLPerf Storage v1.0, unet3d on 36 accelerators: 708.23 samples/s of 146,600,628 bytes each are 99,018 of its MB/s.
    const auto read = import_dlio(R"({"num_accelerators": 36, "metric": {"train_au_mean_percentage": 93.5,
        "train_throughput_mean_samples_per_second": 708.23, "train_io_mean_MB_per_second": 99018, "news": 1}})", "summary.json");
    REQUIRE(read.ok());
    REQUIRE(read->rows.size() == 1);
    CHECK(value_of(read->rows[0], "bandwidth_bytes_per_s") == Approx(708.23 * 146600628.0).epsilon(1e-3));
    CHECK(value_of(read->rows[0], "accelerators_busy") == Approx(0.935));
    CHECK(read->rows[0].other["num_accelerators"] == 36);
    const auto odd = import_dlio(R"({"metric": {"train_au_mean_percentage": 193.5, "train_throughput_mean_samples_per_second": 7}})", "summary.json");
    REQUIRE(odd.ok());
    CHECK(odd->rows.empty());
    CHECK(odd->left_out.size() == 1);
    CHECK(import_dlio("{}", "summary.json").problems().front().problem == "has no object /metric");
}

TEST_CASE("a PyTorch trace gives kernels by name and products by shape", "[scenarios][import]") {
    // Method: two calls of one product, of one kernel and of two kernels: 10 us, and 9 + 3 us.
    const std::string log = R"({"schemaVersion": 1, "deviceProperties": [{"id": 0, "name": "NVIDIA H100"}], "traceEvents": [
      {"ph": "X", "cat": "cpu_op", "name": "aten::mm", "ts": 1, "dur": 50, "args": {"External id": 7, "Input Dims": [[64, 128], [128, 256]], "Input type": ["c10::BFloat16", "c10::BFloat16"]}},
      {"ph": "X", "cat": "kernel", "name": "gemm", "ts": 9, "dur": 10, "args": {"External id": 7, "stream": 7}},
      {"ph": "X", "cat": "cpu_op", "name": "aten::mm", "ts": 1, "dur": 50, "args": {"External id": 8, "Input Dims": [[64, 128], [128, 256]], "Input type": ["c10::BFloat16", "c10::BFloat16"]}},
      {"ph": "X", "cat": "kernel", "name": "gemm", "ts": 9, "dur": 9, "args": {"External id": 8}},
      {"ph": "X", "cat": "kernel", "name": "reduce", "ts": 20, "dur": 3, "args": {"External id": 8}},
      {"ph": "X", "cat": "kernel", "name": "broken", "ts": 20, "dur": -3}]})";
    const auto read = import_kineto(log, "trace.json");
    REQUIRE(read.ok());
    const ImportedRow* product = row_of(*read, "product");
    REQUIRE(product != nullptr);
    CHECK(value_of(*product, "m") == 64.0);
    CHECK(value_of(*product, "n") == 256.0);
    CHECK(value_of(*product, "k") == 128.0);
    CHECK(value_of(*product, "time_total_s") == Approx(22e-6));
    CHECK(value_of(*row_of(*read, "gemm"), "calls") == 2.0);
    CHECK(read->left_out.size() == 1);
    CHECK(gemm_table_text(*read, "trace.json")->find("kineto,bfloat16,64,256,128,0.012") != std::string::npos);
    const auto none = import_kineto(R"({"traceEvents": []})", "trace.json");
    CHECK(none.problems().front().problem == "holds no kernel");
    const auto other = import_fio(R"({"jobs": 1})", "fio.json");
    CHECK(other.problems().front().problem == "has no list /jobs");
    ImportedMeasurements empty;
    CHECK(gemm_table_text(empty, "x").problems().front().problem == "holds no product of known shape");
    CHECK(measurements_text(*read).find("\"left_out\"") != std::string::npos);
}
