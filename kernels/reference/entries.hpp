// How each reference kernel is prepared: one function per line of the table in kernel.cpp.
#pragma once

#include "kernels/reference/kernel.hpp"

namespace orrery {

PreparedKernel prepare_adafactor(const KernelCase& kernel_case, int copies, Rng& rng);
PreparedKernel prepare_adam(const KernelCase& kernel_case, int copies, Rng& rng);
PreparedKernel prepare_add(const KernelCase& kernel_case, int copies, Rng& rng);
PreparedKernel prepare_all_reduce(const KernelCase& kernel_case, int copies, Rng& rng);
PreparedKernel prepare_attention_backward(const KernelCase& kernel_case, int copies, Rng& rng);
PreparedKernel prepare_attention_decode(const KernelCase& kernel_case, int copies, Rng& rng);
PreparedKernel prepare_attention_prefill(const KernelCase& kernel_case, int copies, Rng& rng);
PreparedKernel prepare_convolution(const KernelCase& kernel_case, int copies, Rng& rng);
PreparedKernel prepare_copy(const KernelCase& kernel_case, int copies, Rng& rng);
PreparedKernel prepare_cross_entropy(const KernelCase& kernel_case, int copies, Rng& rng);
PreparedKernel prepare_dequantise_int4(const KernelCase& kernel_case, int copies, Rng& rng);
PreparedKernel prepare_dequantise_int8(const KernelCase& kernel_case, int copies, Rng& rng);
PreparedKernel prepare_dropout(const KernelCase& kernel_case, int copies, Rng& rng);
PreparedKernel prepare_file_read(const KernelCase& kernel_case, int copies, Rng& rng);
PreparedKernel prepare_gather(const KernelCase& kernel_case, int copies, Rng& rng);
PreparedKernel prepare_grouped_multiply(const KernelCase& kernel_case, int copies, Rng& rng);
PreparedKernel prepare_implicit_convolution(const KernelCase& kernel_case, int copies, Rng& rng);
PreparedKernel prepare_lamb(const KernelCase& kernel_case, int copies, Rng& rng);
PreparedKernel prepare_launch(const KernelCase& kernel_case, int copies, Rng& rng);
PreparedKernel prepare_layer_norm(const KernelCase& kernel_case, int copies, Rng& rng);
PreparedKernel prepare_layer_norm_backward(const KernelCase& kernel_case, int copies, Rng& rng);
PreparedKernel prepare_matrix_multiply(const KernelCase& kernel_case, int copies, Rng& rng);
PreparedKernel prepare_muon(const KernelCase& kernel_case, int copies, Rng& rng);
PreparedKernel prepare_pointer_chase(const KernelCase& kernel_case, int copies, Rng& rng);
PreparedKernel prepare_quantise_int4(const KernelCase& kernel_case, int copies, Rng& rng);
PreparedKernel prepare_quantise_int8(const KernelCase& kernel_case, int copies, Rng& rng);
PreparedKernel prepare_rms_norm(const KernelCase& kernel_case, int copies, Rng& rng);
PreparedKernel prepare_rms_norm_backward(const KernelCase& kernel_case, int copies, Rng& rng);
PreparedKernel prepare_rotary(const KernelCase& kernel_case, int copies, Rng& rng);
PreparedKernel prepare_scatter_add(const KernelCase& kernel_case, int copies, Rng& rng);
PreparedKernel prepare_sgd(const KernelCase& kernel_case, int copies, Rng& rng);
PreparedKernel prepare_softmax(const KernelCase& kernel_case, int copies, Rng& rng);
PreparedKernel prepare_softmax_backward(const KernelCase& kernel_case, int copies, Rng& rng);
PreparedKernel prepare_sparse_multiply(const KernelCase& kernel_case, int copies, Rng& rng);
PreparedKernel prepare_swiglu(const KernelCase& kernel_case, int copies, Rng& rng);
PreparedKernel prepare_swiglu_backward(const KernelCase& kernel_case, int copies, Rng& rng);
PreparedKernel prepare_top_k(const KernelCase& kernel_case, int copies, Rng& rng);
PreparedKernel prepare_training_multiply(const KernelCase& kernel_case, int copies, Rng& rng);
PreparedKernel prepare_triad(const KernelCase& kernel_case, int copies, Rng& rng);
PreparedKernel prepare_winograd_convolution(const KernelCase& kernel_case, int copies, Rng& rng);

}  // namespace orrery
