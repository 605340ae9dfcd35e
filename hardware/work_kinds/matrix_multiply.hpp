// Matrix multiplication, plain or grouped (one small product per expert), as work to be priced or done.
#pragma once

#include "hardware/data_type.hpp"

#include <cstdint>

namespace orrery {

/// Which operand lies in memory the other way round, its columns one after the other.
enum class Transposed : std::uint8_t { none, left, right };

/// C[m,n] = A[m,k] * B[k,n], `batch` times, all in `type` with wide accumulation.
struct MatrixMultiply {
    std::int64_t m = 1;
    std::int64_t n = 1;
    std::int64_t k = 1;
    std::int64_t batch = 1;
    DataType type = DataType::bf16;
    double output_element_bytes = 2.0;  // 8 where a weight gradient is added into fp32: read and write
    Transposed transposed = Transposed::none;   // the right one in an input gradient, the left one in a weight gradient
    bool operator==(const MatrixMultiply&) const = default;
};

/// `groups` products that share n and k; `rows` of A are spread over the groups, the fullest holding `rows_max`.
struct GroupedMatrixMultiply {
    std::int64_t rows = 1;
    std::int64_t rows_max = 1;
    std::int64_t groups = 1;
    std::int64_t n = 1;
    std::int64_t k = 1;
    DataType type = DataType::bf16;
    double output_element_bytes = 2.0;
    bool operator==(const GroupedMatrixMultiply&) const = default;
};

}  // namespace orrery
