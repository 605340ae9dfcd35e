// Runs the built program as a user's shell would: arguments in, standard output, standard error and exit status out.
#pragma once

#include "tests/places.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

namespace orrery::testing {

struct ProgramRun {
    int status = -1;        // exit status, or 128 + signal as shells write it
    std::string out;
    std::string error;
};

/// A folder of this test process alone, removed in the end.
class TemporaryFolder {
  public:
    TemporaryFolder() {
        std::string pattern = (std::filesystem::temp_directory_path() / "orrery-test-XXXXXX").string();
        path_ = ::mkdtemp(pattern.data());
    }
    ~TemporaryFolder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    TemporaryFolder(const TemporaryFolder&) = delete;
    TemporaryFolder& operator=(const TemporaryFolder&) = delete;
    [[nodiscard]] std::string file(const std::string& name) const { return (path_ / name).string(); }
    [[nodiscard]] const std::filesystem::path& path() const { return path_; }

  private:
    std::filesystem::path path_;
};

inline std::string read_all(const std::string& file) {
    std::ostringstream text;
    text << std::ifstream(file).rdbuf();
    return text.str();
}

inline std::string shell_quoted(const std::string& text) {
    std::string quoted = "'";
    for (const char c : text) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
    return quoted + "'";
}

/// A shell command line in the source tree; $ORRERY is the program. Neither locale nor terminal reach it.
inline ProgramRun run_shell(const std::string& command) {
    const TemporaryFolder folder;
    const std::string script = "cd " + shell_quoted(source_directory) + " && export LC_ALL=C ORRERY=" +
                               shell_quoted(program_path) + "; { " + command + " ; } >" +
                               shell_quoted(folder.file("out")) + " 2>" + shell_quoted(folder.file("error")) +
                               " </dev/null";
    const int status = std::system(("exec /bin/bash -c " + shell_quoted(script)).c_str());
    ProgramRun run;
    run.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    run.out = read_all(folder.file("out"));
    run.error = read_all(folder.file("error"));
    return run;
}

inline ProgramRun run_program(const std::vector<std::string>& arguments) {
    std::string command = "\"$ORRERY\"";
    for (const std::string& one : arguments) command += " " + shell_quoted(one);
    return run_shell(command);
}

inline bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace orrery::testing
