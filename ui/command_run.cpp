// The answer goes to standard output, the files it is asked for beside it.
#include "ui/command_run.hpp"

#include "scenarios/collective_sweep.hpp"
#include "scenarios/output_file.hpp"
#include "scenarios/perfetto.hpp"
#include "scenarios/quantity.hpp"
#include "ui/report_html.hpp"
#include "ui/report_text.hpp"
#include "ui/report_view.hpp"
#include "ui/training_report.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace orrery {
namespace {

Problems write_trace(const RunOptions& options, const TrainingReport& report) {
    const auto written = write_perfetto(options.trace, report.answer.outcome.trace,
                                        {{"scenario", report.scenario.name},
                                         {"scenario_sha256", report.provenance.scenario_sha256},
                                         {"seed", std::to_string(report.provenance.seed)},
                                         {"orrery", report.provenance.version + " " + report.provenance.commit}});
    return written ? Problems{} : written.problems();
}

/// Files first: a reader that closes standard output early loses none of them.
Problems write_outputs(const RunOptions& options, const TrainingReport& report, const ReportView& view) {
    Problems problems;
    const auto add = [&problems](const Problems& more) { problems.insert(problems.end(), more.begin(), more.end()); };
    const auto write = [&add](const std::string& path, const std::string& text) {
        const auto written = write_file(path, text);
        if (!written) add(written.problems());
    };
    if (!options.trace.empty()) add(write_trace(options, report));
    if (!options.html.empty()) write(options.html, report_html(view));
    if (!options.json.empty()) write(options.json, training_json(report));
    for (const std::string& file : {options.trace, options.html, options.json}) {
        if (problems.empty() && !file.empty() && file != "-") print_note("wrote " + file);
    }
    return problems;
}

}  // namespace

namespace {

/// A sweep of one collective: its table, and JSON where it is asked for.
ExitStatus run_collective_scenario(const RunOptions& options, const Scenario& scenario) {
    if (!options.html.empty() || !options.trace.empty()) {
        return print_problems({{options.html.empty() ? "--trace" : "--html", "is not drawn for a collective", "use --json FILE"}});
    }
    ProgressLine progress;
    const auto report = run_collective(scenario, [&](Bytes size) { progress.show("running " + format_bytes(size)); });
    progress.clear();
    if (!report) return print_problems(report.problems());
    CollectiveReport answer = *report;
    answer.provenance.version = ORRERY_VERSION;
    if (!options.json.empty()) {
        const auto written = write_file(options.json, collective_json(answer));
        if (!written) return print_problems(written.problems());
        if (options.json == "-") return ExitStatus::done;
        print_note("wrote " + options.json);
    }
    return print_answer(collective_text(answer));
}

}  // namespace

ExitStatus command_run(const RunOptions& options) {
    const std::vector<std::string> files{options.json, options.html, options.trace};
    const Problems unwritable = outputs_problems(files);
    if (!unwritable.empty()) return print_problems(unwritable);
    const auto detail = detail_of(options.input);
    if (!detail) return print_problems(detail.problems());
    const auto settings = settings_of(options.input);
    if (!settings) return print_problems(settings.problems());
    const auto scenario = read_scenario(options.input.file, *settings);
    if (!scenario) return print_problems(scenario.problems());
    if (scenario->collective) return run_collective_scenario(options, *scenario);
    const auto loaded = load_scenario(options.input);
    if (!loaded) return print_problems(loaded.problems());

    ProgressLine progress;
    progress.show(fmt::format("simulating {} devices", loaded->resolved.cluster.devices()));
    SimulateOptions simulate_options;
    simulate_options.detail = *detail;
    simulate_options.trace = !options.trace.empty();
    const auto report = make_training_report(*loaded, simulate_options, true);
    progress.clear();
    if (!report) return print_problems(report.problems());

    const ReportView view = view_of(*report);
    const Problems problems = write_outputs(options, *report, view);
    if (!problems.empty()) return print_problems(problems);
    const ExitStatus status = report->answer.fits ? ExitStatus::done : ExitStatus::no;
    const bool is_stdout_taken = std::find(files.begin(), files.end(), "-") != files.end();
    return is_stdout_taken ? status : print_answer(report_text(view, style_of_stdout()), status);
}

}  // namespace orrery
