// The command line as users and their scripts meet it: messages, exit statuses, streams.
#include "kernels/cuda/device_kernels.hpp"
#include "tests/program.hpp"

#include <catch2/catch.hpp>

#include <algorithm>

using orrery::testing::contains;
using orrery::testing::ProgramRun;
using orrery::testing::run_program;
using orrery::testing::run_shell;
using orrery::testing::TemporaryFolder;

namespace {

const std::string cli_scenario = "scenarios/llama2-7b-fsdp-8-a100.json";

std::vector<std::string> cli_command_names() {
    const std::string help = run_program({"--help"}).out;
    std::istringstream lines(help.substr(help.find("Commands:\n") + 10));
    std::vector<std::string> names;
    for (std::string line; std::getline(lines, line) && !line.empty();) {
        std::istringstream words(line);
        words >> names.emplace_back();
    }
    return names;
}

}  // namespace

TEST_CASE("the program alone says what it is and what there is", "[ui][cli]") {
    const ProgramRun run = run_program({});
    CHECK(run.status == 0);
    CHECK(contains(run.out, "Usage: orrery COMMAND"));
    CHECK(contains(run.out, "Exit status"));
    CHECK(run.error.empty());
    CHECK(contains(run_program({"--version"}).out, "commit"));
}

TEST_CASE("every command has a help with an example", "[ui][cli]") {
    const std::vector<std::string> names = cli_command_names();
    CHECK(names.size() >= 10);
    for (const std::string& name : names) {
        CAPTURE(name);
        const ProgramRun run = run_program({name, "--help"});
        CHECK(run.status == 0);
        CHECK(contains(run.out, "Example:\n  orrery " + name));
    }
}

TEST_CASE("the examples of the helps run as they are printed", "[ui][cli]") {
    // Method: each example is handed to a shell in the source tree; the one that reads a folder of
    // the user's own measurements is left out.
    for (const std::string& name : cli_command_names()) {
        if (name == "calibrate") continue;
        CAPTURE(name);
        const std::string help = run_program({name, "--help"}).out;
        std::string example = help.substr(help.find("Example:\n  orrery ") + 18);
        example = example.substr(0, example.find('\n'));
        const TemporaryFolder folder;
        const std::string home = "export ORRERY_HOME=\"$PWD\"; cp -r scenarios \"" + folder.path().string() + "\"; cd \"" +
                                 folder.path().string() + "\"; ";
        const ProgramRun run = run_shell(home + "\"$ORRERY\" " + example);
        CHECK((run.status == 0 || run.status == 1));   // 1: the plan of the example does not fit
        CHECK_FALSE(contains(run.error, "mistake"));
    }
}

TEST_CASE("a mistyped command or option is answered with the nearest, status 2", "[ui][cli]") {
    const ProgramRun command = run_program({"rnu"});
    CHECK(command.status == 2);
    CHECK(contains(command.error, "is not a command of orrery; did you mean \"run\"?"));
    CHECK(command.out.empty());

    const ProgramRun unknown = run_program({"translate", "hf"});
    CHECK(unknown.status == 2);
    CHECK(contains(unknown.error, "use one of: run, check"));

    const ProgramRun option = run_program({"run", cli_scenario, "--jsn=x"});
    CHECK(option.status == 2);
    CHECK(contains(option.error, "--jsn=x: is not an option of orrery run; did you mean \"--json\"?"));

    const ProgramRun global = run_program({"--verson"});
    CHECK(global.status == 2);
    CHECK(contains(global.error, "did you mean \"--version\"?"));
}

TEST_CASE("wrong arguments are told in words, status 2", "[ui][cli]") {
    const std::vector<std::pair<std::vector<std::string>, std::string>> cases{
        {{"run"}, "SCENARIO is required; see orrery run --help"},
        {{"run", cli_scenario, "other.json"}, "other.json: is one argument too many for orrery run"},
        {{"run", cli_scenario, "--set"}, "--set"},
        {{"run", cli_scenario, "--set", "workload.micro_batch"}, "is not PATH=VALUE; write for example --set"},
        {{"run", cli_scenario, "--set", "workload.micro_bacth=2"}, "did you mean \"workload.micro_batch\"?"},
        {{"run", cli_scenario, "--detail", "half"}, "write folded (equal ranks are played once) or full"},
        {{"run", cli_scenario, "--fidelity", "fluidd"}, "fluid"},
        {{"run", cli_scenario, "--json", "/absent/folder/x"}, "the folder /absent/folder does not exist"},
        {{"run", cli_scenario, "--json", "-", "--html", "-"}, "is asked for more than once"},
        {{"run", "absent.json"}, "absent.json"},
        {{"check", cli_scenario, "--set", "workload.global_batch=7"}, "7"},
        {{"list", "device"}, "is nothing that can be listed; did you mean \"devices\"?"},
        {{"show", "h100-sxn"}, "h100-sxm"},
        {{"explain", "workload.micro_bach"}, "workload.micro_batch"},
        {{"sweep", cli_scenario}, "--over"},
        {{"sweep", cli_scenario, "--over", "workload.micro_batch"}, "is not PATH=V1,V2,.."},
        {{"sweep", cli_scenario, "--over", "workload.micro_batch=1,"}, "has an empty value"},
        {{"compare", cli_scenario}, "AFTER is required"},
    };
    for (const auto& [arguments, message] : cases) {
        CAPTURE(message);
        const ProgramRun run = run_program(arguments);
        CHECK(run.status == 2);
        CHECK(run.out.empty());
        CHECK(contains(run.error, message));
    }
}

