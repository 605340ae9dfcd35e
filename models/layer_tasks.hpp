// The operators of embedding, decoder layer and head on one rank, forward and backward, as work and exchanges.
#pragma once

#include "models/layer_shape.hpp"
#include "models/step_graph.hpp"

#include <string_view>
#include <utility>
#include <vector>

namespace orrery {

/// One operator in both directions. A layer is its pieces in order forward, in reverse order backward.
struct LayerPiece {
    std::vector<GraphTask> forward;
    std::vector<GraphTask> backward;
    bool recomputed = true;  // by full recomputation: false for what follows the last saved tensor
    RecomputeModules modules = {};  // what it is part of, for selective recomputation
};

/// Names of the four kernels of one linear layer.
struct LinearNames {
    std::string_view forward;
    std::string_view input_gradient;
    std::string_view weight_gradient;
    std::string_view cast;
};

/// What kind of layer.
struct LayerVariant {
    LayerPart part = LayerPart::whole;
    bool encoder = false;     // of an encoder ahead of the decoder
    bool windowed = false;
    bool experts = false;
    bool recomputed = false;
    bool prediction = false;  // of multi-token prediction: joins the state with the next token's embedding first
    bool frozen = false;      // not trained, nor anything below it: no backward pass
    bool operator==(const LayerVariant&) const = default;
};

/// Parameters, tasks and name of one decoder layer of a kind. `stops_early`: recomputation ends at the last tensor that
/// backward needs (PyTorch's non-reentrant checkpoint), so the last product is not redone.
LayerGraph decoder_layer(const Architecture& architecture, const LayerShape& shape, const LayerVariant& variant,
                         bool stops_early);

/// `frozen`: not trained, no backward pass.
LayerGraph embedding_layer(const Architecture& architecture, const LayerShape& shape, bool frozen);

/// Last norm, output product and cross entropy. `owns_matrix`: false where it shares the embedding of the same rank.
LayerGraph head_layer(const Architecture& architecture, const LayerShape& shape, double cross_entropy_bytes,
                      bool owns_matrix);

// Pieces that dense and expert layers share.
GraphTask compute_task(std::string_view name, const Work& work, OperatorClass part);
GraphTask streaming_task(std::string_view name, double bytes, std::int64_t kernels);
LayerPiece linear_piece(const LayerShape& shape, const LinearNames& names, std::int64_t m, std::int64_t n,
                        std::int64_t k, bool wide);
/// The cast of `rows` x `width` values to 8 or 4 bit ahead of a product; requires shape.cast_bytes > 0.
GraphTask cast_task(const LayerShape& shape, std::string_view name, std::int64_t rows, std::int64_t width);
LayerPiece norm_piece(const LayerShape& shape, std::string_view name);

/// Projections of latent attention up to its core, and rotary positions; models/latent_attention.cpp.
std::vector<LayerPiece> latent_projections(const Architecture& architecture, const LayerShape& shape);

/// The mixer of a state-space layer between its norm and its residual; models/state_space.cpp.
std::vector<LayerPiece> state_space_pieces(const Architecture& architecture, const LayerShape& shape);
/// Of its parameters, what one rank holds: {split over the tensor group, on every rank}.
std::pair<double, double> state_space_share(const Architecture& architecture, const LayerShape& shape);

/// Attention of a decoder layer to the encoder's output, with its norm and residual; models/cross_attention.cpp.
std::vector<LayerPiece> cross_attention_pieces(const Architecture& architecture, const LayerShape& shape);

/// Way into and out of products that are split over the tensor group.
LayerPiece enter_tensor(const LayerShape& shape);
LayerPiece leave_tensor(const LayerShape& shape);
/// The sum over the tensor group of `width` values a token that every rank of it then holds.
LayerPiece sum_over_tensor(const LayerShape& shape, std::string_view name, std::int64_t width);
/// Attention of `queries` to `keys`, fused or with its scores written, as the shape says.
LayerPiece attention_core(const LayerShape& shape, std::int64_t keys, int window, bool causal);
LayerPiece residual_piece(const LayerShape& shape);
/// `per_element` bytes of 16-bit training for each of rows * width values, scaled to the width of the activations.
double scaled_bytes(const LayerShape& shape, double per_element, std::int64_t rows, std::int64_t width);
void append(std::vector<GraphTask>& to, const std::vector<GraphTask>& from);

/// The routed (and shared) experts of one layer; models/expert_tasks.cpp.
std::vector<LayerPiece> expert_pieces(const Architecture& architecture, const LayerShape& shape);

}  // namespace orrery
