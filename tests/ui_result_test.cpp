// Answers of the program held against each other and against arithmetic of their own.
#include "scenarios/json.hpp"
#include "tests/program.hpp"

#include <catch2/catch.hpp>

#include <algorithm>

using namespace orrery;
using orrery::testing::contains;
using orrery::testing::ProgramRun;
using orrery::testing::read_all;
using orrery::testing::run_program;
using orrery::testing::TemporaryFolder;

namespace {

const std::string pipelined_scenario = "scenarios/gpt3-175b-64-a100.json";

Json program_result(std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"--json", "-"});
    const ProgramRun run = run_program(arguments);
    CAPTURE(run.error);
    const auto json = parse_json_text(run.out, "result");
    REQUIRE(json.ok());
    return *json;
}

std::size_t text_columns(const std::string& line) {
    return static_cast<std::size_t>(
        std::count_if(line.begin(), line.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

}  // namespace

TEST_CASE("a result has the documented keys, and its figures agree with each other", "[ui][result]") {
    // Method: conservation (parts add up to the step) and the definitions of throughput, cost and energy.
    const Json result = program_result({"run", pipelined_scenario, "--set", "economics.usd_per_device_hour=2", "--set",
                                   "economics.pue=1.5"});
    for (const char* pointer :
         {"/step_time_s", "/tokens_per_s", "/tokens_per_s_per_device", "/model_flops_per_device", "/mfu", "/hfu",
          "/memory/peak_bytes", "/memory/capacity_bytes", "/memory/weights_bytes", "/memory/gradients_bytes",
          "/memory/optimizer_bytes", "/memory/activations_bytes", "/memory/other_bytes", "/memory/fits", "/power/average_w",
          "/power/energy_per_step_j", "/cost/usd_per_step", "/cost/usd_per_million_tokens", "/simulation/wall_s",
          "/simulation/events", "/simulation/ranks", "/simulation/classes", "/simulation/detail",
          "/simulation/peak_rss_bytes", "/provenance/scenario_sha256", "/provenance/seed", "/provenance/sources"}) {
        CAPTURE(pointer);
        REQUIRE(result.contains(Json::json_pointer(pointer)));
    }
    const double step = result["step_time_s"].get<double>();
    double parts = 0.0;
    for (const auto& [part, seconds] : result["breakdown_s"].items()) parts += seconds.get<double>();
    CHECK(result["breakdown_s"].size() == 9);
    CHECK(parts == Approx(step).epsilon(1e-9));
    CHECK(result["tokens_per_s"].get<double>() * step == Approx(64.0 * 2048.0));
    CHECK(result["tokens_per_s_per_device"].get<double>() * 64.0 == Approx(result["tokens_per_s"].get<double>()));
    CHECK(result["cost"]["usd_per_step"].get<double>() == Approx(64.0 * 2.0 * step / 3600.0));
    CHECK(result["power"]["energy_per_step_j"].get<double>() == Approx(result["power"]["average_w"].get<double>() * step * 1.5));
    // 312 TFLOP/s dense fp16: NVIDIA A100 datasheet.
    CHECK(result["mfu"].get<double>() == Approx(result["model_flops_per_device"].get<double>() / 312e12));
    const Json& memory = result["memory"];
    double bytes = 0.0;
    for (const char* part : {"weights_bytes", "gradients_bytes", "optimizer_bytes", "activations_bytes", "other_bytes"}) {
        bytes += memory[part].get<double>();
    }
    CHECK(memory["peak_bytes"].get<double>() == Approx(bytes));
    CHECK(memory["fits"].get<bool>() == (bytes <= memory["capacity_bytes"].get<double>()));
}

TEST_CASE("the same scenario gives the same bytes but for the time it took", "[ui][result]") {
    Json first = program_result({"run", pipelined_scenario});
    Json second = program_result({"run", pipelined_scenario});
    for (Json* one : {&first, &second}) {
        (*one)["simulation"].erase("wall_s");
        (*one)["simulation"].erase("peak_rss_bytes");
    }
    CHECK(first.dump() == second.dump());
}

TEST_CASE("the scenario inside a result gives the result again", "[ui][result]") {
    const Json first = program_result({"run", pipelined_scenario, "--set", "workload.recompute=full"});
    const TemporaryFolder folder;
    std::ofstream(folder.file("again.json")) << first["scenario"].dump();
    const Json second = program_result({"run", folder.file("again.json")});
    CHECK(first["step_time_s"] == second["step_time_s"]);
    CHECK(first["memory"] == second["memory"]);
}

TEST_CASE("a change that is advised does what the advice says", "[ui][advice]") {
    // Method: ask for every change by its settings and compare the closed form with the promise.
    const Json result = program_result({"run", pipelined_scenario});
    REQUIRE_FALSE(result["changes"].empty());
    for (const Json& change : result["changes"]) {
        CAPTURE(change.dump());
        std::vector<std::string> arguments{"run", pipelined_scenario, "--fidelity", "estimate"};
        for (const Json& setting : change["set"]) {
            arguments.insert(arguments.end(), {"--set", setting.get<std::string>()});
        }
        const Json changed = program_result(arguments);
        CHECK(changed["step_time_s"].get<double>() == Approx(change["estimated_step_time_s"].get<double>()));
        CHECK(changed["memory"]["fits"] == change["fits"]);
    }
}

TEST_CASE("a plan that does not fit is told with by how much and what would fit, status 1", "[ui][advice]") {
    const std::vector<std::string> arguments{"run", pipelined_scenario, "--set", "workload.recompute=none"};
    const ProgramRun run = run_program(arguments);
    CHECK(run.status == 1);
    CHECK(contains(run.out, "does not fit"));
    CHECK(contains(run.out, "too much"));
    CHECK(contains(run.out, "What would make it fit"));
    const Json result = program_result(arguments);
    REQUIRE_FALSE(result["changes"].empty());
    std::vector<std::string> repaired = arguments;
    for (const Json& setting : result["changes"][0]["set"]) {
        repaired.insert(repaired.end(), {"--set", setting.get<std::string>()});
    }
    CHECK(run_program(repaired).status == 0);
}

TEST_CASE("the text report fits 100 columns and carries no colour where no terminal is", "[ui][report]") {
    for (const char* scenario : {"scenarios/gpt3-175b-64-a100.json", "scenarios/llama3.1-405b-16k-h100.json",
                                 "scenarios/llama2-7b-fsdp-8-a100.json"}) {
        CAPTURE(scenario);
        const ProgramRun run = run_program({"run", scenario});
        std::istringstream lines(run.out);
        for (std::string line; std::getline(lines, line);) {
            CAPTURE(line);
            CHECK(text_columns(line) <= 100);
        }
        CHECK_FALSE(contains(run.out, "\033["));
        for (const char* word : {"Step time", "Throughput", "MFU", "Memory", "Cost", "Power", "Where the time goes",
                                 "What limits it", "sha256", "commit"}) {
            CAPTURE(word);
            CHECK(contains(run.out, word));
        }
    }
}

TEST_CASE("a result on standard output comes alone", "[ui][report]") {
    const ProgramRun run = run_program({"run", pipelined_scenario, "--json", "-"});
    CHECK(run.out.front() == '{');
    CHECK_FALSE(contains(run.out, "Where the time goes"));
}

TEST_CASE("the page holds all it needs and shows names as text", "[ui][report]") {
    const TemporaryFolder folder;
    const ProgramRun run = run_program({"run", pipelined_scenario, "--set", "name=<script>alert(1)</script>", "--html",
                                        folder.file("report.html")});
    CHECK(run.status == 0);
    CHECK(contains(run.error, "wrote"));
    const std::string page = read_all(folder.file("report.html"));
    CHECK(contains(page, "&lt;script&gt;"));
    CHECK_FALSE(contains(page, "<script"));
    for (const char* outside : {"src=", "href=", "@import", "url("}) CHECK_FALSE(contains(page, outside));
    for (const char* word : {"<svg", "prefers-color-scheme", "Where the time goes", "</html>"}) CHECK(contains(page, word));
}

TEST_CASE("a trace of a run ends with its step", "[ui][trace]") {
    // Method: no span reaches beyond the step that the result of the same run tells.
    const TemporaryFolder folder;
    const Json result = program_result({"run", "scenarios/llama2-7b-fsdp-8-a100.json", "--trace", folder.file("trace")});
    const auto trace = parse_json_file(folder.file("trace"));
    REQUIRE(trace.ok());
    double end = 0.0;
    for (const Json& event : trace->at("traceEvents")) {
        if (event.at("ph") != "X") continue;
        CHECK(event.at("ts").get<double>() >= 0.0);
        end = std::max(end, event.at("ts").get<double>() + event.at("dur").get<double>());
    }
    CHECK(end > 0.0);
    CHECK(end * 1e-6 <= result["step_time_s"].get<double>() * (1 + 1e-9));
}

TEST_CASE("a comparison of a scenario with itself finds nothing, with a change that change", "[ui][compare]") {
    const ProgramRun same = run_program({"compare", pipelined_scenario, pipelined_scenario});
    CHECK(same.status == 0);
    CHECK(contains(same.out, "nothing"));
    CHECK(contains(same.out, "the same time in every part"));
    const TemporaryFolder folder;
    run_program({"run", pipelined_scenario, "--json", folder.file("result.json")});
    const ProgramRun changed = run_program({"compare", folder.file("result.json"), pipelined_scenario, "--set", "workload.micro_batch=2"});
    CHECK(changed.status == 0);
    CHECK(contains(changed.out, "workload.micro_batch: 1 -> 2"));
    const ProgramRun refused = run_program({"compare", pipelined_scenario, folder.file("result.json"), "--set", "seed=2"});
    CHECK(refused.status == 2);
    CHECK(contains(refused.error, "is a result, which --set cannot change"));
}

TEST_CASE("a grid answers every point or says why not", "[ui][sweep]") {
    // Method: 64 sequences cannot be split into micro-batches of 3; the other points agree with single estimates.
    const ProgramRun run = run_program({"sweep", pipelined_scenario, "--over", "workload.micro_batch=1,3", "--json", "-"});
    CHECK(run.status == 0);
    const auto json = parse_json_text(run.out, "sweep");
    REQUIRE(json.ok());
    REQUIRE(json->at("points").size() == 2);
    CHECK(json->at("points")[1].contains("refused"));
    const Json single = program_result({"run", pipelined_scenario, "--fidelity", "estimate"});
    CHECK(json->at("points")[0]["step_time_s"] == single["step_time_s"]);
    CHECK(run_program({"sweep", pipelined_scenario, "--over", "workload.micro_batch=3"}).status == 2);
    CHECK(run_program({"sweep", pipelined_scenario, "--over", "workload.recompute=none"}).status == 1);
}
