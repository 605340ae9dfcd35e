// A search started, watched, stopped by Ctrl-C without losing what it found, and its answer written.
#include "ui/command_plan.hpp"

#include "planner/goal_replay.hpp"
#include "planner/search_team.hpp"
#include "planner/store.hpp"
#include "scenarios/output_file.hpp"
#include "scenarios/quantity.hpp"
#include "scenarios/search_block.hpp"
#include "ui/plan_text.hpp"

#include <fmt/format.h>

#include <atomic>
#include <cctype>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <optional>
#include <sstream>
#include <thread>
#include <utility>

namespace orrery {
namespace {

/// Set by Ctrl-C while a search runs; a handler can reach nothing that is not static.
std::atomic<bool> search_stopped{false};

void stop_search(int) { search_stopped.store(true); }

/// Ctrl-C stops the search while this lives, and the program again after it; so does what mpirun and Slurm make of it.
class StopBySignal {
  public:
    StopBySignal() : before_(std::signal(SIGINT, stop_search)), before_end_(std::signal(SIGTERM, stop_search)) { search_stopped.store(false); }
    ~StopBySignal() {
        std::signal(SIGINT, before_);
        std::signal(SIGTERM, before_end_);
    }
    StopBySignal(const StopBySignal&) = delete;
    StopBySignal& operator=(const StopBySignal&) = delete;

  private:
    void (*before_)(int);
    void (*before_end_)(int);
};

/// Rank 0 answers Ctrl-C, and tells the others.
void leave_signals_to_leader() {
    std::signal(SIGINT, SIG_IGN);
    std::signal(SIGTERM, SIG_IGN);
}

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
            block.has_objective = true;
            return {};
        }
        names += (names.empty() ? "" : ", ") + std::string(one.name);
    }
    return {{"--objective " + options.objective, "is not known", "write one of " + names}};
}

/// "2/8": the second of eight parts.
Problems read_shard(const std::string& text, SearchOptions& search) {
    if (text.empty()) return {};
    unsigned part = 0;
    unsigned parts = 0;
    char slash = 0;
    std::istringstream in(text);
    const bool is_read = static_cast<bool>(in >> part >> slash >> parts) && in.eof();
    if (!is_read || slash != '/' || part < 1 || part > parts) {
        return {{"--shard " + text, "is not PART/PARTS", "write for example --shard 1/8 to --shard 8/8"}};
    }
    search.shard = part - 1;
    search.shards = parts;
    return {};
}

SearchOptions options_of(const PlanOptions& options, const LoadedSearch& search) {
    SearchOptions result;
    result.objective = search.block.objective;
    result.top = static_cast<std::size_t>(search.block.top);
    result.limits = search.block.limits;
    result.by_group = search.block.goal.has_value();
    result.workers = options.workers;
    return result;
}

StoreIdentity identity_of(const PlanOptions& options, const LoadedSearch& search) {
    std::string settings;
    for (const std::string& one : options.input.settings) settings += one + "\n";
    return {search.scenario.sha256, std::filesystem::absolute(options.input.file).string(), settings, search.raw};
}

SearchResult run_search(SearchOptions search_options, const SearchSpace& space, bool has_team) {
    const StopBySignal stop;
    ProgressLine line;
    const Clock::time_point begin = Clock::now();
    double shown = 0.0;
    search_options.stop = &search_stopped;
    search_options.progress = [&](std::size_t done, std::size_t units) {
        const double now = seconds_since(begin);
        if (now - shown < 0.1) return;
        shown = now;
        line.show(progress_text(done, units, now), done, units);
    };
    return has_team ? search_with_team(space, search_options) : search_plans(space, search_options);
}

Result<SearchResult> search_or_resume(const PlanOptions& options, const LoadedSearch& search, bool has_team) {
    SearchOptions search_options = options_of(options, search);
    const auto refuse = [&](Problems problems) {
        if (has_team) dismiss_team();
        return problems;
    };
    if (Problems wrong = read_shard(options.shard, search_options); !wrong.empty()) return refuse(std::move(wrong));
    std::optional<PlanStore> store;
    if (!options.store.empty()) {
        Result<PlanStore> opened = PlanStore::open(options.store, identity_of(options, search), options.resume);
        if (!opened) return refuse(opened.problems());
        store = std::move(opened).value();
        search_options.store = &*store;
    } else if (options.resume) {
        return refuse({{"--resume", "needs a file to go on with", "name it with --store FILE.sqlite"}});
    }
    SearchResult result = run_search(search_options, search.space, has_team);
    if (!result.problems.empty()) return result.problems;
    return result;
}

