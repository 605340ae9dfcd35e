// Calibrations made on the machine at hand, as files: what is written is read again, and newer forms are refused.
#include "scenarios/machine_file.hpp"

#include "kernels/calibrate_machine.hpp"
#include "scenarios/catalog.hpp"
#include "scenarios/machine_rows.hpp"

#include <catch2/catch.hpp>

#include <cstdio>
#include <fstream>
#include <filesystem>

#include <unistd.h>

using namespace orrery;

namespace {

// A file in the folder for temporary files, gone at the end.
struct PassingFile {
    std::string path = (std::filesystem::temp_directory_path() / ("orrery-machine-file-test-" + std::to_string(getpid()) + ".json")).string();
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

TEST_CASE("the head of a GPU's file names its device, whose figures stay the catalogue's", "[scenarios][calibration]") {
    // Method: written and read again; a processor's figures take the place of a device's own, a GPU's do not.
    const PassingFile file("");
    MachineFigures figures = figures_of_a_test();
    figures.processor = "NVIDIA H100 80GB HBM3";
    figures.device = "h100-sxm";
    figures.libraries = "CUDA 13.0 (driver 13.0), cuBLASLt 13.1.0, driver 580.65.06";
    Calibration calibration;
    calibration.device = "h100-sxm";
    REQUIRE(write_machine_calibration(figures, calibration, file.path).ok());
    const auto read = read_machine_figures(file.path);
    REQUIRE(read.ok());
    CHECK(*read == figures);
    const Device device = find_device("h100-sxm").value();
    CHECK(with_figures(device, **read).memory_bandwidth == device.memory_bandwidth);
    CHECK(with_figures(device, **read).kind == device.kind);
    CHECK(with_figures(device, figures_of_a_test()).memory_bandwidth == figures.memory_bandwidth);
}

TEST_CASE("measurements come back from their file and give the same fit", "[scenarios][calibration]") {
    // Method: times by a rule of our own, written and read; work, times and reasons are there, and so is the fit's error.
    const PassingFile file("");
    MachineRows before;
    before.machine = figures_of_a_test();
    for (int i = 1; i <= 20; ++i) {
        MeasuredCase row;
        row.kernel_case = {"add", {1000 * i * i}, DataType::fp32};
        row.cold = true;
        row.time.median = Seconds::from_si(3e-6 + 1e-9 * 1000 * i * i);
        row.time.quiet = 0.9 * row.time.median;
        row.time.steady = true;
        row.time.repeats = 21;
        row.clock = 0.975;
        before.rows.push_back(row);
    }
    before.rows[3].refused = "is wrong, quite";
    REQUIRE(write_machine_rows(before, file.path).ok());
    const auto after = read_machine_rows(file.path);
    REQUIRE(after.ok());
    CHECK(after->machine == before.machine);
    REQUIRE(after->rows.size() == 20);
    CHECK(after->rows[3].refused == "is wrong; quite");
    CHECK(after->rows[7].kernel_case == before.rows[7].kernel_case);
    CHECK(after->rows[7].clock == Approx(0.975));
    CHECK(after->rows[7].time.seconds() / before.rows[7].time.seconds() == Approx(1.0).epsilon(1e-3));
    CHECK(bytes_of(*after->rows[7].work).si() == Approx(12.0 * 64000));
    const MachineCalibration fit = fit_machine(after->machine, after->rows, 1);
    REQUIRE(fit.calibration.processor.size() == 1);
    CHECK(fit.calibration.processor[0].kind == ProcessorKind::streaming);
    CHECK(fit.held_out.size() == 19);
}

TEST_CASE("files of measurements that cannot be read say why", "[scenarios][calibration]") {
    // Method: one mistake per message: no figures, cut in half, an unknown kernel, too few sizes, a word for a number.
    const PassingFile good("");
    MachineRows rows;
    rows.machine = figures_of_a_test();
    rows.rows.resize(1);
    rows.rows[0].kernel_case = {"softmax", {8, 16}, DataType::fp32};
    REQUIRE(write_machine_rows(rows, good.path).ok());
    std::ifstream in(good.path);
    const std::string text((std::istreambuf_iterator<char>(in)), {});
    const auto problem_of = [&](const std::string& changed) {
        const PassingFile file(changed);
        const auto read = read_machine_rows(file.path);
        REQUIRE(!read.ok());
        return read.problems().front().problem;
    };
    const auto with = [&](const std::string& from, const std::string& to) {
        std::string changed = text;
        changed.replace(changed.find(from), from.size(), to);
        return changed;
    };
    CHECK(problem_of("kernel,type\n") == "does not begin with the machine's figures");
    CHECK(problem_of(text.substr(0, text.size() - 20)).find("cells where the head has") != std::string::npos);
    CHECK(problem_of(with("softmax,fp32", "softmin,fp32")) == "names no kernel: \"softmin\" in \"fp32\"");
    CHECK(problem_of(with("8 16", "8")) == "has sizes \"8\" where softmax has rows columns");
    CHECK(problem_of(with("8 16,warm,0", "8 16,warm,soon")) == "column median_us is \"soon\"");
}
