// Traces as other programs read them.
#include "scenarios/json.hpp"
#include "scenarios/perfetto.hpp"
#include "tests/program.hpp"

#include <catch2/catch.hpp>

using namespace orrery;
using orrery::testing::read_all;
using orrery::testing::TemporaryFolder;

TEST_CASE("a trace keeps every span, to the picosecond", "[ui][trace]") {
    // Method: read the file back with a JSON parser and compare with what went in.
    Trace trace;
    trace.lanes = {"rank 0 \"compute\"", "rank 0 communication", "rank 8 compute", "rank 8 communication"};
    trace.names = {"forward", "all-reduce"};
    trace.add(0, 0, 0, 1'500'000);
    trace.add(3, 1, 12'000'000'000'345, 7);
    const TemporaryFolder folder;
    REQUIRE(write_perfetto(folder.file("trace"), trace, {{"scenario", "a <b>"}, {"seed", "1"}}).ok());
    const auto json = parse_json_file(folder.file("trace"));
    REQUIRE(json.ok());
    CHECK(json->at("otherData").at("scenario") == "a <b>");
    std::vector<Json> spans;
    std::vector<std::string> threads;
    for (const Json& event : json->at("traceEvents")) {
        if (event.at("ph") == "X") spans.push_back(event);
        if (event.at("name") == "thread_name") threads.push_back(event.at("args").at("name").get<std::string>());
    }
    CHECK(threads == trace.lanes);
    REQUIRE(spans.size() == 2);
    CHECK(spans[0].at("name") == "forward");
    CHECK(spans[0].at("dur").get<double>() == 1.5);
    CHECK(spans[1].at("pid") == 1);
    CHECK(spans[1].at("tid") == 1);
    // Microseconds are written with all six decimals of a picosecond.
    CHECK(orrery::testing::contains(read_all(folder.file("trace")), "\"ts\":12000000.000345,\"dur\":0.000007"));
}

TEST_CASE("an empty trace is still a valid file", "[ui][trace]") {
    const TemporaryFolder folder;
    REQUIRE(write_perfetto(folder.file("trace"), {}, {}).ok());
    const auto json = parse_json_file(folder.file("trace"));
    REQUIRE(json.ok());
    CHECK(json->at("traceEvents").is_array());
}

TEST_CASE("a trace that cannot be written is a problem", "[ui][trace]") {
    const auto written = write_perfetto("/dev/full", {}, {});
    REQUIRE_FALSE(written.ok());
    CHECK(written.problems()[0].place == "/dev/full");
}
