// Pooling generations, fitting to few measurements.
#include "network/collective_anchors.hpp"

#include "network/collective_free.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <set>

namespace orrery {

namespace {

/// What a parameter has in common with others: 0 start-ups, 1 steps, 2 nothing.
std::size_t common_of(const FreeParameter& f) {
    using C = CollectiveParameters;
    if (f.time == &C::ll_step || f.time == &C::ll128_step || f.time == &C::simple_step || f.time == &C::exchange_step) return 1;
    if (f.time == nullptr || f.time == &C::simple_fill || f.time == &C::nvls_fill || f.time == &C::exchange_fill) return 2;
    return 0;
}

/// Parameters on their way from the prior, with the common moves of start-ups and steps (logarithms).
struct AnchoredFit {
    CollectiveParameters p;
    std::array<double, 3> common{};
};

constexpr double anchor_pull = 0.003;    // per squared standard deviation, beside the mean error of the anchors
constexpr double common_spread = 1.0;    // of ln: latencies of five generations differ by up to 2
constexpr int anchor_rounds = 40;

double anchor_loss(const AnchoredFit& fit, const CollectiveParameters& prior, const MeasuredDomain& domain,
                   std::span<const CollectiveSample> anchors) {
    double sum = 0.0;
    const std::vector<Seconds> times = predicted_times(fit.p, domain, anchors);
    for (std::size_t i = 0; i < anchors.size(); ++i) sum += std::min(std::abs(std::log(times[i] / anchors[i].time)), 0.6);
    double total = sum / static_cast<double>(anchors.size());
    for (const FreeParameter& f : free_parameters) {
        const double from = get_free(prior, f);
        if (from <= 0.0) continue;
        const double away = (std::log(get_free(fit.p, f) / from) - fit.common[common_of(f)]) / f.spread;
        total += anchor_pull * away * away;
    }
    for (const double common : fit.common) total += anchor_pull * common * common / common_spread / common_spread;
    return total;
}

bool is_share(const FreeParameter& f) {
    using C = CollectiveParameters;
    return f.share != nullptr && f.share != &C::local_pass && f.share != &C::int8_slowdown && f.share != &C::exchange_local_pass;
}

}  // namespace

CollectiveParameters pooled_parameters(std::span<const CollectiveParameters> generations, bool sums_in_switch) {
    ORRERY_CHECK(!generations.empty());
    CollectiveParameters pooled = generations.front();
    pooled.name = "pooled";
    pooled.source = "geometric mean of other generations";
    pooled.residuals.clear();
    pooled.quality.reset();
    pooled.nvls_efficiency = 0.0;
    for (const CollectiveParameters& one : generations) pooled.nvls_ranks_min = std::max(pooled.nvls_ranks_min, one.nvls_ranks_min);
    const auto mean = [&](const auto& get, bool with_switch) {
        double sum = 0.0;
        int seen = 0;
        for (const CollectiveParameters& one : generations) {
            if ((with_switch && one.nvls_efficiency <= 0.0) || get(one) <= 0.0) continue;
            sum += std::log(get(one));
            ++seen;
        }
        return seen == 0 ? 0.0 : std::exp(sum / seen);
    };
    for (const FreeParameter& f : free_parameters) {
        const bool of_switch = f.time == &CollectiveParameters::nvls_latency || f.time == &CollectiveParameters::nvls_fill ||
                               f.share == &CollectiveParameters::nvls_efficiency;
        if (of_switch && !sums_in_switch) continue;
        set_free(pooled, f, mean([&](const CollectiveParameters& one) { return get_free(one, f); }, of_switch));
    }
    for (double CollectiveParameters::*share : {&CollectiveParameters::tuning_ll_share, &CollectiveParameters::tuning_ll128_share,
                                                &CollectiveParameters::tuning_bus_share}) {
        pooled.*share = mean([&](const CollectiveParameters& one) { return one.*share; }, false);
    }
    return pooled;
}

CollectiveParameters fit_anchors(const CollectiveParameters& prior, const MeasuredDomain& domain,
                                 std::span<const CollectiveSample> anchors) {
    ORRERY_CHECK(!anchors.empty());
    AnchoredFit best{prior, {}};
    best.p.residuals.clear();
    best.p.quality.reset();
    double best_loss = anchor_loss(best, prior, domain, anchors);
    const auto keep_if_better = [&](const AnchoredFit& trial) {
        const double loss = anchor_loss(trial, prior, domain, anchors);
        if (loss >= best_loss) return false;
        best = trial;
        best_loss = loss;
        return true;
    };
    double step = 0.4;
    for (int round = 0; round < anchor_rounds && step > 0.01; ++round) {
        bool better = false;
        for (std::size_t common = 0; common < 2; ++common) {
            for (const double direction : {1.0, -1.0}) {
                AnchoredFit trial = best;
                trial.common[common] += direction * step;
                for (const FreeParameter& f : free_parameters) {
                    if (common_of(f) == common) set_free(trial.p, f, get_free(best.p, f) * std::exp(direction * step));
                }
                if (keep_if_better(trial)) {
                    better = true;
                    break;
                }
            }
        }
        for (const FreeParameter& f : free_parameters) {
            if (get_free(best.p, f) <= 0.0) continue;
            for (const double direction : {1.0, -1.0}) {
                AnchoredFit trial = best;
                const double to = get_free(best.p, f) * std::exp(direction * step * f.spread);
                set_free(trial.p, f, is_share(f) ? std::min(to, 1.0) : to);
                if (keep_if_better(trial)) {
                    better = true;
                    break;
                }
            }
        }
        if (!better) step *= 0.5;
    }
    return best.p;
}

std::vector<CollectiveSample> anchors_of(std::span<const CollectiveSample> samples, int wanted) {
    const std::vector<CollectiveSample> keys = median_samples(samples);
    int ranks_max = 0;
    for (const CollectiveSample& s : keys) ranks_max = std::max(ranks_max, s.ranks);
    std::vector<CollectiveSample> anchors;
    const auto add = [&](CollectiveKind kind, int ranks) {
        for (const double size : {4096.0, 65536.0, 1048576.0, 16777216.0, 268435456.0}) {
            const CollectiveSample* nearest = nullptr;
            for (const CollectiveSample& s : keys) {
                if (s.kind != kind || s.ranks != ranks || s.type == DataType::int8) continue;
                const auto away = [&](const CollectiveSample& one) { return std::abs(std::log2(one.size.si() / size)); };
                if (nearest == nullptr || away(s) < away(*nearest)) nearest = &s;
            }
            if (nearest != nullptr) anchors.push_back(*nearest);
        }
    };
    add(CollectiveKind::all_reduce, ranks_max);
    if (wanted >= 10) add(CollectiveKind::all_reduce, 2);
    if (wanted >= 20) {
        add(CollectiveKind::all_to_all, ranks_max);
        add(CollectiveKind::all_to_all, 2);
    }
    return anchors;
}

}  // namespace orrery
