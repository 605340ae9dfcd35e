// Calibrations made on the machine at hand, as files: what is written is read again, and newer forms are refused.
#include "scenarios/machine_file.hpp"

#include "scenarios/catalog.hpp"

#include <catch2/catch.hpp>

#include <cstdio>
#include <fstream>
#include <filesystem>

using namespace orrery;

namespace {

// A file in the folder for temporary files, gone at the end.
struct PassingFile {
    std::string path = (std::filesystem::temp_directory_path() / "orrery-machine-file-test.json").string();
    explicit PassingFile(const std::string& text) { std::ofstream(path) << text; }
    ~PassingFile() { std::remove(path.c_str()); }
    PassingFile(const PassingFile&) = delete;
    PassingFile& operator=(const PassingFile&) = delete;
};

MachineFigures figures_of_a_test() {
    MachineFigures figures;
    figures.processor = "a processor";
    figures.libraries = "a library 1.2";
    figures.seed = 7;
    figures.cores = 2;
    figures.fp32_peak = FlopPerSecond::from_si(2e11);
    figures.memory_bandwidth = BytesPerSecond::from_si(2e10);
    figures.cache = Bytes::from_si(1 << 25);
    figures.memory_capacity = Bytes::from_si(1e10);
    return figures;
}

}  // namespace

TEST_CASE("a machine's figures are read as they were written", "[scenarios][calibration]") {
    // Method: written and read again; the rest of the file is a calibration as any other.
    const PassingFile file("");
    Calibration calibration;
    calibration.device = "a processor";
    calibration.streaming = StreamingParameters{Seconds::from_si(1e-6), 0.5};
    REQUIRE(write_machine_calibration(figures_of_a_test(), calibration, file.path).ok());
    const auto read = read_machine_figures(file.path);
    REQUIRE(read.ok());
    CHECK(*read == figures_of_a_test());
    const auto whole = read_calibration(file.path);
    REQUIRE(whole.ok());
    CHECK(whole->streaming == calibration.streaming);
}

TEST_CASE("a calibration from a newer program is refused with what to do", "[scenarios][calibration]") {
    // Method: version 99 of the form; a file without a machine has no figures and no problem.
    const PassingFile file(R"({"device": "x", "machine": {"version": 99, "news": true}})");
    const auto read = read_machine_figures(file.path);
    REQUIRE(!read.ok());
    CHECK(read.problems().front().place == file.path + ":/machine/version");
    CHECK(read.problems().front().problem == "is 99, newer than 1, which this program knows");
    CHECK(read.problems().front().remedy.find("update orrery") == 0);
    const PassingFile plain(R"({"device": "x"})");
    CHECK(read_machine_figures(plain.path).value() == std::nullopt);
}
