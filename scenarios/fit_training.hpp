// What published trainings teach about devices and frameworks: a few physical constants each, fitted on whole rows.
#pragma once

#include "hardware/result.hpp"
#include "scenarios/error_statistics.hpp"

#include <functional>
#include <string>
#include <vector>

namespace orrery {

/// One constant of one device or framework; never of a row, a source or a model.
struct TrainingKnob {
    std::string owner;       // catalogue name of the device or framework
    std::string name;        // field of Calibration::training_slowdown or FrameworkProfile
    double value = 0.0;      // SI
    double min = 0.0;
    double max = 0.0;
    std::size_t rows = 0;    // that it acts on
};

struct TrainingFit {
    std::vector<TrainingKnob> knobs;
    ErrorStatistics before;
    ErrorStatistics after;
};

/// Levenberg-Marquardt on ln(predicted / measured), soft-L1 beyond 3 % and capped at 0.6, each row weighted by
/// 1 / sqrt(rows of its source), with a weak pull towards neutral values. Constants of devices and frameworks
/// that have no row stay. `only`: owners (or OWNER.CONSTANT) that may change; empty: all of them. `progress` hears of
/// each stage. Deterministic.
using TrainingProgress = std::function<void(const std::string&)>;
Result<TrainingFit> fit_training(const std::vector<std::string>& tables, const std::vector<std::string>& only,
                                 const TrainingProgress& progress);

/// The rows of one source beside what a fit to all the others predicts for them.
struct LeftOutSource {
    std::string source;
    std::vector<Comparison> rows;
};

/// What somebody gets whose device or framework nobody calibrated: for each source, all constants are fitted anew, from
/// neutral values, on the other sources' rows. Nothing is stored.
Result<std::vector<LeftOutSource>> leave_one_source_out(const std::vector<std::string>& tables,
                                                        const TrainingProgress& progress);

/// Writes the fitted constants into hardware/calibration/ and models/frameworks/ under `directory`, each with its source;
/// other content of the files stays. Names of the files written.
Result<std::vector<std::string>> store_training_fit(const TrainingFit& fit, const std::string& directory);

}  // namespace orrery
