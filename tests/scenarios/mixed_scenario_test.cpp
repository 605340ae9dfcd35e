// Machines of several types of nodes in scenarios and searches: read, refused, priced and ranked.
#include "hardware/rng.hpp"
#include "planner/replay.hpp"
#include "scenarios/catalog.hpp"
#include "scenarios/json.hpp"
#include "scenarios/search_block.hpp"
#include "sim/balance.hpp"
#include "sim/training.hpp"
#include "tests/program.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>

#include <unistd.h>

using namespace orrery;

namespace {

/// A scenario file that is gone at the end.
class MixedFile {
  public:
    explicit MixedFile(const std::string& cluster, const std::string& more = "",
                       const std::string& parallelism = R"({"tensor": 8, "pipeline": 4})")
        : path_(std::filesystem::temp_directory_path() / ("orrery-mixed-" + std::to_string(::getpid()) + ".json")) {
        std::ofstream(path_) << R"({"name": "mixed", "cluster": )" << cluster
                             << R"(, "workload": {"kind": "training", "model": "gpt3-6.7b", "sequence": 2048, "global_batch": 64, "parallelism": )"
                             << parallelism << "}" << more << "}";
    }
    ~MixedFile() { std::filesystem::remove(path_); }
    MixedFile(const MixedFile&) = delete;
    MixedFile& operator=(const MixedFile&) = delete;
    [[nodiscard]] std::string path() const { return path_.string(); }
    [[nodiscard]] ResolvedScenario resolved() const {
        const auto scenario = read_scenario(path(), {});
        if (!scenario) FAIL(scenario.problems().front().place + ": " + scenario.problems().front().problem);
        auto found = resolve(*scenario);
        if (!found) FAIL(found.problems().front().place + ": " + found.problems().front().problem);
        return std::move(found).value();
    }
    /// The first problem of reading or resolving, without the file's name.
    [[nodiscard]] std::string problem() const {
        const auto scenario = read_scenario(path(), {});
        if (!scenario) return told(scenario.problems().front());
        const auto found = resolve(*scenario);
        return found ? "" : told(found.problems().front());
    }

