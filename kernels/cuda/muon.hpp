// Muon's own kernels: momentum and its norm, scaling, the polynomial between products, and the step; products are the
// library's. Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024.
#pragma once

#include "kernels/cuda/optimizers.hpp"

namespace orrery::cuda {

constexpr float muon_rate = 1e-3F;
constexpr float muon_keep = 0.95F;             // of the momentum
constexpr float muon_first = 3.4445F;          // X <- (a + b A + c A A) X with A = X X^T
constexpr float muon_second = -4.7750F;
constexpr float muon_third = 2.0315F;
constexpr int muon_rounds = 5;

/// momentum = keep * momentum + gradient; each block leaves the sum of its squares.
struct MuonMomentum {
    static constexpr int threads_most = 256;
    const float* gradient;
    float* momentum;
    float* partial;      // [blocks]
    Index elements;
    Index blocks_wanted;

    [[nodiscard]] Index block_count() const { return ceil_div(elements, Index{threads_most}) < blocks_wanted ? ceil_div(elements, Index{threads_most}) : blocks_wanted; }
    [[nodiscard]] Grid grid() const { return {block_count(), threads_most, sums_bytes<PlainSums<1>>}; }

    template <class Lane>
    ORRERY_DEVICE void operator()(Lane& lane) const {
        Sums<1> squares = {};
        for (Index at = lane.block() * threads_most + lane.thread(); at < elements; at += lane.blocks() * threads_most) {
            const float value = muon_keep * lane.load(momentum + at) + lane.load(gradient + at);
            lane.store(momentum + at, value);
            squares.values[0] += value * value;
        }
        squares = merged_in_block(lane, PlainSums<1>{}, squares, 0);
        if (lane.thread() == 0) lane.store(partial + lane.block(), squares.values[0]);
    }
};

/// One block: the inverse of the norm of all blocks' squares.
struct MuonNorm {
    static constexpr int threads_most = 256;
    const float* partial;
    float* inverse;
    Index blocks_added;

    template <class Lane>
    ORRERY_DEVICE void operator()(Lane& lane) const {
        Sums<1> squares = {};
        for (Index b = lane.thread(); b < blocks_added; b += threads_most) squares.values[0] += lane.load(partial + b);
        squares = merged_in_block(lane, PlainSums<1>{}, squares, 0);
        if (lane.thread() == 0) lane.store(inverse, 1.0F / (lane.sqrt(squares.values[0]) + 1e-7F));
    }
};

/// to[j, i] = from[i, j] * factor, or to[j, i] -= from[i, j] * rate where there is no factor: `from` is [rows, columns].
/// A block turns a tile of 32 x 32 in shared memory, so that both sides are walked along rows.
struct MuonTurned {
    static constexpr int threads_most = 256;
    static constexpr int side = 32;
    static constexpr int padded = side + 1;   // columns in different banks
    const float* from;
    float* to;
    const float* factor;
    Index rows;
    Index columns;

    [[nodiscard]] Grid grid() const { return {ceil_div(rows, side) * ceil_div(columns, side), threads_most, side * padded * static_cast<int>(sizeof(float))}; }

    template <class Lane>
    ORRERY_DEVICE void operator()(Lane& lane) const {
        const auto tile = lane.template shared<float>(0, side * padded);
        const Index across = ceil_div(columns, side);
        const Index first_row = lane.block() / across * side;
        const Index first_column = lane.block() % across * side;
        const int minor = lane.thread() % side;
        const float scale = factor != nullptr ? lane.load_again(factor) : muon_rate;
        for (int i = lane.thread() / side; i < side; i += threads_most / side) {
            if (first_row + i < rows && first_column + minor < columns) tile[i * padded + minor] = lane.load(from + (first_row + i) * columns + first_column + minor) * scale;
        }
        lane.sync();
        for (int j = lane.thread() / side; j < side; j += threads_most / side) {
            if (first_column + j >= columns || first_row + minor >= rows) continue;
            float* place = to + (first_column + j) * rows + first_row + minor;
            lane.store(place, factor != nullptr ? tile[minor * padded + j] : lane.load(place) - tile[minor * padded + j]);
        }
    }
};

/// Input momentum; output X.
struct MuonScale : Arrays<float, 1, 1> {
    const float* factor;
    template <class Lane>
    ORRERY_DEVICE void operator()(Lane& lane, Index, const float (&x)[1], float (&y)[1]) const {
        y[0] = x[0] * lane.load_again(factor);
    }
};

/// Inputs A and A A, both [side, side]; output a I + b A + c A A.
struct MuonPolynomial : Arrays<float, 2, 1> {
    Index side;
    template <class Lane>
    ORRERY_DEVICE void operator()(Lane&, Index at, const float (&x)[2], float (&y)[1]) const {
        y[0] = muon_second * x[0] + muon_third * x[1] + (at % (side + 1) == 0 ? muon_first : 0.0F);
    }
};

/// Inputs weights, X; output weights.
struct MuonApply : Arrays<float, 2, 1> {
    template <class Lane>
    ORRERY_DEVICE void operator()(Lane&, Index, const float (&x)[2], float (&y)[1]) const {
        y[0] = x[0] - muon_rate * x[1];
    }
};

}  // namespace orrery::cuda
