// Sums bumps around measured shapes, sixteen at a time so that the compiler keeps them in vector registers.
#include "hardware/residuals.hpp"

#include <algorithm>

namespace orrery {
namespace {

constexpr std::size_t residual_block = 16;

std::size_t lengths_used(const ResidualField& field) {
    return static_cast<std::size_t>(
        std::count_if(field.lengths.begin(), field.lengths.end(), [](float length) { return length > 0.0F; }));
}

}  // namespace

void prepare_residuals(ResidualField& field, FeaturesOf features) {
    const std::size_t used = lengths_used(field);
    const std::size_t blocks = (field.points.size() + residual_block - 1) / residual_block;
    field.table.assign(blocks * (used + 1) * residual_block, 0.0F);  // missing points of the last block weigh nothing
    for (std::size_t i = 0; i < field.points.size(); ++i) {
        const Features place = features(field.points[i].shape, field.cores);
        float* at = field.table.data() + (i / residual_block) * (used + 1) * residual_block + i % residual_block;
        *at = field.points[i].weight;
        for (std::size_t f = 0; f < field.lengths.size(); ++f) {
            if (field.lengths[f] <= 0.0F) continue;
            at += residual_block;
            *at = place[f] / field.lengths[f];
        }
    }
}

double residual_at(const ResidualField& field, const Features& features) {
    Features query{};
    std::size_t used = 0;
    for (std::size_t f = 0; f < field.lengths.size(); ++f) {
        if (field.lengths[f] > 0.0F) query[used++] = features[f] / field.lengths[f];
    }
    std::array<float, residual_block> sums{};
    const float* const end = field.table.data() + field.table.size();
    for (const float* block = field.table.data(); block != end;) {
        const float* const weights = block;
        block += residual_block;
        std::array<float, residual_block> distances{};
        for (std::size_t f = 0; f < used; ++f, block += residual_block) {
            const float here = query[f];
            for (std::size_t i = 0; i < residual_block; ++i) {
                const float step = block[i] - here;
                distances[i] += step * step;
            }
        }
        for (std::size_t i = 0; i < residual_block; ++i) sums[i] += weights[i] / (1.0F + 0.5F * distances[i]);
    }
    float sum = 0.0F;
    for (const float part : sums) sum += part;
    return static_cast<double>(sum);
}

}  // namespace orrery
