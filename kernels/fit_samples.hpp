// What all operator fits share: which rows fit, which judge, which are kept, and how good the result is.
#pragma once

#include "hardware/calibration.hpp"
#include "hardware/rng.hpp"

#include <array>
#include <functional>
#include <vector>

namespace orrery {

/// One measured row, as the fit sees it.
struct FitSample {
    std::size_t row = 0;             // in the caller's list
    std::array<float, 6> place{};
    double seconds = 0.0;            // measured
};

struct FitSplit {
    std::vector<FitSample> fitted;
    std::vector<FitSample> judged;
};

/// A random split, the same for the same seed.
FitSplit split_samples(std::vector<FitSample> samples, std::int64_t fitted, Rng& rng);

/// `kept` samples spread over the space: each next one is the farthest from those chosen (Gonzalez, Theoretical
/// Computer Science 38, 1985), after a random first. For half of them; the other half is drawn at random, so that dense
/// regions stay represented.
std::vector<FitSample> choose_spread(const std::vector<FitSample>& samples, std::int64_t kept, Rng& rng);

/// Seconds that layer A gives for a sample.
using SampleModel = std::function<double(const FitSample&)>;

/// ln(measured / model) at the samples.
std::vector<ResidualPoint> residual_points(const std::vector<FitSample>& samples, const SampleModel& model);

/// Fills the errors of `quality` from the rows that judge.
void judge(const std::vector<FitSample>& judged, const SampleModel& model, const std::vector<ResidualPoint>& residuals,
           FitQuality& quality);

}  // namespace orrery
