// Collective workloads: examples that run, tables that nccl-tests would print, and every mistake at its place.
#include "scenarios/collective_sweep.hpp"
#include "scenarios/json.hpp"
#include "tests/program.hpp"

#include <catch2/catch.hpp>
#include <algorithm>
#include <cmath>
#include <fstream>

namespace orrery {

namespace {

const char* const two_nodes = R"({ "name": "two nodes", "cluster": { "node": "dgx-h100", "nodes": 2, "fabric": { "topology": "rail-optimized" } },
  "workload": { "kind": "collective", "collective": "all-reduce", "from": "1 MiB" } })";

struct CollectiveFolder {
    testing::TemporaryFolder folder;
    Result<Scenario> read(const std::vector<Setting>& settings) const {
        const std::string path = folder.file("s.json");
        std::ofstream(path) << two_nodes;
        return read_scenario(path, settings);
    }
    Problem problem(const std::vector<Setting>& settings) const {
        const Result<Scenario> scenario = read(settings);
        if (!scenario) return scenario.problems().front();
        const Result<CollectiveReport> report = run_collective(*scenario);
        return report ? Problem{} : report.problems().front();
    }
    CollectiveReport report(const std::vector<Setting>& settings) const { return run_collective(read(settings).value()).value(); }
};

/// "--set workload.group.size" for "/workload/group/size".
bool is_place(std::string place, const std::string& pointer) {
    std::replace(place.begin(), place.end(), '.', '/');
    return place.ends_with(pointer.substr(1));
}

}  // namespace

TEST_CASE("every shipped collective runs to its end", "[scenarios][collective]") {
    // Method: the files themselves, the larger ones at their smallest size.
    for (const char* name : {"nvlink-all-reduce", "rail-all-reduce-oversubscribed", "expert-imbalance-all-to-all", "packet-incast"}) {
        INFO(name);
        const std::string file = std::string(testing::source_directory) + "/scenarios/collectives/" + name + ".json";
        const Result<Scenario> scenario = read_scenario(file, {{"workload.to", "1 GiB"}, {"workload.factor", "1024"}});
        REQUIRE(scenario.ok());
        CHECK(scenario->description.size() > 80);
        const Result<CollectiveReport> report = run_collective(*scenario);
        if (!report) INFO(report.problems().front().problem);
        if (std::string(name) == "packet-incast") continue;  // a gigabyte of packets is refused: below at its own sizes
        REQUIRE(report.ok());
        for (const CollectiveRow& row : report->rows) CHECK(row.outcome.time.si() > 0.0);
    }
    const std::string incast = std::string(testing::source_directory) + "/scenarios/collectives/packet-incast.json";
    const CollectiveReport packets = run_collective(read_scenario(incast, {{"workload.to", "256 KiB"}}).value()).value();
    CHECK(packets.rows.front().outcome.marked > 0);
    CHECK(packets.rows.front().outcome.time > 2.0 * packets.rows.front().outcome.idle_time);
}

TEST_CASE("bandwidths are counted as nccl-tests does", "[scenarios][collective]") {
    // Method: nccl-tests doc/PERFORMANCE.md: algorithm bandwidth size / time; times 2 (n - 1) / n for all-reduce.
    const CollectiveFolder folder;
    const CollectiveReport report = folder.report({{"workload.to", "64 MiB"}, {"workload.factor", "8"}, {"fidelity", "estimate"}});
    REQUIRE(report.rows.size() == 3);
    for (const CollectiveRow& row : report.rows) {
        CHECK(row.algorithm_bandwidth.si() == Approx(row.size.si() / row.outcome.time.si()));
        CHECK(row.bus_bandwidth.si() == Approx(2.0 * 15 / 16 * row.algorithm_bandwidth.si()));
    }
    const Json json = parse_json_text(collective_json(report), "out").value();
    CHECK(json["results"][2]["size_bytes"].get<double>() == 64.0 * 1048576);
    CHECK(collective_text(report).find("# Avg bus bandwidth    : ") != std::string::npos);
}

TEST_CASE("every kind of collective runs at every fidelity", "[scenarios][collective]") {
    // Method: played on quiet links, no faster than the floor of bytes through the busiest port.
    const CollectiveFolder folder;
    for (const auto& kind : EnumTable<CollectiveKind>::names) {
        for (const char* fidelity : {"estimate", "fluid", "packet"}) {
            INFO(kind.name << " " << fidelity);
            std::vector<Setting> settings{{"workload.collective", std::string(kind.name)}, {"fidelity", fidelity}};
            if (kind.value == CollectiveKind::send_recv) settings.push_back({"workload.group", "{\"ranks\": [0, 8]}"});
            const CollectiveReport report = folder.report(settings);
            const double floor = kind.value == CollectiveKind::barrier ? 0.0 : 1048576.0 / 16 / 450e9;
            CHECK(report.rows.front().outcome.time.si() > floor);
            CHECK(std::isfinite(report.rows.front().outcome.time.si()));
        }
    }
}

TEST_CASE("groups side by side share the ports of their nodes", "[scenarios][collective]") {
    // Method: eight groups of two, one for each rail, have a port each: as fast as one alone; on a single-rail fat tree
    // with one port a node eight groups take eight times as long.
    const CollectiveFolder folder;
    const auto time = [&](const char* groups) {
        return folder.report({{"workload.from", "256 MiB"}, {"workload.group", std::string("{\"size\": 2, \"stride\": 8, \"groups\": ") + groups + "}"}})
            .rows.front().outcome.time;
    };
    CHECK(time("8") / time("1") == Approx(1.0).epsilon(0.01));
}

