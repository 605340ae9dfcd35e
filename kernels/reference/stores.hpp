// Outputs too large for the caches, written around them; and an exponential that compilers turn into vectors.
#pragma once

#include "kernels/reference/operators.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstdlib>
#include <memory>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace orrery {

/// From this size on an output goes around the caches: nobody would find it there, and plain stores would read each
/// line before they write it. As memcpy of glibc does for what is larger than its share of the last level.
constexpr Index around_least = Index{8} << 20;   // elements of 4 bytes: 32 MiB

/// Elements that are computed at a time before they go around: 8 KiB stay in the first level.
constexpr Index around_piece = 2048;

/// Arrays that a kernel reads beside each other: what comes next of them is fetched while results are stored.
/// Null: none.
using Inputs = std::array<const float*, 3>;

/// y = x with stores that go around the caches; the head up to 16 bytes and the tail the plain way. Meanwhile fetches as
/// many elements of `next`, so that memory reads while it writes.
inline void store_around(const float* x, float* y, Index extent, const Inputs& next = {}) {
    Index i = 0;
#if defined(__x86_64__)
    for (; i < extent && (reinterpret_cast<std::uintptr_t>(y + i) & 15U) != 0; ++i) y[i] = x[i];
    for (; i + 16 <= extent; i += 16) {
        for (const float* one : next) {
            if (one != nullptr) _mm_prefetch(reinterpret_cast<const char*>(one + i), _MM_HINT_T0);
        }
        for (Index j = 0; j < 16; j += 4) _mm_stream_ps(y + i + j, _mm_loadu_ps(x + i + j));
    }
#endif
    for (; i < extent; ++i) y[i] = x[i];
}

/// After the last of a thread's stores around the caches, so that others see them in order.
inline void finish_stores() {
#if defined(__x86_64__)
    _mm_sfence();
#endif
}

/// compute(first, last, out) writes elements [first, last) to out; a large output goes around the caches piece by piece.
/// `next` gives the inputs from an element on.
template <class Compute, class Next>
void write_pieces(float* y, Index extent, bool around, const Compute& compute, const Next& next) {
    if (!around) {
        compute(Index{0}, extent, y);
        return;
    }
    alignas(64) float piece[around_piece];
    for (Index i = 0; i < extent; i += around_piece) {
        const Index end = std::min(extent, i + around_piece);
        compute(i, end, piece);
        store_around(piece, y + i, end - i, next(std::min(end, extent - (end - i))));
    }
    finish_stores();
}

/// compute(row, out) writes one row to out; rows of a large output go around the caches one by one. `next` gives the
/// inputs from a row on.
template <class Compute, class Next>
void write_rows(float* y, Index begin, Index end, Index columns, bool around, const Compute& compute, const Next& next) {
    if (!around) {
        for (Index r = begin; r < end; ++r) compute(r, y + r * columns);
        return;
    }
    constexpr std::size_t line = 64;
    const auto bytes = (static_cast<std::size_t>(columns) * sizeof(float) + line - 1) / line * line;
    const std::unique_ptr<float, decltype(&std::free)> row(static_cast<float*>(std::aligned_alloc(line, bytes)), &std::free);
    for (Index r = begin; r < end; ++r) {
        compute(r, row.get());
        store_around(row.get(), y + r * columns, columns, next(std::min(r + 1, end - 1)));
    }
    finish_stores();
}

/// What vector_exp does, a multiply-add counted as two.
constexpr double exp_flop = 16.0;

/// exp(x) within 1e-6 of itself, for x in [-87, 88]; beyond, the value at the end of that range. Powers of two by the
/// exponent's bits, the rest by Taylor's series on [-ln 2 / 2, ln 2 / 2] (Cody and Waite, 1980: ln 2 in two parts).
inline float vector_exp(float x) {
    x = std::clamp(x, -87.0F, 88.0F);
    const float octaves = x * 1.44269504F;
    const auto whole = static_cast<std::int32_t>(octaves + (octaves < 0.0F ? -0.5F : 0.5F));
    const auto n = static_cast<float>(whole);
    const float r = (x - n * 0.693359375F) + n * 2.12194440e-4F;
    float p = 1.0F / 720.0F;
    p = p * r + 1.0F / 120.0F;
    p = p * r + 1.0F / 24.0F;
    p = p * r + 1.0F / 6.0F;
    p = p * r + 0.5F;
    p = p * r + 1.0F;
    p = p * r + 1.0F;
    return p * std::bit_cast<float>((whole + 127) << 23);
}

}  // namespace orrery
