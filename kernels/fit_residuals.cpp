// Gaussian-process regression with one length per feature, thinned to a few hundred points.
#include "kernels/fit_residuals.hpp"

#include <Eigen/Dense>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace orrery {
namespace {

constexpr std::size_t likelihood_rows = 320;     // enough for a dozen lengths, and cubed in cost
constexpr int likelihood_steps = 40;
constexpr double noise_least = 0.015;            // of a log: kernels repeat within 1 to 2 %
constexpr double influence_least = 0.15;         // a feature whose whole range is less than this in lengths is dropped
constexpr double surprise_floor = 0.02;          // of a log: rows met better than this are all alike
constexpr double same_place_variance = 1e-7;
constexpr double mad_to_deviation = 1.4826;      // of a normal distribution
constexpr double doubtful_from = 1.5;            // deviations beyond which a row counts less (Huber)
constexpr double outlier_from = 5.0;             // deviations beyond which a row does not say how smooth the field is

using Eigen::MatrixXd;
using Eigen::VectorXd;

// Parts of all samples below each other: places in features, and the shares that join them to samples.
struct Parts {
    MatrixXd places;                  // one row a part
    std::vector<std::size_t> sample;  // of each part
    VectorXd share;
};

Parts parts_of(const std::vector<ResidualSample>& samples, FeaturesOf features, double cores) {
    Parts parts;
    std::vector<Features> places;
    std::vector<double> shares;
    for (std::size_t i = 0; i < samples.size(); ++i) {
        for (std::size_t part = 0; part < samples[i].shapes.size(); ++part) {
            if (samples[i].shares[part] <= 0.0) continue;
            places.push_back(features(samples[i].shapes[part], cores));
            shares.push_back(samples[i].shares[part]);
            parts.sample.push_back(i);
        }
    }
    parts.places.resize(static_cast<Eigen::Index>(places.size()), residual_features);
    for (Eigen::Index i = 0; i < parts.places.rows(); ++i) {
        for (Eigen::Index f = 0; f < parts.places.cols(); ++f) {
            parts.places(i, f) = static_cast<double>(places[static_cast<std::size_t>(i)][static_cast<std::size_t>(f)]);
        }
    }
    parts.share = Eigen::Map<VectorXd>(shares.data(), static_cast<Eigen::Index>(shares.size()));
    return parts;
}

// Sums rows of parts, times their shares, into rows of samples.
MatrixXd joined(const Parts& parts, const MatrixXd& by_part, std::size_t samples) {
    MatrixXd sum = MatrixXd::Zero(static_cast<Eigen::Index>(samples), by_part.cols());
    for (Eigen::Index i = 0; i < by_part.rows(); ++i) {
        sum.row(static_cast<Eigen::Index>(parts.sample[static_cast<std::size_t>(i)])) += parts.share(i) * by_part.row(i);
    }
    return sum;
}

// The transpose of `joined` on both sides: what samples say of pairs, spread over pairs of parts.
MatrixXd spread(const Parts& parts, const MatrixXd& by_sample) {
    const auto at = [&](Eigen::Index i) {
        return static_cast<Eigen::Index>(parts.sample[static_cast<std::size_t>(i)]);
    };
    MatrixXd pairs(parts.share.size(), parts.share.size());
    for (Eigen::Index j = 0; j < pairs.cols(); ++j) {
        for (Eigen::Index i = 0; i < pairs.rows(); ++i) {
            pairs(i, j) = parts.share(i) * parts.share(j) * by_sample(at(i), at(j));
        }
    }
    return pairs;
}

// 1 / (1 + d^2 / 2) between rows of places that are already divided by the lengths.
MatrixXd bumps(const MatrixXd& a, const MatrixXd& b) {
    MatrixXd squares = -2.0 * a * b.transpose();
    squares.colwise() += VectorXd(a.rowwise().squaredNorm());
    squares.rowwise() += VectorXd(b.rowwise().squaredNorm()).transpose();
    return (1.0 + 0.5 * squares.array().max(0.0)).inverse().matrix();
}

struct Hyperparameters {
    VectorXd lengths;
    double variance = 0.0;
    double noise = 0.0;   // variance of it
};

// Negative log likelihood and its gradient by the logs of lengths, variance and noise.
double likelihood(const Parts& parts, const VectorXd& ratios, const VectorXd& logs, VectorXd& gradient) {
    const Eigen::Index features = parts.places.cols();
    const auto samples = static_cast<std::size_t>(ratios.size());
    const MatrixXd places = parts.places * (-logs.head(features)).array().exp().matrix().asDiagonal();
    const double variance = std::exp(logs(features));
    const double noise = std::exp(logs(features + 1));
    const MatrixXd bump = bumps(places, places);
    const MatrixXd field = variance * joined(parts, joined(parts, bump, samples).transpose(), samples);
    MatrixXd covariance = field;
    covariance.diagonal().array() += noise;
    const Eigen::LLT<MatrixXd> factor(covariance);
    const VectorXd weights = factor.solve(ratios);
    const MatrixXd inverse = factor.solve(MatrixXd::Identity(covariance.rows(), covariance.cols()));
    const MatrixXd slope = inverse - weights * weights.transpose();
    gradient.resize(features + 2);
    gradient(features) = 0.5 * slope.cwiseProduct(field).sum();
    gradient(features + 1) = 0.5 * noise * slope.trace();
    // d bump / d log length = bump^2 (difference / length)^2.
    const MatrixXd pull = variance * spread(parts, slope).cwiseProduct(bump.cwiseProduct(bump));
    const VectorXd total = pull.rowwise().sum();
    for (Eigen::Index f = 0; f < features; ++f) {
        const VectorXd z = places.col(f);
        gradient(f) = total.dot(z.cwiseProduct(z)) - z.dot(pull * z);
    }
    const MatrixXd lower = factor.matrixL();
    return 0.5 * ratios.dot(weights) + lower.diagonal().array().log().sum();
}

VectorXd spans_of(const MatrixXd& places) {
    return places.colwise().maxCoeff().transpose() - places.colwise().minCoeff().transpose();
}

Hyperparameters most_likely(const Parts& parts, const VectorXd& ratios) {
    const Eigen::Index features = parts.places.cols();
    const double variance = ratios.squaredNorm() / static_cast<double>(ratios.size()) + 1e-6;
    VectorXd logs(features + 2);
    for (Eigen::Index f = 0; f < features; ++f) {
        const VectorXd column = parts.places.col(f);
        const double deviation = std::sqrt((column.array() - column.mean()).square().mean());
        logs(f) = std::log(1.5 * deviation + 1e-6);
    }
    logs(features) = std::log(variance);
    logs(features + 1) = std::log(0.1 * variance);
    VectorXd best = logs;
    double least = std::numeric_limits<double>::infinity();
    VectorXd step = VectorXd::Constant(features + 2, 0.2);
    VectorXd before = VectorXd::Zero(features + 2);
    VectorXd gradient;
    for (int iteration = 0; iteration < likelihood_steps; ++iteration) {
        const double value = likelihood(parts, ratios, logs, gradient);
        if (value < least) {
            least = value;
            best = logs;
        }
        for (Eigen::Index i = 0; i < logs.size(); ++i) {
            const double turn = gradient(i) * before(i);
            if (turn > 0.0) step(i) = std::min(1.2 * step(i), 0.6);
            if (turn < 0.0) step(i) = std::max(0.5 * step(i), 1e-3);
            logs(i) -= gradient(i) > 0.0 ? step(i) : -step(i);
            if (i < features) logs(i) = std::clamp(logs(i), -3.0, 5.0);
        }
        logs(features + 1) = std::max(logs(features + 1), 2.0 * std::log(0.5 * noise_least));
        before = gradient;
    }
    Hyperparameters found{best.head(features).array().exp(), std::exp(best(features)), std::exp(best(features + 1))};
    found.noise = std::max(found.noise, noise_least * noise_least);
    return found;
}

// Rounded as files store them; 0 for features that do not matter or do not vary.
std::vector<float> lengths_of(const Hyperparameters& found, const VectorXd& spans) {
    std::vector<float> lengths(static_cast<std::size_t>(spans.size()), 0.0F);
    for (std::size_t f = 0; f < lengths.size(); ++f) {
        const double length = found.lengths(static_cast<Eigen::Index>(f));
        if (spans(static_cast<Eigen::Index>(f)) < influence_least * length || spans(static_cast<Eigen::Index>(f)) <= 0.0) continue;
        lengths[f] = static_cast<float>(std::round(length * 1e4) / 1e4);
    }
    return lengths;
}

// Weights of the chosen places: (B'TB + noise / variance K) w = B'T y, with the trust T in each row.
VectorXd weights_of(const MatrixXd& design, const MatrixXd& among, const VectorXd& ratios, const VectorXd& trust,
                    double ridge) {
    const MatrixXd trusted = trust.asDiagonal() * design;
    MatrixXd system = design.transpose() * trusted + ridge * among;
    system.diagonal().array() += 1e-9 * static_cast<double>(design.rows());
    return system.ldlt().solve(trusted.transpose() * ratios);
}

// The usual size of what a fit leaves, whatever a few rows leave.
double deviation_of(const VectorXd& left) {
    std::vector<double> sizes(static_cast<std::size_t>(left.size()));
    for (std::size_t i = 0; i < sizes.size(); ++i) sizes[i] = std::abs(left(static_cast<Eigen::Index>(i)));
    const auto middle = sizes.begin() + static_cast<std::ptrdiff_t>(sizes.size() / 2);
    std::nth_element(sizes.begin(), middle, sizes.end());
    return std::max(mad_to_deviation * *middle, noise_least);
}

// Chooses places and weighs them.
class Thinning {
  public:
    Thinning(const Parts& parts, const MatrixXd& places, const VectorXd& ratios, double ridge, std::size_t points)
        : parts_(parts), places_(places), ratios_(ratios), ridge_(ridge) {
        const Eigen::Index most = std::min(static_cast<Eigen::Index>(points), places.rows());
        factor_ = MatrixXd::Zero(places.rows(), most);
        left_ = VectorXd::Ones(places.rows());
        trust_ = VectorXd::Ones(ratios.size());
        VectorXd surprise = ratios_.cwiseAbs();
        Eigen::Index weigh_next = 16;
        while (static_cast<Eigen::Index>(chosen.size()) < most && take_one(surprise)) {
            if (static_cast<Eigen::Index>(chosen.size()) != weigh_next) continue;
            weigh();
            surprise = trust_.cwiseProduct((ratios_ - design_ * weights).cwiseAbs());
            weigh_next = weigh_next * 3 / 2;
        }
        weigh();
    }

