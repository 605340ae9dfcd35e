// The lane of a real GPU: each operation is one intrinsic or one PTX instruction. For nvcc only.
#pragma once

#include "kernels/cuda/lane.hpp"

#include <cuda_runtime.h>

// Indices in rising order, which newer GPUs want to be told of (PTX ISA 8.5, "mma.sp").
#if __CUDACC_VER_MAJOR__ > 12 || (__CUDACC_VER_MAJOR__ == 12 && __CUDACC_VER_MINOR__ >= 5)
#define ORRERY_MMA_SPARSE "mma.sp::ordered_metadata"
#else
#define ORRERY_MMA_SPARSE "mma.sp"
#endif

namespace orrery::cuda {

extern __shared__ __align__(128) unsigned char gpu_shared_memory[];

/// Shared memory of a block; the emulator's own checks each index.
template <class T>
struct GpuShared {
    T* first;
    ORRERY_DEVICE T& operator[](int i) const { return first[i]; }
};

template <int bytes>
struct GpuWord;
template <>
struct GpuWord<1> {
    using Type = unsigned char;
};
template <>
struct GpuWord<2> {
    using Type = unsigned short;
};
template <>
struct GpuWord<4> {
    using Type = unsigned int;
};
template <>
struct GpuWord<8> {
    using Type = uint2;
};
template <>
struct GpuWord<16> {
    using Type = uint4;
};

struct GpuLane {
    ORRERY_DEVICE int thread() const { return static_cast<int>(threadIdx.x); }
    ORRERY_DEVICE int threads() const { return static_cast<int>(blockDim.x); }
    ORRERY_DEVICE Index block() const { return blockIdx.x; }
    ORRERY_DEVICE Index blocks() const { return gridDim.x; }
    ORRERY_DEVICE int lane() const { return thread() % warp_lanes; }
    ORRERY_DEVICE int warp() const { return thread() / warp_lanes; }

    ORRERY_DEVICE void sync() const { __syncthreads(); }
    ORRERY_DEVICE void sync_warp() const { __syncwarp(); }
    template <class T>
    ORRERY_DEVICE T shuffle_xor(T value, int mask) const {
        return __shfl_xor_sync(0xffffffffU, value, mask);
    }
    template <class T>
    ORRERY_DEVICE GpuShared<T> shared(int first_byte, int) const {
        return {reinterpret_cast<T*>(gpu_shared_memory + first_byte)};
    }

    template <class P>
    ORRERY_DEVICE P load(const P* p) const {
        using Word = typename GpuWord<static_cast<int>(sizeof(P))>::Type;
        return __builtin_bit_cast(P, __ldcs(reinterpret_cast<const Word*>(p)));
    }
    template <class P>
    ORRERY_DEVICE P load_again(const P* p) const {
        using Word = typename GpuWord<static_cast<int>(sizeof(P))>::Type;
        return __builtin_bit_cast(P, __ldg(reinterpret_cast<const Word*>(p)));
    }
    template <class P>
    ORRERY_DEVICE void store(P* p, const P& value) const {
        using Word = typename GpuWord<static_cast<int>(sizeof(P))>::Type;
        __stcs(reinterpret_cast<Word*>(p), __builtin_bit_cast(Word, value));
    }
    ORRERY_DEVICE void add_atomically(float* p, float value) const { atomicAdd(p, value); }

    ORRERY_DEVICE float exp(float x) const { return __expf(x); }
    ORRERY_DEVICE float exp2(float x) const {
        float y;
        asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
        return y;
    }
    ORRERY_DEVICE float log(float x) const { return logf(x); }
    ORRERY_DEVICE float rsqrt(float x) const { return rsqrtf(x); }
    ORRERY_DEVICE float sqrt(float x) const { return sqrtf(x); }
    ORRERY_DEVICE Bf16 narrow(float x) const {
        Bf16 y;
        asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(y.bits) : "f"(x));
        return y;
    }

    ORRERY_DEVICE Half narrow_half(float x) const {
        Half y;
        asm("cvt.rn.f16.f32 %0, %1;" : "=h"(y.bits) : "f"(x));
        return y;
    }

    ORRERY_DEVICE std::uint32_t pack(float low, float high) const {
        std::uint32_t y;
        asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(y) : "f"(high), "f"(low));
        return y;
    }

    ORRERY_DEVICE void mma(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2]) const {
        asm volatile(
            "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
            : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
            : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
    }
    ORRERY_DEVICE void mma_half(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2]) const {
        asm volatile(
            "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
            : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
            : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
    }
    template <int part>
    ORRERY_DEVICE void mma_sparse(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[4], std::uint32_t kept) const {
        asm volatile(ORRERY_MMA_SPARSE
                     ".sync.aligned.m16n8k32.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9,%10,%11}, {%0,%1,%2,%3}, %12, %13;"
                     : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                     : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]), "r"(b[2]), "r"(b[3]), "r"(kept), "n"(part));
    }
    template <int part>
    ORRERY_DEVICE void mma_sparse_half(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[4], std::uint32_t kept) const {
        asm volatile(ORRERY_MMA_SPARSE
                     ".sync.aligned.m16n8k32.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9,%10,%11}, {%0,%1,%2,%3}, %12, %13;"
                     : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                     : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]), "r"(b[2]), "r"(b[3]), "r"(kept), "n"(part));
    }
    ORRERY_DEVICE void load_matrices(std::uint32_t (&r)[4], const void* shared_row) const {
        const auto at = static_cast<unsigned>(__cvta_generic_to_shared(shared_row));
        asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                     : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                     : "r"(at)
                     : "memory");
    }
    ORRERY_DEVICE void load_matrices_transposed(std::uint32_t (&r)[4], const void* shared_row) const {
        const auto at = static_cast<unsigned>(__cvta_generic_to_shared(shared_row));
        asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
                     : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                     : "r"(at)
                     : "memory");
    }
    ORRERY_DEVICE void copy_later(void* to, const void* from, bool wanted) const {
        const auto at = static_cast<unsigned>(__cvta_generic_to_shared(to));
        asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(at), "l"(__cvta_generic_to_global(from)),
                     "r"(wanted ? 16 : 0)
                     : "memory");
    }
    ORRERY_DEVICE void commit_copies() const { asm volatile("cp.async.commit_group;" ::: "memory"); }
    template <int pending>
    ORRERY_DEVICE void wait_copies() const {
        asm volatile("cp.async.wait_group %0;" ::"n"(pending) : "memory");
    }
};

}  // namespace orrery::cuda
