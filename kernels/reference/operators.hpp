// The row-wise operators themselves, on bare arrays: what the kernels run and what a training step is made of.
#pragma once

#include "hardware/work.hpp"

#include <cstdint>
#include <vector>

namespace orrery {

using Index = std::int64_t;

constexpr float norm_epsilon = 1e-5F;     // of LLaMA and PyTorch alike
constexpr double rotary_base = 10000.0;   // Su et al., arXiv 2104.09864

/// y = (x - mean) / sqrt(variance + epsilon) * gain + shift for each row. Ba et al., arXiv 1607.06450.
void layer_norm(const float* x, const float* gain, const float* shift, float* y, Index rows, Index columns);
/// dx, and the sums dgain and dshift over all rows.
void layer_norm_backward(const float* x, const float* gain, const float* dy, float* dx, float* dgain, float* dshift,
                         Index rows, Index columns);
/// y = x / sqrt(mean(x^2) + epsilon) * gain. Zhang and Sennrich, arXiv 1910.07467.
void rms_norm(const float* x, const float* gain, float* y, Index rows, Index columns);
void rms_norm_backward(const float* x, const float* gain, const float* dy, float* dx, float* dgain, Index rows,
                       Index columns);

void softmax(const float* x, float* y, Index rows, Index columns);
/// dx = y (dy - sum(y dy)), y being the softmax.
void softmax_backward(const float* y, const float* dy, float* dx, Index rows, Index columns);

/// Cosines and sines of all positions of a sequence, as frameworks keep them; `direction` -1 turns back, which is the
/// gradient. `head` is even.
struct RotaryTable {
    Index head = 2;
    Index sequence = 1;
    std::vector<float> values;
};
RotaryTable make_rotary(Index head, Index sequence, float direction);
/// Turns pairs (i, i + head / 2) by position * base^(-2 i / head), in place; row t has position t % sequence.
void rotary(float* x, Index tokens, Index heads, const RotaryTable& table);

/// y = gate / (1 + exp(-gate)) * up. Shazeer, arXiv 2002.05202.
void swiglu(const float* gate, const float* up, float* y, Index elements);
void swiglu_backward(const float* gate, const float* up, const float* dy, float* dgate, float* dup, Index elements);

/// Mean loss of the targets; writes (softmax - onehot) / rows over the logits.
double cross_entropy(float* logits, const std::int32_t* targets, Index rows, Index vocabulary);

void gather_rows(const float* table, const std::int32_t* picks, float* y, Index rows, Index columns);
/// table[picks[i]] += x[i]; equal picks add up. Threads share out the columns, so that the order of sums is fixed.
void scatter_add(float* table, const std::int32_t* picks, const float* x, Index rows, Index columns);

/// y += x.
void add_into(float* y, const float* x, Index elements);

struct AdamSettings {
    float rate = 1e-3F;
    float first = 0.9F;
    float second = 0.95F;
    float epsilon = 1e-8F;
    float decay = 0.1F;
};
/// AdamW at step `step` >= 1. Loshchilov and Hutter, arXiv 1711.05101.
void adam(float* weights, const float* gradient, float* mean, float* square, Index elements, int step,
          const AdamSettings& settings);

/// One batched fp32 product in place of BLAS: C[m,n] (+)= op(A) op(B), all row by row with leading dimensions.
void sgemm(bool transpose_a, bool transpose_b, Index m, Index n, Index k, const float* a, Index lda, const float* b,
           Index ldb, float beta, float* c, Index ldc);

/// Shapes of one attention call; arrays are [batch, sequence, heads, head].
struct AttentionShape {
    Index batch = 1;
    Index heads = 1;
    Index kv_heads = 1;
    Index head = 64;
    Index queries = 1;
    Index keys = 1;
    Index window = 0;
    bool causal = true;
};

/// The same as work to be priced, forward.
inline Attention work_of(const AttentionShape& s, DataType type) {
    Attention work;
    work.batch = s.batch;
    work.heads = s.heads;
    work.kv_heads = s.kv_heads;
    work.head_size = work.value_head_size = s.head;
    work.queries = s.queries;
    work.keys = s.keys;
    work.window = s.window;
    work.causal = s.causal;
    work.type = work.kv_type = type;
    return work;
}
/// Flash attention (Dao, arXiv 2307.08691); `sums` gets ln(sum of exp) per [batch, heads, queries], for the backward pass.
void flash_attention(const AttentionShape& shape, const float* q, const float* k, const float* v, float* y, float* sums);
/// Gradients of q, k and v; scores are computed again from `sums`.
void flash_attention_backward(const AttentionShape& shape, const float* q, const float* k, const float* v, const float* y,
                              const float* sums, const float* dy, float* dq, float* dk, float* dv);

}  // namespace orrery
