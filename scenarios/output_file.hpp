// Files that are written whole or not at all: beside their target first, renamed once complete.
#pragma once

#include "hardware/result.hpp"

#include <memory>
#include <string>
#include <string_view>

namespace orrery {

/// One file being written. A regular file appears under its name only when `finish` says so, and an interrupt (SIGINT,
/// SIGTERM, SIGHUP) in between removes what was written so far before it ends the program. "-", pipes and devices are
/// written directly. Write errors are kept and told by `finish`.
class OutputFile {
  public:
    static Result<OutputFile> open(const std::string& path);
    OutputFile(OutputFile&&) noexcept;
    OutputFile& operator=(OutputFile&&) noexcept;
    ~OutputFile();   // an unfinished file leaves nothing behind

    void write(std::string_view text);

    /// Flushes, closes and renames; the bytes written, or what went wrong. At most once.
    Result<std::size_t> finish();

  private:
    struct State;
    explicit OutputFile(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

/// `text` as the whole content of `path` ("-": standard output); the bytes written.
Result<std::size_t> write_file(const std::string& path, std::string_view text);

/// Why `path` could not be written, asked before the work that its content costs; empty if it can.
Problems output_problems(const std::string& path);

}  // namespace orrery
