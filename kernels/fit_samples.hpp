// What all operator fits share: which rows fit, which judge, which are kept, and how good the result is.
#pragma once

#include "hardware/calibration.hpp"
#include "hardware/rng.hpp"
#include "kernels/fit_residuals.hpp"

#include <array>
#include <functional>
#include <vector>

namespace orrery {

/// One measured row, as the fit sees it.
struct FitSample {
    std::size_t row = 0;             // in the caller's list
    double seconds = 0.0;            // measured
    std::array<Shape, 2> shapes{};   // see ResidualSample
    std::array<double, 2> shares{1.0, 0.0};
};

struct FitSplit {
    std::vector<FitSample> fitted;
    std::vector<FitSample> judged;
};

/// A random split, the same for the same seed.
FitSplit split_samples(std::vector<FitSample> samples, std::int64_t fitted, Rng& rng);

/// Seconds that layer A gives for a sample.
using SampleModel = std::function<double(const FitSample&)>;

/// Layer B of a table: its fit to the samples, and how it compares shapes on this device.
struct ResidualFit {
    FeaturesOf features = nullptr;
    double cores = 1.0;
    std::int64_t points = 0;
};
ResidualField residual_field(const std::vector<FitSample>& samples, const SampleModel& model, const ResidualFit& how,
                             Rng& rng);

/// Fills the errors of `quality` from the rows that judge.
void judge(const std::vector<FitSample>& judged, const SampleModel& model, const ResidualField& residuals,
           const ResidualFit& how, FitQuality& quality);

}  // namespace orrery
