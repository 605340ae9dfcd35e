// A user's own calibration of collectives: made from what nccl-tests printed, used by scenarios, each mistake told.
#include "scenarios/collective_calibrate.hpp"
#include "scenarios/catalog.hpp"
#include "scenarios/collective_file.hpp"
#include "scenarios/collective_judge.hpp"
#include "scenarios/collective_sweep.hpp"
#include "scenarios/json.hpp"
#include "scenarios/validate.hpp"
#include "tests/program.hpp"

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <fstream>

namespace orrery {

namespace {

/// A log of all-reduces among `ranks` on `hosts`, `slowness` times `start` plus bytes over `rate` GB/s.
std::string log_of(int ranks, int hosts, double start_us, double rate) {
    std::string text = "# all_reduce_perf\n";
    for (int rank = 0; rank < ranks; ++rank) {
        text += fmt::format("#  Rank {} Group  0 Pid  7 on host{} device  {} [0x1] NVIDIA H100\n", rank, rank * hosts / ranks, rank % 8);
    }
    text += "#       size         count      type   redop    root     time   algbw   busbw #wrong\n#        (B)    (elements)     (us)  (GB/s)  (GB/s)\n";
    for (int place = 12; place <= 33; place += 3) {
        const double bytes = std::exp2(place);
        text += fmt::format(" {:.0f} {:.0f} float sum -1 {:.3f} 1.0 1.0 0\n", bytes, bytes / 4, start_us + bytes / rate / 1e3);
    }
    return text + "# Avg bus bandwidth    : 1.0\n";
}

struct CalibrationFolder {
    testing::TemporaryFolder folder;
    std::string write(const std::string& name, const std::string& text) const {
        std::ofstream(folder.file(name)) << text;
        return folder.file(name);
    }
    Problem problem(const std::string& text) const {
        const auto made = calibrate_collectives({{write("log.txt", text)}, "h100-sxm", ""});
        REQUIRE(!made.ok());
        return made.problems().front();
    }
};

std::string scenario_text(const std::string& collectives, int nodes) {
    return fmt::format(R"({{ "name": "own fabric", "cluster": {{ "node": "dgx-h100", "nodes": {}, "collectives": "{}" }},
      "workload": {{ "kind": "collective", "collective": "all-reduce", "from": "32 KiB", "to": "8 GiB", "factor": 8 }}, "fidelity": "estimate" }})", nodes, collectives);
}

}  // namespace

TEST_CASE("a log of one's own fabric makes a calibration that scenarios then run on", "[scenarios][collective]") {
    // Method: a line of 90 us and 150 GB/s between two hosts, far from the catalogue's; runs of the same group lie within 8 % of it.
    const CalibrationFolder folder;
    const auto made = calibrate_collectives({{folder.write("log.txt", log_of(16, 2, 90.0, 150.0))}, "h100-sxm", "dgx-h100"}).value();
    CHECK(made.samples == 8);
    CHECK(made.notes.empty());
    CHECK(made.parameters.name == "h100-sxm");
    folder.write("own.json", collective_parameters_json(made.parameters));
    CHECK(read_collective_parameters(folder.folder.file("own.json")).ok());
    const Scenario scenario = read_scenario(folder.write("s.json", scenario_text("own.json", 2)), {}).value();
    const CollectiveReport report = run_collective(scenario).value();
    REQUIRE(report.rows.size() == 7);
    for (const CollectiveRow& row : report.rows) {
        CHECK(row.outcome.time / 1.0_us == Approx(90.0 + row.size.si() / 150e3).epsilon(0.08));
        CHECK(row.expected.high < 1.2);
    }
    CHECK(report.rows.front().outcome.basis.find("measured between domains") == 0);
}

TEST_CASE("a calibration of collectives changes trainings that use it", "[scenarios][collective]") {
    // Method: the same training on a fabric whose all-reduces start a hundred times later takes longer, and names the file.
    const CalibrationFolder folder;
    CollectiveParameters slow = *find_collective_parameters(find_device("a100-sxm-80").value()).value();
    slow.residuals.clear();
    slow.base = 100.0 * slow.base;
    folder.write("slow.json", collective_parameters_json(slow));
    const std::string file = std::string(testing::source_directory) + "/scenarios/gpt3-175b-64-a100.json";
    const auto plain = resolve(read_scenario(file, {}).value()).value();
    const auto changed = resolve(read_scenario(file, {{"cluster.collectives", folder.folder.file("slow.json")}}).value()).value();
    CHECK(changed.cluster.fabric.parameters->base / plain.cluster.fabric.parameters->base == Approx(100.0));
    const bool named = std::any_of(changed.sources.begin(), changed.sources.end(), [](const std::string& s) { return s.find("slow.json") != std::string::npos; });
    CHECK(named);
}

TEST_CASE("mistakes in a calibration of collectives are told where they are", "[scenarios][collective]") {
    // Method: each message.
    const CalibrationFolder folder;
    const auto refused = [&](const std::string& name) {
        const auto scenario = read_scenario(folder.write("s.json", scenario_text(name, 2)), {});
        if (!scenario) return scenario.problems().front();
        const auto report = run_collective(*scenario);
        REQUIRE(!report.ok());
        return report.problems().front();
    };
    CHECK(refused("absent.json").place.find("absent.json") != std::string::npos);
    folder.write("other.json", R"({"name": "a100-sxm-80", "source": "a log"})");
    CHECK(refused("other.json") == Problem{"/cluster/collectives", "is of a100-sxm-80, and the node has h100-sxm",
                                           "make one with orrery calibrate --from LOG --device h100-sxm"});
    CHECK(folder.problem(log_of(8, 1, 0.001, 1e6)).problem.find("GB/s over a link of 450") != std::string::npos);
    CHECK(folder.problem(log_of(32, 1, 20.0, 100.0)).problem == "has 32 ranks on one host, more than the 8 of a scale-up domain");
    const std::string crowded = folder.problem(log_of(32, 2, 20.0, 100.0)).problem;   // whichever node has the device
    CHECK(crowded.find("has 16 ranks a host, and ") == 0);
    CHECK(crowded.find(" has 8 devices") != std::string::npos);
}

TEST_CASE("a sweep between nodes is judged on sizes left out", "[scenarios][collective]") {
    // Method: a straight line of 300 us and 190 GB/s, one row of it forty times too slow: that row is named disturbed, the others are
    // predicted within 5 % from the other sizes.
    const CalibrationFolder folder;
    std::string rows;
    for (int place = 15; place <= 34; ++place) {
        const double bytes = std::exp2(place);
        const double time = (300.0 + bytes / 190e3) * (place == 16 ? 40.0 : 1.0);
        rows += fmt::format(R"({{"system": "DGX H100", "nodes": 4, "gpus": 32, "interconnect": "400 GB/s/node", "collective": "all_reduce", "bytes": {:.0f}, "time_us": {}}})", bytes, time) + "\n";
    }
    const auto sweeps = judge_sweeps({folder.write("rows.jsonl", rows)}).value();
    REQUIRE(sweeps.size() == 1);
    CHECK(sweeps.front().rows == 20);
    CHECK(sweeps.front().disturbed == 1);
    CHECK(sweeps.front().several_nodes);
    CHECK(sweeps.front().size_out < 0.05);
    CHECK(sweeps.front().five < 0.08);
    CHECK(sweeps_text(sweeps).find("mean of sweeps over several nodes") != std::string::npos);
}

}  // namespace orrery