  private:
    std::filesystem::path path_;
    [[nodiscard]] std::string told(const Problem& one) const {
        const std::string place = one.place.starts_with(path()) ? one.place.substr(path().size() + 1) : one.place;
        return place + ": " + one.problem + "; " + one.remedy;
    }
};

bool holds(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

const std::string h100_and_a100 = R"({"groups": [{"node": "dgx-h100", "nodes": 2}, {"node": "dgx-a100", "nodes": 2}]})";

}  // namespace

TEST_CASE("a machine of two types of nodes is read, priced and answered type by type", "[scenarios][mixed]") {
    // Method: devices, ports and rents by the catalogue's own entries; the mean rent by hand.
    const MixedFile file(h100_and_a100);
    const ResolvedScenario resolved = file.resolved();
    const Cluster& cluster = resolved.cluster;
    REQUIRE(cluster.groups.size() == 2);
    CHECK(cluster.devices() == 32);
    CHECK(cluster.groups[1].first_node == 2);
    CHECK(cluster.alike_at(15).device.name == "h100-sxm");
    CHECK(cluster.alike_at(16).device.name == "a100-sxm-80");
    const auto port = [&](RankId rank) { return cluster.fabric.links[static_cast<std::size_t>(cluster.fabric.nic_tx[static_cast<std::size_t>(rank)])].bandwidth; };
    CHECK(port(0) / port(31) == Approx(2.0));   // 400 and 200 Gb/s
    const Usd mean = (device_hour_price("h100-sxm") + device_hour_price("a100-sxm-80")) * 0.5;
    CHECK(resolved.run.economics.device_hour.si() == Approx(mean.si()));
    const auto answer = run_training(cluster, resolved.run, Fidelity::estimate, {});
    REQUIRE(answer.ok());
    REQUIRE(answer->groups.size() == 2);
    CHECK((answer->groups[0].cost_per_step + answer->groups[1].cost_per_step).si() == Approx(answer->cost_per_step.si()));
    CHECK(std::any_of(resolved.sources.begin(), resolved.sources.end(), [](const std::string& one) { return one.starts_with("dgx-a100:"); }));
}

TEST_CASE("one group alone is a machine of one type", "[scenarios][mixed]") {
    // Method: against node and nodes.
    const auto answer = [](const std::string& cluster) {
        const MixedFile file(cluster);
        const ResolvedScenario resolved = file.resolved();
        CHECK_FALSE(resolved.cluster.is_mixed());
        return run_training(resolved.cluster, resolved.run, Fidelity::estimate, {})->outcome.step;
    };
    CHECK(answer(R"({"groups": [{"node": "dgx-h100", "nodes": 4}]})") == answer(R"({"node": "dgx-h100", "nodes": 4})"));
}

TEST_CASE("a group's own rent and power cap hold for its devices alone", "[scenarios][mixed]") {
    // Method: rents by hand; a capped group draws less and its stages take longer.
    const MixedFile priced(R"({"groups": [{"node": "dgx-h100", "nodes": 3, "usd_per_device_hour": 3}, {"node": "dgx-a100", "nodes": 1, "usd_per_device_hour": 1}]})");
    CHECK(priced.resolved().run.economics.device_hour / 1.0_USD == Approx(2.5));
    const auto answer = [](const std::string& cap) {
        const MixedFile file(R"({"groups": [{"node": "dgx-h100", "nodes": 2}, {"node": "dgx-a100", "nodes": 2)" + cap + "}]}", "",
                             R"({"tensor": 8, "pipeline": 4, "stage_layers": [8, 8, 8, 8]})");
        const ResolvedScenario resolved = file.resolved();
        return *run_training(resolved.cluster, resolved.run, Fidelity::estimate, {});
    };
    const TrainingAnswer free = answer("");
    const TrainingAnswer capped = answer(R"(, "power_cap": "250 W")");
    CHECK(capped.outcome.step > free.outcome.step);
    CHECK(capped.power_average < free.power_average);
}

TEST_CASE("mistakes in groups are told with place and remedy", "[scenarios][mixed]") {
    // Method: one mistake each.
    const auto problem = [](const std::string& cluster, const std::string& parallelism = R"({"tensor": 8, "pipeline": 4})") {
        return MixedFile(cluster, "", parallelism).problem();
    };
    CHECK(holds(problem(R"({"groups": [{"node": "dgx-h1000", "nodes": 2}, {"node": "dgx-a100", "nodes": 2}]})"), "/cluster/groups/0/node: "));
    CHECK(holds(problem(R"({"groups": [{"node": "dgx-h100", "nodes": 0}, {"node": "dgx-a100", "nodes": 2}]})"), "/cluster/groups/0/nodes: is 0"));
    CHECK(holds(problem(R"({"groups": [{"node": "dgx-h100"}, {"node": "dgx-a100", "nodes": 2}]})"), "/cluster/groups/0/nodes: is missing"));
    CHECK(holds(problem(R"({"node": "dgx-h100", "nodes": 2, "groups": [{"node": "dgx-a100", "nodes": 2}]})"),
                "/cluster/groups: stands beside node, and both say which nodes there are; keep groups, or node and nodes"));
    CHECK(holds(problem(R"({"groups": []})"), "/cluster/groups: is empty"));
    CHECK(holds(problem("{}"), "/cluster/node: is missing"));
    CHECK(holds(problem(R"({"calibration": "x.json", "groups": [{"node": "dgx-h100", "nodes": 2}, {"node": "dgx-a100", "nodes": 2}]})"),
                "/cluster/calibration: is of nodes of one type"));
    CHECK(holds(problem(R"({"groups": [{"node": "dgx-h100", "nodes": 2}, {"node": "dgx-2", "nodes": 1}]})"),
                "/cluster/groups/1/node: is dgx-2 with 16 devices, and those before have 8; group nodes with as many devices each"));
    CHECK(holds(problem(R"({"groups": [{"node": "dgx-h100", "nodes": 1}, {"node": "dgx-a100", "nodes": 3}]})", R"({"tensor": 8, "pipeline": 2})"),
                "puts 16 devices on a stage, and stage 0 (devices 0 to 15) would lie on dgx-h100 (devices 0 to 7) and on what follows"));
    CHECK(holds(problem(h100_and_a100, R"({"tensor": 8, "pipeline": 3})"), "32 devices"));
    CHECK(holds(problem(R"({"groups": [{"node": "dgx-h100", "nodes": 2}, {"node": "dgx-a100", "nodes": 2}], "faults": {"slow_devices": [{"rank": 32, "factor": 2}]}})"),
                "/cluster/faults/slow_devices/0/rank: is 32, outside the cluster of 32"));
    CHECK(holds(problem(R"({"groups": [{"node": "dgx-h100", "nodes": 2}, {"node": "dgx-a100", "nodes": 2, "power_cap": "60 W"}]})"),
                "/cluster/groups/1/power_cap: is 60 W"));
}

TEST_CASE("collectives are refused on machines of several types", "[scenarios][mixed]") {
    // Method: the workload that plays one.
    const std::string path = std::filesystem::temp_directory_path() / ("orrery-mixed-collective-" + std::to_string(::getpid()) + ".json");
    std::ofstream(path) << R"({"cluster": )" << h100_and_a100 << R"(, "workload": {"kind": "collective", "collective": "all-reduce", "from": "1 MiB", "to": "1 MiB"}})";
    const auto scenario = read_scenario(path, {});
    std::filesystem::remove(path);
    REQUIRE_FALSE(scenario.ok());
    CHECK(holds(scenario.problems().front().place, "/cluster/groups"));
    CHECK(scenario.problems().front().remedy == "use node and nodes");
}

namespace {

const std::string mixed_space = R"(, "search": {"over": {
    "cluster.groups": [[{"node": "dgx-h100", "nodes": 2}], [{"node": "dgx-a100", "nodes": 2}],
                       [{"node": "dgx-h100", "nodes": 2}, {"node": "dgx-a100", "nodes": 2}],
                       [{"node": "dgx-a100-40", "nodes": 2}, {"node": "dgx-h100", "nodes": 2}]],
    "workload.parallelism.tensor": [1, 2, 4, 8], "workload.parallelism.pipeline": [1, 2, 4, 8],
    "workload.parallelism.schedule": ["1f1b", "1f1b-interleaved", "zb-h1"], "workload.parallelism.virtual_stages": [1, 2],
    "workload.parallelism.zero": [0, 1, 3], "workload.micro_batch": [1, 2], "workload.recompute": ["none", "full"]}, "top": 10})";

