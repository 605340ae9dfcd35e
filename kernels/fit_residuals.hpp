// Fits layer B: a smooth field over shapes of work that says how far the physics is off.
#pragma once

#include "hardware/residuals.hpp"
#include "hardware/rng.hpp"

#include <array>
#include <vector>

namespace orrery {

/// What one measured row says of layer A. A row that is one kernel has one part with share 1; of a row that is several
/// (an expert layer) each part has its share of layer A's time, and the row's ratio is their mean by shares.
struct ResidualSample {
    double log_ratio = 0.0;   // ln(measured / layer A)
    std::array<Shape, 2> shapes{};
    std::array<double, 2> shares{1.0, 0.0};
};

/// Regression by a Gaussian process (Rasmussen and Williams, "Gaussian Processes for Machine Learning", MIT Press 2006):
/// - one length per feature, the height and the noise maximise the marginal likelihood (equation 5.8, gradient 5.9, by
///   resilient steps: Riedmiller and Braun, ICNN 1993) of a few hundred rows; features without influence get length 0;
/// - `points` of the rows are kept as places of bumps, one after another where the field is least determined by those
///   chosen and the rows are least well met (pivoted Cholesky: Fine and Scheinberg, JMLR 2, 2001);
/// - all rows together give the weights (subset of regressors: equation 8.14), rows far off counting less; those far
///   out are left out of a second estimate of the lengths.
ResidualField fit_residuals(const std::vector<ResidualSample>& samples, FeaturesOf features, double cores,
                            std::size_t points, Rng& rng);

/// ln(measured / layer A) that the field expects of a sample.
double residual_of(const ResidualField& field, FeaturesOf features, double cores, const ResidualSample& sample);

}  // namespace orrery
