// What measurements say beyond the physical model: ratios as a Gaussian process over log size, type, kind and ranks; and
// the fit of what lies between domains.
#include "network/collective_fit.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>

namespace orrery {

namespace {

// Chosen on five NCCL tables (A100, H100, H200, B200, GB200), each a half predicted from the other; flat around these.
constexpr double residual_deviation = 0.1;   // of the logarithm of a ratio
constexpr double residual_length = 3.0;      // doublings of size over which ratios forget each other (exponential kernel)
constexpr double residual_noise = 0.03;      // of one measurement, median of its replicates
constexpr double residual_types = 0.95;      // correlation of int8 with other types, one algorithm
constexpr double residual_ring_kinds = 0.6;  // of all-reduce, all-gather and reduce-scatter with each other
constexpr double residual_rank_counts = 0.1; // of different rank counts
constexpr double residual_alike = 0.6;       // part of a similar generation's ratios that is found again

struct ResidualPoint {
    CollectiveKind kind = CollectiveKind::all_reduce;
    int ranks = 2;
    int domains = 1;
    bool int8 = false;
    bool in_switch = false;
    double place = 0.0;  // log2 of bytes
    double value = 0.0;  // ln of measured over expected
};

double covariance(const ResidualPoint& a, const ResidualPoint& b) {
    if (a.domains != b.domains || a.in_switch != b.in_switch) return 0.0;
    double share = 1.0;
    if (a.kind != b.kind) {
        const bool exchange = a.kind == CollectiveKind::all_to_all || b.kind == CollectiveKind::all_to_all;
        share = exchange ? 0.0 : residual_ring_kinds;
    }
    if (a.ranks != b.ranks) share *= residual_rank_counts;
    if (a.int8 != b.int8) share *= residual_types;
    return residual_deviation * residual_deviation * share * std::exp(-std::abs(a.place - b.place) / residual_length);
}

/// Weights by which covariances with the points give the expectation: (K + noise)^-1 values, by Cholesky.
std::vector<double> process_weights(std::span<const ResidualPoint> points) {
    const std::size_t n = points.size();
    std::vector<double> factor(n * n);
    for (std::size_t i = 0; i < n; ++i) {
        for (std::size_t j = 0; j <= i; ++j) {
            double sum = covariance(points[i], points[j]) + (i == j ? residual_noise * residual_noise : 0.0);
            for (std::size_t k = 0; k < j; ++k) sum -= factor[i * n + k] * factor[j * n + k];
            factor[i * n + j] = i == j ? std::sqrt(std::max(sum, 1e-12)) : sum / factor[j * n + j];
        }
    }
    std::vector<double> weights(n);
    for (std::size_t i = 0; i < n; ++i) {
        double sum = points[i].value;
        for (std::size_t k = 0; k < i; ++k) sum -= factor[i * n + k] * weights[k];
        weights[i] = sum / factor[i * n + i];
    }
    for (std::size_t i = n; i-- > 0;) {
        double sum = weights[i];
        for (std::size_t k = i + 1; k < n; ++k) sum -= factor[k * n + i] * weights[k];
        weights[i] = sum / factor[i * n + i];
    }
    return weights;
}

ResidualPoint point_of(const Fabric& fabric, const CollectiveSample& s) {
    ResidualPoint point{s.kind, s.ranks, s.domains, s.type == DataType::int8, false, std::log2(s.size.si()), 0.0};
    const std::string_view algorithm = chosen_algorithm(fabric, {s.kind, s.size, s.type}, {s.ranks, s.ranks / s.domains, s.domains, 1});
    point.in_switch = algorithm == "nvls";
    return point;
}

double expected_of(const CollectiveParameters* alike, const CollectiveSample& s) {
    if (alike == nullptr) return 0.0;
    const GroupShape shape{s.ranks, s.ranks / s.domains, s.domains, 1};
    return residual_alike * std::log(measured_over_physical(*alike, {s.kind, s.size, s.type}, shape));
}

}  // namespace

Fabric with_parameters(const Fabric& fabric, CollectiveParameters parameters) {
    Fabric changed = fabric;
    changed.parameters = std::make_shared<const CollectiveParameters>(std::move(parameters));
    return changed;
}

std::vector<CollectiveResidual> tabulate_residuals(const CollectiveParameters& parameters, const MeasuredDomain& domain,
                                                   std::span<const CollectiveSample> samples,
                                                   const CollectiveParameters* alike) {
    return tabulate_residuals(measured_fabric(parameters, domain), samples, alike);
}

std::vector<CollectiveResidual> tabulate_residuals(const Fabric& calibrated, std::span<const CollectiveSample> samples,
                                                   const CollectiveParameters* alike) {
    CollectiveParameters bare = *calibrated.parameters;
    bare.residuals.clear();
    const Fabric fabric = with_parameters(calibrated, bare);
    const std::vector<CollectiveSample> keys = median_samples(samples);
    std::vector<ResidualPoint> points;
    std::map<std::tuple<CollectiveKind, int, int>, std::map<bool, std::vector<const CollectiveSample*>>> groups;
    for (const CollectiveSample& s : keys) {
        points.push_back(point_of(fabric, s));
        points.back().value = std::log(s.time / sample_time(fabric, s)) - expected_of(alike, s);
        groups[{s.kind, s.domains, s.ranks}][s.type == DataType::int8].push_back(&s);
    }
    const std::vector<double> weights = process_weights(points);
    std::vector<CollectiveResidual> residuals;
    for (const auto& [group, by_type] : groups) {
        for (const auto& [int8, members] : by_type) {
            const auto by_size = [](const CollectiveSample* a, const CollectiveSample* b) { return a->size < b->size; };
            const auto [least, most] = std::minmax_element(members.begin(), members.end(), by_size);
            CollectiveResidual residual;
            residual.kind = std::get<0>(group);
            residual.domains = std::get<1>(group);
            residual.ranks = std::get<2>(group);
            residual.int8 = int8 && by_type.size() > 1;
            residual.log2_bytes_min = static_cast<int>(std::floor(std::log2((*least)->size.si()) + 0.5));
            const int last = static_cast<int>(std::floor(std::log2((*most)->size.si()) + 0.5));
            for (int place = residual.log2_bytes_min; place <= last; ++place) {
                CollectiveSample asked = *members.front();
                asked.size = Bytes::from_si(std::exp2(place));
                const ResidualPoint here = point_of(fabric, asked);
                double value = expected_of(alike, asked);
                for (std::size_t i = 0; i < points.size(); ++i) value += weights[i] * covariance(points[i], here);
                residual.ratio.push_back(std::exp(value));
            }
            residuals.push_back(std::move(residual));
        }
    }
    return residuals;
}

namespace {

constexpr double across_loss_max = 0.6;  // of |ln(predicted / measured)|: one bad row decides nothing
constexpr double across_pull = 0.002;    // towards the fabric's own, per squared unit of ln

/// Start in microseconds, factor of the hop, port share.
struct AcrossTrial {
    double start = 0.0;
    double hop = 1.0;
    double share = 0.93;
};

CollectiveParameters applied(const CollectiveParameters& prior, const Fabric& fabric, const AcrossTrial& trial) {
    CollectiveParameters p = prior;
    p.across_start = Seconds::from_si(trial.start * 1e-6);
    p.across_hop = trial.hop * (prior.across_hop.si() > 0.0 ? prior.across_hop : fabric.net_hop);
    p.across_port_share = std::clamp(trial.share, 0.01, 1.0);
    return p;
}

}  // namespace

CollectiveParameters fit_across(const Fabric& fabric, std::span<const CollectiveSample> samples) {
    ORRERY_CHECK(!samples.empty());
    CollectiveParameters prior = *fabric.parameters;
    prior.residuals.clear();
    prior.quality.reset();
    const double share = prior.across_port_share;
    const auto loss = [&](const AcrossTrial& trial) {
        const Fabric tried = with_parameters(fabric, applied(prior, fabric, trial));
        double sum = 0.0;
        for (const CollectiveSample& s : samples) {
            sum += std::min(std::abs(std::log(sample_time(tried, s) / s.time)), across_loss_max);
        }
        const double away = std::log(trial.hop) * std::log(trial.hop) + std::pow(std::log(trial.share / share), 2.0);
        return sum / static_cast<double>(samples.size()) + across_pull * away;
    };
    AcrossTrial best{0.0, 1.0, share};
    double least = loss(best);
    const auto keep = [&](const AcrossTrial& trial) {
        const double now = loss(trial);
        if (now >= least) return false;
        least = now;
        best = trial;
        return true;
    };
    for (const double start : {0.0, 20.0, 60.0, 150.0, 300.0, 600.0}) {
        for (const double hop : {1.0, 2.0, 4.0}) {
            for (const double part : {1.0, 0.75, 0.5, 0.3}) keep({start, hop, share * part});
        }
    }
    for (double step = 0.3; step > 0.005;) {
        bool better = false;
        for (const double way : {std::exp(step), std::exp(-step)}) {
            better = keep({std::max(best.start, 1.0) * way, best.hop, best.share}) || better;
            better = keep({best.start, best.hop * way, best.share}) || better;
            better = keep({best.start, best.hop, std::min(1.0, best.share * way)}) || better;
        }
        if (!better) step *= 0.5;
    }
    return applied(prior, fabric, best);
}

}  // namespace orrery
