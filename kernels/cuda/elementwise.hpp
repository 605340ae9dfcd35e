// Kernels that treat each element alone: copy, triad, add, SwiGLU, dropout, simple optimizers.
#pragma once

#include "kernels/cuda/lane.hpp"

namespace orrery::cuda {

/// Reads `Operation::inputs` arrays of T and writes `outputs` of them, 16 bytes at a time, several loads in flight.
template <class Operation>
struct Elementwise {
    using T = typename Operation::Element;
    static constexpr int inputs = Operation::inputs;
    static constexpr int outputs = Operation::outputs;
    static constexpr int threads_most = 256;
    static constexpr int width = values_in_vector<T>;
    static constexpr int unroll = inputs + outputs > 3 ? 2 : 4;   // more would not fit the registers
    static constexpr Index tile = Index{threads_most} * unroll * width;

    Operation operation;
    Index elements;

    [[nodiscard]] Grid grid() const { return {ceil_div(elements, tile), threads_most, 0}; }

    template <class Lane>
    ORRERY_DEVICE void operator()(Lane& lane) const {
        const Index first = lane.block() * tile + lane.thread() * width;
        if (first - lane.thread() * width + tile <= elements) {
            whole_tile(lane, first);
            return;
        }
        for (int u = 0; u < unroll; ++u) {
            const Index at = first + Index{u} * threads_most * width;
            for (int i = 0; i < width && at + i < elements; ++i) one_by_one(lane, at + i);
        }
    }

  private:
    template <class Lane>
    ORRERY_DEVICE void whole_tile(Lane& lane, Index first) const {
        Pack<T, width> loaded[inputs][unroll];
        ORRERY_UNROLL
        for (int u = 0; u < unroll; ++u) {
            ORRERY_UNROLL
            for (int i = 0; i < inputs; ++i) {
                const T* from = operation.in[i] + first + Index{u} * threads_most * width;
                loaded[i][u] = lane.load(reinterpret_cast<const Pack<T, width>*>(from));
            }
        }
        ORRERY_UNROLL
        for (int u = 0; u < unroll; ++u) {
            Pack<T, width> results[outputs];
            const Index at = first + Index{u} * threads_most * width;
            ORRERY_UNROLL
            for (int j = 0; j < width; ++j) {
                float x[inputs];
                float y[outputs];
                ORRERY_UNROLL
                for (int i = 0; i < inputs; ++i) x[i] = widen(loaded[i][u].values[j]);
                operation(lane, at + j, x, y);
                ORRERY_UNROLL
                for (int i = 0; i < outputs; ++i) narrow_to(lane, y[i], results[i].values[j]);
            }
            ORRERY_UNROLL
            for (int i = 0; i < outputs; ++i) lane.store(reinterpret_cast<Pack<T, width>*>(operation.out[i] + at), results[i]);
        }
    }

