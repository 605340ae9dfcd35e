// The two streams of a command: answers to standard output, progress and problems to standard error.
#pragma once

#include "hardware/result.hpp"

#include <cstddef>
#include <string>
#include <string_view>

namespace orrery {

/// What the program says to its shell.
enum class ExitStatus : int {
    done = 0,
    no = 1,            // the answer is no: does not fit, too large an error
    wrong_input = 2,   // the user's mistake
    our_fault = 3,     // our own mistake
};

/// How text is to be drawn on one stream.
struct Style {
    bool colour = false;    // a terminal, and neither NO_COLOR nor TERM=dumb say otherwise
    bool unicode = false;   // the locale is UTF-8
    bool operator==(const Style&) const = default;
};
Style style_of_stdout();
Style style_of_stderr();

enum class Tone : unsigned char { plain, bold, dim, good, bad, accent };

/// `text` in that tone, or as it is where there is no colour.
std::string painted(const Style& style, Tone tone, std::string_view text);

/// Writes an answer. A closed pipe ends the program quietly, any other failure is a problem with status 2.
ExitStatus print_answer(std::string_view text, ExitStatus status = ExitStatus::done);

/// One line on standard error: "orrery: TEXT".
void print_note(std::string_view text);

/// One line on standard error for each: "PLACE: PROBLEM; REMEDY". Returns wrong_input.
ExitStatus print_problems(const Problems& problems);

/// A line on standard error that is drawn over and over, and gone in the end; nothing where that is no terminal.
class ProgressLine {
  public:
    ProgressLine();
    ~ProgressLine();
    ProgressLine(const ProgressLine&) = delete;
    ProgressLine& operator=(const ProgressLine&) = delete;

    /// A bar at `done` of `total`, or the text alone with a total of 0.
    void show(std::string_view text, std::size_t done = 0, std::size_t total = 0);
    void clear();

  private:
    bool terminal_;
    bool shown_ = false;
};

}  // namespace orrery