TEST_CASE("all mistakes of a scenario are told at once", "[ui][cli]") {
    const ProgramRun run = run_program({"check", cli_scenario, "--set", "cluster.nodes=0", "--set", "workload.precision=bf61",
                                        "--set", "workload.sequence=-1"});
    CHECK(run.status == 2);
    for (const char* key : {"cluster.nodes", "workload.precision", "workload.sequence"}) {
        CAPTURE(key);
        CHECK(contains(run.error, key));
    }
}

TEST_CASE("what there is can be listed, shown and explained", "[ui][cli]") {
    for (const char* kind :
         {"devices", "nodes", "links", "models", "frameworks", "topologies", "collectives", "schedules"}) {
        CAPTURE(kind);
        const ProgramRun run = run_program({"list", kind});
        CHECK(run.status == 0);
        CHECK(std::count(run.out.begin(), run.out.end(), '\n') >= 3);
    }
    CHECK(contains(run_program({"show", "h100-sxm"}).out, "memory_bandwidth"));
    CHECK(contains(run_program({"schema"}).out, "\"$schema\""));
    CHECK(contains(run_program({"explain", "workload.parallelism.tensor"}).out, "Tensor parallel degree"));
    CHECK(contains(run_program({"explain"}).out, "workload"));
    CHECK(contains(run_program({"check", cli_scenario}).out, "valid"));
}

TEST_CASE("a full disk or a closed stream is no success, a reader that has seen enough no fault", "[ui][cli]") {
    const ProgramRun full = run_shell("\"$ORRERY\" list devices >/dev/full");
    CHECK(full.status == 2);
    CHECK(contains(full.error, "standard output: No space left on device"));
    const ProgramRun closed = run_shell("\"$ORRERY\" list devices >&-");
    CHECK(closed.status == 2);
    const ProgramRun early = run_shell("for i in 1 2 3; do \"$ORRERY\" schema; done | head -c 1");
    CHECK(early.status == 0);
    CHECK(early.error.empty());
    const ProgramRun silent = run_shell("\"$ORRERY\" rnu 2>&-");
    CHECK(silent.status == 2);
}

TEST_CASE("a GPU that is not there is refused with status 2, its name and a remedy", "[ui][cuda]") {
    // Method: the program itself; cuda:99 exists nowhere, cuda:0 is asked only on machines without a GPU.
    const TemporaryFolder folder;
    for (const std::string device : {"cuda:0", "cuda:99", "h100-sxm", "cuda:x"}) {
        const bool names_one = orrery::names_gpu(device);
        if (names_one && orrery::open_gpu(device).ok()) continue;
        const auto run = run_program({"calibrate", "--suite", "quick", "--device", device, "--out", folder.file("out.json")});
        INFO(run.error);
        CHECK(run.status == 2);
        CHECK(run.out.empty());
        CHECK(contains(run.error, "--device " + device));
        CHECK(contains(run.error, names_one ? orrery::open_gpu(device).problems().front().remedy : "is no device of this machine"));
        CHECK(!std::filesystem::exists(folder.file("out.json")));
    }
}

TEST_CASE("a calibration is checked, and a step run, on the kind of machine that it was made on", "[ui][cuda]") {
    // Method: a processor's file of the catalogue with a GPU named; a file with a GPU's head on a machine without one.
    const TemporaryFolder folder;
    const std::string of_processor = "hardware/calibration/xeon-amx-2vcpu.json";
    const std::string of_gpu = folder.file("gpu.json");
    std::ofstream(of_gpu) << R"({"device": "h100-sxm", "machine": {"version": 1, "processor": "NVIDIA H100 80GB HBM3", "device": "h100-sxm", "cores": 132,)"
                          << R"( "fp32_peak": 67e12, "memory_bandwidth": 3e12}})";
    for (const std::string what : {"--check", "--step"}) {
        const auto other_kind = run_program({"calibrate", what, of_processor, "--device", "cuda:0"});
        INFO(other_kind.error);
        CHECK(other_kind.status == 2);
        CHECK(contains(other_kind.error, "--device cuda:0: is another kind of device than " + of_processor));
        const auto on_processor = run_program({"calibrate", what, of_gpu, "--device", "cpu"});
        CHECK(on_processor.status == 2);
        CHECK(contains(on_processor.error, "--device cpu: is another kind of device than " + of_gpu + " was made on (NVIDIA H100 80GB HBM3)"));
        if (orrery::open_gpu("cuda:0").ok()) continue;
        const auto without = run_program({"calibrate", what, of_gpu});
        CHECK(without.status == 2);
        CHECK(without.out.empty());
        CHECK(contains(without.error, "--device cuda:0"));
        CHECK(contains(without.error, orrery::open_gpu("cuda:0").problems().front().remedy));
    }
}

TEST_CASE("an interrupted run ends at once and leaves no half-written file", "[ui][cli]") {
    // Method: every rank of the largest example, interrupted while it is simulated or written.
    const TemporaryFolder folder;
    const ProgramRun run = run_shell("set -m; \"$ORRERY\" run scenarios/llama3.1-405b-16k-h100.json --detail full --trace '" +
                                     folder.file("trace") + "' & sleep 0.3; kill -INT $!; wait $!");
    CHECK(run.status == 130);
    CHECK(contains(run.error, "interrupted"));
    CHECK(std::filesystem::is_empty(folder.path()));
}
