// Throws random scenarios, settings and quantities at the reader: whatever comes in, an answer or clear problems come
// out. Built and run by tests/fuzz/run.sh; not part of the tests that run by default.
#include "scenarios/bind.hpp"
#include "scenarios/explain.hpp"
#include "scenarios/quantity.hpp"
#include "scenarios/scenario.hpp"
#include "scenarios/shown_text.hpp"

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include <unistd.h>

namespace orrery {
namespace {

constexpr std::string_view settings_mark = "\n---\n";  // what follows are settings, PATH=VALUE one a line
constexpr int devices_to_resolve = 4096;               // larger fabrics are right, but slow to build thousands of times
constexpr std::size_t message_max = 4096;

/// Stops where the fuzzer keeps the input.
void require(bool condition, int line) {
    if (condition) return;
    std::fprintf(stderr, "reader_fuzz.cpp:%d: promise broken\n", line);
    std::abort();
}
#define FUZZ_CHECK(condition) require(condition, __LINE__)

/// Valid UTF-8 without control characters: what is shown as it is.
bool is_plain(const std::string& text) { return shown_text(text, text.size()) == text; }

/// What every list of problems promises: some, not too many, each whole and fit for a terminal.
void check_problems(const Problems& problems) {
    FUZZ_CHECK(!problems.empty());
    FUZZ_CHECK(problems.size() <= 2 * problems_max);
    for (const Problem& one : problems) {
        const bool is_fit = is_plain(one.place) && is_plain(one.problem) && is_plain(one.remedy);
        if (!is_fit) std::fprintf(stderr, "%s: %s; %s\n", one.place.c_str(), one.problem.c_str(), one.remedy.c_str());
        FUZZ_CHECK(is_fit);
        FUZZ_CHECK(!one.problem.empty());
        FUZZ_CHECK(!one.remedy.empty());
        FUZZ_CHECK(one.place.size() + one.problem.size() + one.remedy.size() < message_max);
    }
}

std::vector<Setting> settings_of(std::string_view text) {
    std::vector<Setting> settings;
    while (!text.empty()) {
        const std::string_view line = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(text.size(), line.size() + 1));
        const std::size_t equals = line.find('=');
        if (equals == std::string_view::npos) continue;
        settings.push_back({std::string(line.substr(0, equals)), std::string(line.substr(equals + 1))});
    }
    return settings;
}

/// A scenario that was read is written and read again as the same values, and resolves or says why not.
void check_scenario_holds(const Scenario& scenario) {
    FUZZ_CHECK(scenario.sha256.size() == 64);
    Problems problems;
    TrainingSpec again;
    read_fields(write_fields(scenario.workload), "", again, problems);
    FUZZ_CHECK(problems.empty());
    FUZZ_CHECK(again == scenario.workload);
    if (scenario.workload.parallelism.devices() > devices_to_resolve) return;
    const Result<ResolvedScenario> resolved = resolve(scenario);
    if (!resolved) check_problems(resolved.problems());
}

void try_scenario(std::string_view input) {
    const std::size_t mark = input.find(settings_mark);
    const std::string_view rest = mark == std::string_view::npos ? "" : input.substr(mark + settings_mark.size());
    static const std::string file = "/dev/shm/orrery-fuzz-" + std::to_string(::getpid()) + ".json";
    std::ofstream(file, std::ios::binary) << input.substr(0, mark);
    const Result<Scenario> scenario = read_scenario(file, settings_of(rest));
    if (!scenario)
        check_problems(scenario.problems());
    else
        check_scenario_holds(*scenario);
    ::unlink(file.c_str());
}

/// Text of every dimension, and as the path of a key.
void try_words(std::string_view input) {
    for (const Dimension dimension : {plain_number, dimension_of(Seconds{}), dimension_of(BytesPerSecond{}),
                                      dimension_of(Usd{}), dimension_of(UsdPerJoule{})}) {
        const Result<double> value = parse_quantity(input, dimension);
        if (!value)
            FUZZ_CHECK(is_plain(value.problems().front().problem));
        else
            FUZZ_CHECK(!format_quantity(*value, dimension).empty());
    }
    const Result<std::string> words = explain(input);
    if (words) FUZZ_CHECK(!words->empty());
}

}  // namespace
}  // namespace orrery

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    if (size < 64) orrery::try_words(input);
    orrery::try_scenario(input);
    return 0;
}