    template <class Lane>
    ORRERY_DEVICE void one_by_one(Lane& lane, Index at) const {
        float x[inputs];
        float y[outputs];
        ORRERY_UNROLL
        for (int i = 0; i < inputs; ++i) x[i] = widen(lane.load(operation.in[i] + at));
        operation(lane, at, x, y);
        ORRERY_UNROLL
        for (int i = 0; i < outputs; ++i) {
            T result;
            narrow_to(lane, y[i], result);
            lane.store(operation.out[i] + at, result);
        }
    }
};

template <class T, int in_count, int out_count>
struct Arrays {
    using Element = T;
    static constexpr int inputs = in_count;
    static constexpr int outputs = out_count;
    const T* in[in_count];
    T* out[out_count];
};

template <class T>
struct CopyOperation : Arrays<T, 1, 1> {
    template <class Lane>
    ORRERY_DEVICE void operator()(Lane&, Index, const float (&x)[1], float (&y)[1]) const {
        y[0] = x[0];
    }
};

constexpr float triad_factor = 3.0F;   // of STREAM (McCalpin, 1995)

template <class T>
struct TriadOperation : Arrays<T, 2, 1> {
    template <class Lane>
    ORRERY_DEVICE void operator()(Lane&, Index, const float (&x)[2], float (&y)[1]) const {
        y[0] = x[0] + triad_factor * x[1];
    }
};

/// A residual connection: in[1] and out[0] are the same array.
template <class T>
struct AddOperation : Arrays<T, 2, 1> {
    template <class Lane>
    ORRERY_DEVICE void operator()(Lane&, Index, const float (&x)[2], float (&y)[1]) const {
        y[0] = x[0] + x[1];
    }
};

/// silu(gate) * up. Shazeer, arXiv 2002.05202.
template <class T>
struct SwigluOperation : Arrays<T, 2, 1> {
    template <class Lane>
    ORRERY_DEVICE void operator()(Lane& lane, Index, const float (&x)[2], float (&y)[1]) const {
        y[0] = x[0] / (1.0F + lane.exp(-x[0])) * x[1];
    }
};

/// Inputs gate, up, dy; outputs dgate, dup.
template <class T>
struct SwigluBackwardOperation : Arrays<T, 3, 2> {
    template <class Lane>
    ORRERY_DEVICE void operator()(Lane& lane, Index, const float (&x)[3], float (&y)[2]) const {
        const float sigmoid = 1.0F / (1.0F + lane.exp(-x[0]));
        const float silu = x[0] * sigmoid;
        y[0] = x[2] * x[1] * (sigmoid + silu * (1.0F - sigmoid));
        y[1] = x[2] * silu;
    }
};

constexpr std::uint32_t dropped_below = 0x1999999aU;   // 0.1 of 2^32

/// A 32-bit mixer (Wellons, "Prospecting for hash functions", 2018: lowbias32).
ORRERY_BOTH std::uint32_t mixed_counter(std::uint32_t x) {
    x = (x ^ (x >> 16)) * 0x7feb352dU;
    x = (x ^ (x >> 15)) * 0x846ca68bU;
    return x ^ (x >> 16);
}

template <class T>
struct DropoutOperation : Arrays<T, 1, 1> {
    template <class Lane>
    ORRERY_DEVICE void operator()(Lane&, Index at, const float (&x)[1], float (&y)[1]) const {
        y[0] = mixed_counter(static_cast<std::uint32_t>(at)) < dropped_below ? 0.0F : x[0] * (1.0F / 0.9F);
    }
};

constexpr float sgd_rate = 1e-3F;
constexpr float sgd_momentum_factor = 0.9F;

/// Inputs weights, gradient, momentum; outputs weights, momentum.
struct SgdOperation : Arrays<float, 3, 2> {
    template <class Lane>
    ORRERY_DEVICE void operator()(Lane&, Index, const float (&x)[3], float (&y)[2]) const {
        y[1] = sgd_momentum_factor * x[2] + x[1];
        y[0] = x[0] - sgd_rate * y[1];
    }
};

/// What a step of AdamW multiplies by.
struct AdamFactors {
    float first, second;     // decay of the moments
    float rate_first;        // rate / (1 - first^step)
    float scale_second;      // 1 / (1 - second^step)
    float epsilon;
    float decay;             // rate times weight decay
    /// x: weight, gradient, mean, square; y: weight, mean, square.
    template <class Lane>
    ORRERY_DEVICE void step(Lane& lane, const float (&x)[4], float (&y)[3]) const {
        y[1] = first * x[2] + (1.0F - first) * x[1];
        y[2] = second * x[3] + (1.0F - second) * x[1] * x[1];
        y[0] = x[0] - (decay * x[0] + rate_first * y[1] / (lane.sqrt(y[2] * scale_second) + epsilon));
    }
};

/// AdamW (Loshchilov and Hutter, arXiv 1711.05101). Inputs weights, gradient, mean, square; outputs weights, mean, square.
struct AdamOperation : Arrays<float, 4, 3> {
    AdamFactors factors;
    template <class Lane>
    ORRERY_DEVICE void operator()(Lane& lane, Index, const float (&x)[4], float (&y)[3]) const {
        factors.step(lane, x, y);
    }
};

}  // namespace orrery::cuda
