// Fits class by class: least squares for layer A, a field for layer B, five folds for the errors.
#include "kernels/calibrate_machine.hpp"

#include "hardware/work_kinds/machine.hpp"
#include "kernels/fit_residuals.hpp"
#include "kernels/machine_classes.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <numeric>

namespace orrery {
namespace {

constexpr std::size_t folds = 5;
constexpr std::size_t class_rows_least = 10;
constexpr std::size_t class_points = 448;   // of layer B: more than the rows of a quick suite
constexpr int class_starts = 6;

struct ClassFit {
    std::vector<double> values;
    double choice = 0.0;
    double cost = 0.0;
    ResidualField residuals;
};

ClassFit fit_class(const ClassModel& model, const std::vector<ClassRow>& rows, double cores, Rng rng) {
    ClassFit best;
    for (const double choice : model.choices) {
        const Residuals residuals = [&](const std::vector<double>& values, std::vector<double>& out) {
            out.resize(rows.size());
            for (std::size_t i = 0; i < rows.size(); ++i) out[i] = std::log(model.seconds(values, choice, rows[i]) / rows[i].seconds);
        };
        FitResult fit = fit_least_squares(residuals, model.bounds, {.starts = class_starts}, rng);
        if (best.values.empty() || fit.cost < best.cost) best = {std::move(fit.parameters), choice, fit.cost, {}};
    }
    if (model.features == nullptr) return best;
    std::vector<ResidualSample> ratios;
    for (const ClassRow& row : rows) {
        ratios.push_back({std::log(row.seconds / model.seconds(best.values, best.choice, row)), {row.shape}});
    }
    best.residuals = fit_residuals(ratios, model.features, cores, class_points, rng);
    return best;
}

double predicted_by(const ClassModel& model, const ClassFit& fit, const ClassRow& row, double cores, bool with_residuals) {
    double seconds = model.seconds(fit.values, fit.choice, row);
    if (with_residuals && model.features != nullptr) seconds *= std::exp(residual_at(fit.residuals, model.features(row.shape, cores)));
    return std::max(seconds, row.floor);
}

struct JudgedClass {
    ClassFit fit;              // to all rows
    FitQuality quality;        // by folds
    std::vector<double> predicted;   // of each row, by the fit that did not see it
};

JudgedClass judge_class(const ClassModel& model, const std::vector<ClassRow>& rows, double cores, const std::string& name,
                        std::uint64_t seed) {
    JudgedClass judged;
    judged.predicted.resize(rows.size());
    std::vector<double> physics;
    std::vector<double> both;
    for (std::size_t fold = 0; fold < folds; ++fold) {
        std::vector<ClassRow> seen;
        for (std::size_t i = 0; i < rows.size(); ++i) {
            if (i % folds != fold) seen.push_back(rows[i]);
        }
        const ClassFit fit = fit_class(model, seen, cores, Rng::stream(seed, name, fold + 1));
        for (std::size_t i = fold; i < rows.size(); i += folds) {
            judged.predicted[i] = predicted_by(model, fit, rows[i], cores, true);
            physics.push_back(std::abs(predicted_by(model, fit, rows[i], cores, false) / rows[i].seconds - 1.0));
            both.push_back(std::abs(judged.predicted[i] / rows[i].seconds - 1.0));
        }
    }
    judged.fit = fit_class(model, rows, cores, Rng::stream(seed, name, 0));
    std::sort(both.begin(), both.end());
    const auto mean = [](const std::vector<double>& values) {
        return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
    };
    judged.quality.table = "this machine: " + name;
    judged.quality.note = "errors by five folds; the parameters are fitted to all rows";
    judged.quality.rows = judged.quality.rows_fitted = static_cast<std::int64_t>(rows.size());
    judged.quality.mean_error = mean(physics);
    judged.quality.mean_error_with_residuals = mean(both);
    judged.quality.median_error = both[both.size() / 2];
    judged.quality.p90_error = both[both.size() * 9 / 10];
    return judged;
}

// Forward and backward attention are one class.
std::string fitted_class(const std::string& kind) { return kind == "attention backward" ? "prefill" : kind; }

// Kernels of a step find in the caches little of what they stream: rows of warm caches are told, not fitted.
bool counts(const MeasuredCase& row) { return row.work && row.refused.empty() && class_of(row) != "streaming warm"; }

Shape shape_in_class(const Work& work) {
    if (const auto* product = std::get_if<MatrixMultiply>(&work)) return shape_of(*product);
    if (const auto* grouped = std::get_if<GroupedMatrixMultiply>(&work)) return shape_of(*grouped);
    if (const auto* attention = std::get_if<Attention>(&work)) return shape_of(*attention);
    const auto* streaming = std::get_if<Streaming>(&work);
    return streaming != nullptr ? shape_of(*streaming) : Shape{};
}

DataType type_of_product(const Work& work) {
    if (const auto* product = std::get_if<MatrixMultiply>(&work)) return product->type;
    if (const auto* grouped = std::get_if<GroupedMatrixMultiply>(&work)) return grouped->type;
    const auto* convolution = std::get_if<Convolution>(&work);
    return convolution != nullptr ? convolution->type : DataType::fp32;
}

// Puts the fit of one class where the device's prices look for it.
void keep(const std::string& name, const std::string& library, DataType type, JudgedClass judged, Calibration& calibration) {
    ClassFit& fit = judged.fit;
    if (name.rfind("product", 0) == 0) {
        calibration.gemm.push_back({type, library, gemm_of(fit.values), {}, std::move(fit.residuals), judged.quality});
    } else if (name == "convolution") {
        calibration.convolution.push_back({type, library, gemm_of(fit.values), {}, {}, judged.quality});
    } else if (name == "grouped product") {
        GroupedCalibration grouped;
        grouped.type = type;
        grouped.library = library;
        grouped.parameters = gemm_of(fit.values);
        grouped.residuals = std::move(fit.residuals);
        grouped.quality = judged.quality;
        calibration.grouped.push_back(std::move(grouped));
    } else if (name == "prefill") {
        calibration.prefill.push_back({DataType::fp32, library, prefill_of(fit.values, fit.choice), std::move(fit.residuals), judged.quality});
    } else if (name == "decode") {
        calibration.decode.push_back({library, decode_of(fit.values, fit.choice), std::move(fit.residuals), judged.quality});
    } else if (name == "gather") {
        calibration.gather = streaming_of_values(fit.values);
    } else {
        calibration.streaming = streaming_of_values(fit.values);
        calibration.streaming_residuals = std::move(fit.residuals);
    }
}

ClassModel model_of(const std::string& name, const Device& device, DataType type) {
    if (name.rfind("product", 0) == 0) return product_model(device, type);
    if (name == "convolution") return convolution_model(device, type);
    if (name == "grouped product") return grouped_model(device, type);
    if (name == "prefill") return prefill_model(device);
    if (name == "decode") return decode_model(device);
    return name == "gather" ? gather_model(device) : streaming_model(device);
}

}  // namespace

std::vector<CaseError> predict_cases(const Device& device, const std::vector<MeasuredCase>& rows) {
    std::vector<CaseError> errors;
    for (const MeasuredCase& row : rows) {
        if (!counts(row)) continue;
        errors.push_back({words_of(row.kernel_case), class_of(row), row.time.seconds(), execution_time(device, *row.work)});
    }
    return errors;
}

MachineCalibration fit_machine(const MachineFigures& machine, const std::vector<MeasuredCase>& rows, std::uint64_t seed) {
    MachineCalibration result;
    Device device = with_figures(Device{}, machine);
    device.name = machine.processor;
    std::map<std::string, std::vector<ClassRow>> classes;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        const MeasuredCase& row = rows[i];
        if (!counts(row)) continue;
        const Work& work = *row.work;
        classes[fitted_class(class_of(row))].push_back({i, work, row.time.seconds().si(), physical_floor(device, work).si(), shape_in_class(work)});
    }
    result.calibration.device = machine.processor;
    for (const auto& [name, members] : classes) {
        if (members.size() < class_rows_least) {
            result.refused.push_back({name, "has " + std::to_string(members.size()) + " rows that count", "measure more of them: --suite full"});
            continue;
        }
        const DataType type = type_of_product(members.front().work);
        const ClassModel model = model_of(name, device, type);
        const double cores = machine_of(device, type).cores;
        JudgedClass judged = judge_class(model, members, cores, name, seed);
        for (std::size_t i = 0; i < members.size(); ++i) {
            const MeasuredCase& row = rows[members[i].row];
            result.held_out.push_back({words_of(row.kernel_case), class_of(row), row.time.seconds(), Seconds::from_si(judged.predicted[i])});
        }
        keep(name, machine.libraries, type, std::move(judged), result.calibration);
    }
    return result;
}

}  // namespace orrery
