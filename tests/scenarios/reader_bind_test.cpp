// Whether structs are read from JSON by their fields: right values in, every mistake out, nothing silently kept.
#include "scenarios/bind.hpp"

#include "models/training.hpp"
#include "network/fabric.hpp"
#include "scenarios/nearest.hpp"
#include "sim/cluster.hpp"

#include <catch2/catch.hpp>

#include <string>

namespace orrery {
namespace {

struct Sample {
    int whole = 3;
    std::int64_t large = 0;
    std::uint64_t seed = 1;
    double ratio = 0.5;
    bool flag = false;
    std::string text;
    Seconds time = Seconds::from_si(1.0);
    std::optional<bool> maybe;
    std::vector<double> list;
    DataType type = DataType::bf16;
    static constexpr auto fields() {
        using S = Sample;
        return std::tuple{
            field("whole", &S::whole, count, "A count."),
            field("large", &S::large, any_value, "64 bits."),
            field("seed", &S::seed, non_negative, "Unsigned."),
            field("ratio", &S::ratio, fraction, "A share."),
            field("flag", &S::flag, any_value, "A switch."),
            field("text", &S::text, any_value, "Words."),
            field("time", &S::time, positive, "A time."),
            field("maybe", &S::maybe, any_value, "A switch with a third state."),
            field("list", &S::list, Range{-1.0, 1.0, true}, "Numbers."),
            field("type", &S::type, any_value, "A format."),
        };
    }
};

Sample read_sample(const std::string& text, Problems& problems, const BindOptions& options = {}) {
    Sample sample;
    read_fields(parse_json_text(text, "s.json").value(), "s.json:", sample, problems, {}, options);
    return sample;
}

/// "place: problem; remedy" of the only problem.
std::string only_problem(const std::string& text, const BindOptions& options = {}) {
    Problems problems;
    read_sample(text, problems, options);
    INFO(text);
    REQUIRE(problems.size() == 1);
    return problems[0].place + ": " + problems[0].problem + "; " + problems[0].remedy;
}

}  // namespace

TEST_CASE("every kind of field is read", "[scenarios][bind]") {
    // Method: by hand.
    Problems problems;
    const Sample s =
        read_sample(R"({"whole": 2e3, "large": -9007199254740991, "seed": 18446744073709551615, "ratio": "41 %",
        "flag": true, "text": "t", "time": "5 us", "maybe": false, "list": [0, "1"], "type": "fp8", "$schema": "x"})",
                    problems);
    REQUIRE(problems.empty());
    CHECK(s.whole == 2000);
    CHECK(s.large == -9007199254740991);
    CHECK(s.seed == 18446744073709551615U);
    CHECK(s.ratio == Approx(0.41));
    CHECK(s.flag);
    CHECK(s.text == "t");
    CHECK(s.time.si() == 5e-6);
    CHECK(s.maybe == std::optional(false));
    CHECK(s.list == std::vector<double>{0.0, 1.0});
    CHECK(s.type == DataType::fp8);
}

TEST_CASE("each mistake of a value has its message", "[scenarios][bind]") {
    // Method: one text for each way to go wrong, the whole message held.
    CHECK(only_problem(R"({"whole": 0})") == "s.json:/whole: is 0, out of range; write a value from 1 to 16777216");
    CHECK(only_problem(R"({"whole": 1.5})") ==
          "s.json:/whole: is 1.5 where a whole number is expected; write it without a fraction");
    CHECK(only_problem(R"({"large": 1e300})") ==
          "s.json:/large: is 1e+300 where a whole number is expected; write a whole number below 9e15");
    CHECK(only_problem(R"({"seed": -1})") == "s.json:/seed: is -1, out of range; write a value of at least 0");
    CHECK(only_problem(R"({"ratio": 1.01})") == "s.json:/ratio: is 1.01, out of range; write a value from 0 to 1");
    CHECK(only_problem(R"({"ratio": true})") ==
          "s.json:/ratio: is true where a number is expected; write a number, such as \"128\" or \"15 T\"");
    CHECK(only_problem(R"({"time": [1]})") ==
          "s.json:/time: is a list where a number is expected; write a number or a text "
          "with a unit, such as \"5 us\", \"20 ms\" or \"2 h\"");
    CHECK(only_problem(R"({"time": 0})") == "s.json:/time: is 0, out of range; write a value above 0");
    CHECK(only_problem(R"({"time": "5"})") ==
          "s.json:/time: is \"5\"; write a unit, such as \"5 us\", \"20 ms\" or \"2 h\"");
    CHECK(only_problem(R"({"flag": "yes"})") ==
          "s.json:/flag: is \"yes\" where true or false is expected; write true or false, without quotes");
    CHECK(only_problem(R"({"text": 7})") == "s.json:/text: is 7 where a text is expected; write a text in quotes");
    CHECK(only_problem(R"({"list": 7})") == "s.json:/list: is 7 where a list is expected; write [ .. ]");
    CHECK(only_problem(R"({"list": [0, -1]})") ==
          "s.json:/list/1: is -1, out of range; write a value above -1 and up to 1");
    CHECK(only_problem(R"({"type": "bf61"})") ==
          "s.json:/type: is \"bf61\", which is none of its values; did you mean \"bf16\"?");
    CHECK(
        only_problem(R"({"type": "posit"})") ==
        "s.json:/type: is \"posit\", which is none of its values; use one of: fp64, fp32, tf32, fp16, bf16, fp8, int8, "
        "fp4, int4, int32");
    CHECK(only_problem(R"({"tme": "5 us"})") == "s.json:/tme: is not a known key; did you mean \"time\"?");
    CHECK(only_problem("[]") == "s.json:: is a list where an object is expected; write { .. }");
}

