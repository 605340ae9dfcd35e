// Kernels that move or choose rows by index: embedding look-up and its gradient, rotary turns, the router's top k, and
// the dependent reads that show memory's latency.
#pragma once

#include "kernels/cuda/lane.hpp"

namespace orrery::cuda {

/// y[r] = table[picks[r]]. A warp for each row; width values at a time.
template <class T, int width>
struct GatherRows {
    static constexpr int threads_most = 256;
    const T* table;
    const std::int32_t* picks;
    T* y;
    Index rows;
    Index columns;   // a multiple of width

    [[nodiscard]] Grid grid() const { return {ceil_div(rows, threads_most / warp_lanes), threads_most, 0}; }

    template <class Lane>
    ORRERY_DEVICE void operator()(Lane& lane) const {
        const Index row = lane.block() * (threads_most / warp_lanes) + lane.warp();
        if (row >= rows) return;
        const Index from = lane.load_again(picks + row) * columns;
        constexpr int in_flight = 4;
        constexpr Index step = Index{warp_lanes} * width;
        for (Index first = Index{lane.lane()} * width; first < columns; first += in_flight * step) {
            Pack<T, width> packs[in_flight];
            ORRERY_UNROLL
            for (int i = 0; i < in_flight; ++i) {
                if (first + i * step < columns) packs[i] = lane.load(reinterpret_cast<const Pack<T, width>*>(table + from + first + i * step));
            }
            ORRERY_UNROLL
            for (int i = 0; i < in_flight; ++i) {
                if (first + i * step < columns) lane.store(reinterpret_cast<Pack<T, width>*>(y + row * columns + first + i * step), packs[i]);
            }
        }
    }
};

/// table[picks[r]] += x[r]; equal picks add up in any order.
template <class T>
struct ScatterAddRows {
    static constexpr int threads_most = 256;
    float* table;
    const std::int32_t* picks;
    const T* x;
    Index rows;
    Index columns;

    [[nodiscard]] Grid grid() const { return {ceil_div(rows, threads_most / warp_lanes), threads_most, 0}; }

    template <class Lane>
    ORRERY_DEVICE void operator()(Lane& lane) const {
        const Index row = lane.block() * (threads_most / warp_lanes) + lane.warp();
        if (row >= rows) return;
        const Index to = lane.load_again(picks + row) * columns;
        for (Index column = lane.lane(); column < columns; column += warp_lanes) {
            lane.add_atomically(table + to + column, widen(lane.load(x + row * columns + column)));
        }
    }
};

/// Turns pairs (i, i + head / 2) of each head by the angle of the row's position, in place. Su et al., arXiv 2104.09864.
/// A thread turns `width` pairs.
template <class T, int width>
struct RotaryTurns {
    static constexpr int threads_most = 256;
    T* x;                    // [tokens, heads, head]
    const float* cosines;    // [tokens, head / 2]
    const float* sines;
    Index tokens;
    Index heads;
    Index half;              // head / 2, a multiple of width

    [[nodiscard]] Grid grid() const { return {ceil_div(tokens * heads * half / width, threads_most), threads_most, 0}; }

    template <class Lane>
    ORRERY_DEVICE void operator()(Lane& lane) const {
        const Index turn = (lane.block() * threads_most + lane.thread()) * width;
        if (turn >= tokens * heads * half) return;
        const Index head = turn / half;   // of all tokens
        const Index i = turn % half;
        T* low = x + head * 2 * half + i;
        float a[width];
        float b[width];
        load_wide(lane, low, a);
        load_wide(lane, low + half, b);
        ORRERY_UNROLL
        for (int j = 0; j < width; ++j) {
            const float c = lane.load_again(cosines + head / heads * half + i + j);
            const float s = lane.load_again(sines + head / heads * half + i + j);
            const float turned = a[j] * c - b[j] * s;
            b[j] = a[j] * s + b[j] * c;
            a[j] = turned;
        }
        store_narrow(lane, low, a);
        store_narrow(lane, low + half, b);
    }
};

constexpr int experts_of_lane = 16;   // in registers

/// A warp for each row: the k best of at most 512 scores, equal ones to the lower index, and softmax over those k.
struct TopKRows {
    static constexpr int threads_most = 128;
    const float* x;
    std::int32_t* picks;
    float* weights;
    Index rows;
    int experts;
    int k;

    [[nodiscard]] Grid grid() const { return {ceil_div(rows, threads_most / warp_lanes), threads_most, 0}; }

    template <class Lane>
    ORRERY_DEVICE void operator()(Lane& lane) const {
        const Index row = lane.block() * (threads_most / warp_lanes) + lane.warp();
        if (row >= rows) return;
        constexpr float taken = -__builtin_huge_valf();
        float scores[experts_of_lane];
        ORRERY_UNROLL
        for (int i = 0; i < experts_of_lane; ++i) {
            const int at = i * warp_lanes + lane.lane();
            scores[i] = at < experts ? lane.load(x + row * experts + at) : taken;
        }
        float first = 0.0F;
        float total = 0.0F;
        for (int j = 0; j < k; ++j) {
            float best = taken;
            int place = experts;
            ORRERY_UNROLL
            for (int i = 0; i < experts_of_lane; ++i) {
                if (scores[i] > best) {   // lower indices come first
                    best = scores[i];
                    place = i * warp_lanes + lane.lane();
                }
            }
            ORRERY_UNROLL
            for (int mask = warp_lanes / 2; mask > 0; mask /= 2) {
                const float other = lane.shuffle_xor(best, mask);
                const int other_place = lane.shuffle_xor(place, mask);
                if (other > best || (other == best && other_place < place)) {
                    best = other;
                    place = other_place;
                }
            }
            first = j == 0 ? best : first;
            const float weight = lane.exp(best - first);
            total += weight;
            if (lane.lane() == 0) {
                lane.store(picks + row * k + j, place);
                lane.store(weights + row * k + j, weight);
            }
            ORRERY_UNROLL
            for (int i = 0; i < experts_of_lane; ++i) scores[i] = i * warp_lanes + lane.lane() == place ? taken : scores[i];
        }
        if (lane.lane() != 0) return;
        for (int j = 0; j < k; ++j) lane.store(weights + row * k + j, lane.load(weights + row * k + j) / total);
    }
};

/// One thread follows `hops` pointers.
struct PointerChase {
    static constexpr int threads_most = 32;
    const std::int32_t* next;
    std::int32_t* last;
    Index hops;

    template <class Lane>
    ORRERY_DEVICE void operator()(Lane& lane) const {
        if (lane.thread() != 0) return;
        std::int32_t at = 0;
        for (Index i = 0; i < hops; ++i) at = lane.load(next + at);
        lane.store(last, at);
    }
};

/// Adds one to `count`: what starting a kernel costs.
struct CountLaunch {
    static constexpr int threads_most = 32;
    std::int32_t* count;
    template <class Lane>
    ORRERY_DEVICE void operator()(Lane& lane) const {
        if (lane.thread() == 0) lane.store(count, lane.load(count) + 1);
    }
};

}  // namespace orrery::cuda
