// What device code is written in: one thread of a grid sees its place, shared memory and its warp through a `Lane`.
//
// A kernel is a plain struct of its arguments with `template <class Lane> void operator()(Lane& lane) const`. On a GPU
// the lane is made of CUDA's intrinsics (gpu_lane.hpp); in tests an emulator runs the same struct on the host, which
// checks each address and each meeting of threads (tests/kernels/emulated_gpu.hpp). A Lane has:
//   thread(), threads(), block(), blocks(), lane(), warp()       its place; threads is a multiple of 32
//   sync()                                                       all threads of the block meet
//   shuffle_xor(value, mask)                                     the value of lane ^ mask; the whole warp meets
//   shared<T>(first_byte, count)                                 part of the block's dynamic shared memory
//   load(p), load_again(p), store(p, v)                          global memory; `load` streams, `load_again` stays cached
//   add_atomically(p, v)
//   exp(x), exp2(x), log(x), rsqrt(x), sqrt(x), narrow(x)        `narrow` rounds to Bf16, to nearest even
//   mma(d, a, b)                                                 d += a b, m16n8k16, bf16 in, fp32 sums, of a warp
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
