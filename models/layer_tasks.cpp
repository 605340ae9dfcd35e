// The operators of a transformer layer, or of one block of a hybrid, on one rank. Bytes are those of the closed-form training model fitted on
// published runs: each streaming kernel reads its inputs and writes its outputs once.
//
// Tensor and sequence parallelism: Shoeybi et al., arXiv 1909.08053; Korthikanti et al., arXiv 2205.05198.
#include "models/layer_tasks.hpp"

#include "models/layer_matrices.hpp"
#include "models/layer_parameters.hpp"

#include <algorithm>

namespace orrery {
namespace {

using Tasks = std::vector<GraphTask>;

GraphTask exchange_task(std::string_view name, CollectiveKind kind, double bytes, Axis axis, DataType type) {
    return {name, ExchangeTask{Collective{kind, Bytes::from_si(bytes), type}, axis}};
}

/// Bytes of one activation of the residual stream over all tokens of the rank.
double stream_bytes(const LayerShape& s) {
    return s.element_bytes * static_cast<double>(s.tokens) * static_cast<double>(s.hidden);
}

/// Trading a sequence's share of all heads for the whole sequence of some: queries, keys and values (`with_keys`), or
/// attention's result. Fewer key heads than ranks are sent to each rank that needs them. Jacobs et al., "DeepSpeed
/// Ulysses", arXiv 2309.14509, section 3.
LayerPiece head_exchange(const LayerShape& s, bool with_keys) {
    const std::int64_t keys = std::max<std::int64_t>(s.kv_heads, s.context);
    const std::int64_t width =
        with_keys ? s.heads * s.head_size + keys * (s.head_size + s.value_head_size) : s.heads * s.value_head_size;
    const double bytes = s.element_bytes * static_cast<double>(s.tokens) * static_cast<double>(width);
    const auto task = [&](std::string_view name) {
        return exchange_task(name, CollectiveKind::all_to_all, bytes, Axis::context, s.wide_type);
    };
    if (with_keys) return {{task("heads for sequence")}, {task("head gradients for sequence")}};
    return {{task("sequence for heads")}, {task("sequence gradients for heads")}};
}

/// Keys and values go once around the context ring; backward their gradients travel with them (Liu et al., "Ring
/// Attention", arXiv 2310.01889). Written as the all-gather that moves the same bytes. Or they are gathered ahead of
/// attention, and their gradients summed and scattered after it ("Llama 3", arXiv 2407.21783, 3.3.2).
LayerPiece context_piece(const LayerShape& s) {
    if (s.context == 1) return {};
    if (s.trades_heads()) return head_exchange(s, true);
    const double bytes = s.element_bytes * static_cast<double>(s.batch * s.sequence) * 2.0 *
                         static_cast<double>(s.kv_heads * s.head_size);
    if (s.context_kind == ContextKind::all_gather) {  // backward gathers them once more
        return {{exchange_task("key all-gather", CollectiveKind::all_gather, bytes, Axis::context, s.wide_type)},
                {exchange_task("key gradient reduce-scatter", CollectiveKind::reduce_scatter, bytes, Axis::context,
                               s.wide_type),
                 exchange_task("key all-gather", CollectiveKind::all_gather, bytes, Axis::context, s.wide_type)}};
    }
    return {{exchange_task("context all-gather", CollectiveKind::all_gather, bytes, Axis::context, s.wide_type)},
            {exchange_task("context gradient exchange", CollectiveKind::all_gather, 2.0 * bytes, Axis::context,
                           s.wide_type)}};
}

/// Fused attention. Where the sequence is split over a ring, each rank holds one early and one late chunk, so that all
/// see the same (sequence + context) / 2 keys per query; `Attention` counts its queries as the last ones, and
/// causal_imbalance takes it from there to the balanced count.
LayerPiece flash_piece(const LayerShape& s, std::int64_t keys, int window, bool causal) {
    Attention work;
    work.batch = s.batch * s.documents;
    work.heads = s.heads;
    work.kv_heads = s.kv_heads;
    work.head_size = s.head_size;
    work.value_head_size = s.value_head_size;
    work.queries = std::max<std::int64_t>(s.queries / s.documents, 1);
    work.keys = std::max<std::int64_t>(keys / s.documents, 1);
    work.window = window;
    work.causal = causal;
    work.type = s.wide_type;
    work.kv_type = s.wide_type;
    if (s.trades_heads()) {
        work.heads = s.heads / s.context;
        work.kv_heads = std::max<std::int64_t>(s.kv_heads / s.context, 1);
        work.queries = work.keys;
    } else if (s.context > 1 && causal) {
        const auto seen = static_cast<double>(work.keys);
        const double span = window > 0 ? std::min<double>(window, seen) : seen;
        const double as_last = std::min(seen - 0.5 * static_cast<double>(work.queries - 1), span);
        const double balanced = std::min(0.5 * (seen + s.context), span);
        work.causal_imbalance = balanced / as_last;
    }
    LayerPiece piece;
    piece.forward = {compute_task("attention", work, OperatorClass::attention)};
    piece.modules.attention_core = true;
    work.backward = true;
    piece.backward = {compute_task("attention gradient", work, OperatorClass::attention)};
    return piece;
}

MatrixMultiply score_product(const LayerShape& s, std::int64_t m, std::int64_t n, std::int64_t k) {
    const std::int64_t heads = s.trades_heads() ? s.heads / s.context : s.heads;
    return {m, n, k, s.batch * heads, s.wide_type, s.element_bytes};
}

/// Attention that writes its scores: two batched products forward, four backward, and softmax with dropout over the
/// scores between them (9 bytes a score forward, 11 backward; 4 and 6 without dropout and its mask).
LayerPiece unfused_piece(const LayerShape& s, std::int64_t keys) {
    const std::int64_t q = s.trades_heads() ? s.sequence : s.queries;
    const std::int64_t d = s.head_size;
    const std::int64_t v = s.value_head_size;
    const double scores = 0.5 * s.streaming_bytes * static_cast<double>(s.batch * s.heads) *
                          static_cast<double>(s.queries) * static_cast<double>(keys);
    LayerPiece piece;
    piece.forward = {compute_task("scores", score_product(s, q, keys, d), OperatorClass::attention),
                     streaming_task("softmax", (s.dropout ? 9.0 : 4.0) * scores, 1),
                     compute_task("values", score_product(s, q, v, keys), OperatorClass::attention)};
    if (s.rematerializes_core) piece.backward = piece.forward;
    append(piece.backward,
           {compute_task("value gradient", score_product(s, keys, v, q), OperatorClass::attention),
            compute_task("probability gradient", score_product(s, q, keys, v), OperatorClass::attention),
            streaming_task("softmax gradient", (s.dropout ? 11.0 : 6.0) * scores, 1),
            compute_task("query gradient", score_product(s, q, d, keys), OperatorClass::attention),
            compute_task("key gradient", score_product(s, keys, d, q), OperatorClass::attention)});
    return piece;
}

/// Rotary positions, and the head transposes that eager attention needs before its batched products.
LayerPiece position_piece(const Architecture& a, const LayerShape& s) {
    LayerPiece piece;
    if (a.positions == Positions::rotary) {
        const double bytes = scaled_bytes(s, 4.0, s.tokens, (s.heads + s.kv_heads) * s.head_size);
        piece = {{streaming_task("rotary", bytes, 2)}, {streaming_task("rotary", bytes, 2)}};
    }
    if (!s.flash) {
        const double bytes = scaled_bytes(s, 12.0, s.tokens, s.hidden) / s.tensor;
        piece.forward.push_back(streaming_task("transposes", bytes, 1));
        piece.backward.insert(piece.backward.begin(), streaming_task("transposes", bytes, 1));
    }
    return piece;
}

std::vector<LayerPiece> attention_pieces(const Architecture& a, const LayerShape& s, bool windowed) {
    const LinearNames qkv{"qkv", "qkv input gradient", "qkv weight gradient", "qkv cast"};
    const LinearNames out{"projection", "projection input gradient", "projection weight gradient", "projection cast"};
    std::vector<LayerPiece> pieces;
    if (a.has_latent_attention()) {
        pieces = latent_projections(a, s);
    } else {
        pieces = {linear_piece(s, qkv, s.tokens, (s.heads + 2 * s.kv_heads) * s.head_size, s.hidden, false),
                  position_piece(a, s)};
    }
    for (LayerPiece& piece :
         std::vector<LayerPiece>{context_piece(s), attention_core(s, s.sequence, windowed ? a.window : 0, s.causal),
                                 s.trades_heads() ? head_exchange(s, false) : LayerPiece{},
                                 linear_piece(s, out, s.tokens, s.hidden, s.heads * s.value_head_size, false)}) {
        pieces.push_back(std::move(piece));
    }
    return pieces;
}

/// Launches of a layer's streaming kernels are twelve in all; what rotary does not use, the activation gets.
std::int64_t activation_kernels(const Architecture& a, const LayerShape& s) {
    return 12 - 4 - 4 - (a.positions == Positions::rotary ? 2 : 0) - (s.flash ? 0 : 2);
}

std::vector<LayerPiece> mlp_pieces(const Architecture& a, const LayerShape& s) {
    const LinearNames up{"mlp up", "mlp up input gradient", "mlp up weight gradient", "mlp up cast"};
    const LinearNames down{"mlp down", "mlp down input gradient", "mlp down weight gradient", "mlp down cast"};
    const bool gated = is_gated(a.activation);
    const std::int64_t kernels = std::max<std::int64_t>(activation_kernels(a, s), 1);
    LayerPiece activation{
        {streaming_task("activation", scaled_bytes(s, gated ? 6.0 : 4.0, s.tokens, s.ffn), kernels)},
        {streaming_task("activation", scaled_bytes(s, gated ? 10.0 : 6.0, s.tokens, s.ffn), kernels)}};
    LayerPiece last = linear_piece(s, down, s.tokens, s.hidden, s.ffn, false);
    last.recomputed = false;
    std::vector<LayerPiece> pieces{linear_piece(s, up, s.tokens, gated ? 2 * s.ffn : s.ffn, s.hidden, false),
                                   activation, last};
    for (LayerPiece& piece : pieces) piece.modules.mlp = true;
    return pieces;
}

/// The way into a prediction layer: norms of the state and of the next token's embedding, both projected to one state.
std::vector<LayerPiece> prediction_pieces(const LayerShape& s) {
    const LinearNames join{"prediction join", "prediction join input gradient", "prediction join weight gradient",
                           "prediction join cast"};
    return {norm_piece(s, "prediction state norm"), norm_piece(s, "prediction embedding norm"),
            linear_piece(s, join, s.norm_tokens(), s.hidden, 2 * s.hidden, false)};
}

LayerPiece after_last_saved(LayerPiece piece) {
    piece.recomputed = false;
    return piece;
}

/// One block of a hybrid: a norm, a mixer or MLP, a residual.
std::vector<LayerPiece> block_pieces(const Architecture& a, const LayerShape& s, const LayerVariant& variant) {
    std::vector<LayerPiece> pieces{norm_piece(s, "block norm")};
    const auto add = [&](std::vector<LayerPiece> more) {
        for (auto& piece : more) pieces.push_back(std::move(piece));
    };
    if (variant.part != LayerPart::experts) add({enter_tensor(s)});
    if (variant.part == LayerPart::state_space) add(state_space_pieces(a, s));
    if (variant.part == LayerPart::attention) add(attention_pieces(a, s, variant.windowed));
    if (variant.part == LayerPart::mlp) add(mlp_pieces(a, s));
    if (variant.part == LayerPart::experts) add(expert_pieces(a, s));
    if (variant.part != LayerPart::experts) add({after_last_saved(leave_tensor(s))});
    if (a.post_norms) add({after_last_saved(norm_piece(s, "block post norm"))});
    add({after_last_saved(residual_piece(s))});
    return pieces;
}

/// The whole layer in forward order. Expert blocks exchange tokens instead of entering the tensor group.
std::vector<LayerPiece> layer_pieces(const Architecture& a, const LayerShape& s, const LayerVariant& variant) {
    if (variant.part != LayerPart::whole) return block_pieces(a, s, variant);
    std::vector<LayerPiece> pieces;
    const auto add = [&](std::vector<LayerPiece> more) {
        for (auto& piece : more) pieces.push_back(std::move(piece));
    };
    if (variant.prediction) add(prediction_pieces(s));
    add({norm_piece(s, "attention norm")});
    if (a.parallel_block && a.split_norms) add({norm_piece(s, "mlp norm")});
    add({enter_tensor(s)});
    add(attention_pieces(a, s, variant.windowed));
    if (!a.parallel_block) {
        add({leave_tensor(s)});
        if (a.post_norms) add({norm_piece(s, "attention post norm")});
        add({residual_piece(s)});
        if (s.memory_tokens > 0) add(cross_attention_pieces(a, s));
        add({norm_piece(s, "mlp norm")});
        if (!variant.experts) add({enter_tensor(s)});
    }
    add(variant.experts ? expert_pieces(a, s) : mlp_pieces(a, s));
    if (!variant.experts || a.parallel_block) add({after_last_saved(leave_tensor(s))});
    if (a.post_norms) add({after_last_saved(norm_piece(s, "mlp post norm"))});
    add({after_last_saved(residual_piece(s))});
    return pieces;
}

/// A low-rank path beside a frozen product: in and out of `adapter_rank`, in 16 bit.
void add_adapter(const LayerShape& s, std::int64_t m, std::int64_t n, std::int64_t k, LayerPiece& piece) {
    const std::int64_t r = s.adapter_rank;
    const auto product = [&](std::string_view name, std::int64_t rows, std::int64_t columns, std::int64_t depth) {
        return compute_task(name, MatrixMultiply{rows, columns, depth, 1, s.wide_type, s.element_bytes},
                            OperatorClass::matrix);
    };
    append(piece.forward, {product("adapter down", m, r, k), product("adapter up", m, n, r)});
    append(piece.backward,
           {product("adapter up input gradient", m, r, n), product("adapter up weight gradient", n, r, m),
            product("adapter down input gradient", m, k, r), product("adapter down weight gradient", r, k, m)});
    piece.backward[piece.backward.size() - 3].is_weight_gradient = true;
    piece.backward.back().is_weight_gradient = true;
}

std::string_view layer_name(const LayerVariant& v) {
    if (v.frozen) return v.experts ? "expert layer (frozen)" : "layer (frozen)";
    switch (v.part) {
        case LayerPart::whole: break;
        case LayerPart::attention: return v.recomputed ? "attention block (recomputed)" : "attention block";
        case LayerPart::mlp: return v.recomputed ? "mlp block (recomputed)" : "mlp block";
        case LayerPart::experts: return v.recomputed ? "expert block (recomputed)" : "expert block";
        case LayerPart::state_space: return v.recomputed ? "state-space block (recomputed)" : "state-space block";
    }
    if (v.encoder) return v.recomputed ? "encoder layer (recomputed)" : "encoder layer";
    if (v.prediction) return v.recomputed ? "prediction layer (recomputed)" : "prediction layer";
    if (v.experts) {
        if (v.windowed) return v.recomputed ? "expert layer (window, recomputed)" : "expert layer (window)";
        return v.recomputed ? "expert layer (recomputed)" : "expert layer";
    }
    if (v.windowed) return v.recomputed ? "layer (window, recomputed)" : "layer (window)";
    return v.recomputed ? "layer (recomputed)" : "layer";
}

/// Parameters of one rank's share of a layer: {split over the tensor group, held by every rank of it}.
struct RankShare {
    double split = 0.0;
    double replicated = 0.0;
};

void count_attention(const Architecture& a, const LayerShape& s, RankShare& share) {
    const auto hidden = static_cast<double>(s.hidden);
    const auto qkv = static_cast<double>((s.heads + 2 * s.kv_heads) * s.head_size);
    if (a.has_latent_attention()) {
        const AttentionParameters attention = attention_parameters(a);
        share.split += attention.by_heads / s.tensor;
        share.replicated += attention.replicated + attention.vectors;
    } else {
        share.split += hidden * qkv + hidden * static_cast<double>(s.heads * s.head_size);
    }
    if (a.attention_bias) share.split += qkv;
    if (a.linear_bias) share.replicated += hidden;
    if (a.qk_norm) share.replicated += 2.0 * static_cast<double>(s.head_size);
}

void count_mlp(const Architecture& a, const LayerShape& s, RankShare& share) {
    const auto hidden = static_cast<double>(s.hidden);
    const double matrices = is_gated(a.activation) ? 3.0 : 2.0;
    share.split += matrices * hidden * static_cast<double>(s.ffn);
    if (!a.linear_bias) return;
    share.split += (matrices - 1.0) * static_cast<double>(s.ffn);
    share.replicated += hidden;
}

/// Router and shared experts into `share`; routed experts are the answer.
double count_experts(const Architecture& a, const LayerShape& s, RankShare& share) {
    const auto hidden = static_cast<double>(s.hidden);
    const double matrices = is_gated(a.activation) ? 3.0 : 2.0;
    const double expert = matrices * hidden * a.expert_ffn;
    const double biases = a.linear_bias ? (matrices - 1.0) * a.expert_ffn + hidden : 0.0;
    if (a.linear_bias) share.replicated += a.experts;
    share.replicated += hidden * a.experts;
    share.split += a.shared_experts * expert / s.tensor;
    return static_cast<double>(s.experts) * (expert + biases) / s.expert_tensor;
}

void count_layer(const Architecture& a, const LayerShape& s, const LayerVariant& variant, LayerGraph& layer) {
    const bool is_whole = variant.part == LayerPart::whole;
    const bool cross = is_whole && s.memory_tokens > 0;
    RankShare share;
    const double norms = is_whole ? norms_of_layer(a, variant.encoder ? 0 : a.stack() - 1) : (a.post_norms ? 2 : 1);
    share.replicated = norms * norm_parameters(a);
    if (is_whole || variant.part == LayerPart::attention) count_attention(a, s, share);
    if (cross) count_attention(a, s, share);
    if (variant.part == LayerPart::state_space) {
        const auto [split, replicated] = state_space_share(a, s);
        share.split += split;
        share.replicated += replicated;
    }
    if (variant.experts) {
        layer.expert_parameters = count_experts(a, s, share);
    } else if (is_whole || variant.part == LayerPart::mlp) {
        count_mlp(a, s, share);
    }
    layer.replicated_parameters = share.replicated;
    layer.parameters = share.split + share.replicated + layer.expert_parameters;
}

/// With adapters the model is frozen; a rank holds two thin matrices for each of the layer's linear maps besides.
void count_adapters(const Architecture& a, const LayerShape& s, bool experts, LayerGraph& layer) {
    if (!s.frozen) return;
    const std::int64_t mlp = is_gated(a.activation) ? 2 * s.ffn : s.ffn;
    std::int64_t widths = 2 * s.hidden + (2 * s.heads + 2 * s.kv_heads) * s.head_size;
    if (!experts) widths += 2 * s.hidden + mlp + s.ffn;
    layer.frozen_parameters = layer.parameters;
    layer.parameters += static_cast<double>(s.adapter_rank * widths);
}

}  // namespace

void append(std::vector<GraphTask>& to, const std::vector<GraphTask>& from) { to.insert(to.end(), from.begin(), from.end()); }

double scaled_bytes(const LayerShape& s, double per_element, std::int64_t rows, std::int64_t width) {
    return 0.5 * s.streaming_bytes * per_element * static_cast<double>(rows) * static_cast<double>(width);
}

/// Bias, dropout and residual sum: 6 bytes an element forward (7 with a dropout mask), 4 (5) backward.
LayerPiece residual_piece(const LayerShape& s) {
    const double mask = s.dropout ? 1.0 : 0.0;
    return {{streaming_task("residual", scaled_bytes(s, 6.0 + mask, s.norm_tokens(), s.hidden), 2)},
            {streaming_task("residual", scaled_bytes(s, 4.0 + mask, s.norm_tokens(), s.hidden), 2)}};
}

/// Entry into the column-split products. With sequence parallelism backward gathers the input once more for the weight
/// gradient; half of that gather hides behind the input gradient, so half of it is asked for.
LayerPiece enter_tensor(const LayerShape& s) {
    if (s.tensor == 1) return {};
    const double bytes = stream_bytes(s);
    if (!s.sequence_parallel) {
        return {
            {},
            {exchange_task("input gradient all-reduce", CollectiveKind::all_reduce, bytes, Axis::tensor, s.wide_type)}};
    }
    return {
        {exchange_task("input all-gather", CollectiveKind::all_gather, bytes, Axis::tensor, s.wide_type)},
        {exchange_task("input all-gather again", CollectiveKind::all_gather, 0.5 * bytes, Axis::tensor, s.wide_type),
         exchange_task("input gradient reduce-scatter", CollectiveKind::reduce_scatter, bytes, Axis::tensor,
                       s.wide_type)}};
}

/// Way out of the row-split products.
LayerPiece leave_tensor(const LayerShape& s) {
    if (s.tensor == 1) return {};
    const double bytes = stream_bytes(s);
    if (!s.sequence_parallel) {
        return {{exchange_task("output all-reduce", CollectiveKind::all_reduce, bytes, Axis::tensor, s.wide_type)}, {}};
    }
    return {
        {exchange_task("output reduce-scatter", CollectiveKind::reduce_scatter, bytes, Axis::tensor, s.wide_type)},
        {exchange_task("output gradient all-gather", CollectiveKind::all_gather, bytes, Axis::tensor, s.wide_type)}};
}

LayerPiece sum_over_tensor(const LayerShape& s, std::string_view name, std::int64_t width) {
    if (s.tensor == 1) return {};
    const double bytes = s.element_bytes * static_cast<double>(s.tokens) * static_cast<double>(width);
    const GraphTask sum = exchange_task(name, CollectiveKind::all_reduce, bytes, Axis::tensor, s.wide_type);
    return {{sum}, {sum}};
}

LayerPiece attention_core(const LayerShape& s, std::int64_t keys, int window, bool causal) {
    return s.flash ? flash_piece(s, keys, window, causal) : unfused_piece(s, keys);
}

GraphTask compute_task(std::string_view name, const Work& work, OperatorClass part) {
    return {name, ComputeTask{work, part}};
}

LayerPiece norm_piece(const LayerShape& s, std::string_view name) {
    return {{streaming_task(name, scaled_bytes(s, 4.0, s.norm_tokens(), s.hidden), 2)},
            {streaming_task(name, scaled_bytes(s, 6.0, s.norm_tokens(), s.hidden), 2)},
            true,
            {.norms = true}};
}

GraphTask cast_task(const LayerShape& s, std::string_view name, std::int64_t rows, std::int64_t width) {
    const double bytes = s.cast_bytes * static_cast<double>(rows) * static_cast<double>(width);
    return compute_task(name, Streaming{Bytes::from_si(bytes), 1, {}}, OperatorClass::cast);
}

GraphTask streaming_task(std::string_view name, double bytes, std::int64_t kernels) {
    return compute_task(name, Streaming{Bytes::from_si(bytes), kernels, {}}, OperatorClass::streaming);
}

LayerPiece linear_piece(const LayerShape& s, const LinearNames& names, std::int64_t m, std::int64_t n, std::int64_t k,
                        bool wide) {
    const DataType type = wide ? s.wide_type : s.matrix_type;
    LayerPiece piece;
    if (!wide && s.cast_bytes > 0.0) {
        piece.forward.push_back(cast_task(s, names.cast, m, k));
        piece.backward.push_back(cast_task(s, names.cast, m, n));
    }
    piece.forward.push_back(
        compute_task(names.forward, MatrixMultiply{m, n, k, 1, type, s.element_bytes}, OperatorClass::matrix));
    piece.backward.push_back(
        compute_task(names.input_gradient, MatrixMultiply{m, k, n, 1, type, s.element_bytes, Transposed::right}, OperatorClass::matrix));
    if (!s.frozen) {
        piece.backward.push_back(compute_task(
            names.weight_gradient, MatrixMultiply{n, k, m, 1, type, s.gradient_element_bytes, Transposed::left}, OperatorClass::matrix));
        piece.backward.back().is_weight_gradient = true;
    } else if (!wide) {
        add_adapter(s, m, n, k, piece);
    }
    return piece;
}

LayerGraph decoder_layer(const Architecture& a, const LayerShape& s, const LayerVariant& variant, bool stops_early) {
    const auto pieces = layer_pieces(a, s, variant);
    LayerGraph layer;
    layer.name = layer_name(variant);
    layer.is_decoder_layer = true;
    layer.is_recomputed = variant.recomputed;
    layer.has_experts = variant.experts;
    layer.part = variant.part;
    layer.is_encoder = variant.encoder;
    if (variant.part != LayerPart::whole) layer.host_share = 0.5;
    if (variant.part == LayerPart::whole && s.memory_tokens > 0) layer.host_share = 1.5;
    count_layer(a, s, variant, layer);
    if (variant.prediction) {
        layer.parameters += prediction_parameters(a);
        layer.replicated_parameters += prediction_parameters(a);
    }
    count_adapters(a, s, variant.experts, layer);
    for (const auto& piece : pieces) append(layer.forward, piece.forward);
    if (variant.frozen) {
        layer.frozen_parameters = layer.parameters;
        return layer;
    }
    layer.matrices = layer_matrices(a, s, variant);
    if (variant.recomputed) {
        for (const auto& piece : pieces) {
            if (piece.recomputed || !stops_early) append(layer.backward, piece.forward);
        }
    } else {
        for (const auto& piece : pieces) {
            if (piece.modules.meets(s.remakes)) append(layer.backward, piece.forward);
        }
    }
    for (auto piece = pieces.rbegin(); piece != pieces.rend(); ++piece) append(layer.backward, piece->backward);
    return layer;
}

}  // namespace orrery
