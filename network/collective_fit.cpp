// From measured collectives of one scale-up domain to parameters, residuals and honest errors.
#include "network/collective_fit.hpp"

#include "hardware/rng.hpp"
#include "network/collective_free.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <tuple>

namespace orrery {

namespace {

using SampleKey = std::tuple<CollectiveKind, int, int, double>;  // kind, domains, ranks, bytes
SampleKey key_of(const CollectiveSample& s) { return {s.kind, s.domains, s.ranks, s.size.si()}; }

double median_of(std::vector<double> values) {
    ORRERY_CHECK(!values.empty());
    std::sort(values.begin(), values.end());
    const std::size_t middle = values.size() / 2;
    return values.size() % 2 == 1 ? values[middle] : 0.5 * (values[middle - 1] + values[middle]);
}

/// Piecewise linear through points sorted by x, held at the ends.
double interpolate_points(const std::map<double, double>& points, double x) {
    const auto right = points.lower_bound(x);
    if (right == points.begin()) return right->second;
    if (right == points.end()) return std::prev(right)->second;
    const auto left = std::prev(right);
    const double part = (x - left->first) / (right->first - left->first);
    return (1.0 - part) * left->second + part * right->second;
}

/// The same, but going on at the outermost slopes beyond the ends.
double extended_points(const std::map<double, double>& points, double x) {
    if (points.size() < 2 || (x >= points.begin()->first && x <= points.rbegin()->first)) {
        return interpolate_points(points, x);
    }
    const bool before = x < points.begin()->first;
    const auto outer = before ? points.begin() : std::prev(points.end());
    const auto inner = before ? std::next(outer) : std::prev(outer);
    const double slope = (outer->second - inner->second) / (outer->first - inner->first);
    return outer->second + slope * (x - outer->first);
}

/// Values by (kind, ranks), then by log2 of the size: medians over types.
using Curves = std::map<std::pair<CollectiveKind, int>, std::map<double, double>>;
template <class Value>
Curves curves_of(std::span<const CollectiveSample> samples, const Value& value) {
    std::map<std::pair<CollectiveKind, int>, std::map<double, std::vector<double>>> pooled;
    for (const CollectiveSample& s : median_samples(samples)) {
        pooled[{s.kind, s.ranks}][std::log2(s.size.si())].push_back(value(s));
    }
    Curves curves;
    for (auto& [group, by_size] : pooled) {
        for (auto& [place, values] : by_size) curves[group][place] = median_of(values);
    }
    return curves;
}

CollectiveParameters without_residuals(const CollectiveParameters& parameters) {
    CollectiveParameters bare = parameters;
    bare.residuals.clear();
    return bare;
}

double error_of(double predicted, double measured) { return std::abs(predicted / measured - 1.0); }

}  // namespace

Fabric measured_fabric(const CollectiveParameters& parameters, const MeasuredDomain& domain) {
    Node node;
    node.name = "measured domain";
    node.devices = node.scale_up_domain = domain.devices;
    node.scale_up = domain.wiring;
    node.nics = 0;
    FabricSpec spec;
    spec.topology = "single-node";
    Result<Fabric> fabric =
        build_fabric(spec, node, 1, domain.scale_up, std::make_shared<const CollectiveParameters>(parameters));
    ORRERY_CHECK(fabric.ok());
    return std::move(fabric).value();
}

Seconds sample_time(const Fabric& fabric, const CollectiveSample& s) {
    return collective_time(fabric, {s.kind, s.size, s.type}, {s.ranks, s.ranks / s.domains, s.domains, 1});
}

std::vector<CollectiveSample> median_samples(std::span<const CollectiveSample> samples) {
    std::map<std::pair<SampleKey, DataType>, std::vector<double>> replicates;
    for (const CollectiveSample& s : samples) replicates[{key_of(s), s.type}].push_back(s.time.si());
    std::vector<CollectiveSample> medians;
    for (const auto& [key, times] : replicates) {
        const auto& [kind, domains, ranks, size] = key.first;
        medians.push_back({kind, key.second, ranks, Bytes::from_si(size), Seconds::from_si(median_of(times)), domains});
    }
    return medians;
}

Seconds predicted_time(const CollectiveParameters& parameters, const MeasuredDomain& domain,
                       const CollectiveSample& sample) {
    return sample_time(measured_fabric(parameters, domain), sample);
}

std::vector<Seconds> predicted_times(const CollectiveParameters& parameters, const MeasuredDomain& domain,
                                     std::span<const CollectiveSample> samples) {
    const Fabric fabric = measured_fabric(parameters, domain);
    std::vector<Seconds> times;
    times.reserve(samples.size());
    for (const CollectiveSample& s : samples) times.push_back(sample_time(fabric, s));
    return times;
}

double mean_collective_error(const CollectiveParameters& parameters, const MeasuredDomain& domain,
                             std::span<const CollectiveSample> samples) {
    const Fabric fabric = measured_fabric(parameters, domain);
    double sum = 0.0;
    for (const CollectiveSample& s : samples) sum += error_of(sample_time(fabric, s).si(), s.time.si());
    return samples.empty() ? 0.0 : sum / static_cast<double>(samples.size());
}

namespace {

/// Errors when the size `left_out` of one kind and rank count is predicted from its other sizes: sums over its rows.
struct GapErrors {
    double calibrated = 0.0;
    double interpolated = 0.0;
    int rows = 0;
};

GapErrors judge_gap(const CollectiveParameters& bare, const MeasuredDomain& domain,
                    std::span<const CollectiveSample> group, double left_out) {
    std::vector<CollectiveSample> rest;
    for (const CollectiveSample& s : group) {
        if (s.size.si() != left_out) rest.push_back(s);
    }
    GapErrors errors;
    if (rest.empty()) return errors;
    CollectiveParameters parameters = bare;
    parameters.residuals = tabulate_residuals(bare, domain, rest);
    const Fabric fabric = measured_fabric(parameters, domain);
    const Curves times = curves_of(rest, [](const CollectiveSample& s) { return std::log(s.time.si()); });
    const double interpolated = std::exp(extended_points(times.begin()->second, std::log2(left_out)));
    for (const CollectiveSample& s : group) {
        if (s.size.si() != left_out) continue;
        errors.calibrated += error_of(sample_time(fabric, s).si(), s.time.si());
        errors.interpolated += error_of(interpolated, s.time.si());
        ++errors.rows;
    }
    return errors;
}

}  // namespace

CollectiveFitQuality judge_fit(const CollectiveParameters& parameters, const MeasuredDomain& domain,
                               std::span<const CollectiveSample> samples, std::uint64_t seed) {
    const CollectiveParameters bare = without_residuals(parameters);
    CollectiveFitQuality quality;
    quality.rows = static_cast<int>(samples.size());
    quality.physical_error = mean_collective_error(bare, domain, samples);
    std::vector<CollectiveSample> seen;
    std::vector<CollectiveSample> unseen;
    std::map<std::pair<CollectiveKind, int>, std::vector<CollectiveSample>> groups;
    std::map<std::pair<CollectiveKind, int>, std::set<double>> sizes;
    for (const CollectiveSample& s : samples) {
        const auto id = static_cast<std::uint64_t>(s.size.si()) * 64 + static_cast<std::uint64_t>(s.ranks);
        Rng rng = Rng::stream(seed, std::string(name_of(s.kind)) + " " + std::string(name_of(s.type)), id);
        (rng.uniform() < 0.5 ? seen : unseen).push_back(s);
        groups[{s.kind, s.ranks}].push_back(s);
        sizes[{s.kind, s.ranks}].insert(s.size.si());
    }
    if (seen.empty() || unseen.empty()) return quality;
    CollectiveParameters half = bare;
    half.residuals = tabulate_residuals(bare, domain, seen);
    quality.calibrated_error = mean_collective_error(half, domain, unseen);
    GapErrors sum;
    for (const auto& [group, rows] : groups) {
        for (const double size : sizes[group]) {
            const GapErrors gap = judge_gap(bare, domain, rows, size);
            sum.calibrated += gap.calibrated;
            sum.interpolated += gap.interpolated;
            sum.rows += gap.rows;
        }
    }
    if (sum.rows > 0) {
        quality.gap_error = sum.calibrated / sum.rows;
        quality.interpolation_error = sum.interpolated / sum.rows;
    }
    return quality;
}

namespace {

using P = CollectiveParameters;

double robust_loss(const CollectiveParameters& p, const MeasuredDomain& domain,
                   std::span<const CollectiveSample> samples) {
    const Fabric fabric = measured_fabric(p, domain);
    double sum = 0.0;
    for (const CollectiveSample& s : samples) {
        sum += std::min(std::abs(std::log(sample_time(fabric, s) / s.time)), 0.6);
    }
    return sum / static_cast<double>(samples.size());
}

}  // namespace

CollectiveParameters fit_collectives(const CollectiveParameters& prior, const MeasuredDomain& domain,
                                     std::span<const CollectiveSample> samples, double pull, int rounds) {
    ORRERY_CHECK(!samples.empty());
    const std::vector<CollectiveSample> keys = median_samples(samples);
    CollectiveParameters best = without_residuals(prior);
    best.quality.reset();
    const auto loss = [&](const CollectiveParameters& p) {
        double total = robust_loss(p, domain, keys);
        for (const FreeParameter& f : free_parameters) {
            const double from = get_free(prior, f);
            if (from <= 0.0) continue;  // not there: stays so
            const double away = std::log(get_free(p, f) / from) / f.spread;
            total += pull * away * away;
        }
        return total;
    };
    double best_loss = loss(best);
    double step = 0.4;  // of ln(parameter) over its spread
    for (int round = 0; round < rounds && step > 0.005; ++round) {
        bool better = false;
        for (const FreeParameter& f : free_parameters) {
            const double from = get_free(best, f);
            if (from <= 0.0) continue;
            for (const double direction : {1.0, -1.0}) {
                CollectiveParameters trial = best;
                const double to = from * std::exp(direction * step * f.spread);
                set_free(trial, f,
                         f.share && f.share != &P::local_pass && f.share != &P::int8_slowdown &&
                                 f.share != &P::exchange_local_pass
                             ? std::min(to, 1.0)
                             : to);
                const double trial_loss = loss(trial);
                if (trial_loss >= best_loss) continue;
                best = trial;
                best_loss = trial_loss;
                better = true;
                break;
            }
        }
        if (!better) step *= 0.5;
    }
    return best;
}

}  // namespace orrery
