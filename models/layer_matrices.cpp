// Rows and columns of a layer's matrices, after tensor and expert parallelism.
#include "models/layer_matrices.hpp"

namespace orrery {
namespace {

MatrixShape matrix_of(std::int64_t rows, std::int64_t columns, double count = 1.0, bool is_expert = false) {
    return {static_cast<double>(rows), static_cast<double>(columns), count, is_expert};
}

void add_attention_matrices(const Architecture& a, const LayerShape& s, std::vector<MatrixShape>& all) {
    const std::int64_t queries = s.heads * s.head_size;
    all.push_back(matrix_of(s.heads * s.value_head_size, s.hidden));
    if (!a.has_latent_attention()) {
        all.push_back(matrix_of(s.hidden, queries));
        all.push_back(matrix_of(s.hidden, s.kv_heads * s.head_size, 2.0));
        return;
    }
    if (a.latent_queries > 0) {
        all.push_back(matrix_of(s.hidden, a.latent_queries));
        all.push_back(matrix_of(a.latent_queries, queries));
    } else {
        all.push_back(matrix_of(s.hidden, queries));
    }
    all.push_back(matrix_of(s.hidden, a.latent_keys + std::int64_t{a.rotary_head_size}));
    all.push_back(matrix_of(a.latent_keys, s.heads * (a.head_size + s.value_head_size)));
}

void add_mlp_matrices(const Architecture& a, const LayerShape& s, bool experts, std::vector<MatrixShape>& all) {
    const double ups = is_gated(a.activation) ? 2.0 : 1.0;
    const auto add = [&](std::int64_t width, double count, bool is_expert) {
        all.push_back(matrix_of(s.hidden, width, ups * count, is_expert));
        all.push_back(matrix_of(width, s.hidden, count, is_expert));
    };
    if (!experts) {
        add(s.ffn, 1.0, false);
        return;
    }
    all.push_back(matrix_of(s.hidden, a.experts));
    add(a.expert_ffn, static_cast<double>(s.experts), true);
    if (a.shared_experts > 0) add(a.expert_ffn / s.tensor, a.shared_experts, false);
}

/// Two thin matrices for each linear map that has an adapter: queries, keys and values together, gate and up together.
std::vector<MatrixShape> adapter_matrices(const Architecture& a, const LayerShape& s, bool experts) {
    std::vector<MatrixShape> thin;
    const auto add = [&](std::int64_t from, std::int64_t to) {
        thin.push_back(matrix_of(from, s.adapter_rank));
        thin.push_back(matrix_of(s.adapter_rank, to));
    };
    add(s.hidden, (s.heads + 2 * s.kv_heads) * s.head_size);
    add(s.heads * s.head_size, s.hidden);
    if (experts) return thin;
    add(s.hidden, is_gated(a.activation) ? 2 * s.ffn : s.ffn);
    add(s.ffn, s.hidden);
    return thin;
}

}  // namespace

std::vector<MatrixShape> layer_matrices(const Architecture& a, const LayerShape& s, const LayerVariant& variant) {
    if (s.frozen) return adapter_matrices(a, s, variant.experts);
    std::vector<MatrixShape> all;
    add_attention_matrices(a, s, all);
    add_mlp_matrices(a, s, variant.experts, all);
    if (variant.prediction) all.push_back(matrix_of(2 * s.hidden, s.hidden));
    return all;
}

std::vector<MatrixShape> vocabulary_matrices(const LayerShape& s) { return {matrix_of(s.vocabulary, s.hidden)}; }

}  // namespace orrery