LoadedSearch mixed_search() {
    const MixedFile file(h100_and_a100, mixed_space);
    auto loaded = load_search(file.path(), {});
    if (!loaded) FAIL(loaded.problems().front().place + ": " + loaded.problems().front().problem);
    return std::move(loaded).value();
}

}  // namespace

TEST_CASE("a search over machines and mixes finds the same with and without bounds", "[scenarios][mixed]") {
    // Method: branch and bound against the exhaustive search of the same space.
    const LoadedSearch search = mixed_search();
    SearchOptions options;
    options.top = 10;
    options.workers = 2;
    const SearchResult bounded = search_plans(search.space, options);
    options.exhaustive = true;
    const SearchResult exhaustive = search_plans(search.space, options);
    REQUIRE(bounded.best.size() == 10);
    CHECK(bounded.best == exhaustive.best);
    CHECK(bounded.raw == exhaustive.raw);
    CHECK(exhaustive.refused[static_cast<std::size_t>(Refusal::bound)] == 0);
    CHECK(exhaustive.refused[static_cast<std::size_t>(Refusal::groups)] > 0);
    CHECK(search.space.bases[bounded.best.front().base].cluster.is_mixed());
}

TEST_CASE("mixed plans cost in a search what they cost when run", "[scenarios][mixed]") {
    // Method: forty drawn plans against run_training() in closed form: step, memory, power and the layers of the stages.
    const LoadedSearch search = mixed_search();
    Rng rng = Rng::stream(3, "mixed plans", 0);
    int compared = 0;
    for (std::size_t b = 2; b < search.space.bases.size(); ++b) {
        const SearchBase& base = search.space.bases[b];
        PlanEvaluator evaluator(base);
        for (int i = 0; i < 400 && compared < 40 * static_cast<int>(b - 1); ++i) {
            const DrawnPlan drawn = draw_plan(base, rng);
            if (!drawn.spec) continue;
            evaluator.begin_branch();
            const auto estimate = evaluator.evaluate(*drawn.spec, Bytes::from_si(1e15));
            const bool is_sum = adds_up(drawn.spec->parallelism);   // else a straight line in the micro-batches
            REQUIRE(estimate.has_value());
            const auto answer = run_training(base.cluster, run_at(base, drawn.point), Fidelity::estimate, {});
            REQUIRE(answer.ok());
            CHECK(estimate->step.si() == Approx(answer->outcome.step.si()).epsilon(is_sum ? 1e-9 : 0.02));
            CHECK(estimate->memory / base.cluster.device.memory_capacity == Approx(answer->memory.total() / answer->memory_capacity).epsilon(1e-9));
            CHECK(job_power(base.cluster, 32, estimate->busy).si() == Approx(answer->power_average.si()).epsilon(is_sum ? 1e-6 : 0.02));
            ++compared;
        }
    }
    CHECK(compared >= 40);
}

