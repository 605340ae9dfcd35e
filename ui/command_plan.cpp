// A search started, watched, stopped by Ctrl-C without losing what it found, and its answer written.
#include "ui/command_plan.hpp"

#include "scenarios/output_file.hpp"
#include "scenarios/quantity.hpp"
#include "scenarios/search_block.hpp"
#include "ui/plan_text.hpp"

#include <fmt/format.h>

#include <atomic>
#include <chrono>
#include <csignal>

namespace orrery {
namespace {

/// Set by Ctrl-C while a search runs; a handler can reach nothing that is not static.
std::atomic<bool> search_stopped{false};

void stop_search(int) { search_stopped.store(true); }

/// Ctrl-C stops the search while this lives, and the program again after it.
class StopBySignal {
  public:
    StopBySignal() : before_(std::signal(SIGINT, stop_search)) { search_stopped.store(false); }
    ~StopBySignal() { std::signal(SIGINT, before_); }
    StopBySignal(const StopBySignal&) = delete;
    StopBySignal& operator=(const StopBySignal&) = delete;

  private:
    void (*before_)(int);
};

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

std::string progress_text(std::size_t done, std::size_t units, double seconds) {
    if (done == 0 || seconds <= 0.0) return "searching";
    const double left = seconds / static_cast<double>(done) * static_cast<double>(units - done);
    return fmt::format("branches, {:.0f}/s, {} left", static_cast<double>(done) / seconds, format_seconds(Seconds::from_si(left)));
}

Problems set_options(const PlanOptions& options, SearchBlock& block) {
    if (options.top > 0) block.top = options.top;
    if (options.objective.empty()) return {};
    std::string names;
    for (const auto& one : EnumTable<Objective>::names) {
        if (one.name == options.objective) {
            block.objective = one.value;
            return {};
        }
        names += (names.empty() ? "" : ", ") + std::string(one.name);
    }
    return {{"--objective " + options.objective, "is not known", "write one of " + names}};
}

SearchResult run_search(const PlanOptions& options, const LoadedSearch& search) {
    const StopBySignal stop;
    ProgressLine line;
    const Clock::time_point begin = Clock::now();
    double shown = 0.0;
    SearchOptions search_options{.objective = search.block.objective,
                                 .top = static_cast<std::size_t>(search.block.top),
                                 .limits = search.block.limits,
                                 .workers = options.workers,
                                 .stop = &search_stopped};
    search_options.progress = [&](std::size_t done, std::size_t units) {
        const double now = seconds_since(begin);
        if (now - shown < 0.1) return;
        shown = now;
        line.show(progress_text(done, units, now), done, units);
    };
    return search_plans(search.space, search_options);
}

}  // namespace

ExitStatus command_plan(const PlanOptions& options) {
    const Problems unwritable = outputs_problems({options.json});
    if (!unwritable.empty()) return print_problems(unwritable);
    const auto settings = settings_of(options.input);
    if (!settings) return print_problems(settings.problems());
    auto search = load_search(options.input.file, *settings);
    if (!search) return print_problems(search.problems());
    if (const Problems wrong = set_options(options, search->block); !wrong.empty()) return print_problems(wrong);
    const SearchResult result = run_search(options, *search);
    if (!result.complete()) print_note("stopped; what follows is the best of what was looked at");
    const ExitStatus status = result.best.empty() ? ExitStatus::no : ExitStatus::done;
    if (!options.json.empty()) {
        const auto written = write_file(options.json, search_json(*search, result));
        if (!written) return print_problems(written.problems());
        if (options.json == "-") return status;
    }
    return print_answer(plan_text(*search, result, options.input.file, style_of_stdout()), status);
}

}  // namespace orrery
