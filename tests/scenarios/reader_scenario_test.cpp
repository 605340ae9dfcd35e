// Whether scenarios are read, overlaid and set as told, and every mistake is reported at its place with a remedy.
#include "scenarios/scenario.hpp"

#include "scenarios/catalog.hpp"
#include "scenarios/json.hpp"
#include "scenarios/sha256.hpp"
#include "tests/places.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <filesystem>
#include <string>

#include <unistd.h>

namespace orrery {
namespace {

constexpr const char* small_scenario = R"({
  "cluster": { "node": "dgx-a100", "nodes": 8 },
  "workload": { "kind": "training", "model": "gpt3-175b", "sequence": 2048, "global_batch": 64,
                "parallelism": { "tensor": 8, "pipeline": 8 } }
})";

/// A folder of scenario files that is gone at the end of the test.
class ScenarioFolder {
  public:
    ScenarioFolder() : path_(std::filesystem::temp_directory_path() / ("orrery-reader-" + std::to_string(::getpid()))) {
        std::filesystem::create_directories(path_ / "below");
    }
    ~ScenarioFolder() { std::filesystem::remove_all(path_); }
    ScenarioFolder(const ScenarioFolder&) = delete;
    ScenarioFolder& operator=(const ScenarioFolder&) = delete;

    [[nodiscard]] std::string file(const std::string& name, const std::string& text) const {
        REQUIRE(write_text_file(path_ / name, text).ok());
        return path_ / name;
    }
    /// Problems as "place: problem; remedy" with the folder's path cut out of places.
    [[nodiscard]] std::vector<std::string> problems(const std::string& text,
                                                    const std::vector<Setting>& settings = {}) const {
        const Result<Scenario> scenario = read_scenario(file("s.json", text), settings);
        std::vector<std::string> lines;
        if (scenario) return lines;
        for (const Problem& one : scenario.problems())
            lines.push_back(without_folder(one.place) + ": " + one.problem + "; " + one.remedy);
        return lines;
    }
    [[nodiscard]] std::string without_folder(std::string text) const {
        const std::string prefix = path_.string() + "/";
        for (std::size_t at = text.find(prefix); at != std::string::npos; at = text.find(prefix))
            text.erase(at, prefix.size());
        return text;
    }

  private:
    std::filesystem::path path_;
};

using Lines = std::vector<std::string>;

/// All problems of a result as lines, for failed checks.
template <class T>
std::string told(const Result<T>& result) {
    std::string text;
    if (result) return text;
    for (const Problem& one : result.problems()) text += one.place + ": " + one.problem + "; " + one.remedy + "\n";
    return text;
}

}  // namespace

TEST_CASE("a minimal scenario gets the documented defaults", "[scenarios][reader]") {
    // Method: defaults as the structs' fields document them; data parallelism is what the devices leave.
    const ScenarioFolder folder;
    const Scenario s = read_scenario(folder.file("s.json", small_scenario), {}).value();
    CHECK(s.workload.parallelism.data == 1);
    CHECK(s.workload.micro_batch == 1);
    CHECK(s.workload.precision == DataType::bf16);
    CHECK(s.cluster.fabric.topology == "rail-optimized");
    CHECK(s.economics.pue == 1.2);
    CHECK(s.seed == 1);
    CHECK(s.fidelity == Fidelity::fluid);
}

TEST_CASE("the data-parallel degree follows from the devices where it is not given", "[scenarios][reader]") {
    // Method: devices / (tensor * context * pipeline).
    const ScenarioFolder folder;
    const std::string file = folder.file("s.json", small_scenario);
    CHECK(read_scenario(file, {{"cluster.nodes", "32"}})->workload.parallelism.data == 4);
    CHECK(read_scenario(file, {{"workload.parallelism.pipeline", "2"}, {"workload.parallelism.context", "2"}})
              ->workload.parallelism.data == 2);
}

