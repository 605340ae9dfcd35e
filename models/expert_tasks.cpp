// Mixture of experts on one rank: route, permute, send to the experts, compute all of them as one grouped product,
// return. Fedus et al., "Switch Transformers", arXiv 2101.03961; grouped products as in MegaBlocks, arXiv 2211.15841.
#include "models/layer_tasks.hpp"

#include <algorithm>

namespace orrery {
namespace {

GroupedMatrixMultiply expert_product(const LayerShape& s, std::int64_t n, std::int64_t k, double output_bytes) {
    GroupedMatrixMultiply work;
    work.groups = std::max<std::int64_t>(s.experts, 1);
    work.rows = s.expert_rows;
    work.rows_max = (s.expert_rows + work.groups - 1) / work.groups;
    work.n = n;
    work.k = k;
    work.type = s.matrix_type;
    work.output_element_bytes = output_bytes;
    return work;
}

/// One linear layer of all experts. The weight gradients have the flop of the forward product; what their output moves
/// (groups * n * k values, added into fp32 where the framework does) is written as bytes of each row's output.
LayerPiece expert_linear(const LayerShape& s, const LinearNames& names, std::int64_t n, std::int64_t k) {
    LayerPiece piece;
    if (s.cast_bytes > 0.0) {
        piece.forward.push_back(cast_task(s, names.cast, s.expert_rows, k));
        piece.backward.push_back(cast_task(s, names.cast, s.expert_rows, n));
    }
    piece.forward.push_back(
        compute_task(names.forward, expert_product(s, n, k, s.element_bytes), OperatorClass::matrix));
    piece.backward.push_back(
        compute_task(names.input_gradient, expert_product(s, k, n, s.element_bytes), OperatorClass::matrix));
    if (s.frozen) return piece;
    const double groups = static_cast<double>(std::max<std::int64_t>(s.experts, 1));
    const double written = s.gradient_element_bytes * groups * static_cast<double>(k) /
                           static_cast<double>(std::max<std::int64_t>(s.expert_rows, 1));
    piece.backward.push_back(
        compute_task(names.weight_gradient, expert_product(s, n, k, written), OperatorClass::matrix));
    piece.backward.back().is_weight_gradient = true;
    return piece;
}

LayerPiece token_exchange(const LayerShape& s, std::string_view forward, std::string_view backward) {
    if (s.expert == 1) return {};
    const auto size =
        Bytes::from_si(s.element_bytes * static_cast<double>(s.routed_rows) * static_cast<double>(s.hidden));
    const ExchangeTask task{Collective{CollectiveKind::all_to_all, size, s.wide_type}, Axis::expert};
    return {{{forward, task}}, {{backward, task}}};
}

/// Where experts are split, their ranks gather each other's tokens ahead of the products and sum the parts after them,
/// and backward the other way round (Megatron-Core, megatron/core/transformer/moe/token_dispatcher.py).
LayerPiece split_exchange(const LayerShape& s, bool enters) {
    if (s.expert_tensor == 1) return {};
    const auto size =
        Bytes::from_si(s.element_bytes * static_cast<double>(s.expert_rows) * static_cast<double>(s.hidden));
    const auto task = [&](std::string_view name, CollectiveKind kind) {
        return GraphTask{name, ExchangeTask{Collective{kind, size, s.wide_type}, Axis::expert_tensor}};
    };
    const GraphTask gather = task(enters ? "expert token gather" : "expert output gradient gather", CollectiveKind::all_gather);
    const GraphTask scatter =
        task(enters ? "expert token gradient scatter" : "expert output scatter", CollectiveKind::reduce_scatter);
    return enters ? LayerPiece{{gather}, {scatter}} : LayerPiece{{scatter}, {gather}};
}

/// Bytes to sort tokens by expert and back: 8 h forward and 12 h backward per routed copy, 4 h and 6 h per token.
LayerPiece permutation(const LayerShape& s) {
    const double scale = 0.5 * s.element_bytes * static_cast<double>(s.hidden);
    const auto copies = static_cast<double>(s.expert_rows);
    const auto tokens = static_cast<double>(s.tokens_split);
    return {{streaming_task("permute", scale * (8.0 * copies + 4.0 * tokens), 4)},
            {streaming_task("permute gradient", scale * (12.0 * copies + 6.0 * tokens), 4)}};
}

LayerPiece expert_activation(const LayerShape& s, bool gated, std::int64_t rows, std::int64_t width) {
    const double values = 0.5 * s.element_bytes * static_cast<double>(rows) * static_cast<double>(width);
    return {{streaming_task("expert activation", (gated ? 6.0 : 4.0) * values, 2)},
            {streaming_task("expert activation", (gated ? 10.0 : 6.0) * values, 2)},
            true,
            {.expert_activation = true}};
}

/// Biases of grouped products are not part of them: rows are split by expert, each part gets its bias, the parts are
/// put together (8 bytes a value); backward sums each part's gradient and puts the parts together (6 bytes).
LayerPiece expert_bias(const LayerShape& s, std::int64_t width) {
    const double values = 0.5 * s.element_bytes * static_cast<double>(s.expert_rows) * static_cast<double>(width);
    const std::int64_t kernels = s.experts + 1;
    return {{streaming_task("expert bias", 8.0 * values, kernels)},
            {streaming_task("expert bias gradient", 6.0 * values, kernels)}};
}

}  // namespace

std::vector<LayerPiece> expert_pieces(const Architecture& a, const LayerShape& s) {
    const bool gated = is_gated(a.activation);
    const std::int64_t wide = gated ? 2 * s.expert_ffn : s.expert_ffn;
    const LinearNames router{"router", "router input gradient", "router weight gradient", "router cast"};
    const LinearNames up{"expert up", "expert up input gradient", "expert up weight gradient", "expert up cast"};
    const LinearNames down{"expert down", "expert down input gradient", "expert down weight gradient",
                           "expert down cast"};
    std::vector<LayerPiece> pieces{linear_piece(s, router, s.tokens_split, a.experts, s.hidden, true),
                                   permutation(s),
                                   token_exchange(s, "expert dispatch", "expert dispatch gradient"),
                                   split_exchange(s, true),
                                   expert_linear(s, up, wide, s.hidden),
                                   expert_activation(s, gated, s.expert_rows, s.expert_ffn),
                                   expert_linear(s, down, s.hidden, s.expert_ffn),
                                   split_exchange(s, false),
                                   token_exchange(s, "expert combine", "expert combine gradient")};
    if (a.linear_bias) {
        pieces.insert(pieces.begin() + 7, expert_bias(s, s.hidden));
        pieces.insert(pieces.begin() + 5, expert_bias(s, wide));
    }
    if (a.shared_experts > 0) {
        const std::int64_t width = static_cast<std::int64_t>(a.shared_experts) * a.expert_ffn / s.tensor;
        const LinearNames shared_up{"shared up", "shared up input gradient", "shared up weight gradient",
                                    "shared up cast"};
        const LinearNames shared_down{"shared down", "shared down input gradient", "shared down weight gradient",
                                      "shared down cast"};
        pieces.push_back(linear_piece(s, shared_up, s.tokens, gated ? 2 * width : width, s.hidden, false));
        pieces.push_back(expert_activation(s, gated, s.tokens, width));
        pieces.push_back(linear_piece(s, shared_down, s.tokens, s.hidden, width, false));
    }
    for (LayerPiece& piece : pieces) piece.modules.experts = true;
    return pieces;
}

}  // namespace orrery