/// The stores' own scenario where none is named; all of them must be of one search.
Problems take_scenario(PlanOptions& options) {
    Problems problems;
    std::optional<StoreIdentity> first;
    for (const std::string& path : options.from) {
        const Result<PlanStore> store = PlanStore::open_existing(path);
        if (!store) {
            problems.insert(problems.end(), store.problems().begin(), store.problems().end());
            continue;
        }
        if (!first) first = store->identity();
        if (store->identity().scenario_sha256 != first->scenario_sha256) {
            problems.push_back({path, "holds another search than " + options.from.front(), "merge shards of one search"});
        }
    }
    if (!problems.empty() || !options.input.file.empty()) return problems;
    options.input.file = first->scenario;
    std::istringstream lines(first->settings);
    for (std::string line; std::getline(lines, line);) options.input.settings.push_back(line);
    return problems;
}

Result<SearchResult> rank_stores(const PlanOptions& options, const LoadedSearch& search) {
    std::vector<StoredUnit> units;
    for (const std::string& path : options.from) {
        const Result<PlanStore> store = PlanStore::open_existing(path);
        if (!store) return store.problems();
        if (store->identity().scenario_sha256 != search.scenario.sha256) {
            return Problem{path, "was made from another scenario than " + options.input.file + " is now",
                           "search again, or name the scenario it was made from"};
        }
        auto own = store->read();
        if (!own) return own.problems();
        for (StoredUnit& unit : *own) units.push_back(std::move(unit));
    }
    return rank_stored(search.space, options_of(options, search), units);
}

/// A search that is loaded and has the command's own objective and top.
Result<LoadedSearch> load_for(const PlanOptions& options) {
    const auto settings = settings_of(options.input);
    if (!settings) return settings.problems();
    auto search = load_search(options.input.file, *settings);
    if (!search) return search;
    if (Problems wrong = set_options(options, search->block); !wrong.empty()) return wrong;
    return search;
}

/// A rank that is told what to search. It has nothing to say: rank 0 meets the same problems.
ExitStatus follow_team(const PlanOptions& options, const TeamPlace& place) {
    if (!options.from.empty()) return ExitStatus::done;   // nothing is searched
    if (place.rests) {
        leave_signals_to_leader();
        const TeamSession session;
        if (!session.is_open()) return ExitStatus::wrong_input;
        rest_in_team();
        return ExitStatus::done;
    }
    const auto search = load_for(options);
    if (!search) return ExitStatus::wrong_input;
    leave_signals_to_leader();
    const TeamSession session;
    if (!session.is_open()) return ExitStatus::wrong_input;
    SearchOptions search_options = options_of(options, *search);
    if (!read_shard(options.shard, search_options).empty()) search_options.shards = 1;
    search_options.keeps_plans = !options.store.empty();
    (void)search_with_team(search->space, search_options);
    return ExitStatus::done;
}

/// Processes for the best plans, made before the search starts its threads; none where nothing is to be played.
std::optional<ReplayCrew> crew_of(const PlanOptions& options, const LoadedSearch& search) {
    const bool plays = !options.no_simulation && options.shard.empty() && search.scenario.fidelity == Fidelity::fluid &&
                       (search.block.objective != Objective::pareto || search.block.goal);
    if (!plays) return std::nullopt;
    const int processors = static_cast<int>(std::max(std::thread::hardware_concurrency(), 1U));
    const int workers = std::min(options.workers > 0 ? options.workers : processors, search.block.top);
    return std::optional<ReplayCrew>(std::in_place, search.space, workers, search.scenario.seed);
}

/// Judges the fastest plans as whole trainings; the answer's plans are then the goal's, best first.
void answer_goals(const LoadedSearch& search, std::optional<ReplayCrew>& crew, SearchResult& result, PlanExtras& extras) {
    if (!search.block.goal || result.fastest.empty()) return;
    const GoalQuestion question = goal_question(search.block);
    extras.goal = crew ? answer_goal_played(question, search.space, search.judged, result.fastest, *crew, static_cast<std::size_t>(search.block.top))
                       : answer_goal(question, search.space, search.judged, result.fastest);
    result.best.clear();
    for (const GoalDesign& design : extras.goal->designs) {
        if (result.best.size() < static_cast<std::size_t>(search.block.top)) result.best.push_back(design.plan);
    }
    if (extras.goal->designs.empty()) return;
    const GoalDesign& first = extras.goal->designs.front();
    extras.tenures = tenure_costs(question, search.space.bases[first.plan.base], search.judged[first.plan.base], first);
}