    /// What the field leaves of the rows' ratios.
    [[nodiscard]] VectorXd left() const { return ratios_ - design_ * weights; }

    std::vector<Eigen::Index> chosen;   // parts
    VectorXd weights;

  private:
    bool take_one(const VectorXd& surprise) {
        Eigen::Index best = 0;
        double most = -1.0;
        for (Eigen::Index i = 0; i < left_.size(); ++i) {
            const auto sample = static_cast<Eigen::Index>(parts_.sample[static_cast<std::size_t>(i)]);
            const double worth = left_(i) * (surprise_floor + surprise(sample));
            if (worth > most) {
                most = worth;
                best = i;
            }
        }
        if (left_(best) < same_place_variance) return false;
        const auto column = static_cast<Eigen::Index>(chosen.size());
        VectorXd next = bumps(places_, places_.row(best));
        next -= factor_.leftCols(column) * factor_.row(best).head(column).transpose();
        next /= std::sqrt(left_(best));
        factor_.col(column) = next;
        left_ = (left_ - next.cwiseProduct(next)).cwiseMax(0.0);
        left_(best) = 0.0;
        chosen.push_back(best);
        return true;
    }
    void weigh() {
        MatrixXd there(static_cast<Eigen::Index>(chosen.size()), places_.cols());
        for (std::size_t i = 0; i < chosen.size(); ++i) there.row(static_cast<Eigen::Index>(i)) = places_.row(chosen[i]);
        design_ = joined(parts_, bumps(places_, there), static_cast<std::size_t>(ratios_.size()));
        const MatrixXd among = bumps(there, there);
        weights = weights_of(design_, among, ratios_, trust_, ridge_);
        for (int again = 0; again < 2; ++again) {  // iteratively re-weighted (Holland and Welsch, 1977)
            const VectorXd missed = left();
            const double doubtful = doubtful_from * deviation_of(missed);
            trust_ = (missed.array().abs() / doubtful).max(1.0).inverse();
            weights = weights_of(design_, among, ratios_, trust_, ridge_);
        }
    }

