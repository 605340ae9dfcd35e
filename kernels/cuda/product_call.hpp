// One product as a BLAS library is asked for it: column by column, with leading dimensions. Compiles without CUDA.
#pragma once

#include "kernels/cuda/lane.hpp"

#include <functional>
#include <string>

namespace orrery::cuda {

/// Operands and sums: tf32 is fp32 that the matrix unit rounds; fp8 (E4M3) gives bf16; int8 gives int32.
enum class ProductForm : std::uint8_t { fp32, tf32, bf16, fp16, fp8, int8 };

/// out[rows, columns] = op(left) right, `batch` times, each matrix stored column by column. `left` is [rows, depth], or
/// [depth, rows] where it is transposed, `right` [depth, columns] or [columns, depth]; each batch follows the last without a
/// gap. `accumulates`: added to what `out` holds, in float formats.
struct ProductCall {
    ProductForm form = ProductForm::bf16;
    bool left_transposed = false;
    Index rows = 1;
    Index columns = 1;
    Index depth = 1;
    Index batch = 1;
    bool right_transposed = false;
    bool accumulates = false;
    bool operator==(const ProductCall&) const = default;
    [[nodiscard]] Index left_stride() const { return rows * depth; }
    [[nodiscard]] Index right_stride() const { return depth * columns; }
    [[nodiscard]] Index out_stride() const { return rows * columns; }
};

/// A call that was planned: pointers to left, right and out.
using PlannedProduct = std::function<void(const void* left, const void* right, void* out)>;

/// The call by cuBLASLt with the best of its algorithms, each timed on the arrays given. Throws GpuError where the
/// library is missing or has no algorithm for it.
PlannedProduct plan_library_product(const ProductCall& call, const void* left, const void* right, void* out);

/// "cuBLASLt 13.1.0"; empty where the library is not found at run time.
std::string library_product_version();

}  // namespace orrery::cuda
