// What a machine can hold of the style guide: who includes whom, one door per library, tables complete, files in shape.
#include "models/step_graph.hpp"
#include "models/training.hpp"
#include "network/fabric.hpp"
#include "tests/places.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

using namespace orrery;

namespace {

namespace fs = std::filesystem;

const fs::path source_tree = orrery::testing::source_directory;

/// Who may include whom: the table of folders in the architecture, tests and benchmarks on top.
const std::map<std::string, std::set<std::string>> may_include{
    {"hardware", {"hardware"}},
    {"network", {"hardware", "network"}},
    {"kernels", {"hardware", "kernels"}},
    {"models", {"hardware", "network", "models"}},
    {"sim", {"hardware", "network", "models", "sim"}},
    {"planner", {"hardware", "network", "models", "sim", "planner"}},
    {"scenarios", {"hardware", "network", "kernels", "models", "sim", "planner", "scenarios"}},
    {"ui", {"hardware", "network", "kernels", "models", "sim", "planner", "scenarios", "ui"}},
};

/// A library and the only places that may include it.
struct Door {
    std::string header;               // how its includes begin
    std::vector<std::string> places;  // beginnings of paths
};
const std::vector<Door> doors{
    {"systemc", {"sim/engine.cpp"}},
    {"nlohmann/", {"scenarios/json.hpp"}},
    {"CLI/", {"ui/main.cpp"}},
    {"boost/", {"network/"}},
    {"Eigen/", {"hardware/", "kernels/"}},
    {"oneapi/", {"kernels/reference/"}},
    {"omp.h", {"kernels/reference/"}},
    {"cuda_runtime", {"kernels/cuda/gpu_lane.hpp"}},
    {"cublas", {"kernels/cuda/"}},
    {"nccl", {"kernels/cuda/"}},
    {"dlfcn", {"kernels/cuda/"}},
    {"sqlite3", {"planner/store.cpp"}},
    {"mpi.h", {"planner/search_team.cpp"}},
    {"fmt/", {"scenarios/", "ui/", "tests/", "bench/"}},
    {"catch2/", {"tests/"}},
};

struct SourceFile {
    std::string path;    // from the root of the repository
    std::string folder;  // its first part
    std::vector<std::string> lines;
};

std::vector<std::string> lines_of(const fs::path& file) {
    std::ifstream in(file);
    std::vector<std::string> lines;
    for (std::string line; std::getline(in, line);) lines.push_back(line);
    return lines;
}

std::string text_of(const fs::path& file) {
    std::ifstream in(file);
    std::ostringstream text;
    text << in.rdbuf();
    return text.str();
}

/// Every C++ and CUDA file of the product and its tests, sorted by path.
std::vector<SourceFile> source_files() {
    std::vector<SourceFile> files;
    for (const char* folder : {"hardware", "network", "kernels", "models", "sim", "planner", "scenarios", "ui", "tests",
                               "bench"}) {
        if (!fs::is_directory(source_tree / folder)) continue;
        for (const auto& entry : fs::recursive_directory_iterator(source_tree / folder)) {
            const std::string extension = entry.path().extension().string();
            if (extension != ".cpp" && extension != ".hpp" && extension != ".cu") continue;
            files.push_back({fs::relative(entry.path(), source_tree).string(), folder, lines_of(entry.path())});
        }
    }
    std::sort(files.begin(), files.end(), [](const SourceFile& a, const SourceFile& b) { return a.path < b.path; });
    return files;
}

/// What stands between quotes or angle brackets of an include line; empty for other lines.
std::string included(const std::string& line, char open, char close) {
    if (line.rfind("#include ", 0) != 0) return {};
    const std::size_t from = line.find(open);
    const std::size_t to = from == std::string::npos ? from : line.find(close, from + 1);
    return to == std::string::npos ? std::string() : line.substr(from + 1, to - from - 1);
}

/// Names of the .cpp files in a folder without their extension, sorted.
std::vector<std::string> stems_in(const std::string& folder) {
    std::vector<std::string> stems;
    if (!fs::is_directory(source_tree / folder)) return stems;
    for (const auto& entry : fs::directory_iterator(source_tree / folder)) {
        if (entry.path().extension() == ".cpp") stems.push_back(entry.path().stem().string());
    }
    std::sort(stems.begin(), stems.end());
    return stems;
}

bool is_letter(char c) { return std::isalpha(static_cast<unsigned char>(c)) != 0; }

/// True if `word` stands in `line` with no letter right before or behind it.
bool holds_word(const std::string& line, const std::string& word) {
    for (std::size_t at = line.find(word); at != std::string::npos; at = line.find(word, at + 1)) {
        const std::size_t behind = at + word.size();
        if ((at == 0 || !is_letter(line[at - 1])) && (behind == line.size() || !is_letter(line[behind]))) return true;
    }
    return false;
}

bool holds_any(const std::string& line, const std::vector<std::string>& words) {
    return std::any_of(words.begin(), words.end(), [&](const std::string& word) { return holds_word(line, word); });
}

/// "PATH:LINE: TEXT" of every line that `accepts(file, line)`.
template <class Accepts>
std::vector<std::string> lines_where(const Accepts& accepts) {
    std::vector<std::string> found;
    for (const SourceFile& file : source_files()) {
        for (std::size_t i = 0; i < file.lines.size(); ++i) {
            if (!accepts(file, file.lines[i])) continue;
            found.push_back(file.path + ":" + std::to_string(i + 1) + ": " + file.lines[i]);
        }
    }
    return found;
}

std::string lower_case(std::string text) {
    std::transform(text.begin(), text.end(), text.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return text;
}

}  // namespace

TEST_CASE("folders include downwards only", "[tidy]") {
    // Method: every quoted include against the table of folders.
    const std::vector<SourceFile> files = source_files();
    REQUIRE(files.size() > 50);
    for (const SourceFile& file : files) {
        const auto allowed = may_include.find(file.folder);
        if (allowed == may_include.end()) continue;  // tests and benchmarks see everything
        for (const std::string& line : file.lines) {
            const std::string header = included(line, '"', '"');
            if (header.empty()) continue;
            INFO(file.path << " includes " << header);
            CHECK(allowed->second.contains(header.substr(0, header.find('/'))));
            CHECK(fs::exists(source_tree / header));
        }
    }
}

TEST_CASE("every outside library has one door", "[tidy]") {
    // Method: every include in angle brackets against the table of doors.
    for (const SourceFile& file : source_files()) {
        for (const std::string& line : file.lines) {
            const std::string header = included(line, '<', '>');
            for (const Door& door : doors) {
                if (header.rfind(door.header, 0) != 0) continue;
                INFO(file.path << " includes <" << header << ">");
                CHECK(std::any_of(door.places.begin(), door.places.end(),
                                  [&](const std::string& place) { return file.path.rfind(place, 0) == 0; }));
            }
        }
    }
}

TEST_CASE("a source file includes its own header first", "[tidy]") {
    // Method: where X.cpp includes the X.hpp beside it; a header that leans on what came before it would not compile
    // alone.
    for (const SourceFile& file : source_files()) {
        if (!file.path.ends_with(".cpp")) continue;
        const std::string own = file.path.substr(0, file.path.size() - 4) + ".hpp";
        std::vector<std::string> headers;
        for (const std::string& line : file.lines) {
            if (line.rfind("#include ", 0) == 0) headers.push_back(included(line, '"', '"'));
        }
        if (std::find(headers.begin(), headers.end(), own) == headers.end()) continue;
        INFO(file.path);
        CHECK(headers.front() == own);
    }
}

TEST_CASE("every file opens with a sentence about what it is for", "[tidy]") {
    // Method: the comment at the head of the file, up to the first line that is no comment, holds a full stop.
    for (const SourceFile& file : source_files()) {
        INFO(file.path);
        REQUIRE(!file.lines.empty());
        std::string opening;
        for (const std::string& line : file.lines) {
            if (line.rfind("//", 0) != 0) break;
            opening += line.substr(2);
        }
        CHECK(opening.size() > 20);
        CHECK(opening.find('.') != std::string::npos);
        if (file.path.ends_with(".hpp")) {
            CHECK(std::find(file.lines.begin(), file.lines.end(), "#pragma once") != file.lines.end());
        }
    }
}

TEST_CASE("no file is longer than 600 lines", "[tidy]") {
    // Method: lines counted; a longer file wants to be two.
    for (const SourceFile& file : source_files()) {
        INFO(file.path << ": " << file.lines.size());
        CHECK(file.lines.size() <= 600);
    }
}

TEST_CASE("no file promises work for later", "[tidy]") {
    // Method: the usual words, put together here so that this file does not hold them itself.
    const std::vector<std::string> words{std::string("TO") + "DO", std::string("FIX") + "ME", std::string("XX") + "X",
                                         std::string("HA") + "CK"};
    const std::vector<std::string> phrases{std::string("not yet ") + "implemented", std::string("place") + "holder",
                                           std::string("for ") + "now,", std::string("quick ") + "hack"};
    const auto promises = lines_where([&](const SourceFile&, const std::string& line) {
        return holds_any(line, words) || holds_any(lower_case(line), phrases);
    });
    CHECK(promises == std::vector<std::string>{});
}

TEST_CASE("randomness comes from a seeded stream that is passed in", "[tidy]") {
    // Method: names of the generators that would break equal answers for equal seeds.
    const std::vector<std::string> generators{"std::random_device", "std::rand(", "std::mt19937", "srand("};
    const auto uses = lines_where([&](const SourceFile& file, const std::string& line) {
        return file.folder != "tests" && holds_any(line, generators);
    });
    CHECK(uses == std::vector<std::string>{});
}

TEST_CASE("every file of tests says by what method it tests", "[tidy]") {
    // Method: at least one comment that begins with the word, in each file that holds tests.
    for (const SourceFile& file : source_files()) {
        const auto holds = [&](const std::string& part) {
            return std::any_of(file.lines.begin(), file.lines.end(),
                               [&](const std::string& line) { return line.find(part) != std::string::npos; });
        };
        if (file.folder != "tests" || !holds("TEST_CASE(\"")) continue;
        INFO(file.path);
        CHECK(holds("// Method:"));
    }
}

TEST_CASE("every extension file is in its table", "[tidy]") {
    // Method: the name of each file in a folder of extensions occurs in the file that holds the table.
    struct Table {
        std::string folder;
        std::string file;
    };
    for (const Table& table : {Table{"network/topologies", "network/topology.cpp"},
                               Table{"network/algorithms", "network/collective.cpp"},
                               Table{"models/schedules", "models/schedule.cpp"}}) {
        const std::string text = text_of(source_tree / table.file);
        const std::vector<std::string> stems = stems_in(table.folder);
        CHECK(stems.size() >= 3);
        for (const std::string& stem : stems) {
            INFO(table.folder << "/" << stem << ".cpp in " << table.file);
            CHECK(text.find(stem) != std::string::npos);
        }
    }
}

TEST_CASE("every kind of work is in the variant of work", "[tidy]") {
    // Method: headers under hardware/work_kinds, but for models of their cost, are included where the variant is.
    const std::string text = text_of(source_tree / "hardware/work.hpp");
    for (const auto& entry : fs::directory_iterator(source_tree / "hardware/work_kinds")) {
        const std::string name = entry.path().filename().string();
        if (entry.path().extension() != ".hpp" || name == "machine.hpp" || name.ends_with("_model.hpp")) continue;
        INFO(name);
        CHECK(text.find("\"hardware/work_kinds/" + name + "\"") != std::string::npos);
    }
}

TEST_CASE("every command is in the table of commands", "[tidy]") {
    // Method: headers ui/command_NAME.hpp are included by the file that holds the table.
    const std::string text = text_of(source_tree / "ui/main.cpp");
    for (const auto& entry : fs::directory_iterator(source_tree / "ui")) {
        const std::string name = entry.path().filename().string();
        if (name.rfind("command_", 0) != 0 || !name.ends_with(".hpp")) continue;
        INFO(name);
        const bool is_shared = name == "command_inputs.hpp";  // what several commands read in the same way
        CHECK((is_shared || text.find("\"ui/" + name + "\"") != std::string::npos));
    }
}

TEST_CASE("tables of names are complete and without repetition", "[tidy]") {
    // Method: each value of the enumeration that users write has its line in the code's own table.
    for (const auto& name : EnumTable<PipelineSchedule>::names) {
        INFO(name.name);
        CHECK(std::any_of(schedules().begin(), schedules().end(), [&](const Schedule& schedule) {
            return schedule.kind == name.value && schedule.name == name.name;
        }));
    }
    CHECK(schedules().size() == EnumTable<PipelineSchedule>::names.size());
    std::set<std::string_view> seen;
    for (const Topology& topology : topologies()) {
        INFO(topology.name);
        CHECK(seen.insert(topology.name).second);
        CHECK(!topology.doc.empty());
    }
    CHECK(seen.size() == stems_in("network/topologies").size());
}
