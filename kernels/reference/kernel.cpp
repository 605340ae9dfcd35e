// The table of reference kernels, and what all of them share: comparing with an oracle and poisoning outputs.
#include "kernels/reference/kernel.hpp"

#include "kernels/reference/entries.hpp"

#include <bit>
#include <cmath>
#include <limits>

namespace orrery {

const std::vector<KernelEntry>& reference_kernels() {
    using enum DataType;
    static const std::vector<KernelEntry> entries{
        {"matrix-multiply", "batch m n k", "Product as a framework calls it: both operands row by row.", {fp32, bf16, int8},
         prepare_matrix_multiply},
        {"training-multiply", "batch m n k form", "A product of a layer's step: forward (0), gradient of its input (1) or weights (2).",
         {fp32}, prepare_training_multiply},
        {"packed-matrix-multiply", "batch m n k", "Product whose right side is stored in the library's own blocks.",
         {fp32, bf16, int8}, prepare_matrix_multiply},
        {"grouped-multiply", "groups rows n k", "One product per expert, rows spread unevenly.", {fp32, bf16},
         prepare_grouped_multiply},
        {"attention-prefill", "batch heads kv_heads head queries keys window causal", "Flash attention by tiles.", {fp32},
         prepare_attention_prefill},
        {"attention-backward", "batch heads kv_heads head queries keys window causal", "Gradients of queries, keys and values.",
         {fp32}, prepare_attention_backward},
        {"attention-decode", "batch heads kv_heads head keys window", "One query against pages of cached keys.",
         {fp32, bf16}, prepare_attention_decode},
        {"layer-norm", "rows columns", "Mean and variance removed, gain and shift.", {fp32}, prepare_layer_norm},
        {"layer-norm-backward", "rows columns", "Gradients of input, gain and shift.", {fp32}, prepare_layer_norm_backward},
        {"rms-norm", "rows columns", "Root mean square removed, gain.", {fp32}, prepare_rms_norm},
        {"rms-norm-backward", "rows columns", "Gradients of input and gain.", {fp32}, prepare_rms_norm_backward},
        {"softmax", "rows columns", "Softmax of each row.", {fp32}, prepare_softmax},
        {"library-softmax", "rows columns", "The same by oneDNN, to compare with.", {fp32}, prepare_softmax},
        {"softmax-backward", "rows columns", "Gradient of the scores.", {fp32}, prepare_softmax_backward},
        {"rotary", "tokens heads head", "Rotary position embedding in place.", {fp32}, prepare_rotary},
        {"swiglu", "rows columns", "silu(gate) * up.", {fp32}, prepare_swiglu},
        {"swiglu-backward", "rows columns", "Gradients of gate and up.", {fp32}, prepare_swiglu_backward},
        {"cross-entropy", "rows vocabulary", "Loss and its gradient over the logits.", {fp32}, prepare_cross_entropy},
        {"gather", "rows columns table_rows", "Embedding look-up.", {fp32}, prepare_gather},
        {"scatter-add", "rows columns table_rows", "Gradient of an embedding.", {fp32}, prepare_scatter_add},
        {"top-k", "rows experts k", "Router: softmax, the k best and their weights.", {fp32}, prepare_top_k},
        {"convolution", "batch channels height width filters kernel stride", "Two-dimensional, same padding, the library's direct one.", {fp32, bf16},
         prepare_convolution},
        {"implicit-convolution", "batch channels height width filters kernel stride groups",
         "The same by patches gathered into panels, times packed filters; grouped ones too.", {fp32, bf16}, prepare_implicit_convolution},
        {"winograd-2-convolution", "batch channels height width filters kernel stride", "3 x 3 at stride 1 by Winograd's F(2 x 2, 3 x 3).",
         {fp32}, prepare_winograd_convolution},
        {"winograd-4-convolution", "batch channels height width filters kernel stride",
         "3 x 3 at stride 1 by F(4 x 4, 3 x 3), which loses about a digit.", {fp32}, prepare_winograd_convolution},
        {"sgd", "elements", "SGD with momentum.", {fp32}, prepare_sgd},
        {"adam", "elements", "AdamW.", {fp32}, prepare_adam},
        {"lamb", "elements", "LAMB on one tensor.", {fp32}, prepare_lamb},
        {"adafactor", "rows columns", "Adafactor on one matrix.", {fp32}, prepare_adafactor},
        {"muon", "rows columns", "Muon on one matrix: momentum and five Newton-Schulz steps.", {fp32}, prepare_muon},
        {"dropout", "elements", "Dropout by a counter-based generator.", {fp32}, prepare_dropout},
        {"quantise-int8", "rows columns", "A scale per row.", {fp32}, prepare_quantise_int8},
        {"dequantise-int8", "rows columns", "Back to fp32.", {fp32}, prepare_dequantise_int8},
        {"quantise-int4", "rows columns", "Groups of 32, two values in a byte.", {fp32}, prepare_quantise_int4},
        {"dequantise-int4", "rows columns", "Back to fp32.", {fp32}, prepare_dequantise_int4},
        {"sparse-multiply", "m n k kept_percent", "Right side pruned by magnitude, stored by rows.", {fp32},
         prepare_sparse_multiply},
        {"copy", "elements", "y = x past the caches.", {fp32}, prepare_copy},
        {"triad", "elements", "z = x + s y past the caches (STREAM).", {fp32}, prepare_triad},
        {"add", "elements", "y += x: a residual connection.", {fp32}, prepare_add},
        {"pointer-chase", "bytes hops", "Latency of dependent reads.", {fp32}, prepare_pointer_chase},
        {"launch", "regions", "Starting and ending work on all threads.", {fp32}, prepare_launch},
        {"all-reduce", "elements", "Sum over the threads of one process, each with its own array.", {fp32},
         prepare_all_reduce},
        {"file-read", "bytes direct", "Reads of 1 MiB of a temporary file, through or past the page cache.", {fp32},
         prepare_file_read},
    };
    return entries;
}

const KernelEntry* find_kernel(std::string_view name) {
    for (const KernelEntry& entry : reference_kernels()) {
        if (entry.name == name) return &entry;
    }
    return nullptr;
}

std::string words_of(const KernelCase& kernel_case) {
    std::string words = kernel_case.kernel + " " + std::string(name_of(kernel_case.type));
    for (std::size_t i = 0; i < kernel_case.sizes.size(); ++i) {
        words += (i == 0 ? " " : " x ") + std::to_string(kernel_case.sizes[i]);
    }
    return words;
}

Bytes footprint_of(const KernelCase& kernel_case) {
    const auto size = [&](std::size_t i) { return i < kernel_case.sizes.size() ? static_cast<double>(kernel_case.sizes[i]) : 1.0; };
    const std::string& name = kernel_case.kernel;
    if (name == "pointer-chase" || name == "file-read") return Bytes::from_si(size(0));
    double elements = 4.0 * size(0) * size(1);   // row-wise kernels: at most gate, up and three gradients
    if (name.ends_with("matrix-multiply") || name == "training-multiply") {
        elements = size(0) * (size(1) * size(3) + 2.0 * size(2) * size(3) + size(1) * size(2));
    } else if (name == "grouped-multiply") {
        elements = size(1) * (size(2) + size(3)) + size(0) * size(2) * size(3);
    } else if (name == "attention-prefill") {
        elements = 2.0 * size(0) * size(3) * (size(1) * size(4) + size(2) * size(5));
    } else if (name == "attention-backward") {
        elements = 4.0 * size(0) * size(3) * (size(1) * size(4) + size(2) * size(5));
    } else if (name == "attention-decode") {
        elements = 2.0 * size(0) * size(2) * size(3) * (size(4) + 16.0) + 2.0 * size(0) * size(1) * size(3);
    } else if (name == "rotary") {
        elements = 3.0 * size(0) * size(1) * size(2);
    } else if (name == "gather" || name == "scatter-add") {
        elements = 3.0 * size(0) * size(1) + size(1) * size(2);
    } else if (name.ends_with("convolution")) {   // Winograd's filters take 36 values each, twice
        elements = 2.0 * size(0) * size(2) * size(3) * (size(1) + size(4)) + 2.0 * size(1) * size(4) * (name == "convolution" ? size(5) * size(5) : 36.0 + size(5) * size(5));
    } else if (name == "two-four-multiply") {
        elements = size(0) * (size(1) + size(2)) + 2.0 * size(1) * size(2);
    } else if (name == "sparse-multiply") {
        elements = size(0) * (size(1) + size(2)) + 3.0 * size(1) * size(2);
    } else if (name.starts_with("swiglu") || name == "muon") {
        elements = 6.0 * size(0) * size(1);
    } else if (kernel_case.sizes.size() == 1) {
        elements = 6.0 * size(0);
    }
    return Bytes::from_si(4.0 * elements);
}

double relative_error(std::span<const float> got, std::span<const double> want) {
    if (got.size() != want.size()) return std::numeric_limits<double>::infinity();
    double difference = 0.0;
    double size = 0.0;
    for (std::size_t i = 0; i < got.size(); ++i) {
        if (!std::isfinite(got[i])) return std::numeric_limits<double>::infinity();
        const double error = static_cast<double>(got[i]) - want[i];
        difference += error * error;
        size += want[i] * want[i];
    }
    return size > 0.0 ? std::sqrt(difference / size) : std::sqrt(difference);
}

void poison(std::span<float> values) {
    constexpr std::uint32_t signalling = 0x7fa00001U;
    for (float& value : values) value = std::bit_cast<float>(signalling);
}

}  // namespace orrery
