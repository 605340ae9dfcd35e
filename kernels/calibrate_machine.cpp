// Fits class by class: factors on counts for layer A, a field for layer B, five folds for the errors.
#include "kernels/calibrate_machine.hpp"

#include "hardware/residuals.hpp"
#include "hardware/work_kinds/processor_model.hpp"
#include "kernels/fit_residuals.hpp"
#include "kernels/least_squares.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <numeric>
#include <utility>

namespace orrery {
namespace {

constexpr std::size_t folds = 5;
constexpr std::size_t class_rows_least = 10;
constexpr std::size_t class_points = 448;   // of layer B: more than the rows of a quick suite
constexpr int class_starts = 4;
constexpr double factor_prior = 0.02;       // residual of a factor that is e times what is usual: far below noise, so that
                                            // only counts that the rows say nothing of stay where they are
constexpr FitParameter start_bounds{2.0, 0.01, 1000.0, true};   // microseconds
constexpr FitParameter factor_bounds{1.0, 1e-3, 100.0, true};
constexpr std::array<double, 3> norms{1.0, 2.0, 4.0};

/// One row as a fit sees it.
struct ClassRow {
    std::size_t row = 0;      // in the caller's list
    double seconds = 0.0;
    double floor = 0.0;       // below which nothing is predicted
    Shape shape{};
    ProcessorTerms terms;
};

/// Kind and format: what is fitted together.
using ClassKey = std::pair<ProcessorKind, DataType>;

ProcessorCost fit_factors(const std::vector<ClassRow>& rows, Rng& rng) {
    const ProcessorTerms& counts = rows.front().terms;
    std::vector<FitParameter> bounds(counts.terms, factor_bounds);
    bounds.front() = start_bounds;
    ProcessorCost best;
    double least = 0.0;
    for (const double norm : norms) {
        if (norm > 1.0 && counts.memory_from == counts.terms) break;   // nothing to join
        ProcessorCost trial;
        trial.norm = norm;
        const Residuals residuals = [&](const std::vector<double>& values, std::vector<double>& out) {
            trial.factors = values;
            out.clear();
            for (const ClassRow& row : rows) out.push_back(std::log(processor_seconds(row.terms, trial) / row.seconds));
            for (std::size_t i = 0; i < values.size(); ++i) out.push_back(factor_prior * std::log(values[i] / bounds[i].start));
        };
        FitResult fit = fit_least_squares(residuals, bounds, {.starts = class_starts}, rng);
        if (!best.factors.empty() && fit.cost >= least) continue;
        least = fit.cost;
        best = trial;
        best.factors = std::move(fit.parameters);
    }
    return best;
}

ProcessorCost fit_class(ProcessorKind kind, const std::vector<ClassRow>& rows, double cores, Rng rng) {
    ProcessorCost cost = fit_factors(rows, rng);
    const ProcessorFeatures features = processor_features(kind);
    if (features == nullptr) return cost;
    std::vector<ResidualSample> ratios;
    for (const ClassRow& row : rows) ratios.push_back({std::log(row.seconds / processor_seconds(row.terms, cost)), {row.shape}});
    cost.residuals = fit_residuals(ratios, features, cores, class_points, rng);
    return cost;
}

double predicted_by(ProcessorKind kind, const ProcessorCost& cost, const ClassRow& row, double cores, bool with_residuals) {
    double seconds = processor_seconds(row.terms, cost);
    const ProcessorFeatures features = processor_features(kind);
    if (with_residuals && features != nullptr) seconds *= std::exp(residual_at(cost.residuals, features(row.shape, cores)));
    return std::max(seconds, row.floor);
}

double mean_of(const std::vector<double>& values) {
    return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

struct JudgedClass {
    ProcessorCost cost;              // to all rows, quality by folds
    std::vector<double> predicted;   // of each row, by the fit that did not see it
};

/// Layer B stays only where it makes rows better that it has not seen.
JudgedClass judge_class(const ClassKey& key, const std::vector<ClassRow>& rows, double cores, const std::string& name, std::uint64_t seed) {
    std::array<std::vector<double>, 2> predicted{std::vector<double>(rows.size()), std::vector<double>(rows.size())};   // without and with layer B
    for (std::size_t fold = 0; fold < folds; ++fold) {
        std::vector<ClassRow> seen;
        for (std::size_t i = 0; i < rows.size(); ++i) {
            if (i % folds != fold) seen.push_back(rows[i]);
        }
        const ProcessorCost cost = fit_class(key.first, seen, cores, Rng::stream(seed, name, fold + 1));
        for (std::size_t i = fold; i < rows.size(); i += folds) {
            for (std::size_t b = 0; b < 2; ++b) predicted[b][i] = predicted_by(key.first, cost, rows[i], cores, b == 1);
        }
    }
    std::array<std::vector<double>, 2> errors;
    for (std::size_t b = 0; b < 2; ++b) {
        for (std::size_t i = 0; i < rows.size(); ++i) errors[b].push_back(std::abs(predicted[b][i] / rows[i].seconds - 1.0));
        std::sort(errors[b].begin(), errors[b].end());
    }
    const std::size_t used = mean_of(errors[1]) < mean_of(errors[0]) ? 1 : 0;
    JudgedClass judged;
    judged.cost = fit_class(key.first, rows, cores, Rng::stream(seed, name, 0));
    if (used == 0) judged.cost.residuals = {};
    judged.cost.kind = key.first;
    judged.cost.type = key.second;
    judged.predicted = std::move(predicted[used]);
    FitQuality& quality = judged.cost.quality;
    quality.table = "this machine: " + name;
    quality.note = "errors by five folds; the factors are fitted to all rows";
    quality.rows = quality.rows_fitted = static_cast<std::int64_t>(rows.size());
    quality.mean_error = mean_of(errors[0]);
    quality.mean_error_with_residuals = mean_of(errors[used]);
    quality.median_error = errors[used][rows.size() / 2];
    quality.p90_error = errors[used][rows.size() * 9 / 10];
    return judged;
}

// Kernels of a step find in the caches little of what they stream: rows of warm caches are told, not fitted.
bool counts(const MeasuredCase& row) { return row.work && row.refused.empty() && class_of(row) != "streaming warm"; }

}  // namespace

std::vector<CaseError> predict_cases(const MachineFigures& machine, const Device& device, const std::vector<MeasuredCase>& rows) {
    std::vector<CaseError> errors;
    for (const MeasuredCase& row : rows) {
        if (!counts(row)) continue;
        const Device now = with_figures(device, at_clock(machine, row.clock));
        errors.push_back({words_of(row.kernel_case), class_of(row), row.time.seconds(), execution_time(now, *row.work)});
    }
    return errors;
}

MachineCalibration fit_machine(const MachineFigures& machine, const std::vector<MeasuredCase>& rows, std::uint64_t seed) {
    MachineCalibration result;
    Device device = with_figures(Device{}, machine);
    device.name = machine.processor;
    std::map<ClassKey, std::vector<ClassRow>> classes;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        if (!counts(rows[i])) continue;
        const Work& work = *rows[i].work;
        const DataType type = arithmetic_of(work);
        const Device now = with_figures(device, at_clock(machine, rows[i].clock));
        const ProcessorTerms terms = processor_terms(machine_of(now, type), machine_of(now, DataType::fp32), work);
        classes[{processor_kind(work), type}].push_back({i, rows[i].time.seconds().si(), physical_floor(now, work).si(), processor_shape(work), terms});
    }
    result.calibration.device = machine.processor;
    for (auto& [key, members] : classes) {
        // By time, so that each fold has short and long ones.
        std::stable_sort(members.begin(), members.end(), [](const ClassRow& a, const ClassRow& b) { return a.seconds < b.seconds; });
        const std::string name = std::string(name_of(key.first)) + " " + std::string(name_of(key.second));
        if (members.size() < class_rows_least) {
            result.refused.push_back({name, "has " + std::to_string(members.size()) + " rows that count", "measure more of them: --suite full"});
            continue;
        }
        JudgedClass judged = judge_class(key, members, machine_of(device, key.second).cores, name, seed);
        for (std::size_t i = 0; i < members.size(); ++i) {
            const MeasuredCase& row = rows[members[i].row];
            result.held_out.push_back({words_of(row.kernel_case), class_of(row), row.time.seconds(), Seconds::from_si(judged.predicted[i])});
        }
        judged.cost.library = machine.libraries;
        result.calibration.processor.push_back(std::move(judged.cost));
    }
    return result;
}

}  // namespace orrery
