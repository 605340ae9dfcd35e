// Layer B of the operator model: what measuring says beyond the physics, near the shapes that were measured.
#pragma once

#include "hardware/calibration.hpp"
#include "hardware/work.hpp"

#include <array>

namespace orrery {

constexpr std::size_t residual_features = 16;
using Features = std::array<float, residual_features>;

/// The sizes of a work, as layer B remembers them: m x batch, n, k of a product; rows, fullest group, groups, n, k of a
/// grouped one; batch, heads, KV heads, queries, keys, head size, window and (value head size, 2 for converted keys and
/// 1 for a causal mask) of attention. Sizes beyond 2^31 - 1 are held there.
Shape shape_of(const MatrixMultiply& work);
Shape shape_of(const GroupedMatrixMultiply& work);
Shape shape_of(const Attention& work);
/// KiB, kernels, thousandths of a flop per byte, percent of fresh bytes.
Shape shape_of(const Streaming& work);

/// What two shapes are compared by, on a device of `cores`: octaves of the sizes, powers of two that divide them, how
/// full the last wave of usual tiles is, how full the last tile is.
using FeaturesOf = Features (*)(const Shape& shape, double cores);
Features product_features(const Shape& shape, double cores);
Features grouped_features(const Shape& shape, double cores);
Features prefill_features(const Shape& shape, double cores);
Features decode_features(const Shape& shape, double cores);
Features streaming_features(const Shape& shape, double cores);

/// Fills `field.table`, which residual_at reads, from the points and lengths.
void prepare_residuals(ResidualField& field, FeaturesOf features);

/// ln(measured / layer A) at `features`: the sum over points of weight / (1 + d^2 / 2), with d the distance in lengths
/// (the rational quadratic kernel of Rasmussen and Williams, "Gaussian Processes for Machine Learning", 2006, equation
/// 4.19, with exponent 1). Goes to 0 far from all points; 0 without points. About 2 ns a point.
double residual_at(const ResidualField& field, const Features& features);

}  // namespace orrery