    const Parts& parts_;
    const MatrixXd& places_;
    const VectorXd& ratios_;
    double ridge_;
    MatrixXd factor_;   // of pivoted Cholesky
    VectorXd left_;     // variance not yet explained, per part
    VectorXd trust_;    // in each sample
    MatrixXd design_;
};

VectorXd ratios_of(const std::vector<ResidualSample>& samples) {
    VectorXd ratios(static_cast<Eigen::Index>(samples.size()));
    for (Eigen::Index i = 0; i < ratios.size(); ++i) ratios(i) = samples[static_cast<std::size_t>(i)].log_ratio;
    return ratios;
}

VectorXd inverse_lengths(const std::vector<float>& lengths) {
    VectorXd inverse(static_cast<Eigen::Index>(lengths.size()));
    for (Eigen::Index f = 0; f < inverse.size(); ++f) {
        const auto length = static_cast<double>(lengths[static_cast<std::size_t>(f)]);
        inverse(f) = length > 0.0 ? 1.0 / length : 0.0;
    }
    return inverse;
}

// From a few hundred of the samples.
Hyperparameters most_likely_of(std::vector<ResidualSample> samples, FeaturesOf features, double cores, Rng& rng) {
    for (std::size_t i = samples.size(); i > 1; --i) std::swap(samples[i - 1], samples[rng.below(i)]);
    samples.resize(std::min(samples.size(), likelihood_rows));
    return most_likely(parts_of(samples, features, cores), ratios_of(samples));
}

}  // namespace

