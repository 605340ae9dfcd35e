// Runs the suite with a progress bar, and prints what was measured beside what is predicted.
#include "ui/command_calibrate_machine.hpp"

#include "kernels/calibrate_machine.hpp"
#include "kernels/cuda/device_suite.hpp"
#include "kernels/cuda/gpu_sensors.hpp"
#include "kernels/reference/pinned_team.hpp"
#include "kernels/training_step.hpp"
#include "scenarios/calibration_file.hpp"
#include "scenarios/catalog.hpp"
#include "scenarios/date.hpp"
#include "scenarios/machine_file.hpp"
#include "scenarios/machine_rows.hpp"
#include "scenarios/output_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <map>
#include <memory>
#include <tuple>

namespace orrery {
namespace {

constexpr std::size_t checked_shapes = 20;
constexpr double still_holds = 0.10;      // median error up to which a file still describes the machine
constexpr std::size_t worst_shown = 10;
constexpr int step_repeats = 25;
// Four layers of a decoder with 2048 hidden values, 6 GB in all: large enough that kernels and not their starts decide.
constexpr StepShape gpu_step_shape{.layers = 4, .hidden = 2048, .heads = 16, .kv_heads = 4, .inner = 5632, .vocabulary = 32768, .sequence = 2048, .batch = 2};
constexpr Seconds full_limit = 1800.0_s;
constexpr Seconds gpu_limit = 300.0_s;    // of a quick suite: most of it fills arrays

// `measure_all(tell)` runs a suite; what was shrunk or refused is said.
template <class Measure>
std::vector<MeasuredCase> measure_with_progress(const Measure& measure_all) {
    ProgressLine progress;
    const std::vector<MeasuredCase> rows = measure_all([&](const SuiteProgress& at) {
        progress.show(fmt::format("{} ({:.0f} s left)", at.text, at.left.si()), at.done, at.total);
    });
    progress.clear();
    for (const MeasuredCase& row : rows) {
        if (!row.shrunk_from.empty()) print_note(fmt::format("{}: too little memory; measured as {}", row.shrunk_from, words_of(row.kernel_case)));
        if (!row.refused.empty()) print_note(fmt::format("{}: left out: {}", words_of(row.kernel_case), row.refused));
    }
    return rows;
}

std::vector<MeasuredCase> measure_cases(const std::vector<SuiteCase>& cases, const MachineFigures& machine, const SuiteOptions& options) {
    return measure_with_progress([&](const auto& tell) { return measure_suite(cases, machine, options, tell); });
}

std::string machine_text(const MachineFigures& m) {
    return fmt::format("{}, {} threads; {}; seed {}\npeaks: fp32 {:.0f}, bf16 {:.0f}, int8 {:.0f} GFLOP/s; triad {:.1f} GB/s, best {:.1f}; "
                       "latency {:.0f} ns, launch {:.2f} us\n\n",
                       m.processor, m.cores, m.libraries, m.seed, m.fp32_peak.si() / 1e9, m.bf16_peak.si() / 1e9,
                       m.int8_peak.si() / 1e9, m.triad_bandwidth.si() / 1e9, m.memory_bandwidth.si() / 1e9,
                       m.memory_latency.si() * 1e9, m.launch.si() * 1e6);
}

std::string rows_text(std::vector<MeasuredCase> rows, const MachineFigures& machine, const std::vector<CaseError>& held_out) {
    std::map<std::string, double> errors;
    for (const CaseError& e : held_out) errors[e.row + e.kind] = e.error();
    std::stable_sort(rows.begin(), rows.end(), [](const MeasuredCase& a, const MeasuredCase& b) {
        return std::tuple(class_of(a), words_of(a.kernel_case)) < std::tuple(class_of(b), words_of(b.kernel_case));
    });
    std::string text = fmt::format("{:<62} {:>6} {:>11} {:>7} {:>10} {:>8} {:>7} {:>9} {:>10}\n", "kernel", "caches", "us", "spread", "GFLOP/s", "GB/s", "% triad", "loss %", "held out %");
    std::size_t unsteady = 0;
    std::size_t counted = 0;
    for (const MeasuredCase& r : rows) {
        if (!r.refused.empty()) continue;
        ++counted;
        unsteady += r.time.steady ? 0 : 1;
        const double rate = r.bytes.si() / r.time.seconds().si();
        const auto error = errors.find(words_of(r.kernel_case) + class_of(r));
        text += fmt::format("{:<62} {:>6} {:>11.1f} {:>6.1f}{} {:>10.1f} {:>8.2f} {:>7.0f} {:>9} {:>10}\n", words_of(r.kernel_case), r.cold ? "cold" : "warm",
                            r.time.seconds().si() * 1e6, 100 * r.time.spread, r.time.steady ? " " : "!", r.flop.si() / r.time.seconds().si() / 1e9,
                            rate / 1e9, 100 * rate / machine.triad_bandwidth.si(), r.accuracy_loss < 0 ? "" : fmt::format("{:.3f}", 100 * r.accuracy_loss),
                            error == errors.end() ? "" : fmt::format("{:+.1f}", 100 * error->second));
    }
    return text + fmt::format("\n! {} of {} kept a spread above 8 %: their time is the fastest eighth of the repeats, not the median\n\n", unsteady, counted);
}

std::string errors_text(const std::vector<CaseError>& errors, const std::string& title) {
    std::map<std::string, std::vector<double>> kinds;
    for (const CaseError& e : errors) kinds[e.kind].push_back(std::abs(e.error()));
    std::string text = fmt::format("{:<40} {:>5} {:>7} {:>7} {:>7}\n", title, "rows", "mean", "median", "worst");
    for (auto& [kind, values] : kinds) {
        std::sort(values.begin(), values.end());
        double sum = 0.0;
        for (const double value : values) sum += value;
        text += fmt::format("{:<40} {:>5} {:>7.1f} {:>7.1f} {:>7.1f}\n", kind, values.size(), 100 * sum / static_cast<double>(values.size()),
                            100 * values[values.size() / 2], 100 * values.back());
    }
    std::vector<CaseError> worst = errors;
    std::sort(worst.begin(), worst.end(), [](const CaseError& a, const CaseError& b) { return std::abs(a.error()) > std::abs(b.error()); });
    text += "\nworst shapes:\n";
    for (std::size_t i = 0; i < std::min(worst_shown, worst.size()); ++i) {
        text += fmt::format("  {:<62} {:>9.1f} us, predicted {:>9.1f} ({:+.1f} %)\n", worst[i].row, worst[i].measured.si() * 1e6,
                            worst[i].predicted.si() * 1e6, 100 * worst[i].error());
    }
    return text;
}

// A device with the calibration of a file, the machine that the file was made on, and the GPU that was opened for it.
struct FiledDevice {
    Device device;
    MachineFigures figures;
    std::optional<GpuDescription> gpu;
};

// The GPU of this machine that a file of a GPU is held against: of the same type.
Result<GpuDescription> open_gpu_of_file(const std::string& file, const std::string& named, const std::string& device) {
    const std::string number = named.empty() ? "cuda:0" : named;
    Result<GpuDescription> gpu = open_gpu(number);
    if (!gpu) return gpu.problems();
    const Result<std::string> name = device_of_gpu("--device " + number, gpu->name);
    if (!name) return name.problems();
    if (*name != device) {
        return Problem{file, "was made on " + device + ", and " + number + " is " + *name, "name another GPU with --device, or calibrate this one by --suite quick"};
    }
    return gpu;
}

// The device that a file describes; a problem where it was not made on a machine, or on another kind than is asked for.
Result<FiledDevice> device_of_file(const std::string& file, const std::string& named) {
    const Result<Calibration> calibration = read_calibration(file);
    const Result<std::optional<MachineFigures>> read = read_machine_figures(file);
    if (!read) return read.problems();
    if (!calibration) return calibration.problems();
    if (!read->has_value()) {
        return Problem{file, "was fitted to tables, not made on a machine", "make one with `orrery calibrate --suite quick --out FILE`"};
    }
    FiledDevice filed;
    filed.figures = **read;
    const bool of_gpu = !filed.figures.device.empty();
    if (!named.empty() && names_gpu(named) != of_gpu) {
        return Problem{"--device " + named, "is another kind of device than " + file + " was made on (" + filed.figures.processor + ")",
                       of_gpu ? "leave it out, or write cuda:0" : "leave it out, or calibrate the GPU by --suite quick --device " + named};
    }
    if (of_gpu) {
        const Result<GpuDescription> gpu = open_gpu_of_file(file, named, filed.figures.device);
        if (!gpu) return gpu.problems();
        filed.gpu = *gpu;
        const Result<Device> entry = find_device(filed.figures.device);
        if (!entry) return entry.problems();
        filed.device = *entry;
    } else {
        filed.device = with_figures(Device{}, filed.figures);
        filed.device.name = filed.figures.processor;
    }
    filed.device.calibration = std::make_shared<const Calibration>(*calibration);
    return filed;
}

// Measures a GPU by its suite, against the peaks that the catalogue gives for its type.
Result<std::vector<MeasuredCase>> measure_gpu(const MachineOptions& options, const GpuDescription& gpu, const Device& device, MachineFigures& figures) {
    const GpuSensors sensors(gpu.pci);
    const auto say_reading = [&](const char* when) {
        if (const auto reading = sensors.read()) print_note(fmt::format("{} {}: {}", gpu.name, when, words_of(*reading)));
    };
    say_reading("at first");
    if (gpu.memory_free < 0.5 * gpu.memory) {
        print_note(fmt::format("only {:.1f} of {:.1f} GB are free: larger shapes are shrunk", gpu.memory_free.si() / 1e9, gpu.memory.si() / 1e9));
    }
    const DeviceBench bench = gpu_bench(gpu);
    const Result<MachineFigures> measured = measure_device_figures(bench, gpu, device, options.seed);
    if (!measured) return measured.problems();
    figures = *measured;
    figures.device = device.name;
    if (const std::string driver = sensors.driver(); !driver.empty()) figures.libraries += ", driver " + driver;
    SuiteOptions suite;
    suite.seed = options.seed;
    suite.limit = options.minutes > 0.0 ? Seconds::from_si(60.0 * options.minutes) : options.suite == "full" ? full_limit : gpu_limit;
    const std::vector<SuiteCase> cases = device_suite_cases(options.suite == "full", options.seed, device);
    std::vector<MeasuredCase> rows = measure_with_progress([&](const auto& tell) { return measure_device_suite(cases, bench, device, suite, tell); });
    say_reading("at last");
    return rows;
}

// The fit belongs to the device of the catalogue and is used as its calibration.
ExitStatus calibrate_gpu(const MachineOptions& options) {
    const std::string place = "--device " + options.device;
    if (options.suite.empty()) return print_problems({{place, "is measured by a suite", "add --suite quick or --suite full"}});
    const Result<GpuDescription> gpu = open_gpu(options.device);
    if (!gpu) return print_problems(gpu.problems());
    const Result<std::string> name = device_of_gpu(place, gpu->name);
    if (!name) return print_problems(name.problems());
    const Result<Device> device = find_device(*name);
    if (!device) return print_problems(device.problems());
    MachineFigures figures;
    const Result<std::vector<MeasuredCase>> rows = measure_gpu(options, *gpu, *device, figures);
    if (!rows) return print_problems(rows.problems());
    print_note("fitting");
    DeviceFit fit = fit_device(*device, figures.libraries, *rows, options.seed);
    for (const Problem& refused : fit.refused) print_note(refused.place + ": " + refused.problem + "; " + refused.remedy);
    fit.calibration.date = today();
    const Result<std::size_t> written = write_machine_calibration(figures, fit.calibration, options.out);
    if (!written) return print_problems(written.problems());
    print_note(fmt::format("wrote {} ({} bytes)", options.out, *written));
    return print_answer(machine_text(figures) + rows_text(*rows, figures, fit.held_out) + errors_text(fit.held_out, "errors in %, on every fifth row, held out"));
}

ExitStatus print_check(const std::vector<CaseError>& errors) {
    std::vector<double> sizes;
    for (const CaseError& e : errors) sizes.push_back(std::abs(e.error()));
    std::sort(sizes.begin(), sizes.end());
    const bool holds = !sizes.empty() && sizes[sizes.size() / 2] <= still_holds;
    const std::string verdict = fmt::format("\n{}: median error {:.1f} % on {} shapes\n", holds ? "still holds" : "does not hold any more",
                                            sizes.empty() ? 0.0 : 100 * sizes[sizes.size() / 2], sizes.size());
    return print_answer(errors_text(errors, "errors in %, measured anew") + verdict, holds ? ExitStatus::done : ExitStatus::no);
}

std::string losses_text(const MeasuredStep& step) { return fmt::format("loss {:.4f} at first, {:.4f} at last", step.losses.front(), step.losses.back()); }

// Operators of a step beside the predictions of `device`: by kind, and alike ones together.
std::string step_text(const MeasuredStep& step, const Device& device) {
    struct Sums {
        std::size_t operators = 0;
        double measured = 0.0;
        double predicted = 0.0;
    };
    std::map<std::string, Sums> kinds;
    std::map<std::string, Sums> alike;   // operators of the same work
    Sums total;
    for (const StepOperator& one : step.operators) {
        const double predicted = execution_time(device, one.work).si();
        for (Sums* sums : {&kinds[one.kind], &alike[one.words], &total}) {
            ++sums->operators;
            sums->measured += one.measured.si();
            sums->predicted += predicted;
        }
    }
    total.measured = step.total.si();
    kinds["total"] = total;
    std::string text = fmt::format("{:<12} {:>9} {:>12} {:>13} {:>8}\n", "operators", "number", "measured ms", "predicted ms", "error %");
    for (const auto& [kind, sums] : kinds) {
        text += fmt::format("{:<12} {:>9} {:>12.2f} {:>13.2f} {:>+8.1f}\n", kind, sums.operators, 1e3 * sums.measured, 1e3 * sums.predicted,
                            100 * (sums.predicted / sums.measured - 1.0));
    }
    std::vector<std::pair<std::string, Sums>> longest(alike.begin(), alike.end());
    std::stable_sort(longest.begin(), longest.end(), [](const auto& a, const auto& b) { return a.second.measured > b.second.measured; });
    text += fmt::format("\n{:<44} {:>6} {:>13} {:>13} {:>8}\n", "alike operators, longest first", "number", "measured us", "predicted us", "error %");
    for (const auto& [words, sums] : longest) {
        const auto number = static_cast<double>(sums.operators);
        text += fmt::format("{:<44} {:>6} {:>13.1f} {:>13.1f} {:>+8.1f}\n", words, sums.operators, 1e6 * sums.measured / number, 1e6 * sums.predicted / number,
                            100 * (sums.predicted / sums.measured - 1.0));
    }
    return text;
}

}  // namespace

ExitStatus calibrate_machine(const MachineOptions& options) {
    if (const Problems problems = output_problems(options.out); !problems.empty()) return print_problems(problems);
    if (names_gpu(options.device)) return calibrate_gpu(options);
    if (!options.device.empty() && options.device != "cpu") {
        return print_problems({{"--device " + options.device, "is no device of this machine that the suite can run on",
                                "leave it out or write cpu, or cuda:0 for a GPU; fit other devices to measured tables with --from"}});
    }
    MachineRows measured;
    if (options.suite.empty()) {
        Result<MachineRows> read = read_machine_rows(options.rows);
        if (!read) return print_problems(read.problems());
        measured = *std::move(read);
    } else {
        if (const Problems problems = options.rows.empty() ? Problems{} : output_problems(options.rows); !problems.empty()) return print_problems(problems);
        const PinnedTeam team(options.threads);
        print_note("measuring the machine's limits");
        measured.machine = measure_machine(team.threads(), options.seed);
        const bool full = options.suite == "full";
        SuiteOptions suite;
        suite.seed = options.seed;
        if (full) suite.limit = full_limit;
        if (options.minutes > 0.0) suite.limit = Seconds::from_si(60.0 * options.minutes);
        measured.rows = measure_cases(suite_cases(full, options.seed, measured.machine), measured.machine, suite);
        if (!options.rows.empty()) {
            const Result<std::size_t> written = write_machine_rows(measured, options.rows);
            if (!written) return print_problems(written.problems());
        }
    }
    print_note("fitting");
    MachineCalibration fit = fit_machine(measured.machine, measured.rows, static_cast<std::uint64_t>(measured.machine.seed));
    for (const Problem& refused : fit.refused) print_note(refused.place + ": " + refused.problem + "; " + refused.remedy);
    fit.calibration.date = today();
    const Result<std::size_t> written = write_machine_calibration(measured.machine, fit.calibration, options.out);
    if (!written) return print_problems(written.problems());
    print_note(fmt::format("wrote {} ({} bytes)", options.out, *written));
    return print_answer(machine_text(measured.machine) + rows_text(measured.rows, measured.machine, fit.held_out) + errors_text(fit.held_out, "errors in %, on rows held out (five folds)"));
}

ExitStatus check_machine(const MachineOptions& options) {
    const Result<FiledDevice> filed = device_of_file(options.check, options.device);
    if (!filed) return print_problems(filed.problems());
    const MachineFigures& figures = filed->figures;
    // Another seed than the suite's, so that the shapes are new; only classes with a prediction.
    SuiteOptions suite;
    suite.seed = static_cast<std::uint64_t>(figures.seed) + 1;
    if (filed->gpu) {
        const DeviceBench bench = gpu_bench(*filed->gpu);
        const std::vector<SuiteCase> cases = device_check_cases(checked_shapes, suite.seed, filed->device);
        return print_check(predict_device_cases(filed->device, measure_with_progress([&](const auto& tell) {
            return measure_device_suite(cases, bench, filed->device, suite, tell);
        })));
    }
    const PinnedTeam team(static_cast<int>(figures.cores));
    std::vector<SuiteCase> cases = suite_cases(false, suite.seed, figures);   // in an order that mixes the classes
    cases.resize(std::min(cases.size(), checked_shapes));
    return print_check(predict_cases(figures, filed->device, measure_cases(cases, figures, suite)));
}

ExitStatus measure_step(const MachineOptions& options) {
    const Result<FiledDevice> filed = device_of_file(options.step, options.device);
    if (!filed) return print_problems(filed.problems());
    if (filed->gpu) {
        const Result<MeasuredStep> step = run_gpu_step(gpu_step_shape, step_repeats, options.seed);
        if (!step) return print_problems(step.problems());
        const auto reading = GpuSensors(filed->gpu->pci).read();
        return print_answer(step_text(*step, filed->device) + "\n" + losses_text(*step) + (reading ? "; " + words_of(*reading) : std::string()) + "\n");
    }
    const MachineFigures& figures = filed->figures;
    const PinnedTeam team(static_cast<int>(figures.cores));
    const MeasuredStep step = run_training_step({}, step_repeats, options.seed);
    const double clock = step.register_rate / figures.fp32_peak;
    const Device now = with_figures(filed->device, at_clock(figures, clock));
    return print_answer(step_text(step, now) + fmt::format("\ncores ran at {:.0f} % of the clock of the calibration; {}\n", 100 * clock, losses_text(step)));
}

}  // namespace orrery
