// The sizes of one rank's share of a layer: what tensor, sequence, context and expert parallelism leave of each
// dimension.
#pragma once

#include "models/architecture.hpp"
#include "models/framework.hpp"
#include "models/training.hpp"

#include <cstdint>

namespace orrery {

/// All sizes of one rank and one micro-batch. T = batch * sequence / context tokens pass a rank.
struct LayerShape {
    std::int64_t batch = 1;
    std::int64_t sequence = 1;
    std::int64_t queries = 1;       // of one sequence on this rank: sequence / context
    std::int64_t tokens = 1;        // T
    std::int64_t tokens_split = 1;  // T / tensor: where sequence parallelism or experts split the tokens
    std::int64_t hidden = 1;
    std::int64_t heads = 1;     // of this rank
    std::int64_t kv_heads = 1;  // of this rank; at least one, by replication
    std::int64_t head_size = 1;        // of a query, rotated part included
    std::int64_t value_head_size = 1;
    std::int64_t ffn = 1;          // of this rank
    std::int64_t vocabulary = 1;   // of this rank, padded
    std::int64_t documents = 1;    // packed into a sequence, of equal length
    std::int64_t experts = 0;      // of this rank
    std::int64_t expert_rows = 0;  // rows that this rank's experts compute, mean
    std::int64_t routed_rows = 0;  // rows that this rank sends to experts
    std::int64_t expert_ffn = 0;   // of this rank
    int tensor = 1;
    int context = 1;
    int expert = 1;
    int expert_tensor = 1;
    ContextKind context_kind = ContextKind::ring;
    bool sequence_parallel = false;
    bool flash = true;
    bool dropout = false;              // the pre-flash recipes of GPT-2 and GPT-3 train with it
    bool label_smoothing = false;
    bool rematerializes_core = false;  // selective recomputation
    RecomputeModules remakes;          // parts that backward makes again
    bool causal = true;                // attention is halved by the mask
    std::int64_t memory_tokens = 0;    // of the encoder's output, to whose keys a decoder layer attends; 0: no encoder
    std::int64_t memory_sequence = 0;  // of one sequence of them
    std::int64_t head_tokens = 1;      // that reach the output matrix
    bool frozen = false;               // adapters are trained: no weight gradients of the model's own matrices
    std::int64_t adapter_rank = 0;
    double element_bytes = 2.0;        // of an activation
    double streaming_bytes = 2.0;      // of an activation as streaming kernels move it, mean
    DataType matrix_type = DataType::bf16;
    DataType wide_type = DataType::bf16;  // of what 8- and 4-bit training keeps wide: attention, head, router
    double gradient_element_bytes = 2.0;  // of a weight gradient as its product writes it
    double cast_bytes = 0.0;              // moved per element that is cast to 8 or 4 bit; 0: no casts

    /// Whether attention sees whole sequences and fewer heads while it runs.
    [[nodiscard]] bool trades_heads() const { return context > 1 && context_kind == ContextKind::ulysses; }

    /// Tokens that norms and residuals run over: T / tensor with sequence parallelism.
    [[nodiscard]] std::int64_t norm_tokens() const { return sequence_parallel ? tokens_split : tokens; }
};

/// Requires a plan without problems (see plan_problems.hpp).
LayerShape layer_shape(const Architecture& architecture, const TrainingSpec& spec, const FrameworkProfile& framework);

/// The same for the layers of an encoder that stands ahead of the decoder, whose sequence may be another.
LayerShape encoder_shape(const Architecture& architecture, const TrainingSpec& spec, const FrameworkProfile& framework);

/// Rows of the embedding after padding to a multiple of `multiple` * tensor, as Megatron-LM does
/// (--make-vocab-size-divisible-by, default 128).
std::int64_t padded_vocabulary(const Architecture& architecture, int tensor, int multiple = 128);

/// Tokens that see each other: the sequence, or of packed documents the length that equal ones would have.
int attended_length(const TrainingSpec& spec);

}  // namespace orrery
