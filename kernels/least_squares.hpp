// Bounded, robust, non-linear least squares from several starts: what fits every operator model.
#pragma once

#include "hardware/rng.hpp"

#include <functional>
#include <vector>

namespace orrery {

/// One parameter to be fitted, between bounds; `logarithmic` where it spans orders of magnitude (needs min > 0).
struct FitParameter {
    double start = 0.0;
    double min = 0.0;
    double max = 1.0;
    bool logarithmic = false;
};

struct FitOptions {
    int starts = 8;           // the given one, and random ones within the bounds
    int iterations = 40;      // of Levenberg-Marquardt per start
    double soft = 0.1;        // residuals beyond this count linearly (soft-L1)
    bool search_coordinates = true;  // in the end: for models that are only piecewise smooth
};

struct FitResult {
    std::vector<double> parameters;
    double cost = 0.0;        // mean of 2 soft^2 (sqrt(1 + (r / soft)^2) - 1)
};

/// Writes the residuals of `parameters` into the vector (sized by the callee, the same at every call).
using Residuals = std::function<void(const std::vector<double>& parameters, std::vector<double>& residuals)>;

/// Levenberg-Marquardt (Marquardt, SIAM J. 11(2), 1963) on unit-interval coordinates with projection to the bounds;
/// soft-L1 by re-weighting (Triggs et al., "Bundle Adjustment", 1999, section 4.3); then a coordinate search on the
/// same cost, since waves make the models piecewise smooth. Deterministic for a given `rng`.
FitResult fit_least_squares(const Residuals& residuals, const std::vector<FitParameter>& parameters,
                            const FitOptions& options, Rng& rng);

}  // namespace orrery
