// Splitting, thinning and judging measured rows.
#include "kernels/fit_samples.hpp"

#include <algorithm>
#include <cmath>

namespace orrery {
namespace {

void shuffle_samples(std::vector<FitSample>& samples, Rng& rng) {  // Fisher-Yates
    for (std::size_t i = samples.size(); i > 1; --i) std::swap(samples[i - 1], samples[rng.below(i)]);
}

double mean_of(const std::vector<double>& values) {
    double sum = 0.0;
    for (const double value : values) sum += value;
    return values.empty() ? 0.0 : sum / static_cast<double>(values.size());
}

double quantile_of(std::vector<double> values, double share) {
    if (values.empty()) return 0.0;
    const auto at = static_cast<std::ptrdiff_t>(share * static_cast<double>(values.size() - 1));
    std::nth_element(values.begin(), values.begin() + at, values.end());
    return values[static_cast<std::size_t>(at)];
}

}  // namespace

FitSplit split_samples(std::vector<FitSample> samples, std::int64_t fitted, Rng& rng) {
    shuffle_samples(samples, rng);
    // A small table still leaves a quarter of its rows to judge by.
    const auto most = static_cast<std::int64_t>(samples.size() - samples.size() / 4);
    const auto middle = samples.begin() + std::min(fitted, most);
    return {{samples.begin(), middle}, {middle, samples.end()}};
}

ResidualField residual_field(const std::vector<FitSample>& samples, const SampleModel& model, const ResidualFit& how,
                             Rng& rng) {
    std::vector<ResidualSample> ratios;
    ratios.reserve(samples.size());
    for (const FitSample& sample : samples) {
        ratios.push_back({std::log(sample.seconds / model(sample)), sample.shapes, sample.shares});
    }
    return fit_residuals(ratios, how.features, how.cores, static_cast<std::size_t>(how.points), rng);
}

void judge(const std::vector<FitSample>& judged, const SampleModel& model, const ResidualField& residuals,
           const ResidualFit& how, FitQuality& quality) {
    std::vector<double> physics;
    std::vector<double> both;
    for (const FitSample& sample : judged) {
        const double seconds = model(sample);
        const double log_ratio = residual_of(residuals, how.features, how.cores, {0.0, sample.shapes, sample.shares});
        physics.push_back(std::abs(seconds / sample.seconds - 1.0));
        both.push_back(std::abs(seconds * std::exp(log_ratio) / sample.seconds - 1.0));
    }
    quality.mean_error = mean_of(physics);
    quality.mean_error_with_residuals = mean_of(both);
    quality.median_error = quantile_of(both, 0.5);
    quality.p90_error = quantile_of(both, 0.9);
}

}  // namespace orrery
