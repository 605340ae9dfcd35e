// Gathers tables, has them fitted, writes the calibration and prints its errors.
#include "ui/command_calibrate.hpp"

#include "kernels/fit_calibration.hpp"
#include "scenarios/calibration_file.hpp"
#include "scenarios/catalog.hpp"
#include "scenarios/collective_file.hpp"
#include "scenarios/collective_calibrate.hpp"
#include "scenarios/date.hpp"
#include "scenarios/fit_training.hpp"
#include "scenarios/json.hpp"
#include "scenarios/output_file.hpp"
#include "ui/terminal.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

namespace orrery {
namespace {

constexpr std::array<std::string_view, 5> fitted_tables{"gemm", "context_attention", "generation_attention",
                                                        "encoder_attention", "moe"};

bool is_fitted_table(const TableName& name) {
    return std::find(fitted_tables.begin(), fitted_tables.end(), name.table) != fitted_tables.end();
}

// Tables of `device` in a folder, by name; other systems' and other kinds' are no mistake there.
std::vector<std::string> tables_in(const std::string& folder, const std::string& device) {
    std::vector<std::string> paths;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
        const std::string path = entry.path().string();
        const Result<TableName> name = parse_table_name(path);
        if (name && is_fitted_table(*name) && same_device(name->system, device)) paths.push_back(path);
    }
    std::sort(paths.begin(), paths.end());
    return paths;
}

Result<std::vector<MeasuredTable>> gather_tables(const CalibrateOptions& options) {
    std::vector<MeasuredTable> tables;
    Problems problems;
    for (const std::string& from : options.from) {
        const bool folder = std::filesystem::is_directory(from);
        for (const std::string& path : folder ? tables_in(from, options.device) : std::vector<std::string>{from}) {
            Result<MeasuredTable> table = read_measured_table(path);
            if (!table) {
                problems.insert(problems.end(), table.problems().begin(), table.problems().end());
            } else if (!same_device(table->name.system, options.device)) {
                problems.push_back({path, "was measured on " + table->name.system + ", not on " + options.device,
                                    "give tables of one device, or another --device"});
            } else {
                tables.push_back(std::move(table).value());
            }
        }
    }
    if (problems.empty() && tables.empty()) {
        problems.push_back({"--from", "holds no table of " + options.device,
                            "name files such as h100_sxm.vllm-0.19.0.gemm.csv"});
    }
    if (!problems.empty()) return problems;
    return tables;
}

std::string quality_line(const std::string& what, const FitQuality& q) {
    return fmt::format("{:<52} {:>6} {:>5} {:>6} {:>7.1f} {:>7.1f} {:>7.1f} {:>7.1f}\n", what, q.rows, q.rows_left_out,
                       q.rows_fitted, 100 * q.mean_error, 100 * q.mean_error_with_residuals, 100 * q.median_error,
                       100 * q.p90_error);
}

std::string quality_text(const CalibrationFit& fit) {
    std::string text = fmt::format("{:<52} {:>6} {:>5} {:>6} {:>7} {:>7} {:>7} {:>7}\n", "errors in %, on rows not fitted",
                                   "rows", "out", "fitted", "physics", "mean", "median", "p90");
    for (const auto& g : fit.calibration.gemm) {
        text += quality_line(fmt::format("product {} ({})", name_of(g.type), g.library), g.quality);
    }
    for (const auto& g : fit.calibration.grouped) {
        text += quality_line(fmt::format("experts {} ({})", name_of(g.type), g.library), g.quality);
    }
    for (const auto& p : fit.calibration.prefill) {
        text += quality_line(fmt::format("prefill {} ({})", name_of(p.type), p.library), p.quality);
    }
    for (const auto& d : fit.calibration.decode) text += quality_line(fmt::format("decode ({})", d.library), d.quality);
    return text;
}

// A re-fit of kernels says nothing about trainings: what the file knew of them stays.
Problems keep_training(const std::string& file, Calibration& calibration) {
    if (!std::filesystem::exists(file)) return {};
    Result<Calibration> before = read_calibration(file);
    if (!before) return before.problems();
    calibration.training_slowdown = before->training_slowdown;
    calibration.attention_training_efficiency = before->attention_training_efficiency;
    calibration.training_source = before->training_source;
    calibration.convolution_slowdown = before->convolution_slowdown;
    calibration.convolution_source = before->convolution_source;
    if (!calibration.streaming) calibration.streaming = before->streaming;
    return {};
}

}  // namespace