TEST_CASE("mistakes in a collective workload are told with place and remedy", "[scenarios][collective]") {
    // Method: one setting that spoils a valid scenario each; messages compared.
    struct Spoilt {
        const char* path;
        const char* value;
        const char* place;
        const char* problem;
    };
    const Spoilt all[] = {
        {"workload.from", "0", "/workload/from", "is 0, out of range"},
        {"workload.from", "1e17", "/workload/from", "is 1e+17 bytes, beyond the 2^53 that are counted exactly"},
        {"workload.to", "1 KiB", "/workload/to", "is 1024 bytes, less than the 1048576 of from"},
        {"workload.factor", "1", "/workload/factor", ""},
        {"workload.group", "{\"ranks\": [0, 16]}", "/workload/group/ranks/1", "is 16, and the cluster has 16 devices"},
        {"workload.group", "{\"ranks\": [0, 3, 3]}", "/workload/group/ranks/2", "is 3, which is listed twice"},
        {"workload.group", "{\"ranks\": [0, 3], \"stride\": 2}", "/workload/group/ranks", "stands beside size, stride or first"},
        {"workload.group", "{\"size\": 4, \"stride\": 8}", "/workload/group/size",
         "4 devices at stride 8 from 0 reach rank 24, and the cluster has 16 devices"},
        {"workload.group", "{\"first\": 15}", "/workload/group", "has 1 of 16 devices"},
        {"workload.group", "{\"size\": 2, \"stride\": 2, \"groups\": 3}", "/workload/group/groups",
         "is 3, and at stride 2 the groups would share devices"},
        {"workload.collective", "send-recv", "/workload/group", "has 16 devices, and send-recv is between two"},
        {"workload.root", "16", "/workload/root", "is 16, and the group has 16 devices"},
        {"workload.imbalance", "2", "/workload/imbalance", "belongs to all-to-all alone"},
        {"workload.shares", "[1, 2]", "/workload/shares", "belongs to all-to-all alone"},
        {"workload.algorithm", "bruck", "/workload/algorithm", "is \"bruck\", which does not do all-reduce among these ranks"},
        {"workload.background", "[{\"pattern\": \"incast\", \"to\": 16, \"size\": \"1 MiB\"}]", "/workload/background/0/to",
         "is 16, and the cluster has 16 devices"},
        {"workload.background", "[{\"pattern\": \"flow\", \"from\": 3, \"to\": 3, \"size\": 1}]", "/workload/background/0/to", "is the sender itself"},
        {"cluster.fabric.routing", "valiant", "/cluster/fabric/routing", ""},
        {"cluster.faults", "{\"slow_links\": [{\"rank\": 16, \"rate\": 0.5}]}", "/cluster/faults/slow_links/0/rank", "is 16, and the cluster has 16 devices"},
        {"cluster.node", "dgx-h1000", "/cluster/node", ""},
    };
    const CollectiveFolder folder;
    for (const Spoilt& one : all) {
        INFO(one.path << " = " << one.value);
        const Problem problem = folder.problem({{one.path, one.value}});
        INFO(problem.place << ": " << problem.problem << "; " << problem.remedy);
        CHECK(is_place(problem.place, one.place));
        CHECK(problem.problem.find(one.problem) != std::string::npos);
        CHECK_FALSE(problem.remedy.empty());
    }
    const Problem sizes = folder.problem({{"workload.to", "1 TiB"}, {"workload.factor", "1.0001"}});
    CHECK(sizes.problem == "is 1.0001, which makes more than 200 sizes");
    CHECK(folder.problem({{"workload.from", "null"}}).problem == "is missing: a collective has a size");
    const auto idle = folder.problem({{"workload.background", "[{\"pattern\": \"flow\", \"to\": 3, \"size\": 1}]"}, {"fidelity", "estimate"}});
    CHECK(idle.problem == "has traffic, and an estimate sees idle links alone");
    const auto both = folder.problem({{"workload.collective", "all-to-all"}, {"workload.imbalance", "17"}});
    CHECK(both.problem == "is 17, and one of 16 receivers cannot get more than all");
    CHECK(folder.problem({{"workload.collective", "all-to-all"}, {"workload.shares", "[1]"}}).problem == "has 1 numbers for 16 receivers");
}

TEST_CASE("orrery run prints a collective's table, and other commands say that they take trainings", "[scenarios][collective]") {
    // Method: the program itself.
    const std::string file = "scenarios/collectives/nvlink-all-reduce.json";
    const testing::ProgramRun run = testing::run_shell("$ORRERY run " + file);
    CHECK(run.status == 0);
    CHECK(run.out.find("(GB/s)") != std::string::npos);
    CHECK(testing::run_shell("$ORRERY check " + file).status == 0);
    const testing::ProgramRun sweep = testing::run_shell("$ORRERY sweep " + file + " --over cluster.nodes=1,2");
    CHECK(sweep.status == 2);
    CHECK(testing::run_shell("$ORRERY run scenarios/gpt3-175b-64-a100.json --fidelity packet").status == 2);
}

}  // namespace orrery