/// The plan that --explain names: "3", or "index=123456".
Result<FoundPlan> named_plan(const std::string& name, const LoadedSearch& search, const SearchResult& result) {
    const std::string option = "--explain " + name;
    const bool by_index = name.starts_with("index=");
    std::uint64_t number = 0;
    std::istringstream in(by_index ? name.substr(6) : name);
    if (!std::isdigit(static_cast<unsigned char>(in.peek())) || !(in >> number) || !in.eof()) {
        return Problem{option, "names no plan", "write its rank in the answer, such as 1, or index=N as in the answer's JSON"};
    }
    if (by_index) {
        auto plan = plan_at(search.space, number);
        if (plan) return plan;
        const Problem& first = plan.problems().front();
        return Problem{option, "is no plan that can be run: " + first.place + " " + first.problem, first.remedy};
    }
    const std::vector<FoundPlan>& plans = search.block.objective == Objective::pareto && !search.block.goal ? result.pareto : result.best;
    if (number >= 1 && number <= plans.size()) return plans[number - 1];
    return Problem{option, "is not among the " + std::to_string(plans.size()) + " plans of the answer",
                   plans.empty() ? "widen the search" : "write a rank from 1 to " + std::to_string(plans.size()) + ", or a larger --top"};
}

Problems explain_named(const PlanOptions& options, const LoadedSearch& search, const SearchResult& result, PlanExtras& extras) {
    if (options.explain.empty()) return {};
    const auto plan = named_plan(options.explain, search, result);
    if (!plan) return plan.problems();
    const bool by_front = search.block.objective == Objective::pareto && !search.block.goal;
    auto explanation = explain_plan(search.space, by_front ? result.pareto : result.best, *plan);
    if (!explanation) return explanation.problems();
    extras.explanation = std::move(explanation).value();
    return {};
}

}  // namespace

ExitStatus command_plan(const PlanOptions& given) {
    PlanOptions options = given;
    const TeamPlace place = team_place();
    if (place.rank > 0) return follow_team(options, place);
    const bool has_team = place.size > 1 && options.from.empty();
    const Problems unwritable = outputs_problems({options.json});
    if (!unwritable.empty()) return print_problems(unwritable);
    if (!options.from.empty()) {
        if (const Problems wrong = take_scenario(options); !wrong.empty()) return print_problems(wrong);
    } else if (options.input.file.empty()) {
        return print_problems({{"SCENARIO", "is missing", "name a scenario, or a store with --from"}});
    }
    auto search = load_for(options);
    if (!search) return print_problems(search.problems());
    std::optional<ReplayCrew> crew = crew_of(options, *search);
    std::optional<TeamSession> session;
    if (has_team) {
        session.emplace();
        if (!session->is_open()) {
            return print_problems({{"mpirun", fmt::format("started {} ranks, but this program was built without MPI", place.size),
                                    "install libopenmpi-dev and build again, or share the search out with --shard"}});
        }
    }
    auto result = options.from.empty() ? search_or_resume(options, *search, has_team) : rank_stores(options, *search);
    if (!result) return print_problems(result.problems());
    if (crew && !search->block.goal) {
        result->replayed = crew->play(result->best);
        rank_replayed(search->space, search->block.objective, result->best, result->replayed);
    }
    if (!result->complete()) print_note("not all of the space was looked at; what follows is the best of what was");
    PlanExtras extras;
    answer_goals(*search, crew, result.value(), extras);
    if (const Problems wrong = explain_named(options, *search, *result, extras); !wrong.empty()) return print_problems(wrong);
    const bool is_answered = !result->best.empty() && (!extras.goal || extras.goal->feasible > 0);
    const ExitStatus status = is_answered ? ExitStatus::done : ExitStatus::no;
    if (!options.json.empty()) {
        const auto written = write_file(options.json, search_json(*search, *result, extras));
        if (!written) return print_problems(written.problems());
        if (options.json == "-") return status;
    }
    return print_answer(plan_text(*search, *result, extras, options.input.file, style_of_stdout()), status);
}

}  // namespace orrery
