// Whether the schema accepts what the reader accepts, refuses what it refuses, and explanations tell what fields()
// says.
#include "scenarios/explain.hpp"
#include "scenarios/json.hpp"
#include "scenarios/keys.hpp"
#include "scenarios/overlay.hpp"
#include "scenarios/scenario.hpp"
#include "tests/places.hpp"

#include <catch2/catch.hpp>

#include <filesystem>
#include <regex>
#include <string>

namespace orrery {
namespace {

bool has_type(const Json& value, const std::string& type) {
    if (type == "object") return value.is_object();
    if (type == "array") return value.is_array();
    if (type == "string") return value.is_string();
    if (type == "boolean") return value.is_boolean();
    if (type == "integer") return value.is_number_integer();
    return type == "number" && value.is_number();
}

bool has_one_of_types(const Json& value, const Json& types) {
    if (types.is_string()) return has_type(value, types.get<std::string>());
    for (const Json& type : types) {
        if (has_type(value, type.get<std::string>())) return true;
    }
    return false;
}

bool number_fits(const Json& schema, double value) {
    if (schema.contains("minimum") && value < schema["minimum"].get<double>()) return false;
    if (schema.contains("exclusiveMinimum") && value <= schema["exclusiveMinimum"].get<double>()) return false;
    return !schema.contains("maximum") || value <= schema["maximum"].get<double>();
}

bool conforms(const Json& schema, const Json& value);

bool object_conforms(const Json& schema, const Json& value) {
    if (schema.contains("required")) {
        for (const Json& key : schema["required"]) {
            if (!value.contains(key.get<std::string>())) return false;
        }
    }
    for (const auto& item : value.items()) {
        const bool is_known = schema.contains("properties") && schema["properties"].contains(item.key());
        if (!is_known && schema.value("additionalProperties", Json(true)) == false) return false;
        if (is_known && !conforms(schema["properties"][item.key()], item.value())) return false;
    }
    return true;
}

/// The part of draft-07 that the schema uses, as its specification words it (draft-handrews-json-schema-validation-01).
bool conforms(const Json& schema, const Json& value) {
    if (schema.contains("type") && !has_one_of_types(value, schema["type"])) return false;
    if (schema.contains("enum") &&
        std::find(schema["enum"].begin(), schema["enum"].end(), value) == schema["enum"].end())
        return false;
    if (value.is_number() && !number_fits(schema, value.get<double>())) return false;
    if (value.is_string() && schema.contains("pattern") &&
        !std::regex_search(value.get<std::string>(), std::regex(schema["pattern"].get<std::string>())))
        return false;
    if (value.is_array() && schema.contains("items")) {
        for (const Json& item : value) {
            if (!conforms(schema["items"], item)) return false;
        }
    }
    if (value.is_object() && !object_conforms(schema, value)) return false;
    if (!schema.contains("if")) return true;
    return conforms(schema["if"], value) ? conforms(schema["then"], value) : conforms(schema["else"], value);
}

Json schema_json() { return parse_json_text(scenario_schema(), "schema").value(); }

bool accepts(const std::string& text) { return conforms(schema_json(), parse_json_text(text, "s.json").value()); }

}  // namespace

TEST_CASE("the schema is of draft 7 and closed at every level", "[scenarios][schema]") {
    // Method: keywords by hand.
    const Json schema = schema_json();
    CHECK(schema["$schema"] == "http://json-schema.org/draft-07/schema#");
    CHECK(schema["additionalProperties"] == false);
    CHECK(schema["properties"]["cluster"]["properties"]["fabric"]["additionalProperties"] == false);
    CHECK(schema["properties"]["cluster"]["properties"]["nodes"]["minimum"] == 1.0);
    CHECK(schema["properties"]["cluster"]["properties"]["fabric"]["properties"]["bandwidth"]["exclusiveMinimum"] ==
          0.0);
    CHECK(schema["properties"]["workload"]["properties"]["precision"]["default"] == "bf16");
    CHECK(schema["properties"]["workload"]["properties"]["recompute"]["enum"] ==
          Json::array({"none", "selective", "full", "block"}));
    CHECK(schema["properties"]["economics"]["properties"]["usd_per_kwh"]["default"].get<double>() == Approx(0.08));
    CHECK(schema["properties"]["economics"]["properties"]["usd_per_kwh"]["description"].get<std::string>().find(
              "USD per kWh") != std::string::npos);
}

TEST_CASE("the schema accepts every shipped scenario", "[scenarios][schema]") {
    // Method: a validator written from the specification's words.
    const Json schema = schema_json();
    for (const auto& entry : std::filesystem::directory_iterator(std::string(testing::source_directory) + "/scenarios")) {
        if (entry.path().extension() != ".json") continue;
        INFO(entry.path().string());
        CHECK(conforms(schema, parse_json_file(entry.path().string()).value()));
    }
}

TEST_CASE("the schema refuses what the reader refuses", "[scenarios][schema]") {
    // Method: one mistake each in an otherwise valid scenario.
    const std::string valid =
        R"({"cluster": {"node": "n", "nodes": 1}, "workload": {"kind": "training", "model": "m", "sequence": 1, "global_batch": 1}})";
    CHECK(accepts(valid));
    CHECK(accepts(R"({"extends": "x.json"})"));
    CHECK_FALSE(accepts("{}"));
    CHECK_FALSE(accepts(
        R"({"cluster": {"node": "n"}, "workload": {"kind": "training", "model": "m", "sequence": 1, "global_batch": 1}})"));
    CHECK_FALSE(accepts(R"({"extends": "x.json", "cluster": {"nodes": 0}})"));
    CHECK_FALSE(accepts(R"({"extends": "x.json", "cluster": {"noodles": 1}})"));
    CHECK_FALSE(accepts(R"({"extends": "x.json", "cluster": {"fabric": {"bandwidth": "400"}}})"));
    CHECK(accepts(R"({"extends": "x.json", "cluster": {"fabric": {"bandwidth": "400 Gb/s"}}})"));
    CHECK_FALSE(accepts(R"({"extends": "x.json", "workload": {"kind": "serving"}})"));
    CHECK_FALSE(accepts(R"({"extends": "x.json", "cluster": {"faults": {"slow_devices": [{"rank": 1}]}}})"));
    CHECK_FALSE(accepts(R"({"extends": "x.json", "workload": {"flash_attention": 1}})"));
}

TEST_CASE("a key is explained with type, range, default, values and source", "[scenarios][explain]") {
    // Method: lines by hand.
    CHECK(explain("cluster.fabric.bandwidth").value() ==
          "cluster.fabric.bandwidth\n"
          "  Rate of one NIC in one direction, if not the link's.\n"
          "  type     number in bytes per second, or text with a unit, such as \"400 Gb/s\" or \"50 GB/s\"\n"
          "  range    above 0\n");
    const std::string price = explain("/economics/usd_per_kwh").value();
    CHECK(price.find("  default  0.08 (0.08 USD/kWh)\n") != std::string::npos);
    CHECK(price.find("  source   user input") != std::string::npos);
    const std::string recompute = explain("workload.recompute").value();
    CHECK(recompute.find("  type     one of the values below\n") != std::string::npos);
    CHECK(recompute.find("  default  \"none\"\n") != std::string::npos);
    CHECK(recompute.find("    block      full recomputation") != std::string::npos);
    CHECK(explain("cluster.nodes").value().find("  default  none: it must be given\n") != std::string::npos);
    CHECK(explain("cluster.nodes").value().find("  range    1 to 16777216\n") != std::string::npos);
    CHECK(explain("cluster.faults.slow_devices").value().find("  keys of each item\n    rank    The device") !=
          std::string::npos);
    CHECK(explain("cluster.faults.slow_devices.0.rank").ok());
    CHECK(explain("").value().find("    workload     What runs on it. (required)\n") != std::string::npos);
}

TEST_CASE("a path that is no key is answered with one that is", "[scenarios][explain]") {
    // Method: a name without its path, and a mistyped one.
    const Result<std::string> short_form = explain("zero");
    REQUIRE_FALSE(short_form.ok());
    CHECK(short_form.problems().front() ==
          Problem{"zero", "is not a key of scenarios", "did you mean \"workload.parallelism.zero\"?"});
    CHECK(explain("cluster.fabrik.link").problems().front().remedy == "did you mean \"cluster.fabric.link\"?");
}

TEST_CASE("every key has a meaning, and every quantity a unit", "[scenarios][explain]") {
    // Method: a walk over all keys.
    const Key root = scenario_keys();
    const std::vector<std::string> paths = key_paths(root);
    CHECK(paths.size() > 50);
    for (const std::string& path : paths) {
        INFO(path);
        const Key* key = find_key(root, path);
        REQUIRE(key != nullptr);
        CHECK(key->path == path);
        CHECK(key->doc.size() > 4);
        CHECK((key->kind != KeyKind::quantity || !key->bare_words.empty()));
    }
}

}  // namespace orrery