namespace {

/// nccl-tests' outputs to a file in the form of network/calibration/NAME.json.
int calibrate_network(const CalibrateOptions& options) {
    const auto calibration = calibrate_collectives({options.from, options.device, options.node});
    if (!calibration) return static_cast<int>(print_problems(calibration.problems()));
    for (const std::string& note : calibration->notes) print_note(note);
    const auto written = write_text_file(options.out, collective_parameters_json(calibration->parameters));
    if (!written) return static_cast<int>(print_problems(written.problems()));
    print_note(fmt::format("wrote {} ({} bytes)", options.out, *written));
    return static_cast<int>(print_answer(fmt::format("collectives of {}: {}; mean error on its own sizes {:.1f} %\nuse it: \"cluster\": {{\"collectives\": \"{}\"}}\n", options.device,
                                                     calibration->parameters.source, 100.0 * calibration->error, options.out)));
}

}  // namespace

int run_calibrate(const CalibrateOptions& options) {
    const auto refuse = [](const Problems& problems) { return static_cast<int>(print_problems(problems)); };
    if (const Problems problems = output_problems(options.out); !problems.empty()) return refuse(problems);
    if (!options.from.empty() && std::all_of(options.from.begin(), options.from.end(), is_collective_measurement)) return calibrate_network(options);
    const Result<Device> device = read_device_entry(options.device);
    if (!device) return refuse(device.problems());
    const Result<std::vector<MeasuredTable>> tables = gather_tables(options);
    if (!tables) return refuse(tables.problems());
    CalibrationFit fit = fit_calibration(*device, *tables, {}, [](const std::string& table) { print_note("fitting " + table); });
    for (const Problem& refused : fit.refused) print_note(refused.place + ": " + refused.problem + "; " + refused.remedy);
    fit.calibration.date = today();
    if (const Problems problems = keep_training(options.out, fit.calibration); !problems.empty()) return refuse(problems);
    const Result<std::size_t> written = write_calibration(fit.calibration, options.out);
    if (!written) return refuse(written.problems());
    print_note(fmt::format("wrote {} ({} bytes)", options.out, *written));
    return static_cast<int>(print_answer(quality_text(fit)));
}

int run_fit_trainings(const FitTrainingsOptions& options) {
    const auto refuse = [](const Problems& problems) { return static_cast<int>(print_problems(problems)); };
    const Result<TrainingFit> fit = fit_training(options.tables, options.only, [](const std::string& round) { print_note(round); });
    if (!fit) return refuse(fit.problems());
    const Result<std::vector<std::string>> written = store_training_fit(*fit, options.out);
    if (!written) return refuse(written.problems());
    for (const std::string& file : *written) print_note("wrote " + file);
    std::string text = fmt::format("{:<24} {:<32} {:>10} {:>6}\n", "device or framework", "constant", "value", "rows");
    for (const TrainingKnob& knob : fit->knobs) {
        text += fmt::format("{:<24} {:<32} {:>10.4g} {:>6}\n", knob.owner, knob.name, knob.value, knob.rows);
    }
    text += fmt::format("\nmean error {:.2f} % before, {:.2f} % after; median {:.2f} %, p90 {:.2f} %, bias {:+.2f} %\n",
                        100 * fit->before.mape, 100 * fit->after.mape, 100 * fit->after.median_ape, 100 * fit->after.p90_ape,
                        100 * fit->after.bias);
    return static_cast<int>(print_answer(text));
}

}  // namespace orrery
