// What device code is written in: one thread of a grid sees its place, shared memory and its warp through a `Lane`.
//
// A kernel is a plain struct of its arguments with `template <class Lane> void operator()(Lane& lane) const`. On a GPU
// the lane is made of CUDA's intrinsics (gpu_lane.hpp); in tests an emulator runs the same struct on the host, which
// checks each address and each meeting of threads (tests/kernels/emulated_gpu.hpp). A Lane has:
//   thread(), threads(), block(), blocks(), lane(), warp()       its place; threads is a multiple of 32
//   sync()                                                       all threads of the block meet
//   sync_warp()                                                  the lanes of the warp meet, and see each other's stores
//   shuffle_xor(value, mask)                                     the value of lane ^ mask; the whole warp meets
//   shared<T>(first_byte, count)                                 part of the block's dynamic shared memory
//   load(p), load_again(p), store(p, v)                          global memory; `load` streams, `load_again` stays cached
//   add_atomically(p, v)
//   exp(x), exp2(x), log(x), rsqrt(x), sqrt(x)
//   narrow(x), pack(low, high)                                   rounds to Bf16, to nearest even; two of them in a word
//   narrow_half(x)                                               rounds to Half, to nearest even
//   mma(d, a, b), mma_half(d, a, b)                              d += a b, m16n8k16, bf16 or fp16 in, fp32 sums, of a warp
//   mma_sparse<part>(d, a, b, e), mma_sparse_half<part>(...)     the same of m16n8k32 where a keeps two of four; `e` of lanes
//                                                                4 i + 2 part and the next says which
//   load_matrices(r, p), load_matrices_transposed(r, p)          four 8 x 8 tiles of 16-bit values, of a warp
//   copy_later(to, from, wanted), commit_copies(), wait_copies(n)  16 bytes global -> shared; zeros where not wanted
#pragma once

#include <cstdint>

#if defined(__CUDACC__)
#define ORRERY_DEVICE __device__ __forceinline__
#define ORRERY_BOTH __host__ __device__ __forceinline__
#define ORRERY_UNROLL _Pragma("unroll")
#else
#define ORRERY_DEVICE inline
#define ORRERY_BOTH inline
#define ORRERY_UNROLL
#endif

namespace orrery::cuda {

using Index = std::int64_t;

constexpr int warp_lanes = 32;
constexpr int vector_bytes = 16;   // the widest load of a thread

struct Bf16 {
    std::uint16_t bits;
};
/// IEEE binary16. Kernels only ever narrow to it; tiles of it are moved as 16 bits.
struct Half {
    std::uint16_t bits;
};

/// Values that are loaded together; their address is a multiple of their size.
template <class T, int n>
struct alignas(n * sizeof(T)) Pack {
    T values[n];
};

template <class T>
constexpr int values_in_vector = vector_bytes / static_cast<int>(sizeof(T));

ORRERY_BOTH float widen(float value) { return value; }
ORRERY_BOTH float widen(Bf16 value) { return __builtin_bit_cast(float, static_cast<std::uint32_t>(value.bits) << 16); }

template <class Lane>
ORRERY_DEVICE void narrow_to(Lane&, float value, float& out) {
    out = value;
}
template <class Lane>
ORRERY_DEVICE void narrow_to(Lane& lane, float value, Bf16& out) {
    out = lane.narrow(value);
}

template <class Lane>
ORRERY_DEVICE void narrow_to(Lane& lane, float value, Half& out) {
    out = lane.narrow_half(value);
}

/// Products by the matrix instruction of a format of 16 bits.
template <class Format>
struct Multiplier;
template <>
struct Multiplier<Bf16> {
    template <class Lane>
    ORRERY_DEVICE static void add(Lane& lane, float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2]) {
        lane.mma(d, a, b);
    }
    template <int part, class Lane>
    ORRERY_DEVICE static void add_sparse(Lane& lane, float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[4], std::uint32_t kept) {
        lane.template mma_sparse<part>(d, a, b, kept);
    }
};
template <>
struct Multiplier<Half> {
    template <class Lane>
    ORRERY_DEVICE static void add(Lane& lane, float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2]) {
        lane.mma_half(d, a, b);
    }
    template <int part, class Lane>
    ORRERY_DEVICE static void add_sparse(Lane& lane, float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[4], std::uint32_t kept) {
        lane.template mma_sparse_half<part>(d, a, b, kept);
    }
};

