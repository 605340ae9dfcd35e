// Layer A of convolutions: implicit matrix products through the tile model; depthwise ones on the vector units.
#pragma once

#include "hardware/calibration.hpp"
#include "hardware/work_kinds/convolution.hpp"
#include "hardware/work_kinds/machine.hpp"
#include "hardware/work_kinds/matrix_multiply.hpp"

namespace orrery {

/// Two per multiply-add; the same for all three passes.
double convolution_flop(const Convolution& work);

/// Multiplications over those of the definition: less than 1 for the 3 x 3 convolutions that fp32 libraries transform.
double least_multiplications(const Convolution& work);

/// Input, weights and output once each.
double convolution_bytes(const Convolution& work);

/// The product that an implicit-GEMM kernel computes: pixels by filters over channels x kernel points (and what follows
/// for the gradients), one per group. Groups narrower than a tile of the matrix unit are computed several at a time,
/// as one product with a block-diagonal matrix; channels are padded to 16 bytes.
MatrixMultiply implicit_product(const Convolution& work);

/// Seconds of one pass from the start of its kernel, without the launch. `matrix` is the device at work.type, `vector`
/// the device at fp32.
double convolution_seconds(const Machine& matrix, const Machine& vector, const GemmParameters& parameters,
                           const Convolution& work);

}  // namespace orrery