TEST_CASE("missing keys are reported with what they are for", "[scenarios][bind]") {
    // Method: the required fields of a slow device.
    SlowDevice slow;
    Problems problems;
    read_fields(Json::object(), "f:", slow, problems);
    REQUIRE(problems.size() == 2);
    CHECK(problems[0] == Problem{"f:/rank", "is missing", "add it: The device, counted node by node from 0."});
    CHECK(problems[1].place == "f:/factor");
}

TEST_CASE("all mistakes are found at once, also in nested objects", "[scenarios][bind]") {
    // Method: four mistakes on three levels.
    TrainingSpec spec;
    Problems problems;
    read_fields(parse_json_text(
                    R"({"model": 3, "global_batch": 0, "parallelism": {"tensr": 2, "zero": 4}, "sequence": 8})", "f")
                    .value(),
                "f:", spec, problems);
    REQUIRE(problems.size() == 4);
    CHECK(problems[0].place == "f:/model");
    CHECK(problems[1].place == "f:/global_batch");
    CHECK(problems[2] == Problem{"f:/parallelism/tensr", "is not a known key", "did you mean \"tensor\"?"});
    CHECK(problems[3].remedy == "write a value from 0 to 3");
    CHECK(spec.sequence == 8);
}

TEST_CASE("a file with thousands of mistakes reports the first hundred", "[scenarios][bind]") {
    // Method: 10,000 bad items and 10,000 unknown keys.
    Json json;
    for (int i = 0; i < 10000; ++i) json["list"].push_back("x");
    Problems problems;
    Sample sample;
    read_fields(json, "f:", sample, problems);
    CHECK(problems.size() == problems_max);
    Json keys;
    for (int i = 0; i < 2000; ++i) keys["k" + std::to_string(i)] = i;
    problems.clear();
    read_fields(keys, "f:", sample, problems);
    CHECK(problems.size() == problems_max);
}

TEST_CASE("prices are read per hour and per kWh", "[scenarios][bind]") {
    // Method: 1 kWh = 3.6e6 J; a rent is dollars for one hour, as number or text.
    Economics economics;
    Problems problems;
    read_fields(parse_json_text(R"({"usd_per_device_hour": "2.5 USD/h", "usd_per_kwh": 0.36})", "f").value(),
                "f:", economics, problems);
    REQUIRE(problems.empty());
    CHECK(economics.device_hour.si() == Approx(2.5).epsilon(1e-15));
    CHECK(economics.energy_price.si() == Approx(1e-7).epsilon(1e-15));
    read_fields(parse_json_text(R"({"usd_per_kwh": "0.08 USD/kWh", "usd_per_device_hour": "$3"})", "f").value(),
                "f:", economics, problems);
    CHECK(economics.energy_price.si() == 0.08 / 3.6e6);
    CHECK(economics.device_hour.si() == 3.0);
    read_fields(parse_json_text(R"({"usd_per_kwh": -0.1})", "f").value(), "f:", economics, problems);
    REQUIRE(problems.size() == 1);
    CHECK(problems[0].problem == "is -0.1, out of range");
}

TEST_CASE("the catalogue's form of a number is read where it is allowed, and only there", "[scenarios][bind]") {
    // Method: the same value plain.
    Problems problems;
    const std::string text =
        R"({"time": {"value": "5 us", "source": "datasheet"}, "whole": {"value": 8, "source": "x"}})";
    const Sample s = read_sample(text, problems, {.catalog_figures = true});
    CHECK(problems.empty());
    CHECK(s.time.si() == 5e-6);
    CHECK(s.whole == 8);
    CHECK(only_problem(R"({"whole": {"value": 8}})") ==
          "s.json:/whole: is an object where a number is expected; write a number, such as \"128\" or \"15 T\"");
    CHECK(only_problem(R"({"whole": {"source": "x"}})", {.catalog_figures = true}) ==
          "s.json:/whole: is an object where a number is expected; write a number, such as \"128\" or \"15 T\"");
}

TEST_CASE("what is written is read back equal", "[scenarios][bind]") {
    // Method: round trip of structs with every kind of member, absent ones included.
    TrainingSpec spec;
    spec.model = "gpt3-175b";
    spec.parallelism.sequence_parallel = false;
    spec.parallelism.schedule = PipelineSchedule::interleaved;
    spec.overlap.gradients = true;
    TrainingSpec again;
    Problems problems;
    read_fields(write_fields(spec), "f:", again, problems);
    CHECK(problems.empty());
    CHECK(again == spec);
    FabricSpec fabric;
    read_fields(write_fields(FabricSpec{}), "f:", fabric, problems);
    CHECK(problems.empty());
    CHECK(fabric.bandwidth.si() == 0.0);
    Economics economics;
    economics.energy_price = UsdPerJoule::from_si(0.1 / 3.6e6);
    CHECK(write_fields(economics)["usd_per_kwh"].get<double>() == Approx(0.1).epsilon(1e-15));
}

TEST_CASE("the nearest name is the one with the fewest edits", "[scenarios][nearest]") {
    // Method: distances counted by hand; Damerau's example of a swap is one edit.
    CHECK(edit_distance("", "abc") == 3);
    CHECK(edit_distance("kitten", "sitting") == 3);
    CHECK(edit_distance("fro", "for") == 1);
    CHECK(edit_distance("DGX_H100", "dgx-h100") == 0);
    CHECK(nearest_name("dgx-h10", {"dgx-a100", "dgx-h100", "dgx-h200"}) == "dgx-h100");
    CHECK(nearest_name("zebra", {"dgx-a100"}).empty());
    CHECK(nearest_name(std::string(1000, 'x'), {"x"}).empty());
    CHECK(nearest_remedy("zebra", {}) == "remove it");
}

}  // namespace orrery
