// The contract of three folders: models asks for Work, hardware prices it, kernels does it for real.
#pragma once

#include "hardware/work_kinds/attention.hpp"
#include "hardware/work_kinds/convolution.hpp"
#include "hardware/work_kinds/gather.hpp"
#include "hardware/work_kinds/matrix_multiply.hpp"
#include "hardware/work_kinds/streaming.hpp"

#include <variant>

namespace orrery {

using Work = std::variant<MatrixMultiply, GroupedMatrixMultiply, Attention, Streaming, Gather, Convolution>;

/// Useful arithmetic of the work: one multiply-add is two; masked-out scores are not counted.
Flop flop_of(const Work& work);

/// Bytes that must cross the memory interface at least once: each operand read, each result written.
Bytes bytes_of(const Work& work);

}  // namespace orrery
