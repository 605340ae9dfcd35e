// A product by oneDNN whose right side is packed once, for panels that a kernel gathers itself.
#pragma once

#include "kernels/reference/onednn.hpp"

namespace orrery {

/// C[m, n] = A[m, k] B[k, n], row by row, rows of C `row_of_c` apart; fp32 sums and results.
struct PackedProduct {
    OneDnn library;
    dnnl::matmul::primitive_desc plan;
    dnnl::matmul primitive;
    OwnedMemory scratch;

    PackedProduct() = default;
    PackedProduct(Index m, Index n, Index k, Index row_of_c, DataType type) {
        using Tag = dnnl::memory::format_tag;
        const auto form = type == DataType::bf16 ? dnnl::memory::data_type::bf16 : dnnl::memory::data_type::f32;
        dnnl::primitive_attr attributes;
        attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
        plan = dnnl::matmul::primitive_desc({{{m, k}, form, Tag::ab}, {{k, n}, form, Tag::any}, {{m, n}, dnnl::memory::data_type::f32, {row_of_c, 1}}},
                                            attributes, library.engine);
        primitive = dnnl::matmul(plan);
        scratch = library.own(plan.scratchpad_desc());
    }
    /// B in the library's blocks; `b` is fp32, row by row.
    [[nodiscard]] OwnedMemory packed(const float* b) const {
        const OwnedMemory result = library.own(plan.weights_desc());
        const dnnl::memory plain = library.over({plan.weights_desc().dims(), dnnl::memory::data_type::f32, dnnl::memory::format_tag::ab}, b);
        library.run(dnnl::reorder(plain, result.memory), {{DNNL_ARG_FROM, plain}, {DNNL_ARG_TO, result.memory}});
        return result;
    }
    void run(const void* a, const OwnedMemory& b, float* c) const {
        library.run(primitive, {{DNNL_ARG_SRC, library.over(plan.src_desc(), a)}, {DNNL_ARG_WEIGHTS, b.memory},
                                {DNNL_ARG_DST, library.over(plan.dst_desc(), c)}, {DNNL_ARG_SCRATCHPAD, scratch.memory}});
    }
};

}  // namespace orrery