TEST_CASE("degrees that do not use the devices exactly are refused", "[scenarios][reader]") {
    // Method: 64 devices against products of 64, 128, 48 and more, by hand.
    const ScenarioFolder folder;
    const std::string degrees = "workload.parallelism.";
    CHECK(folder.problems(small_scenario, {{degrees + "data", "2"}}) ==
          Lines{"--set workload.parallelism.data: tensor 8 x context 1 x pipeline 8 x data 2 makes 128 ranks, and 8 "
                "nodes of 8 "
                "have 64 devices: 64 too many; write \"data\": 1, or leave it out"});
    CHECK(folder.problems(small_scenario,
                          {{degrees + "pipeline", "2"}, {degrees + "data", "3"}, {"workload.global_batch", "63"}}) ==
          Lines{"--set workload.parallelism.data: tensor 8 x context 1 x pipeline 2 x data 3 makes 48 ranks, and 8 "
                "nodes of 8 "
                "have 64 devices: 16 left over; write \"data\": 4, or leave it out"});
    CHECK(folder.problems(small_scenario, {{degrees + "pipeline", "3"}, {degrees + "data", "2"}}) ==
          Lines{"--set workload.parallelism.data: tensor 8 x context 1 x pipeline 3 x data 2 makes 48 ranks, and 8 "
                "nodes of 8 "
                "have 64 devices: 16 left over; choose degrees whose product is 64"});
    CHECK(folder.problems(small_scenario, {{degrees + "pipeline", "3"}}) ==
          Lines{"s.json:/workload/parallelism: tensor 8 x context 1 x pipeline 3 needs 24 devices for each replica, "
                "and 8 nodes "
                "of 8 have 64 devices: 16 left over; choose degrees whose product divides the devices"});
    CHECK(folder.problems(small_scenario, {{degrees + "pipeline", "16"}}) ==
          Lines{"s.json:/workload/parallelism: tensor 8 x context 1 x pipeline 16 needs 128 devices, and 8 nodes of 8 "
                "have 64 "
                "devices; lower a degree or take more nodes"});
    CHECK(folder.problems(small_scenario, {{"cluster.nodes", "16777216"}}) ==
          Lines{"--set cluster.nodes: makes 134217728 devices, more than the 1048576 that can be simulated; take fewer "
                "nodes"});
}

TEST_CASE("what the model cannot be split into is reported at its key", "[scenarios][reader]") {
    // Method: 64 sequences over 3 per pass; 96 heads over 5; the places are those of the keys.
    const ScenarioFolder folder;
    const Lines batch = folder.problems(small_scenario, {{"workload.micro_batch", "3"}});
    REQUIRE(batch.size() == 1);
    CHECK(batch[0].starts_with("s.json:/workload/global_batch: "));
    const Lines tensor =
        folder.problems(small_scenario, {{"workload.parallelism.tensor", "5"}, {"cluster.nodes", "5"}});
    REQUIRE_FALSE(tensor.empty());
    CHECK(tensor[0].starts_with("--set workload.parallelism.tensor: "));
}

TEST_CASE("names that the catalogue does not have come with the nearest that it has", "[scenarios][reader]") {
    // Method: one mistyped name of each kind; all are reported although other values are wrong too.
    const ScenarioFolder folder;
    const Lines lines = folder.problems(
        R"({ "cluster": { "node": "dgx-a10", "nodes": 0, "fabric": { "topology": "rail-optimised", "link": "ndr-400" } },
             "workload": { "kind": "training", "model": "gpt3-175", "sequence": 2048, "global_batch": 64, "framework": "megatron-cor" } })");
    const auto has = [&](const std::string& start, const std::string& hint) {
        return std::any_of(lines.begin(), lines.end(), [&](const std::string& line) {
            return line.starts_with(start) && line.find(hint) != std::string::npos;
        });
    };
    CHECK(lines.size() == 6);
    CHECK(has("s.json:/cluster/nodes: is 0", "from 1"));
    CHECK(has("s.json:/cluster/node: is \"dgx-a10\"", "\"dgx-a100\""));
    CHECK(has("s.json:/cluster/fabric/topology: is \"rail-optimised\", which is no topology", "\"rail-optimized\""));
    CHECK(has("s.json:/cluster/fabric/link: is \"ndr-400\"", "\"ndr400\""));
    CHECK(has("s.json:/workload/model: is \"gpt3-175\"", "\"gpt3-175b\""));
    CHECK(has("s.json:/workload/framework: is \"megatron-cor\"", "\"megatron-core\""));
}

