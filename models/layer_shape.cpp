// How the degrees of parallelism divide a layer's dimensions.
#include "models/layer_shape.hpp"

#include <algorithm>
#include <cmath>

namespace orrery {
namespace {

/// Bytes moved to cast one element (read 16 bit, write the narrow value and its transpose, scales): 4 for 8 bit, 6 for
/// block-scaled 4 bit. 0.8 of them reach memory (neighbouring kernels leave the rest in cache), and 0.9 of the casts
/// are kernels of their own. Fitted with the training model on published fp8 and nvfp4 runs.
double cast_bytes_per_element(DataType type, double extra) {
    constexpr double reaches_memory = 0.8 * 0.9;
    if (type == DataType::fp8) return (4.0 + extra) * reaches_memory;
    if (type == DataType::fp4) return (6.0 + extra) * reaches_memory;
    return 0.0;
}

}  // namespace

std::int64_t padded_vocabulary(const Architecture& architecture, int tensor, int multiple) {
    const std::int64_t unit = std::int64_t{multiple} * tensor;
    return (architecture.vocabulary + unit - 1) / unit * unit;
}

int attended_length(const TrainingSpec& spec) {
    return static_cast<int>(std::max(std::llround(spec.packing.equal_length(spec.computed_sequence())), 1LL));
}

LayerShape layer_shape(const Architecture& architecture, const TrainingSpec& spec, const FrameworkProfile& framework) {
    const Parallelism& plan = spec.parallelism;
    LayerShape s;
    s.batch = spec.micro_batch;
    s.sequence = spec.computed_sequence();
    s.queries = s.sequence / plan.context;
    s.tokens = s.batch * s.queries;
    s.tokens_split = std::max<std::int64_t>(s.tokens / plan.tensor, 1);
    s.hidden = architecture.hidden;
    s.heads = architecture.heads / plan.tensor;
    s.kv_heads = std::max(architecture.kv_heads / plan.tensor, 1);
    s.head_size = architecture.query_head_size();
    s.value_head_size = architecture.output_head_size();
    s.ffn = architecture.ffn / plan.tensor;
    s.vocabulary = padded_vocabulary(architecture, plan.tensor, spec.vocabulary_multiple) / plan.tensor;
    s.experts = architecture.experts / plan.expert;
    s.routed_rows = s.tokens_split * architecture.experts_per_token;
    s.expert_rows = s.routed_rows * plan.expert_tensor;  // gathered over the ranks that split each expert
    s.expert_ffn = architecture.expert_ffn / plan.expert_tensor;
    s.tensor = plan.tensor;
    s.context = plan.context;
    s.expert = plan.expert;
    s.expert_tensor = plan.expert_tensor;
    s.context_kind = plan.context_kind;
    s.sequence_parallel = plan.has_sequence_parallel();
    s.flash = spec.flash_attention;
    s.dropout = spec.regularization.dropout ? *spec.regularization.dropout > 0.0 : !spec.flash_attention;
    s.label_smoothing = spec.regularization.label_smoothing;
    s.documents = std::max<std::int64_t>(std::llround(static_cast<double>(spec.computed_sequence()) / attended_length(spec)), 1);
    if (spec.recompute == Recompute::selective) s.remakes = spec.recompute_modules;
    const bool core = s.remakes.attention_core || !s.remakes.any();
    s.rematerializes_core = spec.recompute == Recompute::selective && core && !spec.flash_attention;
    s.frozen = spec.adapter_rank > 0;
    s.adapter_rank = spec.adapter_rank;
    const bool narrow = spec.precision == DataType::fp8 || spec.precision == DataType::fp4;
    s.matrix_type = spec.precision;
    s.wide_type = narrow ? DataType::bf16 : spec.precision;
    s.element_bytes = element_bytes(s.wide_type);
    s.streaming_bytes = s.element_bytes * (s.element_bytes == 2.0 ? 1.0 + framework.wide_streaming_share : 1.0);
    s.gradient_element_bytes = framework.interleaves_gradient_accumulation ? 8.0 : s.element_bytes;
    s.cast_bytes = cast_bytes_per_element(spec.precision, framework.cast_extra_bytes);
    s.causal = !architecture.bidirectional;
    s.head_tokens = architecture.patch > 0 ? s.batch
                                           : std::max<std::int64_t>(std::llround(architecture.head_share * static_cast<double>(s.tokens)), 1);
    if (architecture.encoder_layers > 0) {
        s.memory_sequence = spec.encoder_length();
        s.memory_tokens = s.batch * s.memory_sequence;
    }
    return s;
}

LayerShape encoder_shape(const Architecture& architecture, const TrainingSpec& spec, const FrameworkProfile& framework) {
    TrainingSpec own = spec;
    own.sequence = spec.encoder_length();
    own.mean_sequence = 0;
    LayerShape s = layer_shape(architecture, own, framework);
    s.causal = false;
    s.memory_tokens = s.memory_sequence = 0;
    return s;
}

}  // namespace orrery
