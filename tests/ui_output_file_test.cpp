// Files appear whole or not at all.
#include "scenarios/output_file.hpp"
#include "tests/program.hpp"

#include <catch2/catch.hpp>

#include <csignal>
#include <sys/stat.h>

using namespace orrery;
using orrery::testing::contains;
using orrery::testing::read_all;
using orrery::testing::TemporaryFolder;

namespace {

std::size_t folder_entries(const std::filesystem::path& folder) {
    std::size_t entries = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder)) ++entries;
    return entries;
}

}  // namespace

TEST_CASE("a file keeps its old content until the new one is whole", "[ui][files]") {
    // Method: look at the folder in the middle of writing.
    const TemporaryFolder folder;
    REQUIRE(write_file(folder.file("result"), "old").ok());
    auto file = OutputFile::open(folder.file("result"));
    REQUIRE(file.ok());
    file->write("new");
    CHECK(read_all(folder.file("result")) == "old");
    const auto bytes = file->finish();
    REQUIRE(bytes.ok());
    CHECK(*bytes == 3);
    CHECK(read_all(folder.file("result")) == "new");
    CHECK(folder_entries(folder.path()) == 1);
}

TEST_CASE("a file that is given up leaves nothing behind", "[ui][files]") {
    const TemporaryFolder folder;
    {
        auto file = OutputFile::open(folder.file("result"));
        REQUIRE(file.ok());
        file->write("half");
        CHECK(folder_entries(folder.path()) == 1);
    }
    CHECK(folder_entries(folder.path()) == 0);
}

TEST_CASE("an interrupt while a file is written ends the program and leaves nothing behind", "[ui][files]") {
    // Method: a child process interrupts itself between two writes of more than a buffer.
    const TemporaryFolder folder;
    const pid_t child = ::fork();
    if (child == 0) {
        std::signal(SIGINT, SIG_DFL);
        auto file = OutputFile::open(folder.file("result"));
        std::raise(SIGINT);
        file->write(std::string(3 << 20, 'x'));
        file->write(std::string(3 << 20, 'x'));
        ::_exit(0);
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(WIFSIGNALED(status));
    CHECK(WTERMSIG(status) == SIGINT);
    CHECK(folder_entries(folder.path()) == 0);
}

TEST_CASE("a symbolic link and the mode of a file outlive a new content", "[ui][files]") {
    const TemporaryFolder folder;
    REQUIRE(write_file(folder.file("real"), "old").ok());
    REQUIRE(::chmod(folder.file("real").c_str(), 0600) == 0);
    std::filesystem::create_symlink("real", folder.file("link"));
    REQUIRE(write_file(folder.file("link"), "new").ok());
    CHECK(std::filesystem::is_symlink(folder.file("link")));
    CHECK(read_all(folder.file("real")) == "new");
    struct stat after {};
    REQUIRE(::stat(folder.file("real").c_str(), &after) == 0);
    CHECK((after.st_mode & 0777) == 0600);
}

TEST_CASE("a device is written to, not replaced", "[ui][files]") {
    REQUIRE(write_file("/dev/null", "text").ok());
    CHECK(std::filesystem::is_character_file("/dev/null"));
}

TEST_CASE("what cannot be written is told with its reason", "[ui][files]") {
    const TemporaryFolder folder;
    CHECK(output_problems("").empty());
    CHECK(output_problems("-").empty());
    CHECK(output_problems(folder.file("fine")).empty());

    const Problems is_folder = output_problems(folder.path().string());
    REQUIRE(is_folder.size() == 1);
    CHECK(is_folder[0].problem == "is a folder");

    const Problems no_folder = output_problems(folder.file("absent/result"));
    REQUIRE(no_folder.size() == 1);
    CHECK(contains(no_folder[0].problem, "does not exist"));
    CHECK_FALSE(write_file(folder.file("absent/result"), "text").ok());

    const auto full = write_file("/dev/full", "text");   // Linux: every write fails with ENOSPC
    REQUIRE_FALSE(full.ok());
    CHECK(contains(full.problems()[0].problem, "No space left"));
}