TEST_CASE("names of any bytes are quoted without harm", "[scenarios][reader]") {
    // Method: control characters, which JSON can spell, and a name of 10,000 letters; found by fuzzing.
    const ScenarioFolder folder;
    const Lines lines = folder.problems(small_scenario, {{"cluster.node", R"("dgx\u0000\u001b[2J")"}});
    REQUIRE(lines.size() == 1);
    CHECK(lines[0].find("is \"dgx??[2J\"") != std::string::npos);
    CHECK(folder.problems(small_scenario, {{"workload.model", std::string(10000, 'm')}}).front().size() < 2000);
}

TEST_CASE("faults must be on devices of the cluster, each once", "[scenarios][reader]") {
    // Method: 64 devices are 0 to 63.
    const ScenarioFolder folder;
    CHECK(
        folder.problems(small_scenario, {{"cluster.faults.slow_devices", R"([{"rank": 64, "factor": 2}])"}}) ==
        Lines{"--set cluster.faults.slow_devices.0.rank: is 64, outside the cluster of 64; write a rank from 0 to 63"});
    CHECK(folder.problems(small_scenario,
                          {{"cluster.faults.slow_links", R"([{"rank": 5, "rate": 0.5}, {"rank": 5, "rate": 0.6}])"}}) ==
          Lines{"--set cluster.faults.slow_links.1.rank: is 5, which is listed twice; keep one of the two"});
    CHECK(folder.problems(small_scenario, {{"cluster.faults.slow_devices", R"([{"rank": 63, "factor": 2}])"}}).empty());
}

TEST_CASE("kinds of workload that are not in this version say so", "[scenarios][reader]") {
    // Method: one kind of the documentation, one mistyped, one missing.
    const ScenarioFolder folder;
    CHECK(
        folder.problems(
            R"({"cluster": {"node": "dgx-a100", "nodes": 1}, "workload": {"kind": "serving", "model": "x", "qps": 3}})") ==
        Lines{"s.json:/workload/kind: is \"serving\", which is not in this version; write \"training\" or \"collective\", "
              "the kinds that are"});
    CHECK(folder.problems(small_scenario, {{"workload.kind", "trainng"}}) ==
          Lines{"--set workload.kind: is \"trainng\", which is no kind of workload; did you mean \"training\"?"});
    CHECK(folder.problems(small_scenario, {{"workload.kind", "null"}}) ==
          Lines{"--set workload.kind: is missing; write \"kind\": \"training\" or \"collective\""});
}

TEST_CASE("an overlay merges as RFC 7396 says", "[scenarios][overlay]") {
    // Method: objects by key, null removes, lists replace; relative to the file that extends, in two steps.
    const ScenarioFolder folder;
    (void)folder.file("base.json", R"({ "name": "base", "description": "d", "seed": 7,
        "cluster": { "node": "dgx-a100", "nodes": 8, "faults": { "slow_devices": [ {"rank": 1, "factor": 2}, {"rank": 2, "factor": 2} ] } },
        "workload": { "kind": "training", "model": "gpt3-175b", "sequence": 2048, "global_batch": 64,
                      "parallelism": { "tensor": 8, "pipeline": 8, "data": 1 } } })");
    (void)folder.file("below/middle.json", R"({ "extends": "../base.json", "name": "middle", "seed": null })");
    const Scenario s = read_scenario(folder.file("top.json", R"({ "$schema": "x", "extends": "below/middle.json",
        "cluster": { "nodes": 16, "faults": { "slow_devices": [ {"rank": 3, "factor": 3} ] } },
        "workload": { "parallelism": { "data": null } } })"),
                                     {})
                           .value();
    CHECK(s.name == "middle");
    CHECK(s.description == "d");
    CHECK(s.seed == 1);
    CHECK(s.cluster.nodes == 16);
    REQUIRE(s.cluster.faults.slow_devices.size() == 1);
    CHECK(s.cluster.faults.slow_devices[0].rank == 3);
    CHECK(s.workload.parallelism.data == 2);
}

