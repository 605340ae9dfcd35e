// Attention of one query by the formula of the paper, in float64: the oracle of all attention kernels.
#pragma once

#include "kernels/reference/operators.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

namespace orrery {

/// softmax(q K^T / sqrt(head)) V of one row (Vaswani et al., arXiv 1706.03762); `key(i)` and `value(i)` give element i of
/// arrays [batch, keys, kv_heads, head].
template <class Key, class Value>
std::vector<double> attention_row(const AttentionShape& s, Index batch, Index head, Index row, const float* q, const Key& key,
                                  const Value& value) {
    const Index kv = head / (s.heads / s.kv_heads);
    const Index position = row + s.keys - s.queries;
    std::vector<double> scores;
    std::vector<Index> seen;
    for (Index j = 0; j < s.keys; ++j) {
        if ((s.causal && j > position) || (s.window > 0 && j <= position - s.window)) continue;
        double score = 0.0;
        for (Index i = 0; i < s.head; ++i) {
            score += static_cast<double>(q[((batch * s.queries + row) * s.heads + head) * s.head + i]) *
                     key(((batch * s.keys + j) * s.kv_heads + kv) * s.head + i);
        }
        scores.push_back(score / std::sqrt(static_cast<double>(s.head)));
        seen.push_back(j);
    }
    double sum = 0.0;
    const double top = scores.empty() ? 0.0 : *std::max_element(scores.begin(), scores.end());
    for (double& score : scores) sum += score = std::exp(score - top);
    std::vector<double> y(static_cast<std::size_t>(s.head), 0.0);
    for (std::size_t j = 0; j < seen.size(); ++j) {
        for (Index i = 0; i < s.head; ++i) {
            y[static_cast<std::size_t>(i)] +=
                scores[j] / sum * value(((batch * s.keys + seen[j]) * s.kv_heads + kv) * s.head + i);
        }
    }
    return y;
}

}  // namespace orrery