TEST_CASE("estimates of mixed plans agree with their play", "[scenarios][mixed]") {
    // Method: a dozen drawn plans simulated; the median within 3 %, none further off than 12 %.
    const LoadedSearch search = mixed_search();
    Rng rng = Rng::stream(5, "mixed play", 0);
    std::vector<double> errors;
    const SearchBase& base = search.space.bases[2];
    PlanEvaluator evaluator(base);
    for (int i = 0; i < 600 && errors.size() < 12; ++i) {
        const DrawnPlan drawn = draw_plan(base, rng);
        if (!drawn.spec) continue;
        evaluator.begin_branch();
        const auto estimate = evaluator.evaluate(*drawn.spec, base.cluster.device.memory_capacity);
        if (!estimate || estimate->step <= Seconds{}) continue;
        const auto played = run_training(base.cluster, run_at(base, drawn.point), Fidelity::fluid, {});
        REQUIRE(played.ok());
        errors.push_back(std::abs(estimate->step / played->outcome.step - 1.0));
    }
    REQUIRE(errors.size() == 12);
    std::sort(errors.begin(), errors.end());
    CHECK(errors[6] < 0.03);
    CHECK(errors.back() < 0.12);
}

TEST_CASE("reports name the types of nodes of a mixed machine, and plans are ranked across machines", "[scenarios][mixed]") {
    // Method: the shipped what-if and the shipped search, through the program.
    const std::string what_if = "scenarios/llama3.1-70b-256-h100-a100.json";
    const auto text = testing::run_program({"run", what_if, "--fidelity", "estimate"});
    CHECK(text.status == 0);
    CHECK(holds(text.out, "128 h100-sxm in 16 dgx-h100 and 128 a100-sxm-80 in 16 dgx-a100"));
    CHECK(holds(text.out, "stages 4 to 7 on 128 a100-sxm-80"));
    const auto json = testing::run_program({"run", what_if, "--json", "-"});
    const auto result = parse_json_text(json.out, "result");
    REQUIRE(result.ok());
    const Json& groups = (*result)["groups"];
    REQUIRE(groups.size() == 2);
    CHECK(groups[0]["layers"].get<int>() + groups[1]["layers"].get<int>() == 80);
    CHECK(groups[0]["usd_per_step"].get<double>() + groups[1]["usd_per_step"].get<double>() ==
          Approx((*result)["cost"]["usd_per_step"].get<double>()));
    CHECK((*result)["scenario"]["cluster"]["groups"].size() == 2);
    CHECK_FALSE((*result)["scenario"]["cluster"].contains("nodes"));
    const auto plans = testing::run_program({"plan", "scenarios/plan-mixed-llama3.1-70b-h100-a100.json", "--no-simulation"});
    CHECK(plans.status == 0);
    CHECK(holds(plans.out, "16 dgx-a100 + 16 dgx-h100"));   // fastest
    CHECK(holds(plans.out, "  16 dgx-h100  "));               // cheapest
    CHECK(holds(plans.out, "a stage would lie on nodes of several types"));
    std::size_t widest = 0;
    for (std::size_t begin = 0; begin < plans.out.size();) {
        const std::size_t end = std::min(plans.out.find('\n', begin), plans.out.size());
        if (!holds(plans.out.substr(begin, end - begin), "--set")) widest = std::max(widest, end - begin);   // commands are whole
        begin = end + 1;
    }
    CHECK(widest < 200);                  // long lists of stages' layers are shortened:
    CHECK(holds(plans.out, ",..]"));
    CHECK(holds(plans.out, "[4x1,4x3"));   // pieces of one layer, then of three
    CHECK(testing::run_program({"explain", "cluster.groups"}).status == 0);
}
