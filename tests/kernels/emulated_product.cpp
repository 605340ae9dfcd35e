// The emulated GPU's library of products: plain loops in the order of memory that the call describes.
#include "kernels/cuda/prepare_library_multiply.hpp"
#include "tests/kernels/emulated_gpu.hpp"

namespace orrery::testing {
namespace {

template <cuda::ProductForm form>
void multiply_plainly(const cuda::ProductCall& call, const void* left, const void* right, void* out) {
    using Host = cuda::FormOnHost<form>;
    const auto* a = static_cast<const typename Host::In*>(left);
    const auto* b = static_cast<const typename Host::In*>(right);
    auto* c = static_cast<typename Host::Out*>(out);
    for (cuda::Index z = 0; z < call.batch; ++z) {
        for (cuda::Index column = 0; column < call.columns; ++column) {
            for (cuda::Index row = 0; row < call.rows; ++row) {
                auto& to = c[z * call.out_stride() + column * call.rows + row];
                double sum = call.accumulates ? Host::result(to) : 0.0;
                for (cuda::Index i = 0; i < call.depth; ++i) {
                    const cuda::Index at = call.left_transposed ? row * call.depth + i : i * call.rows + row;
                    sum += Host::read(a[z * call.left_stride() + at]) * Host::read(b[z * call.right_stride() + (call.right_transposed ? i * call.columns + column : column * call.depth + i)]);
                }
                if constexpr (form == cuda::ProductForm::int8) {
                    to = static_cast<std::int32_t>(sum);
                } else if constexpr (form == cuda::ProductForm::fp16) {
                    to = cuda::half_from(static_cast<float>(sum));
                } else {
                    to = cuda::element_from<typename Host::Out>(static_cast<float>(sum));
                }
            }
        }
    }
}

}  // namespace

cuda::PlannedProduct EmulatedGpu::plan_product(const cuda::ProductCall& call, const void*, const void*, void*) {
    using enum cuda::ProductForm;
    switch (call.form) {
        case fp32: return [call](const void* a, const void* b, void* c) { multiply_plainly<fp32>(call, a, b, c); };
        case tf32: return [call](const void* a, const void* b, void* c) { multiply_plainly<tf32>(call, a, b, c); };
        case bf16: return [call](const void* a, const void* b, void* c) { multiply_plainly<bf16>(call, a, b, c); };
        case fp16: return [call](const void* a, const void* b, void* c) { multiply_plainly<fp16>(call, a, b, c); };
        case fp8: return [call](const void* a, const void* b, void* c) { multiply_plainly<fp8>(call, a, b, c); };
        case int8: return [call](const void* a, const void* b, void* c) { multiply_plainly<int8>(call, a, b, c); };
    }
    return {};
}

}  // namespace orrery::testing
