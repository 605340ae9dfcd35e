// The command line: the table of commands, their options, and what the program does when something goes wrong.
#include "hardware/result.hpp"
#include "scenarios/nearest.hpp"
#include "scenarios/result_json.hpp"
#include "ui/command_calibrate.hpp"
#include "ui/command_calibrate_machine.hpp"
#include "ui/command_check.hpp"
#include "ui/command_compare.hpp"
#include "ui/command_import.hpp"
#include "ui/command_list.hpp"
#include "ui/command_plan.hpp"
#include "ui/command_run.hpp"
#include "ui/command_schema.hpp"
#include "ui/command_sweep.hpp"
#include "ui/command_validate.hpp"
#include "ui/terminal.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <array>
#include <csignal>
#include <exception>
#include <fcntl.h>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unistd.h>
#include <vector>

namespace orrery {
namespace {

using Action = std::function<ExitStatus()>;

/// One command: its options are declared on `app`, and what comes back runs once they are read.
struct Command {
    std::string_view name;
    std::string_view line;
    std::string_view example;
    Action (*declare)(CLI::App& app);
};

void declare_scenario(CLI::App& app, ScenarioInput& input) {
    app.add_option("SCENARIO", input.file, "Scenario file (JSON)")->required()->type_name("");
}

void declare_settings(CLI::App& app, ScenarioInput& input) {
    app.add_option("--set", input.settings, "Change one value of the scenario, as workload.micro_batch=2; repeatable")
        ->allow_extra_args(false)
        ->type_name("PATH=VALUE");
}

void declare_fidelity(CLI::App& app, ScenarioInput& input) {
    app.add_option("--fidelity", input.fidelity, "estimate (closed form), fluid (discrete events) or, of collectives, packet")->type_name("LEVEL");
    app.add_option("--detail", input.detail, "folded (equal ranks are played once) or full (every rank)")
        ->type_name("folded|full");
}

void declare_json(CLI::App& app, std::string& file) {
    app.add_option("--json", file, "Write the result as JSON; - for standard output")->type_name("FILE");
}

Action declare_run(CLI::App& app) {
    auto options = std::make_shared<RunOptions>();
    declare_scenario(app, options->input);
    declare_settings(app, options->input);
    declare_fidelity(app, options->input);
    declare_json(app, options->json);
    app.add_option("--html", options->html, "Write the report as one self-contained page")->type_name("FILE");
    app.add_option("--trace", options->trace, "Write the timeline for ui.perfetto.dev")->type_name("FILE");
    return [options] { return command_run(*options); };
}

Action declare_check(CLI::App& app) {
    auto input = std::make_shared<ScenarioInput>();
    declare_scenario(app, *input);
    declare_settings(app, *input);
    return [input] { return command_check(*input); };
}

Action declare_sweep(CLI::App& app) {
    auto options = std::make_shared<SweepOptions>();
    declare_scenario(app, options->input);
    app.add_option("--over", options->over, "Values of one key, as workload.micro_batch=1,2,4; repeatable")
        ->required()
        ->allow_extra_args(false)
        ->type_name("PATH=V1,V2,..");
    declare_settings(app, options->input);
    declare_fidelity(app, options->input);
    declare_json(app, options->json);
    return [options] { return command_sweep(*options); };
}

Action declare_plan(CLI::App& app) {
    auto options = std::make_shared<PlanOptions>();
    app.add_option("SCENARIO", options->input.file, "Scenario file (JSON); with --from: the store's own")->type_name("");
    declare_settings(app, options->input);
    app.add_option("--objective", options->objective, "time, cost, energy, memory or pareto")->type_name("WHAT");
    app.add_option("--top", options->top, "How many plans to keep")->type_name("K")->check(CLI::Range(1, 10000));
    app.add_option("--workers", options->workers, "Threads; as many as there are processors")
        ->type_name("N")
        ->check(CLI::Range(1, 1024));
    app.add_flag("--no-simulation", options->no_simulation, "Do not play the best plans: estimates alone");
    app.add_option("--store", options->store, "Keep every plan in this SQLite file")->type_name("FILE.sqlite");
    app.add_flag("--resume", options->resume, "Go on with what --store holds");
    app.add_option("--shard", options->shard, "Search one of so many equal parts, as 1/8")->type_name("PART/PARTS");
    app.add_option("--from,--merge", options->from, "Rank the plans of these stores, searching nothing")->type_name("FILE..");
    app.add_option("--explain", options->explain, "Why this plan: its rank in the answer, or index=N of its JSON")->type_name("PLAN");
    declare_json(app, options->json);
    return [options] { return command_plan(*options); };
}

Action declare_compare(CLI::App& app) {
    auto options = std::make_shared<CompareOptions>();
    app.add_option("BEFORE", options->before, "Scenario, or result of orrery run --json")->required()->type_name("");
    app.add_option("AFTER", options->after.file, "The same")->required()->type_name("");
    app.add_option("--set", options->after.settings, "Change one value of AFTER; repeatable")
        ->allow_extra_args(false)
        ->type_name("PATH=VALUE");
    declare_fidelity(app, options->after);
    declare_json(app, options->json);
    return [options] { return command_compare(*options); };
}

Action declare_validate(CLI::App& app) {
    auto options = std::make_shared<ValidateOptions>();
    app.add_option("TABLE", options->tables, "Tables of published measurements (JSON Lines)")->required()->type_name("");
    declare_json(app, options->json);
    app.add_option("--max-mape", options->max_mape, "Status 1 if the mean error is above this many percent")
        ->type_name("PERCENT");
    app.add_flag("--leave-one-source-out", options->leave_one_source_out,
                 "Trainings: fit all constants anew without each source, then predict it (a minute)");
    app.add_flag("--leave-one-size-out", options->leave_one_size_out,
                 "Tables (SYSTEM.nccl-VERSION.nccl.csv) and rows (JSON Lines) of collectives: errors on sizes, keys and generations not seen, and from few anchors");
    app.add_flag("--ablate", options->ablate, "Trainings: predict without each effect of the model, nothing refitted");
    return [options] { return run_validate(*options); };
}

Action declare_calibrate(CLI::App& app) {
    auto options = std::make_shared<CalibrateOptions>();
    auto trainings = std::make_shared<FitTrainingsOptions>();
    auto* from = app.add_option("--from", options->from, "Tables of measured kernels (CSV), a folder of them, or what nccl-tests printed; repeatable")
                     ->allow_extra_args(true)
                     ->type_name("FILE|FOLDER");
    auto* device = app.add_option("--device", options->device, "Catalogue device that they were measured on; with --suite, --check and --step: cpu, or cuda:0 for a GPU")->type_name("NAME");
    app.add_option("--node", options->node, "Catalogue node of nccl-tests outputs of several hosts; absent: the first with the device")->type_name("NAME");
    from->needs(device);
    app.add_option("--trainings", trainings->tables, "Tables of published trainings (JSON Lines), instead of --from")
        ->allow_extra_args(true)
        ->type_name("FILE")
        ->excludes(from);
    app.add_option("--only", trainings->only,
                   "With --trainings: devices and frameworks (or OWNER.CONSTANT) whose constants may change; absent: all")
        ->allow_extra_args(true)
        ->type_name("NAME");
    app.add_option("--out", options->out,
                   "Calibration file to write; with --trainings the data folder whose calibrations and frameworks change")
        ->type_name("FILE|FOLDER");
    auto machine = std::make_shared<MachineOptions>();
    app.add_option("--suite", machine->suite, "Measure this machine: quick (about two minutes) or full")
        ->check(CLI::IsMember({"quick", "full"}))
        ->excludes(from)
        ->type_name("NAME");
    app.add_option("--rows", machine->rows, "With --suite: also write what was measured (CSV); alone: fit to what such a file holds")
        ->excludes(from)
        ->type_name("FILE");
    app.add_option("--check", machine->check, "Measure 20 shapes anew and say whether this calibration still holds")->type_name("FILE");
    app.add_option("--step", machine->step, "Run a small training step beside its prediction by this calibration")->type_name("FILE");
    app.add_option("--seed", machine->seed, "Of shapes and data")->type_name("N");
    app.add_option("--minutes", machine->minutes, "With --suite: time for it; absent: two, or thirty")
        ->check(CLI::Range(0.1, 1440.0))
        ->type_name("N");
    app.add_option("--threads", machine->threads, "Threads to run on; absent: one per processor")
        ->check(CLI::Range(1, 4096))
        ->type_name("N");
    return [options, trainings, machine] {
        machine->device = options->device;
        if (!machine->check.empty()) return check_machine(*machine);
        if (!machine->step.empty()) return measure_step(*machine);
        if (options->out.empty()) return print_problems({{"--out", "is missing", "say where to write the calibration"}});
        if (!machine->suite.empty() || !machine->rows.empty()) {
            machine->out = options->out;
            return calibrate_machine(*machine);
        }
        if (!trainings->tables.empty()) {
            trainings->out = options->out;
            return static_cast<ExitStatus>(run_fit_trainings(*trainings));
        }
        if (options->from.empty()) {
            return print_problems({{"orrery calibrate", "has nothing to fit to", "give --suite, --rows, --from and --device, or --trainings"}});
        }
        return static_cast<ExitStatus>(run_calibrate(*options));
    };
}

Action declare_schema(CLI::App&) { return command_schema; }

Action declare_explain(CLI::App& app) {
    auto path = std::make_shared<std::string>();
    app.add_option("PATH", *path, "Dotted path of a key, as cluster.fabric.link; absent: all of them")->type_name("");
    return [path] { return command_explain(*path); };
}

Action declare_import(CLI::App& app) {
    auto options = std::make_shared<ImportOptions>();
    app.add_option("KIND", options->kind, "What the file is: " + import_kinds())->required()->type_name("");
    app.add_option("FILE", options->file, "What the tool wrote: text of `nvidia-smi topo -m`, XML of `lstopo`, JSON of nvbandwidth, fio, DLIO or Kineto, CSV of cutlass_profiler")->required()->type_name("");
    app.add_option("--out", options->out, "File to write: a graph for cluster.fabric.graph, measurements as JSON or, named *.csv, products for calibrate --from; absent: standard output")->type_name("FILE");
    return [options] { return command_import(*options); };
}

Action declare_list(CLI::App& app) {
    auto kind = std::make_shared<std::string>();
    app.add_option("KIND", *kind,
                   "devices, nodes, links, models, frameworks, topologies, collectives or schedules")
        ->required()
        ->type_name("");
    return [kind] { return command_list(*kind); };
}

Action declare_show(CLI::App& app) {
    auto name = std::make_shared<std::string>();
    app.add_option("NAME", *name, "Name of a device, node, link, model or framework")->required()->type_name("");
    return [name] { return command_show(*name); };
}

constexpr std::string_view example_scenario = "scenarios/llama3.1-405b-16k-h100.json";

constexpr auto commands = std::to_array<Command>({
    {"run", "simulate one scenario: time, memory, cost, power, and what holds it back",
     "orrery run scenarios/llama3.1-405b-16k-h100.json --set cluster.fabric.oversubscription=2 --json result.json", declare_run},
    {"check", "every mistake of a scenario at once, nothing simulated",
     "orrery check scenarios/llama3.1-405b-16k-h100.json", declare_check},
    {"sweep", "a grid of what-ifs, as a table",
     "orrery sweep scenarios/llama3.1-405b-16k-h100.json --over workload.recompute_layers=2,3,4 "
     "--over 'cluster.fabric.bandwidth=200 Gb/s,400 Gb/s'",
     declare_sweep},
    {"plan", "search designs: the best plans of a scenario's search block, and why the others are refused",
     "orrery plan scenarios/plan-gpt3-13b-8-a100.json --objective cost", declare_plan},
    {"compare", "two scenarios or results side by side, with what changed and why",
     "orrery compare scenarios/llama3.1-405b-16k-h100.json scenarios/llama3.1-405b-16k-h100.json --set workload.recompute_layers=4",
     declare_compare},
    {"validate", "predict every row of a table of published measurements, print the errors",
     "orrery validate scenarios/published.jsonl", declare_validate},
    {"calibrate", "measure this machine, or fit a device to tables of measured kernels",
     "orrery calibrate --from measured/ --device h100-sxm --out h100-sxm.json", declare_calibrate},
    {"import", "what other tools say, as a file that scenarios can name", "orrery import nvidia-smi scenarios/measured/four-gpus.topo.txt --out node.json",
     declare_import},
    {"list", "what there is of a kind, one line each", "orrery list devices", declare_list},
    {"show", "one catalogue entry, every number with its source", "orrery show h100-sxm", declare_show},
    {"schema", "the JSON Schema of scenarios, for editors", "orrery schema > scenario.schema.json", declare_schema},
    {"explain", "what one key of a scenario means: unit, range, default, source",
     "orrery explain workload.parallelism.tensor", declare_explain},
});

std::string commands_text() {
    std::string text;
    for (const Command& one : commands) text += fmt::format("  {:<10} {}\n", one.name, one.line);
    return text;
}

std::string help_text() {
    return fmt::format("orrery {}: how long an AI workload takes on a cluster, whether it fits, what it costs and draws,\n"
                       "and what holds it back.\n\nUsage: orrery COMMAND [OPTIONS]\n\nCommands:\n{}\n"
                       "Options:\n  --help     this text; behind a command: its options and an example\n"
                       "  --version  version and commit\n\nExample:\n  orrery run {}\n\n"
                       "Exit status: 0 done; 1 the answer is no (does not fit); 2 the input is wrong; 3 our own fault.\n",
                       ORRERY_VERSION, commands_text(), example_scenario);
}

/// The option that a mistyped one was probably meant to be, with what else there is.
Problem unknown_option(const CLI::App& app, const std::string& text) {
    std::vector<std::string> names;
    for (const CLI::Option* option : app.get_options()) {
        for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
    }
    return {text, "is not an option of " + app.get_name(), nearest_remedy(text.substr(0, text.find('=')), names)};
}

/// What is wrong with the arguments of one command, in our words rather than the parser's.
Problems parse_problems(const CLI::App& app, const CLI::ParseError& error) {
    const std::string remedy = "see " + app.get_name() + " --help";
    if (dynamic_cast<const CLI::ExtrasError*>(&error) == nullptr) return {{app.get_name(), error.what(), remedy}};
    Problems problems;
    for (const std::string& text : app.remaining()) {
        if (text.size() > 1 && text.front() == '-') problems.push_back(unknown_option(app, text));
    }
    if (!problems.empty()) return problems;
    for (const std::string& text : app.remaining()) {
        problems.push_back({text, "is one argument too many for " + app.get_name(), remedy});
    }
    if (problems.empty()) problems.push_back({app.get_name(), error.what(), remedy});
    return problems;
}

ExitStatus run_command(const Command& command, int argument_count, char** arguments) {
    CLI::App app{std::string(command.line), "orrery " + std::string(command.name)};
    app.footer("Example:\n  " + std::string(command.example));
    const Action action = command.declare(app);
    try {
        app.parse(argument_count, arguments);
    } catch (const CLI::CallForHelp&) {
        return print_answer(app.help());
    } catch (const CLI::ParseError& error) {
        return print_problems(parse_problems(app, error));
    }
    return action();
}

ExitStatus dispatch(int argument_count, char** arguments) {
    if (argument_count < 2) return print_answer(help_text());
    const std::string name = arguments[1];
    if (name == "--help" || name == "-h" || name == "help") return print_answer(help_text());
    if (name == "--version") return print_answer(fmt::format("orrery {} (commit {})\n", ORRERY_VERSION, program_commit()));
    std::vector<std::string> names;
    for (const Command& command : commands) {
        if (command.name == name) return run_command(command, argument_count - 1, arguments + 1);
        names.emplace_back(command.name);
    }
    if (name.starts_with("-")) names = {"--help", "--version"};
    return print_problems({{name, name.starts_with("-") ? "is not an option of orrery" : "is not a command of orrery",
                            nearest_remedy(name, names)}});
}

/// Ends as the signal would have ended us, with a word about it. Only calls that a signal handler may make.
void say_interrupted(int signal) {
    constexpr std::string_view text = "\norrery: interrupted\n";
    [[maybe_unused]] const ssize_t ignored = ::write(STDERR_FILENO, text.data(), text.size());
    std::signal(signal, SIG_DFL);
    std::raise(signal);
}

/// A stream that the caller closed must not become the first file that is opened.
void keep_standard_streams_taken() {
    for (const int descriptor : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
        if (::fcntl(descriptor, F_GETFD) < 0) ::open("/dev/null", descriptor == STDIN_FILENO ? O_WRONLY : O_RDONLY);
    }
}

void prepare_process() {
    keep_standard_streams_taken();
    std::signal(SIGINT, say_interrupted);
    std::signal(SIGPIPE, SIG_DFL);   // a reader that has seen enough ends us, whatever our parent ignored
}

}  // namespace
}  // namespace orrery

int main(int argument_count, char** arguments) {
    orrery::prepare_process();
    try {
        return static_cast<int>(orrery::dispatch(argument_count, arguments));
    } catch (const std::exception& error) {
        orrery::print_note(fmt::format("our own mistake: {}\nPlease report it with the scenario and `orrery --version`.",
                                       error.what()));
    }
    return static_cast<int>(orrery::ExitStatus::our_fault);
}
