// Colours, problems and progress, each only where the stream can show it.
#include "ui/terminal.hpp"

#include "scenarios/output_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <unistd.h>

namespace orrery {
namespace {

bool is_locale_unicode() {
    for (const char* variable : {"LC_ALL", "LC_CTYPE", "LANG"}) {
        const char* value = std::getenv(variable);
        if (value == nullptr || *value == '\0') continue;
        std::string locale(value);
        std::transform(locale.begin(), locale.end(), locale.begin(),
                       [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
        return locale.find("utf-8") != std::string::npos || locale.find("utf8") != std::string::npos;
    }
    return false;
}

Style style_of(int descriptor) {
    const char* no_color = std::getenv("NO_COLOR");   // https://no-color.org: set and not empty
    const char* term = std::getenv("TERM");
    const bool refused = (no_color != nullptr && *no_color != '\0') || (term != nullptr && std::string_view(term) == "dumb");
    return {.colour = !refused && ::isatty(descriptor) == 1, .unicode = is_locale_unicode()};
}

/// Nobody is left to be told when standard error cannot be written.
void write_stderr(const std::string& text) {
    std::fwrite(text.data(), 1, text.size(), stderr);
    std::fflush(stderr);
}

std::string_view tone_code(Tone tone) {
    switch (tone) {
        case Tone::plain: return "";
        case Tone::bold: return "1";
        case Tone::dim: return "2";
        case Tone::good: return "32";
        case Tone::bad: return "31";
        case Tone::accent: return "36";
    }
    return "";
}

}  // namespace

Style style_of_stdout() { return style_of(STDOUT_FILENO); }
Style style_of_stderr() { return style_of(STDERR_FILENO); }

std::string painted(const Style& style, Tone tone, std::string_view text) {
    if (!style.colour || tone == Tone::plain || text.empty()) return std::string(text);
    return fmt::format("\033[{}m{}\033[0m", tone_code(tone), text);
}

ExitStatus print_answer(std::string_view text, ExitStatus status) {
    const auto written = write_file("-", text);
    return written ? status : print_problems(written.problems());
}

void print_note(std::string_view text) { write_stderr(fmt::format("orrery: {}\n", text)); }

ExitStatus print_problems(const Problems& problems) {
    const Style style = style_of_stderr();
    for (const Problem& one : problems) {
        const std::string place = one.place.empty() ? "orrery" : one.place;
        const std::string remedy = one.remedy.empty() ? "" : "; " + one.remedy;
        write_stderr(fmt::format("{}: {}{}\n", painted(style, Tone::bold, place), one.problem, remedy));
    }
    return ExitStatus::wrong_input;
}

ProgressLine::ProgressLine() : terminal_(::isatty(STDERR_FILENO) == 1) {}
ProgressLine::~ProgressLine() { clear(); }

void ProgressLine::show(std::string_view text, std::size_t done, std::size_t total) {
    if (!terminal_) return;
    constexpr std::size_t width = 30;
    std::string bar;
    if (total > 0) {
        const std::size_t filled = width * std::min(done, total) / total;
        bar = fmt::format("[{}{}] {} of {} ", std::string(filled, '='), std::string(width - filled, ' '), done, total);
    }
    write_stderr(fmt::format("\r\033[K{}{}", bar, text));
    shown_ = true;
}

void ProgressLine::clear() {
    if (!shown_) return;
    write_stderr("\r\033[K");
    shown_ = false;
}

}  // namespace orrery
