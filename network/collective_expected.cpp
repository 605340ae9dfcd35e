// Intervals of collectives, between sizes log-log interpolated.
#include "network/collective_expected.hpp"

#include "network/collective_parameters.hpp"

#include <algorithm>
#include <cmath>

namespace orrery {

namespace {

/// `small` up to one size, `large` from another on.
double faded(double small, double large, double bytes, double from, double to) {
    const double part = std::clamp(std::log(std::max(bytes, 1.0) / from) / std::log(to / from), 0.0, 1.0);
    return std::exp((1.0 - part) * std::log(small) + part * std::log(large));
}

constexpr double kibi = 1024.0;
constexpr double mebi = 1024.0 * kibi;

}  // namespace

CollectiveExpected expected_collective(const Fabric& fabric, const Collective& collective, const GroupShape& shape) {
    const CollectiveParameters& p = *fabric.parameters;
    const double bytes = collective.size.si();
    const bool measured = std::any_of(p.residuals.begin(), p.residuals.end(), [&](const CollectiveResidual& residual) {
        return residual.kind == collective.kind && residual.domains == shape.domains;
    });
    if (measured) return {0.88, 1.13};
    if (shape.domains > 1) return {faded(0.8, 0.9, bytes, 64.0 * mebi, 512.0 * mebi), faded(6.0, 1.1, bytes, 64.0 * mebi, 512.0 * mebi)};
    if (!p.residuals.empty()) return {0.8, 1.25};
    return {faded(0.53, 0.8, bytes, 64.0 * kibi, 16.0 * mebi), faded(1.9, 1.25, bytes, 64.0 * kibi, 16.0 * mebi)};
}

}  // namespace orrery