TEST_CASE("a mistake is reported in the file that made it", "[scenarios][overlay]") {
    // Method: one mistake in the base, one in the overlay, one in a setting, and one value that nobody gave.
    const ScenarioFolder folder;
    (void)folder.file("base.json", R"({ "cluster": { "node": "dgx-a100", "nodes": 0 }, "workload": { "kind": "training",
        "model": "gpt3-175b", "sequence": 2048 } })");
    const Lines lines = folder.problems(R"({ "extends": "base.json", "seed": -1 })", {{"economics.pue", "0.5"}});
    REQUIRE(lines.size() == 4);
    CHECK(lines[0].starts_with("base.json:/cluster/nodes: is 0"));
    CHECK(lines[1].starts_with("s.json:/workload/global_batch: is missing"));
    CHECK(lines[2].starts_with("--set economics.pue: is 0.5, out of range; write a value from 1 to 5"));
    CHECK(lines[3].starts_with("s.json:/seed: is -1"));
}

TEST_CASE("chains of files that extend must end", "[scenarios][overlay]") {
    // Method: a file that extends itself, a circle of two, a missing base, a base that is no path, and 17 files.
    const ScenarioFolder folder;
    CHECK(folder.problems(R"({ "extends": "s.json" })")
              .front()
              .find("extends itself by way of other files; remove one") != std::string::npos);
    (void)folder.file("other.json", R"({ "extends": "s.json" })");
    CHECK(folder.problems(R"({ "extends": "./other.json" })").front().find("s.json: extends itself") !=
          std::string::npos);
    CHECK(folder.problems(R"({ "extends": "none.json" })") ==
          Lines{"none.json: cannot be read: No such file or directory; check the path and its permissions"});
    CHECK(folder.problems(R"({ "extends": 3 })") ==
          Lines{"s.json:/extends: is 3 where a file is expected; write its path in quotes, relative to this file"});
    CHECK(folder.problems("[]") == Lines{"s.json: is a list where an object is expected; write { .. }"});
    for (int i = 0; i < 17; ++i) {
        (void)folder.file("c" + std::to_string(i) + ".json",
                          R"({ "extends": "c)" + std::to_string(i + 1) + R"(.json" })");
    }
    CHECK(folder.problems(R"({ "extends": "c0.json" })").front().find("chain of more than 16 files") !=
          std::string::npos);
}

TEST_CASE("settings take JSON, numbers with units, and plain words", "[scenarios][overlay]") {
    // Method: by hand; a later setting wins.
    const ScenarioFolder folder;
    const Scenario s = read_scenario(folder.file("s.json", small_scenario),
                                     {{"name", "7"},
                                      {"cluster.fabric.bandwidth", "400 Gb/s"},
                                      {"workload.recompute", "full"},
                                      {"workload.flash_attention", "false"},
                                      {"cluster.faults.slow_devices.0", R"({"rank": 1, "factor": 2})"},
                                      {"cluster.faults.slow_devices.0.factor", "3"},
                                      {"seed", "2"},
                                      {"seed", "3"}})
                           .value();
    CHECK(s.name == "7");
    CHECK(s.cluster.fabric.bandwidth.si() == 50e9);
    CHECK(s.workload.recompute == Recompute::full);
    CHECK_FALSE(s.workload.flash_attention);
    REQUIRE(s.cluster.faults.slow_devices.size() == 1);
    CHECK(s.cluster.faults.slow_devices[0].factor == 3.0);
    CHECK(s.seed == 3);
}

