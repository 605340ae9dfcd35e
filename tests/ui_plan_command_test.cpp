// `orrery plan` as a process among others: ranks of MPI, Ctrl-C, stores that cannot be kept.
#include "tests/program.hpp"

#include <catch2/catch.hpp>

#include <string>

using orrery::testing::contains;
using orrery::testing::read_all;
using orrery::testing::ProgramRun;
using orrery::testing::run_program;
using orrery::testing::run_shell;
using orrery::testing::TemporaryFolder;

namespace {

const std::string plan_scenario = "scenarios/plan-gpt3-13b-8-a100.json";

/// Ranks on this machine alone, whoever runs them and whether or not there is a remote shell.
std::string ranks(int count) {
    return "OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_plm=isolated OMPI_MCA_rmaps_base_oversubscribe=1 "
           "mpirun -n " + std::to_string(count) + " " + orrery::testing::program_path + " ";
}

}  // namespace

TEST_CASE("four ranks of MPI find what one process finds", "[ui][plan][mpi]") {
    // Method: the same search by one process and by mpirun -n 4, with bounds and with a store: the same JSON to the byte.
    const TemporaryFolder folder;
    const std::string one = folder.path().string() + "/one.json";
    const std::string four = folder.path().string() + "/four.json";
    REQUIRE(run_program({"plan", plan_scenario, "--json", one}).status == 0);
    const ProgramRun run = run_shell(ranks(4) + "plan " + plan_scenario + " --json " + four);
    INFO(run.error);
    REQUIRE(run.status == 0);
    CHECK(read_all(four) == read_all(one));

    const std::string with_store = " --set workload.global_batch=32 --no-simulation --json ";
    REQUIRE(run_shell(std::string(orrery::testing::program_path) + " plan " + plan_scenario + with_store + one + " --store " +
                      folder.path().string() + "/one.sqlite").status == 0);
    const ProgramRun stored = run_shell(ranks(4) + "plan " + plan_scenario + with_store + four + " --store " + folder.path().string() + "/four.sqlite");
    INFO(stored.error);
    REQUIRE(stored.status == 0);
    CHECK(read_all(four) == read_all(one));
    const ProgramRun again = run_program({"plan", "--from", folder.path().string() + "/four.sqlite", "--no-simulation", "--json", four});
    CHECK(again.status == 0);
    CHECK(read_all(four) == read_all(one));
}

TEST_CASE("ranks of MPI that are given a wrong search all end, with one message", "[ui][plan][mpi]") {
    const ProgramRun run = run_shell(ranks(3) + "plan " + plan_scenario + " --shard 5/4");
    CHECK(run.status == 2);
    CHECK(contains(run.error, "is not PART/PARTS"));
    CHECK(run.error.find("is not PART/PARTS") == run.error.rfind("is not PART/PARTS"));
}

TEST_CASE("Ctrl-C in a search keeps what was found", "[ui][plan]") {
    // Method: a search of many seconds is sent SIGINT after one; it answers, and says that it is not the whole answer.
    const ProgramRun run = run_shell("timeout -s INT 1 " + std::string(orrery::testing::program_path) +
                                     " plan scenarios/plan-llama3.1-405b-16k-h100.json --no-simulation");
    CHECK(contains(run.out, "stopped early, not all were looked at"));
    CHECK(contains(run.error, "not all of the space was looked at"));
}

TEST_CASE("a store that cannot be kept is refused before the search", "[ui][plan]") {
    const ProgramRun run = run_program({"plan", plan_scenario, "--store", "/nowhere/plans.sqlite"});
    CHECK(run.status == 2);
    CHECK(contains(run.error, "/nowhere/plans.sqlite"));
}
