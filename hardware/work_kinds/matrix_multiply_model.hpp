// Layer A of matrix products: tiles, waves, feeds and overlap, with about ten fitted parameters.
#pragma once

#include "hardware/calibration.hpp"
#include "hardware/work_kinds/machine.hpp"
#include "hardware/work_kinds/matrix_multiply.hpp"

namespace orrery {

/// Seconds of one product from the start of its kernel, without the launch (`parameters.launch`).
double matrix_multiply_seconds(const Machine& machine, const GemmParameters& parameters, const MatrixMultiply& work);

/// The same where operands are read through an index (implicit products of convolutions): only `memory_bytes` cross the
/// memory interface, however large the operands look to the tiles.
double indexed_multiply_seconds(const Machine& machine, const GemmParameters& parameters, const MatrixMultiply& work,
                                double memory_bytes);

/// Seconds of one grouped kernel (all groups in one launch), without the launch: tiles counted group by group.
double grouped_multiply_seconds(const Machine& machine, const GemmParameters& parameters,
                                const GroupedMatrixMultiply& work);

/// The kernel that turns `m` x `k` 16-bit activations into `type`, which tables of 8- and 4-bit products contain:
/// reads 2 bytes and writes element_bytes(type) for each element. Zero for formats of 16 bits and more.
double quantise_seconds(const Machine& machine, const GemmParameters& parameters, const MatrixMultiply& work);

}  // namespace orrery
