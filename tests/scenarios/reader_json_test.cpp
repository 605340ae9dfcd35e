// Whether JSON is read within its limits, with the place of every mistake, and written whole.
#include "scenarios/json.hpp"

#include "scenarios/shown_text.hpp"

#include <catch2/catch.hpp>

#include <filesystem>
#include <fstream>
#include <string>

#include <unistd.h>

namespace orrery {
namespace {

Problem json_refusal(std::string_view text) {
    const Result<Json> json = parse_json_text(text, "a.json");
    INFO(std::string(text.substr(0, 80)));
    REQUIRE_FALSE(json.ok());
    REQUIRE(json.problems().size() == 1);
    return json.problems().front();
}

std::string scratch_folder() {
    const auto folder = std::filesystem::temp_directory_path() / ("orrery-json-" + std::to_string(::getpid()));
    std::filesystem::create_directories(folder);
    return folder.string();
}

}  // namespace

TEST_CASE("comments and a byte order mark are no part of the value", "[scenarios][json]") {
    // Method: the same value without them.
    const Json plain = parse_json_text(R"({"a": [1, 2.5, "x"], "b": null})", "a.json").value();
    CHECK(parse_json_text("\xEF\xBB\xBF// one\n{\"a\": [1, 2.5, /* two */ \"x\"], \"b\": null}\n", "a.json").value() ==
          plain);
}

TEST_CASE("syntax errors say line and column", "[scenarios][json]") {
    // Method: counted by hand.
    const Problem comma = json_refusal("{\n  \"a\": 1,\n}");
    CHECK(comma.place == "a.json:3:1");
    CHECK(comma.problem ==
          "is not JSON: syntax error while parsing object key - unexpected '}'; expected string literal");
    CHECK(comma.remedy == "look for a comma too many just before");
    CHECK(json_refusal("{\"a\": [1, 2").remedy == "look for a bracket or brace that is never closed");
    CHECK(json_refusal("{\"a\": 1 \"b\": 2}").place == "a.json:1:11");
    CHECK(json_refusal("{\"a\": 1 \"b\": 2}").remedy == "look for a missing comma just before");
    CHECK(json_refusal("{} {}").remedy == "correct the text there");
    CHECK(json_refusal("[1e999]").problem == "is not JSON: number overflow parsing '1e999'");
    CHECK(json_refusal("[1e999]").remedy == "write a number below 1.7e308");
    CHECK(json_refusal("[NaN]").place == "a.json:1:2");
}

TEST_CASE("text that is not UTF-8 is refused", "[scenarios][json]") {
    // Method: a Latin-1 letter inside a text, and the two byte orders of UTF-16.
    const Problem latin = json_refusal("{\"name\": \"M\xFCller\"}");
    CHECK(latin.problem == "is not JSON: syntax error while parsing value - invalid string: ill-formed UTF-8 byte");
    CHECK(latin.remedy == "save the file as UTF-8");
    CHECK(json_refusal(std::string_view("\xFF\xFE{\0}\0", 6)).problem == "is UTF-16 text");
    CHECK(json_refusal(std::string_view("\xFE\xFF\0{\0}", 6)).remedy == "save the file as UTF-8");
}

TEST_CASE("a key written twice is refused where the standard leaves it open", "[scenarios][json]") {
    // Method: RFC 8259, section 4: names SHOULD be unique, behaviour is unpredictable otherwise.
    const Problem problem = json_refusal(R"({"a": {"b/c": [{"d": 1, "d": 2}]}})");
    CHECK(problem.place == "a.json:/a/b~1c/0/d");
    CHECK(problem.problem == "is written twice");
    CHECK(problem.remedy == "keep one of the two");
}

TEST_CASE("nesting and size have limits", "[scenarios][json]") {
    // Method: one level and one byte at, and beyond, the limit.
    CHECK(parse_json_text(std::string(json_depth_max, '[') + std::string(json_depth_max, ']'), "a.json").ok());
    const Problem deep = json_refusal(std::string(json_depth_max + 1, '['));
    CHECK(deep.problem == "is nested deeper than 64 levels");
    CHECK(deep.place.starts_with("a.json:/0/0/0"));
    const Problem large = json_refusal(std::string(json_bytes_max + 1, ' '));
    CHECK(large.problem == "is larger than 64 MiB");
    CHECK(json_refusal("").problem == "is empty");
    CHECK(json_refusal(" // nothing\n").remedy == "look for a bracket or brace that is never closed");
}

TEST_CASE("files that cannot be read are named with the reason", "[scenarios][json]") {
    // Method: a directory, a missing file, and a device without end.
    const std::string folder = scratch_folder();
    CHECK(parse_json_file(folder).problems().front().problem == "is a directory");
    const Problem missing = parse_json_file(folder + "/none.json").problems().front();
    CHECK(missing.place == folder + "/none.json");
    CHECK(missing.problem == "cannot be read: No such file or directory");
    CHECK(parse_json_file("/dev/zero").problems().front().problem == "is larger than 64 MiB");
    std::filesystem::remove_all(folder);
}

TEST_CASE("a dump is read back as the same value", "[scenarios][json]") {
    // Method: round trip, with numbers at the ends of what a double and 64 bits can hold.
    const Json json =
        parse_json_text(
            R"({"z": 0.1, "a": 1.7976931348623157e308, "s": 18446744073709551615, "m": -9223372036854775808, "t": "\u00e9\n"})",
            "a.json")
            .value();
    CHECK(parse_json_text(dump(json), "b.json").value() == json);
    CHECK(dump(json).back() == '\n');
}

TEST_CASE("equal values have equal canonical text, whatever their order", "[scenarios][json]") {
    // Method: two orders by hand; sorted keys, no spaces.
    const Json one = parse_json_text(R"({"b": {"d": 1, "c": [2, {"f": 3, "e": 4}]}, "a": true})", "a.json").value();
    const Json other = parse_json_text(R"({"a": true, "b": {"c": [2, {"e": 4, "f": 3}], "d": 1}})", "a.json").value();
    CHECK(canonical_dump(one) == R"({"a":true,"b":{"c":[2,{"e":4,"f":3}],"d":1}})");
    CHECK(canonical_dump(other) == canonical_dump(one));
}

TEST_CASE("quoted values are short and harmless", "[scenarios][json]") {
    // Method: by hand.
    CHECK(quoted(Json("x\x1B[2J")) == "\"x?[2J\"");
    CHECK(quoted(Json(std::string(1000, 'x'))).size() == 64);
    CHECK(quoted(Json::object()) == "an object");
    CHECK(quoted(Json::array()) == "a list");
    CHECK(quoted(Json(nullptr)) == "null");
    CHECK(quoted(Json(2.5)) == "2.5");
    CHECK(pointer_to("f:", "a/b~c\n") == "f:/a~1b~0c?");
    CHECK(pointer_to("", std::string(1000, 'k')).size() == 83);
}

TEST_CASE("messages stay valid UTF-8 whatever the file holds", "[scenarios][json]") {
    // Method: RFC 3629: stray, overlong, surrogate and cut-off sequences are no characters; found by fuzzing, where the
    // parser quoted raw bytes and a long key was cut inside a character.
    CHECK(shown_text("caf\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80", 80) == "caf\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80");
    CHECK(shown_text("a\xFF"
                     "b\xC0\xAF"
                     "c\xED\xA0\x80"
                     "d\xF4\x90\x80\x80"
                     "e\xC3",
                     80) == "a?b??c???d????e?");
    CHECK(shown_text("\x7F\xC2\x9B\n", 80) == "???");
    CHECK(shown_text("ab\xC3\xA9", 3) == "ab..");
    CHECK(json_refusal("\xFF").problem.find("last read: '?'") != std::string::npos);
    std::string key(79, 'k');
    CHECK(pointer_to("", key + "\xC3\xA9") == "/" + key + "..");
}

TEST_CASE("a file is written whole or not at all", "[scenarios][json]") {
    // Method: replaced content, nothing left beside it, and the reasons of failures.
    const std::string folder = scratch_folder();
    const std::string path = folder + "/out.json";
    REQUIRE(write_text_file(path, "old, and longer").ok());
    CHECK(write_text_file(path, "new").value() == 3);
    CHECK(read_text_file(path).value() == "new");
    CHECK(std::distance(std::filesystem::directory_iterator(folder), std::filesystem::directory_iterator()) == 1);
    CHECK_FALSE(write_text_file(folder, "x").ok());
    const Result<std::size_t> nowhere = write_text_file(folder + "/none/out.json", "x");
    REQUIRE_FALSE(nowhere.ok());
    CHECK(nowhere.problems().front().place == folder + "/none/out.json");
    std::filesystem::remove_all(folder);
}

}  // namespace orrery