/// Rounds to the nearest of E4M3 (one sign, four exponent, three mantissa bits; OCP FP8, 2023), ties to even, saturating
/// at 448. Not of NaN.
ORRERY_BOTH std::uint8_t to_fp8(float value) {
    const std::uint32_t bits = __builtin_bit_cast(std::uint32_t, value);
    const auto sign = static_cast<std::uint8_t>((bits >> 24) & 0x80U);
    const float size = __builtin_bit_cast(float, bits & 0x7fffffffU);
    if (size >= 448.0F) return static_cast<std::uint8_t>(sign | 0x7eU);
    if (size < 0x1p-6F) {   // multiples of 2^-9; adding 1.5 * 2^14 leaves them in the last bits, rounded
        const std::uint32_t steps = __builtin_bit_cast(std::uint32_t, size + 24576.0F) - __builtin_bit_cast(std::uint32_t, 24576.0F);
        return static_cast<std::uint8_t>(sign | steps);
    }
    const std::uint32_t magnitude = __builtin_bit_cast(std::uint32_t, size);
    const std::uint32_t rounded = magnitude + 0x7ffffU + ((magnitude >> 20) & 1U);
    return static_cast<std::uint8_t>(sign | ((rounded >> 20) - (120U << 3)));
}
ORRERY_BOTH float from_fp8(std::uint8_t value) {
    const int exponent = (value >> 3) & 15;
    const float mantissa = static_cast<float>(value & 7);
    const float size = exponent == 0 ? mantissa * 0x1p-9F
                                     : (8.0F + mantissa) * __builtin_bit_cast(float, static_cast<std::uint32_t>(exponent - 10 + 127) << 23);
    return (value & 0x80) != 0 ? -size : size;
}

/// The sixteen values of E2M1 (OCP Microscaling Formats, 2023): 0, 0.5, 1, 1.5, 2, 3, 4, 6 and their negatives.
ORRERY_BOTH float from_fp4(std::uint32_t code) {
    const std::uint32_t size = code & 7U;
    const float value = size < 2 ? 0.5F * static_cast<float>(size)
                                 : static_cast<float>(2U + (size & 1U)) * (size < 4 ? 0.5F : size < 6 ? 1.0F : 2.0F);
    return (code & 8U) != 0 ? -value : value;
}
/// The nearest of them, saturating; ties to even codes.
ORRERY_BOTH std::uint32_t to_fp4(float value) {
    const float size = value < 0.0F ? -value : value;
    std::uint32_t code = 0;
    code += size > 0.25F ? 1U : 0U;
    code += size >= 0.75F ? 1U : 0U;
    code += size > 1.25F ? 1U : 0U;
    code += size >= 1.75F ? 1U : 0U;
    code += size > 2.5F ? 1U : 0U;
    code += size >= 3.5F ? 1U : 0U;
    code += size > 5.0F ? 1U : 0U;
    return value < 0.0F ? code | 8U : code;
}

/// To the nearest whole number, ties to even; of sizes below 2^22.
ORRERY_BOTH float to_whole(float value) {
    const float shift = 12582912.0F;   // 1.5 * 2^23: the last bit is one
    return (value + shift) - shift;
}

/// n values from `p` on, widened.
template <int n, class Lane, class T>
ORRERY_DEVICE void load_wide(Lane& lane, const T* p, float (&x)[n]) {
    const Pack<T, n> pack = lane.load(reinterpret_cast<const Pack<T, n>*>(p));
    ORRERY_UNROLL
    for (int i = 0; i < n; ++i) x[i] = widen(pack.values[i]);
}

template <int n, class Lane, class T>
ORRERY_DEVICE void store_narrow(Lane& lane, T* p, const float (&x)[n]) {
    Pack<T, n> pack;
    ORRERY_UNROLL
    for (int i = 0; i < n; ++i) narrow_to(lane, x[i], pack.values[i]);
    lane.store(reinterpret_cast<Pack<T, n>*>(p), pack);
}

/// How many blocks of how many threads a kernel starts, and what each block shares.
struct Grid {
    Index blocks = 0;
    int threads = warp_lanes;
    int shared_bytes = 0;
};

ORRERY_BOTH Index ceil_div(Index a, Index b) { return (a + b - 1) / b; }

}  // namespace orrery::cuda