TEST_CASE("settings of paths that do not exist name one that does", "[scenarios][overlay]") {
    // Method: a key without its path, a mistyped path, a path with an unknown part, and impossible items of lists.
    const ScenarioFolder folder;
    CHECK(folder.problems(small_scenario, {{"micro_batch", "2"}}) ==
          Lines{"--set micro_batch: is not a key of scenarios; did you mean \"workload.micro_batch\"?"});
    CHECK(folder.problems(small_scenario, {{"workload.parallelism.tensr", "2"}}) ==
          Lines{"--set workload.parallelism.tensr: is not a key of scenarios; did you mean "
                "\"workload.parallelism.tensor\"?"});
    CHECK(folder.problems(small_scenario, {{"economics.taxes_and_insurance", "2"}}) ==
          Lines{"--set economics.taxes_and_insurance: is not a key of scenarios; use one of: "
                "economics.usd_per_device_hour, "
                "economics.usd_per_kwh, economics.pue, economics.tenure, economics.cloud, economics.own, "
                "economics.carbon_intensity, economics.source"});
    CHECK(folder.problems(small_scenario, {{"", "2"}}).front().starts_with("--set : is not a key of scenarios"));
    CHECK(folder.problems(small_scenario, {{"cluster.", "2"}}).front().starts_with("--set cluster.: is not a key"));
    CHECK(folder.problems(small_scenario, {{"extends", "x.json"}}) ==
          Lines{"--set extends: cannot be set; write \"extends\" in a file"});
    CHECK(
        folder.problems(small_scenario, {{"cluster.faults.slow_devices.3.rank", "2"}}) ==
        Lines{"--set cluster.faults.slow_devices.3.rank: has no item 3 in its list of 0; write an index from 0 to 0"});
    CHECK(folder.problems(R"({"cluster": 3, "workload": {"kind": "training"}})", {{"cluster.nodes", "2"}}) ==
          Lines{"--set cluster.nodes: goes through cluster, which is 3; set that first"});
}

TEST_CASE("a scenario's hash is that of its values alone", "[scenarios][reader]") {
    // Method: order, comments and layers do not count, values do; and the hash of the canonical text by hand.
    const ScenarioFolder folder;
    const std::string file = folder.file("s.json", small_scenario);
    const std::string hash = read_scenario(file, {}).value().sha256;
    CHECK(hash == sha256(R"({"cluster":{"node":"dgx-a100","nodes":8},"workload":{"global_batch":64,"kind":"training",)"
                         R"("model":"gpt3-175b","parallelism":{"pipeline":8,"tensor":8},"sequence":2048}})"));
    const std::string over = folder.file("over.json", R"({ "extends": "s.json", /* nothing else */ "seed": null })");
    CHECK(read_scenario(over, {}).value().sha256 == hash);
    CHECK(read_scenario(file, {{"cluster.nodes", "16"}}).value().sha256 != hash);
    CHECK(read_scenario(file, {{"cluster.nodes", "8"}}).value().sha256 == hash);
}

TEST_CASE("a path in a scenario starts at the scenario, then at the data directory", "[scenarios][reader]") {
    // Method: a Hugging Face configuration beside the scenario, a calibration of the repository, and one that is
    // nowhere.
    const ScenarioFolder folder;
    (void)folder.file("below/config.json", R"({ "model_type": "llama", "hidden_size": 4096, "num_hidden_layers": 32,
        "num_attention_heads": 32, "num_key_value_heads": 32, "intermediate_size": 11008, "vocab_size": 32000, "rms_norm_eps": 1e-5,
        "hidden_act": "silu", "tie_word_embeddings": false, "max_position_embeddings": 4096 })");
    const Scenario s =
        read_scenario(folder.file("s.json", small_scenario), {{"workload.model", "below/config.json"}}).value();
    const Result<ResolvedScenario> resolved = resolve(s);
    INFO(told(resolved));
    REQUIRE(resolved.ok());
    CHECK(resolved->run.architecture.layers == 32);
    const Lines lines = folder.problems(small_scenario, {{"cluster.calibration", "none.json"}});
    REQUIRE(lines.size() == 1);
    CHECK(lines[0].starts_with("--set cluster.calibration: leads to none.json: cannot be read"));
}

TEST_CASE("resolving looks up everything that a scenario names", "[scenarios][resolve]") {
    // Method: datasheet of the A100 80GB (312 TFLOP/s dense bf16, 8 in a DGX A100, ConnectX-6 at 200 Gb/s each).
    const ScenarioFolder folder;
    const std::string file = folder.file("s.json", small_scenario);
    const Result<ResolvedScenario> resolved = resolve(read_scenario(file, {}).value());
    INFO(told(resolved));
    REQUIRE(resolved.ok());
    CHECK(resolved->cluster.devices() == 64);
    CHECK(resolved->cluster.device.matrix_peak[DataType::bf16].si() == Approx(312e12));
    CHECK(resolved->cluster.fabric.devices == 64);
    CHECK(resolved->run.architecture.layers == 96);
    CHECK(resolved->run.spec.framework == "megatron-core");
    CHECK(resolved->run.economics.device_hour.si() == device_hour_price(resolved->cluster.device.name).si());
    CHECK(resolved->run.economics.device_hour.si() > 0.0);
    CHECK_FALSE(resolved->sources.empty());
    const Result<ResolvedScenario> given = resolve(read_scenario(file, {{"economics.usd_per_device_hour", "1.5"},
                                                                        {"workload.parallelism.tensor", "1"},
                                                                        {"workload.parallelism.pipeline", "1"},
                                                                        {"workload.parallelism.fsdp", "true"}})
                                                       .value());
    REQUIRE(given.ok());
    CHECK(given->run.economics.device_hour.si() == 1.5);
    CHECK(given->run.spec.framework == "pytorch-fsdp");
}

