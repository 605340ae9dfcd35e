// Inverse-distance interpolation of fit residuals.
#include "hardware/residuals.hpp"

#include <algorithm>

namespace orrery {
namespace {

constexpr std::size_t residual_neighbours = 6;
// Squared distance (in octaves of the dimensions) at which a point counts as much as the physics alone.
constexpr float residual_reach_squared = 16.0F;
constexpr float residual_same_place = 1e-5F;  // places are stored to a thousandth of an octave

struct Neighbour {
    float distance_squared;
    float log_ratio;
};

}  // namespace

double residual_at(const std::vector<ResidualPoint>& points, const std::array<float, 6>& place) {
    std::array<Neighbour, residual_neighbours> nearest{};
    std::size_t found = 0;
    for (const ResidualPoint& point : points) {
        float distance = 0.0F;
        for (std::size_t i = 0; i < place.size(); ++i) {
            const float step = place[i] - point.place[i];
            distance += step * step;
        }
        if (found == residual_neighbours && distance >= nearest[found - 1].distance_squared) continue;
        std::size_t slot = found < residual_neighbours ? found++ : found - 1;
        for (; slot > 0 && nearest[slot - 1].distance_squared > distance; --slot) nearest[slot] = nearest[slot - 1];
        nearest[slot] = {distance, point.log_ratio};
    }
    if (found == 0) return 0.0;
    if (nearest[0].distance_squared < residual_same_place) return static_cast<double>(nearest[0].log_ratio);
    double weights = 1.0 / static_cast<double>(residual_reach_squared);
    double sum = 0.0;
    for (std::size_t i = 0; i < found; ++i) {
        const double weight = 1.0 / static_cast<double>(nearest[i].distance_squared);
        weights += weight;
        sum += weight * static_cast<double>(nearest[i].log_ratio);
    }
    return sum / weights;
}

}  // namespace orrery
