// The kernels of a device, in the form of the table of reference kernels: one table for the GPU and for its emulator.
#pragma once

#include "kernels/cuda/prepare_elementwise.hpp"
#include "kernels/cuda/prepare_rows.hpp"

namespace orrery::cuda {

using Prepare = PreparedKernel (*)(const KernelCase& kernel_case, int copies, Rng& rng);

template <Prepare in_fp32, Prepare in_bf16>
PreparedKernel by_type(const KernelCase& c, int copies, Rng& rng) {
    return (c.type == DataType::bf16 ? in_bf16 : in_fp32)(c, copies, rng);
}

template <class Device>
const std::vector<KernelEntry>& device_table() {
    using enum DataType;
    using D = Device;
    static const std::vector<KernelEntry> entries{
        {"layer-norm", "rows columns", "Mean and variance removed, gain and shift.", {fp32, bf16},
         by_type<norm_kernel<D, float, true>, norm_kernel<D, Bf16, true>>},
        {"rms-norm", "rows columns", "Root mean square removed, gain.", {fp32, bf16},
         by_type<norm_kernel<D, float, false>, norm_kernel<D, Bf16, false>>},
        {"softmax", "rows columns", "Softmax of each row.", {fp32, bf16}, by_type<softmax_kernel<D, float>, softmax_kernel<D, Bf16>>},
        {"softmax-backward", "rows columns", "Gradient of the scores.", {fp32, bf16},
         by_type<softmax_backward_kernel<D, float>, softmax_backward_kernel<D, Bf16>>},
        {"swiglu", "rows columns", "silu(gate) * up.", {fp32, bf16}, by_type<swiglu_kernel<D, float>, swiglu_kernel<D, Bf16>>},
        {"swiglu-backward", "rows columns", "Gradients of gate and up.", {fp32, bf16},
         by_type<swiglu_backward_kernel<D, float>, swiglu_backward_kernel<D, Bf16>>},
        {"cross-entropy", "rows vocabulary", "Loss and its gradient over the logits.", {fp32, bf16},
         by_type<cross_entropy_kernel<D, float>, cross_entropy_kernel<D, Bf16>>},
        {"sgd", "elements", "SGD with momentum.", {fp32}, prepare_sgd<D>},
        {"adam", "elements", "AdamW.", {fp32}, prepare_adam<D>},
        {"dropout", "elements", "Dropout by a counter-based generator.", {fp32, bf16},
         by_type<dropout_kernel<D, float>, dropout_kernel<D, Bf16>>},
        {"copy", "elements", "y = x.", {fp32, bf16}, by_type<copy_kernel<D, float>, copy_kernel<D, Bf16>>},
        {"triad", "elements", "z = x + s y (STREAM).", {fp32}, triad_kernel<D, float>},
        {"add", "elements", "y += x: a residual connection.", {fp32, bf16}, by_type<add_kernel<D, float>, add_kernel<D, Bf16>>},
    };
    return entries;
}

}  // namespace orrery::cuda
