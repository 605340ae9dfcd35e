// Committed parameters of collectives held to published measurements that they were not fitted to; complaints about
// files.
#include "scenarios/collective_file.hpp"

#include "hardware/node.hpp"
#include "network/fabric.hpp"
#include "tests/places.hpp"

#include <catch2/catch.hpp>

#include <cmath>
#include <numeric>
#include <string>

using namespace orrery;

namespace {

std::string calibration_path(const std::string& name) {
    return std::string(testing::source_directory) + "/network/calibration/" + name + ".json";
}

Fabric published_fabric(const std::string& parameters, int nodes, BytesPerSecond scale_up, BytesPerSecond port) {
    Node node;
    node.devices = node.scale_up_domain = node.nics = 8;
    node.nic_bandwidth = port;
    node.nic_kind = "infiniband";
    const auto p =
        std::make_shared<const CollectiveParameters>(read_collective_parameters(calibration_path(parameters)).value());
    return build_fabric({}, node, nodes, scale_up, p).value();
}

struct BusFigure {
    double bytes;
    double bus_gbps;  // as printed: 2(n-1)/n * bytes / time, GB/s
};

double bus_error(const Fabric& fabric, const BusFigure& figure) {
    std::vector<RankId> all(static_cast<std::size_t>(fabric.devices));
    std::iota(all.begin(), all.end(), 0);
    const Collective c{CollectiveKind::all_reduce, Bytes::from_si(figure.bytes), DataType::fp32};
    const double n = fabric.devices;
    const double predicted =
        2.0 * (n - 1.0) / n * figure.bytes / collective_time(fabric, c, shape_of(fabric, all)).si();
    return predicted / (figure.bus_gbps * 1e9) - 1.0;
}

void check_figures(const Fabric& fabric, const std::vector<BusFigure>& figures, double each_max, double mean_max) {
    double sum = 0.0;
    for (const BusFigure& figure : figures) {
        const double error = bus_error(fabric, figure);
        INFO(figure.bytes << " bytes: measured " << figure.bus_gbps << " GB/s, error " << error);
        CHECK(std::abs(error) <= each_max);
        sum += std::abs(error);
    }
    CHECK(sum / static_cast<double>(figures.size()) <= mean_max);
}

}  // namespace

TEST_CASE("eight H100 all-reduce as NVIDIA's DGX H100 sweep prints", "[scenarios][collective]") {
    // Method: bus bandwidths of NVIDIA/dgxc-benchmarking nccl/README.md L70-L84 (fp32, out of place); the parameters
    // come from another source's table. From 64 MiB within 10 %, 5 % on average; from 1 to 32 MiB, where the library
    // changes protocol and versions differ, within 25 %, 12 % on average.
    const Fabric fabric = published_fabric("h100-sxm", 1, 450.0_GBps, 50.0_GBps);
    check_figures(fabric, {{1048576, 67.04}, {4194304, 135.44}, {16777216, 237.21}, {33554432, 294.69}}, 0.25, 0.12);
    check_figures(
        fabric,
        {{67108864, 361.67}, {268435456, 422.25}, {1073741824, 466.33}, {4294967296, 477.24}, {17179869184, 479.9}},
        0.10, 0.05);
}

TEST_CASE("eight H200 all-reduce as published", "[scenarios][collective]") {
    // Method: ml-engineering network/README.md L1268-L1276 (torch.distributed), from 64 MiB within 10 %, 5 % on
    // average.
    const Fabric fabric = published_fabric("h200-sxm", 1, 450.0_GBps, 50.0_GBps);
    check_figures(fabric, {{67108864, 346.51}, {268435456, 436.15}, {1073741824, 463.58}, {17179869184, 482.26}}, 0.10,
                  0.05);
}

