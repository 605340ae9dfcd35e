// Levenberg-Marquardt with bounds, a robust loss and several starts.
#include "kernels/least_squares.hpp"

#include "hardware/result.hpp"

#include <Eigen/Dense>

#include <algorithm>
#include <cmath>

namespace orrery {
namespace {

// The problem in coordinates that all run from 0 to 1.
class UnitProblem {
  public:
    UnitProblem(const Residuals& residuals, const std::vector<FitParameter>& parameters, double soft)
        : residuals_(residuals), parameters_(parameters), soft_(soft) {}

    [[nodiscard]] std::vector<double> to_parameters(const std::vector<double>& unit) const {
        std::vector<double> values(unit.size());
        for (std::size_t i = 0; i < unit.size(); ++i) {
            const FitParameter& p = parameters_[i];
            values[i] = p.logarithmic ? p.min * std::pow(p.max / p.min, unit[i]) : p.min + unit[i] * (p.max - p.min);
        }
        return values;
    }
    [[nodiscard]] std::vector<double> start() const {
        std::vector<double> unit(parameters_.size());
        for (std::size_t i = 0; i < unit.size(); ++i) {
            const FitParameter& p = parameters_[i];
            const double at = std::clamp(p.start, p.min, p.max);
            unit[i] = p.logarithmic ? std::log(at / p.min) / std::log(p.max / p.min) : (at - p.min) / (p.max - p.min);
        }
        return unit;
    }
    void evaluate(const std::vector<double>& unit, std::vector<double>& out) const {
        residuals_(to_parameters(unit), out);
    }
    [[nodiscard]] double cost(const std::vector<double>& out) const {
        double sum = 0.0;
        for (const double r : out) sum += 2.0 * soft_ * soft_ * (std::sqrt(1.0 + (r / soft_) * (r / soft_)) - 1.0);
        return out.empty() ? 0.0 : sum / static_cast<double>(out.size());
    }
    [[nodiscard]] double weight(double r) const { return 1.0 / std::sqrt(1.0 + (r / soft_) * (r / soft_)); }

  private:
    const Residuals& residuals_;
    const std::vector<FitParameter>& parameters_;
    double soft_;
};

struct Point {
    std::vector<double> unit;
    std::vector<double> residuals;
    double cost = 0.0;
};

Point point_at(const UnitProblem& problem, std::vector<double> unit) {
    Point point{std::move(unit), {}, 0.0};
    problem.evaluate(point.unit, point.residuals);
    point.cost = problem.cost(point.residuals);
    return point;
}

// Weighted normal equations of the linearised problem at `point`.
struct Normal {
    Eigen::MatrixXd curvature;
    Eigen::VectorXd gradient;
};

Normal normal_equations(const UnitProblem& problem, const Point& point) {
    constexpr double step = 2e-3;  // large enough to see over the kinks of single rows
    const auto rows = static_cast<Eigen::Index>(point.residuals.size());
    const auto columns = static_cast<Eigen::Index>(point.unit.size());
    Eigen::MatrixXd jacobian(rows, columns);
    std::vector<double> moved;
    for (Eigen::Index j = 0; j < columns; ++j) {
        std::vector<double> unit = point.unit;
        const auto at = static_cast<std::size_t>(j);
        const double h = unit[at] + step <= 1.0 ? step : -step;
        unit[at] += h;
        problem.evaluate(unit, moved);
        for (Eigen::Index i = 0; i < rows; ++i) {
            const auto row = static_cast<std::size_t>(i);
            jacobian(i, j) = (moved[row] - point.residuals[row]) / h;
        }
    }
    Eigen::VectorXd weights(rows);
    Eigen::VectorXd values(rows);
    for (Eigen::Index i = 0; i < rows; ++i) {
        values(i) = point.residuals[static_cast<std::size_t>(i)];
        weights(i) = problem.weight(values(i));
    }
    const Eigen::MatrixXd weighted = weights.asDiagonal() * jacobian;
    return {jacobian.transpose() * weighted, weighted.transpose() * values};
}

// The step of the damped system. A coordinate that stands at a bound and would leave it stays, and the others' step is
// found without it: projecting it back afterwards would spoil their direction.
Eigen::VectorXd damped_step(const Normal& normal, const std::vector<double>& unit, double damping) {
    Eigen::MatrixXd system = normal.curvature;
    system.diagonal() += damping * (normal.curvature.diagonal().array() + 1e-9).matrix();
    Eigen::VectorXd downhill = -normal.gradient;
    for (Eigen::Index i = 0; i < downhill.size(); ++i) {
        const double at = unit[static_cast<std::size_t>(i)];
        if (!((at <= 0.0 && downhill(i) < 0.0) || (at >= 1.0 && downhill(i) > 0.0))) continue;
        system.row(i).setZero();
        system.col(i).setZero();
        system(i, i) = 1.0;
        downhill(i) = 0.0;
    }
    return system.ldlt().solve(downhill);
}

Point descend(const UnitProblem& problem, Point point, int iterations) {
    double damping = 1e-2;
    for (int iteration = 0; iteration < iterations; ++iteration) {
        const Normal normal = normal_equations(problem, point);
        const double before = point.cost;
        bool moved = false;
        while (!moved && damping < 1e6) {
            const Eigen::VectorXd step = damped_step(normal, point.unit, damping);
            std::vector<double> unit = point.unit;
            for (std::size_t i = 0; i < unit.size(); ++i) {
                unit[i] = std::clamp(unit[i] + step(static_cast<Eigen::Index>(i)), 0.0, 1.0);
            }
            Point candidate = point_at(problem, std::move(unit));
            moved = candidate.cost < point.cost;
            if (moved) point = std::move(candidate);
            damping *= moved ? 0.3 : 4.0;
        }
        if (!moved || before - point.cost < 1e-7 * before) break;
    }
    return point;
}

Point search_coordinates(const UnitProblem& problem, Point point) {
    for (double step = 0.05; step > 5e-4; step *= 0.5) {
        for (std::size_t i = 0; i < point.unit.size(); ++i) {
            for (const double direction : {-step, step}) {
                std::vector<double> unit = point.unit;
                unit[i] = std::clamp(unit[i] + direction, 0.0, 1.0);
                Point candidate = point_at(problem, std::move(unit));
                if (candidate.cost < point.cost) point = std::move(candidate);
            }
        }
    }
    return point;
}

}  // namespace

FitResult fit_least_squares(const Residuals& residuals, const std::vector<FitParameter>& parameters,
                            const FitOptions& options, Rng& rng) {
    ORRERY_CHECK(!parameters.empty());
    const UnitProblem problem(residuals, parameters, options.soft);
    Point best = descend(problem, point_at(problem, problem.start()), options.iterations);
    for (int start = 1; start < options.starts; ++start) {
        std::vector<double> unit(parameters.size());
        for (double& coordinate : unit) coordinate = rng.uniform();
        Point point = descend(problem, point_at(problem, std::move(unit)), options.iterations);
        if (point.cost < best.cost) best = std::move(point);
    }
    if (options.search_coordinates) best = search_coordinates(problem, std::move(best));
    return {problem.to_parameters(best.unit), best.cost};
}

}  // namespace orrery