TEST_CASE("a calibration file of the scenario replaces the device's own", "[scenarios][resolve]") {
    // Method: the H100's fit, named from an A100 scenario by its path in the data directory; the file names its device.
    const ScenarioFolder folder;
    const Scenario s = read_scenario(folder.file("s.json", small_scenario),
                                     {{"cluster.calibration", "hardware/calibration/h100-sxm.json"}})
                           .value();
    const Result<ResolvedScenario> resolved = resolve(s);
    INFO(told(resolved));
    REQUIRE(resolved.ok());
    CHECK(resolved->cluster.device.calibration->device == "h100-sxm");
    CHECK(resolved->sources.back() == "a100-sxm-80: calibration: hardware/calibration/h100-sxm.json");
}

TEST_CASE("names that fail to resolve are reported at their keys", "[scenarios][resolve]") {
    // Method: a scenario made by hand, as only a program can: the reader would have refused it.
    Scenario scenario;
    scenario.cluster.node = "dgx-a10";
    REQUIRE_FALSE(resolve(scenario).ok());
    CHECK(resolve(scenario).problems().front().place == "/cluster/node");
    scenario.cluster.node = "dgx-a100";
    scenario.cluster.fabric.link = "ndr-400";
    scenario.workload.model = "gpt5";
    scenario.workload.framework = "notepad";
    const Result<ResolvedScenario> resolved = resolve(scenario);
    REQUIRE_FALSE(resolved.ok());
    REQUIRE(resolved.problems().size() == 3);
    CHECK(resolved.problems()[0].place == "/cluster/fabric/link");
    CHECK(resolved.problems()[1].place == "/workload/model");
    CHECK(resolved.problems()[2].place == "/workload/framework");
}

TEST_CASE("a link of the scenario replaces the node's own ports", "[scenarios][resolve]") {
    // Method: NDR InfiniBand carries 400 Gb/s a port, so eight ports of a DGX carry 400 GB/s; bandwidth overrides it.
    const ScenarioFolder folder;
    const std::string file = folder.file("s.json", small_scenario);
    const auto node_rate = [&](const std::vector<Setting>& settings) {
        const Result<ResolvedScenario> resolved = resolve(read_scenario(file, settings).value());
        INFO(told(resolved));
        REQUIRE(resolved.ok());
        return resolved->cluster.fabric.node_nic.si();
    };
    CHECK(node_rate({{"cluster.fabric.link", "ndr400"}}) == Approx(8 * 50e9));
    CHECK(node_rate({{"cluster.fabric.link", "ndr400"}, {"cluster.fabric.bandwidth", "100 Gb/s"}}) ==
          Approx(8 * 12.5e9));
}

TEST_CASE("every shipped scenario is valid, says what it is for, and resolves", "[scenarios][examples]") {
    // Method: all files beside the reader; none may need more than the catalogue.
    int seen = 0;
    for (const auto& entry : std::filesystem::directory_iterator(std::string(testing::source_directory) + "/scenarios")) {
        if (entry.path().extension() != ".json") continue;
        INFO(entry.path().string());
        const Result<Scenario> scenario = read_scenario(entry.path().string(), {});
        INFO(told(scenario));
        REQUIRE(scenario.ok());
        CHECK_FALSE(scenario->name.empty());
        CHECK(scenario->description.size() > 80);
        const Result<ResolvedScenario> resolved = resolve(*scenario);
        INFO(told(resolved));
        CHECK(resolved.ok());
        ++seen;
    }
    CHECK(seen >= 6);
}

}  // namespace orrery
