// Outputs too large for the caches, written around them; and an exponential that compilers turn into vectors.
#pragma once

#include "kernels/reference/leaves.hpp"
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

/// Elements that a kernel reads, computes and writes in turn: few, so that a processor that looks a few hundred
/// instructions ahead does the three at once. Rows of 1,024 and 4,096 ran fastest with 64 of 32 to 256, on a Xeon with AMX.
constexpr Index strip = 64;

/// Elements ahead of the strip in work that are fetched meanwhile; best of 128 to 4,096 on the same machine.
constexpr Index fetch_ahead = 448;

/// Arrays that a kernel reads beside each other. Null: none.
using Inputs = std::array<const float*, 3>;

/// y = x with stores that go around the caches; the head up to 16 bytes and the tail the plain way.
inline void store_around(const float* x, float* y, Index extent) {
    Index i = 0;
#if defined(__x86_64__)
    for (; i < extent && (reinterpret_cast<std::uintptr_t>(y + i) & 15U) != 0; ++i) y[i] = x[i];
    for (; i + 16 <= extent; i += 16) {
        for (Index j = 0; j < 16; j += 4) _mm_stream_ps(y + i + j, _mm_loadu_ps(x + i + j));
    }
#endif
    for (; i < extent; ++i) y[i] = x[i];
}

/// y = factor x of a strip, around the caches: in whole lines where the processor can and `y` begins one.
extern void (*const store_strip)(const float* x, float factor, float* y, Index extent);

/// After the last of a thread's stores around the caches, so that others see them in order.
inline void finish_stores() {
#if defined(__x86_64__)
    _mm_sfence();
#endif
}

/// Fetches what a strip that begins at `from` will be when the next ones are done.
template <class T>
ORRERY_INLINE void fetch(const T* from, Index extent) {
#if defined(__x86_64__)
    constexpr auto line = static_cast<Index>(64 / sizeof(T));
    for (Index i = 0; i < extent; i += line) _mm_prefetch(reinterpret_cast<const char*>(from + fetch_ahead + i), _MM_HINT_T0);
#endif
}

/// Fetches what is needed soon into the second level.
template <class T>
ORRERY_INLINE void fetch_now(const T* from, Index extent) {
#if defined(__x86_64__)
    constexpr auto line = static_cast<Index>(64 / sizeof(T));
    for (Index i = 0; i < extent; i += line) _mm_prefetch(reinterpret_cast<const char*>(from + i), _MM_HINT_T1);
#endif
}

/// Calls body(first, last) for all strips of [0, extent); compilers see that all but the last are of one length.
template <class Body>
ORRERY_INLINE void over_strips(Index extent, const Body& body) {
    Index i = 0;
    for (; i + strip <= extent; i += strip) body(i, i + strip);
    if (i < extent) body(i, extent);
}

/// compute(first, last, out) gives elements [first, last) of an output at `out`, strip by strip; a large output goes
/// around the caches. To be called by a leaf that is compiled for several processors.
template <class Compute>
ORRERY_INLINE void write_strips(const Inputs& inputs, float* y, Index extent, bool around, const Compute& compute) {
    alignas(64) float results[strip];
    over_strips(extent, [&](Index first, Index last) ORRERY_INLINE_BODY {
        for (const float* input : inputs) {
            if (input != nullptr) fetch(input + first, last - first);
        }
        if (!around) fetch(y + first, last - first);
        compute(first, last, around ? results : y + first);
        if (around) store_strip(results, 1.0F, y + first, last - first);
    });
    if (around) finish_stores();
}

/// Calls stage(row, first, last) for each row of [begin, end) and each strip of it, a stage at the latest two rows behind
/// the one before: while one row comes from memory, another is computed and a third is written. What a stage learns of a
/// row is kept by row_slot(row); a later stage of the same row finds it complete. Of a strip the first stage comes first:
/// rows of 4 KiB lie such that a store just before would hold the next row's loads up (Intel, Optimization Reference
/// Manual, 4-KByte aliasing).
template <class First, class Second, class Third>
ORRERY_INLINE void walk_rows(Index begin, Index end, Index columns, const First& first, const Second& second, const Third& third) {
    for (Index row = begin; row < end + 2; ++row) {
        over_strips(columns, [&](Index from, Index to) ORRERY_INLINE_BODY {
            if (row < end) first(row, from, to);
            if (row - 1 >= begin && row - 1 < end) second(row - 1, from, to);
            if (row - 2 >= begin) third(row - 2, from, to);
        });
    }
}

/// Of two stages.
template <class First, class Second>
ORRERY_INLINE void walk_rows(Index begin, Index end, Index columns, const First& first, const Second& second) {
    for (Index row = begin; row < end + 1; ++row) {
        over_strips(columns, [&](Index from, Index to) ORRERY_INLINE_BODY {
            if (row < end) first(row, from, to);
            if (row - 1 >= begin) second(row - 1, from, to);
        });
    }
}

/// Where a walk of up to three stages keeps what it knows of a row.
constexpr Index row_slots = 4;
constexpr Index row_slot(Index row) { return row % row_slots; }

/// First stage of a cross entropy: the largest value of a row so far.
ORRERY_INLINE void keep_top(const float* from, float (&tops)[row_slots], Index row, Index first, Index last) {
    fetch(from + first, last - first);
    float top = first == 0 ? -3e38F : tops[row_slot(row)];
    for (Index i = first; i < last; ++i) top = from[i] > top ? from[i] : top;
    tops[row_slot(row)] = top;
}

/// A strip's part of a sum over its row.
ORRERY_INLINE void keep_sum(float (&sums)[row_slots], Index row, Index first, float part) {
    sums[row_slot(row)] = first == 0 ? part : sums[row_slot(row)] + part;
}

/// Sum and squared deviations from the mean (or, with centred = 0, from zero) of a row so far.
struct RowMoments {
    float sum;
    float squares;
};

/// A strip's part of them. Strips are joined as by Chan, Golub and LeVeque, "Updating Formulae and a Pairwise Algorithm for
/// Computing Sample Variances", 1979: nothing cancels, and the row is walked once.
ORRERY_INLINE void keep_moments(const float* from, RowMoments& row, Index first, Index last, float centred) {
    const auto own = static_cast<float>(last - first);
    float sum = 0.0F;
    for (Index i = first; i < last; ++i) sum += from[i];
    const float middle = centred * sum / own;
    float squares = 0.0F;
    for (Index i = first; i < last; ++i) squares += (from[i] - middle) * (from[i] - middle);
    if (first == 0) {
        row = {sum, squares};
        return;
    }
    const auto before = static_cast<float>(first);
    const float apart = middle - centred * row.sum / before;
    row.sum += sum;
    row.squares += squares + apart * apart * (before * own / (before + own));
}

/// What vector_exp does, a multiply-add counted as two.
constexpr double exp_flop = 16.0;

/// exp(x) within 1e-6 of itself, for x in [-87, 88]; beyond, the value at the end of that range. Powers of two by the
/// exponent's bits, the rest by Taylor's series on [-ln 2 / 2, ln 2 / 2] (Cody and Waite, 1980: ln 2 in two parts).
ORRERY_INLINE float vector_exp(float x) {
    x = std::clamp(x, -87.0F, 88.0F);
    const std::int32_t whole = __builtin_irintf(x * 1.44269504F);
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