TEST_CASE("large all-reduces over several nodes reach the bus bandwidth that was published",
          "[scenarios][collective]") {
    // Method: ml-engineering network/README.md L1418-L1423 (4 x 8 B200, 400 GB/s a node) and
    // network/benchmarks/README.md (4 x 8 A100, 800 Gb/s a node); from 512 MiB within 8 %. Below 64 MiB real networks
    // are 40 to 70 % slower than any published constants say, so nothing is claimed there.
    const Fabric b200 = published_fabric("b200-sxm", 4, 900.0_GBps, 50.0_GBps);
    check_figures(b200, {{1073741824, 361.99}, {4294967296, 377.34}, {17179869184, 381.8}}, 0.08, 0.06);
    const Fabric a100 = published_fabric("a100-sxm-80", 4, 300.0_GBps, 12.5_GBps);
    check_figures(a100, {{2147483648, 92.66}, {4294967296, 92.09}, {17179869184, 91.69}}, 0.08, 0.06);
}

TEST_CASE("groups of 2 to 8 A100 all-reduce as vTrain's tables print", "[scenarios][collective]") {
    // Method: VIA-Research/vTrain trace/a100 AR_GPU*_1M_1024M, 1 GiB: 3, 5, 6 and 7 ranks are in no table fitted to.
    const Fabric whole = published_fabric("a100-sxm-80", 1, 300.0_GBps, 25.0_GBps);
    const double bus[] = {197.28, 211.88, 221.86, 224.48, 227.01, 226.89, 229.35};
    for (int n = 2; n <= 8; ++n) {
        const Collective c{CollectiveKind::all_reduce, 1.0_GiB, DataType::fp32};
        const double predicted = 2.0 * (n - 1.0) / n * (1.0_GiB / collective_time(whole, c, {n, n, 1, 1})).si();
        INFO(n << " ranks");
        CHECK(predicted / 1e9 == Approx(bus[n - 2]).epsilon(0.05));
    }
}

TEST_CASE("every committed file of collective parameters reads, and says how good it is", "[scenarios][collective]") {
    // Method: what it records of its own table: physical alone, and each size from the others, below 12 % (PCIe) and 6
    // %.
    for (const char* name : {"a100-sxm-80", "h100-sxm", "h200-sxm", "b200-sxm", "gb200", "l40s"}) {
        const auto p = read_collective_parameters(calibration_path(name)).value();
        INFO(name);
        CHECK(p.name == name);
        REQUIRE(p.quality.has_value());
        const bool pcie = p.name == "l40s";
        CHECK(p.quality->physical_error < (pcie ? 0.12 : 0.06));
        CHECK(p.quality->gap_error < (pcie ? 0.12 : 0.06));
        CHECK(p.quality->gap_error < p.quality->interpolation_error);
        CHECK(p.residuals.size() == (p.name == "gb200" ? 8 : 12));
    }
    CHECK(read_collective_parameters(calibration_path("tpu")).value().ll_efficiency == 0.0);
    CollectiveParameters defaults = read_collective_parameters(calibration_path("default")).value();
    defaults.source = CollectiveParameters{}.source;
    CHECK(defaults == CollectiveParameters{});
}

TEST_CASE("collective parameters survive the way to JSON and back", "[scenarios][collective]") {
    // Method: round trip of a committed file.
    const auto p = read_collective_parameters(calibration_path("h100-sxm")).value();
    CHECK(parse_collective_parameters(collective_parameters_json(p), "copy").value() == p);
}

TEST_CASE("mistakes in a file of collective parameters are all named", "[scenarios][collective]") {
    // Method: the messages' places.
    const auto bad = parse_collective_parameters(
        R"({"name": "x", "base": -1, "residuals": [{"kind": "gossip", "ranks": 2, "log2_bytes_min": 9, "ratio": []}]})",
        "f");
    REQUIRE_FALSE(bad.ok());
    std::string places;
    for (const Problem& p : bad.problems()) places += p.place + " ";
    CHECK(places.find("f:/source") != std::string::npos);
    CHECK(places.find("f:/base") != std::string::npos);
    CHECK(places.find("f:/residuals/0/kind") != std::string::npos);
    CHECK(places.find("f:/residuals/0/ratio") != std::string::npos);
    CHECK_FALSE(read_collective_parameters("/nonexistent.json").ok());
}
