// The kernels of a device, in the form of the table of reference kernels: one table for the GPU and for its emulator.
#pragma once

#include "kernels/cuda/prepare_attention.hpp"
#include "kernels/cuda/prepare_attention_backward.hpp"
#include "kernels/cuda/prepare_convolution.hpp"
#include "kernels/cuda/prepare_elementwise.hpp"
#include "kernels/cuda/prepare_library_multiply.hpp"
#include "kernels/cuda/prepare_multiply.hpp"
#include "kernels/cuda/prepare_muon.hpp"
#include "kernels/cuda/prepare_norm_backward.hpp"
#include "kernels/cuda/prepare_optimizers.hpp"
#include "kernels/cuda/prepare_picks.hpp"
#include "kernels/cuda/prepare_quantise.hpp"
#include "kernels/cuda/prepare_rows.hpp"
#include "kernels/cuda/prepare_transfers.hpp"
#include "kernels/cuda/prepare_two_four.hpp"

namespace orrery::cuda {

using Prepare = PreparedKernel (*)(const KernelCase& kernel_case, int copies, Rng& rng);

template <Prepare in_fp32, Prepare in_bf16>
PreparedKernel by_type(const KernelCase& c, int copies, Rng& rng) {
    return (c.type == DataType::bf16 ? in_bf16 : in_fp32)(c, copies, rng);
}

template <Prepare in_fp16, Prepare in_bf16>
PreparedKernel by_half(const KernelCase& c, int copies, Rng& rng) {
    return (c.type == DataType::bf16 ? in_bf16 : in_fp16)(c, copies, rng);
}

template <class Device>
const std::vector<KernelEntry>& device_table() {
    using enum DataType;
    using D = Device;
    static const std::vector<KernelEntry> entries{
        {"matrix-multiply", "batch m n k", "Product by the library (cuBLASLt), the fastest of 16 algorithms.", {fp32, tf32, bf16, fp16, fp8, int8},
         prepare_library_multiply<D>},
        {"tiled-multiply", "batch m n k", "Product by our own tiles and the warp's matrix instruction.", {bf16}, prepare_tiled_multiply<D>},
        {"grouped-multiply", "groups rows n k", "One product per expert, rows spread unevenly, one launch.", {bf16}, prepare_grouped_multiply<D>},
        {"two-four-multiply", "m n k", "Weights [n, k] of which two of each four values are kept, by the sparse matrix instruction.", {bf16, fp16},
         by_half<two_four_multiply_kernel<D, Half>, two_four_multiply_kernel<D, Bf16>>},
        {"two-four-compress", "rows columns", "Prunes weights to two of each four along a row and packs them.", {bf16, fp16},
         by_half<two_four_compress_kernel<D, Half>, two_four_compress_kernel<D, Bf16>>},
        {"convolution", "batch channels height width filters kernel stride",
         "Two-dimensional, same padding, channels side by side: an implicit product; fp32 without matrix units.", {fp32, bf16, fp16}, prepare_convolution<D>},
        {"attention-prefill", "batch heads kv_heads head queries keys window causal", "Flash attention by tiles; heads up to 256.", {fp32, bf16},
         by_type<attention_prefill_kernel<D, float>, attention_prefill_kernel<D, Bf16>>},
        {"attention-backward", "batch heads kv_heads head queries keys window causal", "Gradients of queries, keys and values; heads up to 128, in fp32 256.",
         {fp32, bf16}, by_type<attention_backward_kernel<D, float>, attention_backward_kernel<D, Bf16>>},
        {"attention-decode", "batch heads kv_heads head keys window", "One query against pages of cached keys; heads up to 256.", {bf16},
         prepare_attention_decode<D>},
        {"layer-norm", "rows columns", "Mean and variance removed, gain and shift.", {fp32, bf16},
         by_type<norm_kernel<D, float, true>, norm_kernel<D, Bf16, true>>},
        {"layer-norm-backward", "rows columns", "Gradients of input, gain and shift.", {fp32, bf16},
         by_type<norm_backward_kernel<D, float, true>, norm_backward_kernel<D, Bf16, true>>},
        {"rms-norm", "rows columns", "Root mean square removed, gain.", {fp32, bf16},
         by_type<norm_kernel<D, float, false>, norm_kernel<D, Bf16, false>>},
        {"rms-norm-backward", "rows columns", "Gradients of input and gain.", {fp32, bf16},
         by_type<norm_backward_kernel<D, float, false>, norm_backward_kernel<D, Bf16, false>>},
        {"softmax", "rows columns", "Softmax of each row.", {fp32, bf16}, by_type<softmax_kernel<D, float>, softmax_kernel<D, Bf16>>},
        {"softmax-backward", "rows columns", "Gradient of the scores.", {fp32, bf16},
         by_type<softmax_backward_kernel<D, float>, softmax_backward_kernel<D, Bf16>>},
        {"rotary", "tokens heads head", "Rotary position embedding in place.", {fp32, bf16}, by_type<rotary_kernel<D, float>, rotary_kernel<D, Bf16>>},
        {"swiglu", "rows columns", "silu(gate) * up.", {fp32, bf16}, by_type<swiglu_kernel<D, float>, swiglu_kernel<D, Bf16>>},
        {"swiglu-backward", "rows columns", "Gradients of gate and up.", {fp32, bf16},
         by_type<swiglu_backward_kernel<D, float>, swiglu_backward_kernel<D, Bf16>>},
        {"cross-entropy", "rows vocabulary", "Loss and its gradient over the logits.", {fp32, bf16},
         by_type<cross_entropy_kernel<D, float>, cross_entropy_kernel<D, Bf16>>},
        {"gather", "rows columns table_rows", "Embedding look-up.", {fp32, bf16}, by_type<gather_kernel<D, float>, gather_kernel<D, Bf16>>},
        {"scatter-add", "rows columns table_rows", "Gradient of an embedding.", {fp32}, prepare_scatter_add<D>},
        {"top-k", "rows experts k", "Router: the k best of at most 512 and their weights.", {fp32}, prepare_top_k<D>},
        {"sgd", "elements", "SGD with momentum.", {fp32}, prepare_sgd<D>},
        {"adam", "elements", "AdamW.", {fp32}, prepare_adam<D>},
        {"lamb", "elements", "LAMB on one tensor.", {fp32}, prepare_lamb<D>},
        {"adafactor", "rows columns", "Adafactor on one matrix.", {fp32}, prepare_adafactor<D>},
        {"muon", "rows columns", "Muon on one matrix: momentum and five Newton-Schulz steps.", {fp32}, prepare_muon<D>},
        {"dropout", "elements", "Dropout by a counter-based generator.", {fp32, bf16},
         by_type<dropout_kernel<D, float>, dropout_kernel<D, Bf16>>},
        {"quantise-int8", "rows columns", "A scale per row.", {fp32, bf16},
         by_type<quantise_rows_kernel<D, float, Int8Code, false>, quantise_rows_kernel<D, Bf16, Int8Code, false>>},
        {"dequantise-int8", "rows columns", "Back to fp32 or bf16.", {fp32, bf16},
         by_type<quantise_rows_kernel<D, float, Int8Code, true>, quantise_rows_kernel<D, Bf16, Int8Code, true>>},
        {"quantise-fp8", "rows columns", "E4M3, a scale per row.", {fp32, bf16},
         by_type<quantise_rows_kernel<D, float, Fp8Code, false>, quantise_rows_kernel<D, Bf16, Fp8Code, false>>},
        {"dequantise-fp8", "rows columns", "Back to fp32 or bf16.", {fp32, bf16},
         by_type<quantise_rows_kernel<D, float, Fp8Code, true>, quantise_rows_kernel<D, Bf16, Fp8Code, true>>},
        {"quantise-int4", "rows columns", "Groups of 32, eight values in a word.", {fp32, bf16},
         by_type<quantise_groups_kernel<D, float, Int4Code, false>, quantise_groups_kernel<D, Bf16, Int4Code, false>>},
        {"dequantise-int4", "rows columns", "Back to fp32 or bf16.", {fp32, bf16},
         by_type<quantise_groups_kernel<D, float, Int4Code, true>, quantise_groups_kernel<D, Bf16, Int4Code, true>>},
        {"quantise-fp4", "rows columns", "E2M1 in groups of 16 with scales in E4M3.", {fp32, bf16},
         by_type<quantise_groups_kernel<D, float, Fp4Code, false>, quantise_groups_kernel<D, Bf16, Fp4Code, false>>},
        {"dequantise-fp4", "rows columns", "Back to fp32 or bf16.", {fp32, bf16},
         by_type<quantise_groups_kernel<D, float, Fp4Code, true>, quantise_groups_kernel<D, Bf16, Fp4Code, true>>},
        {"copy", "elements", "y = x.", {fp32, bf16}, by_type<copy_kernel<D, float>, copy_kernel<D, Bf16>>},
        {"triad", "elements", "z = x + s y (STREAM).", {fp32}, triad_kernel<D, float>},
        {"add", "elements", "y += x: a residual connection.", {fp32, bf16}, by_type<add_kernel<D, float>, add_kernel<D, Bf16>>},
        {"host-to-device", "bytes", "From pinned memory over the host's link.", {fp32}, prepare_host_copy<D, true>},
        {"device-to-host", "bytes", "To pinned memory over the host's link.", {fp32}, prepare_host_copy<D, false>},
        {"pointer-chase", "bytes hops", "Latency of dependent reads.", {fp32}, prepare_pointer_chase<D>},
        {"launch", "regions", "Starting kernels one after the other.", {fp32}, prepare_launch<D>},
    };
    return entries;
}

}  // namespace orrery::cuda
