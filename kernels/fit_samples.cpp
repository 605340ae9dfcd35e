// Splitting, thinning and judging measured rows.
#include "kernels/fit_samples.hpp"

#include "hardware/residuals.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace orrery {
namespace {

float squared_distance(const std::array<float, 6>& a, const std::array<float, 6>& b) {
    float sum = 0.0F;
    for (std::size_t i = 0; i < a.size(); ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
    return sum;
}

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

std::vector<FitSample> choose_spread(const std::vector<FitSample>& samples, std::int64_t kept, Rng& rng) {
    const auto wanted = static_cast<std::size_t>(kept);
    if (samples.size() <= wanted) return samples;
    std::vector<FitSample> left = samples;
    shuffle_samples(left, rng);
    std::vector<FitSample> chosen(left.begin(), left.begin() + static_cast<std::ptrdiff_t>(wanted - wanted / 2));
    left.erase(left.begin(), left.begin() + static_cast<std::ptrdiff_t>(chosen.size()));
    std::vector<float> distance(left.size(), std::numeric_limits<float>::max());
    std::size_t seen = 0;
    while (chosen.size() < wanted) {
        for (; seen < chosen.size(); ++seen) {
            for (std::size_t i = 0; i < left.size(); ++i) {
                distance[i] = std::min(distance[i], squared_distance(left[i].place, chosen[seen].place));
            }
        }
        const auto farthest = static_cast<std::size_t>(std::max_element(distance.begin(), distance.end()) - distance.begin());
        chosen.push_back(left[farthest]);
        distance[farthest] = -1.0F;
    }
    return chosen;
}

std::vector<ResidualPoint> residual_points(const std::vector<FitSample>& samples, const SampleModel& model) {
    std::vector<ResidualPoint> points;
    points.reserve(samples.size());
    for (const FitSample& sample : samples) {
        // Rounded as the file stores them, so that a re-read calibration is the same value.
        ResidualPoint point;
        for (std::size_t i = 0; i < point.place.size(); ++i) point.place[i] = std::round(sample.place[i] * 1e3F) / 1e3F;
        point.log_ratio = static_cast<float>(std::round(std::log(sample.seconds / model(sample)) * 1e4) / 1e4);
        points.push_back(point);
    }
    return points;
}

void judge(const std::vector<FitSample>& judged, const SampleModel& model, const std::vector<ResidualPoint>& residuals,
           FitQuality& quality) {
    std::vector<double> physics;
    std::vector<double> both;
    for (const FitSample& sample : judged) {
        const double seconds = model(sample);
        physics.push_back(std::abs(seconds / sample.seconds - 1.0));
        both.push_back(std::abs(seconds * std::exp(residual_at(residuals, sample.place)) / sample.seconds - 1.0));
    }
    quality.mean_error = mean_of(physics);
    quality.mean_error_with_residuals = mean_of(both);
    quality.median_error = quantile_of(both, 0.5);
    quality.p90_error = quantile_of(both, 0.9);
}

}  // namespace orrery
