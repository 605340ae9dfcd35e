// The two ends of a model on one rank: embedding (or patch product) and head, with what encoders put around them.
#include "models/layer_matrices.hpp"
#include "models/layer_parameters.hpp"
#include "models/layer_tasks.hpp"

namespace orrery {
namespace {

/// A product over the pixels of each patch; the first layer needs no gradient of its input.
void add_patches(const Architecture& a, const LayerShape& s, LayerGraph& layer) {
    const LinearNames names{"patches", "patches input gradient", "patches weight gradient", "patches cast"};
    const std::int64_t pixels = std::int64_t{1} * a.patch * a.patch * a.channels;
    LayerPiece piece = linear_piece(s, names, s.tokens, s.hidden, pixels, true);
    layer.forward = piece.forward;
    layer.backward = {piece.backward.back()};
}

/// Square layer, activation and norm ahead of the output matrix, on the predicted tokens.
LayerPiece transform_piece(const LayerShape& s) {
    const LinearNames names{"head transform", "head transform input gradient", "head transform weight gradient",
                            "head transform cast"};
    LayerPiece piece = linear_piece(s, names, s.head_tokens, s.hidden, s.hidden, true);
    piece.forward.push_back(
        streaming_task("head transform activation", scaled_bytes(s, 8.0, s.head_tokens, s.hidden), 3));
    piece.backward.insert(piece.backward.begin(), streaming_task("head transform activation gradient",
                                                                 scaled_bytes(s, 12.0, s.head_tokens, s.hidden), 3));
    return piece;
}

}  // namespace

LayerGraph embedding_layer(const Architecture& a, const LayerShape& s, bool frozen) {
    // 16 bytes an element in both directions together: rows read and written forward, their gradients read, sorted and
    // added into fp32 backward.
    const auto lookup = [&](std::string_view name, double bytes) {
        return compute_task(name, Streaming{Bytes::from_si(scaled_bytes(s, bytes, s.tokens, s.hidden)), 2, {}},
                            OperatorClass::embedding);
    };
    LayerGraph layer;
    layer.name = "embedding";
    if (a.patch > 0) {
        add_patches(a, s, layer);
    } else {
        layer.forward = {lookup("embedding", 4.0)};
        layer.backward = {lookup("embedding gradient", 12.0)};
        layer.backward.back().is_weight_gradient = true;
    }
    if (a.token_types > 0) {
        layer.forward.push_back(lookup("token types", 4.0));
        layer.backward.insert(layer.backward.begin(), lookup("token types gradient", 12.0));
    }
    if (a.embedding_norm) {
        const LayerPiece norm = norm_piece(s, "embedding norm");
        append(layer.forward, norm.forward);
        layer.backward.insert(layer.backward.begin(), norm.backward.begin(), norm.backward.end());
    }
    const LayerPiece sum = leave_tensor(s);  // the vocabulary is split over the tensor group
    append(layer.forward, sum.forward);
    layer.backward.insert(layer.backward.begin(), sum.backward.begin(), sum.backward.end());
    if (a.patch == 0) layer.parameters = static_cast<double>(s.vocabulary) * static_cast<double>(s.hidden);
    layer.replicated_parameters = embedding_extras(a);
    layer.parameters += layer.replicated_parameters;
    if (s.frozen || frozen) {
        layer.backward.clear();  // nothing before the first adapter or trained layer needs a gradient
        layer.frozen_parameters = layer.parameters;
    } else if (a.patch == 0) {
        layer.matrices = vocabulary_matrices(s);
    }
    return layer;
}

LayerGraph head_layer(const Architecture& a, const LayerShape& s, double cross_entropy_bytes, bool owns_matrix) {
    const LinearNames names{"logits", "logits input gradient", "logits weight gradient", "logits cast"};
    LayerPiece logits = linear_piece(s, names, s.head_tokens, s.vocabulary, s.hidden, true);
    for (auto* tasks : {&logits.forward, &logits.backward}) {
        for (auto& task : *tasks) std::get<ComputeTask>(task.action).part = OperatorClass::head;
    }
    // Label smoothing sums all log-probabilities and spreads its gradient over them: fp32 once more each way.
    const double per_logit = cross_entropy_bytes + (s.label_smoothing ? 8.0 : 0.0);
    const double half = 0.5 * per_logit * static_cast<double>(s.head_tokens) * static_cast<double>(s.vocabulary);
    const LayerPiece loss{{streaming_task("cross entropy", half, 3)},
                          {streaming_task("cross entropy gradient", half, 2)}};
    std::vector<LayerPiece> pieces;
    if (!a.embedding_norm) pieces.push_back(norm_piece(s, "last norm"));
    pieces.push_back(enter_tensor(s));
    if (a.head_transform) pieces.push_back(transform_piece(s));
    pieces.push_back(logits);
    pieces.push_back(loss);
    LayerGraph layer;
    layer.name = "head";
    for (const auto& piece : pieces) append(layer.forward, piece.forward);
    for (auto piece = pieces.rbegin(); piece != pieces.rend(); ++piece) append(layer.backward, piece->backward);
    layer.replicated_parameters = head_extras(a);
    layer.parameters = layer.replicated_parameters;
    if (owns_matrix) layer.parameters += static_cast<double>(s.vocabulary) * static_cast<double>(s.hidden);
    if (a.head_bias) layer.parameters += static_cast<double>(s.vocabulary);
    if (s.frozen) layer.frozen_parameters = layer.parameters;
    if (owns_matrix && !s.frozen) layer.matrices = vocabulary_matrices(s);
    return layer;
}

}  // namespace orrery