ResidualField fit_residuals(const std::vector<ResidualSample>& samples, FeaturesOf features, double cores,
                            std::size_t points, Rng& rng) {
    ResidualField field;
    field.cores = cores;
    if (samples.empty() || points == 0) return field;
    const Parts parts = parts_of(samples, features, cores);
    const VectorXd ratios = ratios_of(samples);
    std::vector<ResidualSample> calm = samples;
    Hyperparameters found = most_likely_of(calm, features, cores, rng);
    {
        const MatrixXd places = parts.places * inverse_lengths(lengths_of(found, spans_of(parts.places))).asDiagonal();
        const VectorXd left = Thinning(parts, places, ratios, found.noise / found.variance, points / 2).left();
        const double outlier = outlier_from * deviation_of(left);
        calm.clear();
        for (std::size_t i = 0; i < samples.size(); ++i) {
            if (std::abs(left(static_cast<Eigen::Index>(i))) <= outlier) calm.push_back(samples[i]);
        }
    }
    if (calm.size() + samples.size() / 100 < samples.size()) found = most_likely_of(calm, features, cores, rng);
    field.lengths = lengths_of(found, spans_of(parts.places));
    const MatrixXd places = parts.places * inverse_lengths(field.lengths).asDiagonal();
    const Thinning thinning(parts, places, ratios, found.noise / found.variance, points);
    std::vector<std::size_t> part_in_sample(parts.sample.size(), 0);
    for (std::size_t i = 1; i < parts.sample.size(); ++i) {
        if (parts.sample[i] == parts.sample[i - 1]) part_in_sample[i] = 1;
    }
    for (std::size_t i = 0; i < thinning.chosen.size(); ++i) {
        const auto part = static_cast<std::size_t>(thinning.chosen[i]);
        field.points.push_back({samples[parts.sample[part]].shapes[part_in_sample[part]],
                                static_cast<float>(thinning.weights(static_cast<Eigen::Index>(i)))});
    }
    prepare_residuals(field, features);
    return field;
}

double residual_of(const ResidualField& field, FeaturesOf features, double cores, const ResidualSample& sample) {
    double sum = 0.0;
    for (std::size_t part = 0; part < sample.shapes.size(); ++part) {
        if (sample.shares[part] > 0.0) sum += sample.shares[part] * residual_at(field, features(sample.shapes[part], cores));
    }
    return sum;
}

}  // namespace orrery
