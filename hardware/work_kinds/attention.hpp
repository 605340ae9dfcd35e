// Fused (flash-style) attention as work: queries against keys and values, prefill or decode, forward or backward.
#pragma once

#include "hardware/data_type.hpp"

#include <cstdint>

namespace orrery {

/// softmax(Q K^T) V per batch entry and query head, never writing the scores to memory.
/// Decode is `queries` = 1 (a few with speculation) against a long `keys`. Unfused attention is not this: it is two
/// batched MatrixMultiply with streaming passes over the scores between them.
struct Attention {
    std::int64_t batch = 1;
    std::int64_t heads = 1;
    std::int64_t kv_heads = 1;
    std::int64_t head_size = 128;        // of queries and keys
    std::int64_t value_head_size = 128;
    std::int64_t queries = 1;            // per batch entry
    std::int64_t keys = 1;               // per batch entry, the queries' own positions included
    std::int64_t window = 0;             // keys a query may look back to; 0: all
    bool causal = true;
    bool backward = false;
    DataType type = DataType::bf16;
    DataType kv_type = DataType::bf16;
    double causal_imbalance = 1.0;       // work of the most loaded rank over the mean, when a sequence is split
    bool operator==(const Attention&) const = default;
};

}  // namespace orrery
