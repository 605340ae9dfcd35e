// Comparisons and grids as values.
#include "scenarios/compare.hpp"
#include "scenarios/json.hpp"
#include "scenarios/setting_effects.hpp"
#include "scenarios/sweep.hpp"
#include "tests/program.hpp"

#include <catch2/catch.hpp>

using namespace orrery;
using orrery::testing::contains;

TEST_CASE("a comparison names the keys that differ and only those", "[ui][compare]") {
    // Method: two sorted lists with one equal, one changed and one absent key on each side.
    ComparedRun before;
    before.keys = {{"a", "1"}, {"b", "2"}, {"c", "3"}};
    ComparedRun after;
    after.keys = {{"a", "1"}, {"b", "4"}, {"d", "5"}};
    const std::vector<ChangedKey> expected{{"b", "2", "4"}, {"c", "3", ""}, {"d", "", "5"}};
    CHECK(changed_keys(before, after) == expected);
    CHECK(changed_keys(before, before).empty());
}

TEST_CASE("a comparison's changes of parts add up to the change of the step", "[ui][compare]") {
    ComparedRun before;
    ComparedRun after;
    for (std::size_t i = 0; i < time_part_count; ++i) {
        before.breakdown[i] = Seconds::from_si(1.0 + static_cast<double>(i));
        after.breakdown[i] = Seconds::from_si(2.0 * static_cast<double>(i));
    }
    before.figures[0] = 45.0;   // 1 + .. + 9
    after.figures[0] = 72.0;    // 2 * (0 + .. + 8)
    const auto json = parse_json_text(comparison_json(before, after), "comparison");
    REQUIRE(json.ok());
    double sum = 0.0;
    for (const auto& [part, change] : json->at("breakdown_change_s").items()) sum += change.get<double>();
    CHECK(sum == Approx(72.0 - 45.0));
    CHECK(json->at("figures").at("step_time_s").at("ratio").get<double>() == Approx(1.6));
}

TEST_CASE("the effects of changed keys add up to the difference of two scenarios", "[ui][compare]") {
    // Method: both steps by the closed form on their own; degrees that only go together make one effect, prices none.
    const std::string file = std::string(orrery::testing::source_directory) + "/scenarios/gpt3-175b-64-a100.json";
    const GivenScenario before{file, {}};
    const GivenScenario after{file, {{"workload.recompute", "none"}, {"workload.parallelism.tensor", "4"}, {"workload.parallelism.pipeline", "16"},
                                     {"economics.usd_per_device_hour", "9"}}};
    const auto effects = setting_effects(before, after);
    REQUIRE(effects.ok());
    REQUIRE(effects->size() >= 2);
    Seconds sum;
    for (const ChangeEffect& effect : *effects) sum += effect.total();
    const auto step = [](const GivenScenario& given) {
        const auto resolved = resolve(read_scenario(given.file, given.settings).value());
        return run_training(resolved->cluster, resolved->run, Fidelity::estimate, {})->outcome.step;
    };
    CHECK(sum.si() == Approx((step(after) - step(before)).si()).margin(1e-9));
    CHECK(effects->back().step.si() == Approx(step(after).si()));
    CHECK(setting_effects(before, before)->empty());
}

TEST_CASE("a JSON file that is no result is taken for a scenario", "[ui][compare]") {
    const orrery::testing::TemporaryFolder folder;
    std::ofstream(folder.file("scenario")) << "{\"cluster\": {}}";
    const auto scenario = read_result(folder.file("scenario"));
    REQUIRE(scenario.ok());
    CHECK_FALSE(scenario->has_value());
    std::ofstream(folder.file("broken")) << "{\"step_time_s\": \"long\", \"breakdown_s\": 1}";
    const auto broken = read_result(folder.file("broken"));
    REQUIRE_FALSE(broken.ok());
    CHECK(contains(broken.problems()[0].problem, "looks like a result"));
}

TEST_CASE("an axis is a path and values that commas part", "[ui][sweep]") {
    const auto axis = parse_sweep_axis("workload.micro_batch=1,2,4");
    REQUIRE(axis.ok());
    CHECK(*axis == SweepAxis{"workload.micro_batch", {"1", "2", "4"}});
    const auto nested = parse_sweep_axis("cluster.faults={\"a\": [1, 2]},\"x,y\"");
    REQUIRE(nested.ok());
    CHECK(nested->values == std::vector<std::string>{"{\"a\": [1, 2]}", "\"x,y\""});
    for (const char* text : {"workload.micro_batch", "=1", "a=1,,2", "a="}) CHECK_FALSE(parse_sweep_axis(text).ok());
}

TEST_CASE("a grid has every combination once, the last axis fastest", "[ui][sweep]") {
    // Method: the count is the product of the axes' lengths; the order is that of an odometer.
    const auto grid = sweep_points({{"a", {"1", "2"}}, {"b", {"x", "y", "z"}}});
    REQUIRE(grid.ok());
    REQUIRE(grid->size() == 6);
    CHECK((*grid)[1][0].value == "1");
    CHECK((*grid)[1][1].value == "y");
    CHECK((*grid)[5][0].value == "2");
    CHECK((*grid)[5][1].value == "z");
    const auto twice = sweep_points({{"a", {"1"}}, {"a", {"2"}}});
    REQUIRE_FALSE(twice.ok());
    CHECK(contains(twice.problems()[0].problem, "given twice"));
    const std::vector<std::string> many(400, "1");
    const auto huge = sweep_points({{"a", many}, {"b", many}});
    REQUIRE_FALSE(huge.ok());
    CHECK(contains(huge.problems()[0].problem, "more than 100000 points"));
}
