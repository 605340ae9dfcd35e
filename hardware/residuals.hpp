// Layer B of the operator model: what measuring says beyond the physics, near the points that were measured.
#pragma once

#include "hardware/calibration.hpp"

#include <array>
#include <vector>

namespace orrery {

/// ln(measured / layer A) at `place`: inverse-distance weighting (Shepard, ACM National Conference 1968) over the six
/// nearest points, pulled to 0 as they lie further away. Exact at a calibration point; 0 without points. One pass over
/// the points: about 1 ns each.
double residual_at(const std::vector<ResidualPoint>& points, const std::array<float, 6>& place);

}  // namespace orrery
