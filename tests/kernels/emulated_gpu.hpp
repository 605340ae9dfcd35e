// A GPU on the host, for tests: runs the kernels of kernels/cuda thread by thread, and refuses what a GPU would not bear.
//
// Threads of a block are fibers that yield where threads meet, in an order that a seed chooses: a missing barrier gives
// another answer or a value that was never written. It refuses addresses outside of allocations, addresses that are no
// multiple of what is loaded, meetings that some threads miss, and shared memory beyond what was asked for. Fresh memory
// of both kinds holds signalling patterns. What it does not have: speed, caches, real rounding of exp and rsqrt, and
// blocks at the same time.
#pragma once

#include "kernels/cuda/product_call.hpp"

#include <array>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace orrery::testing {

struct EmulatedBlock;

/// A kernel did what a GPU would not bear or define.
struct EmulationError : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// What a lane shows the other lanes of its warp when they meet.
struct WarpSlot {
    std::array<std::uint32_t, 12> words{};
    const void* address = nullptr;
};

/// Shared memory whose indices are checked.
template <class T>
struct EmulatedShared {
    T* first;
    int extent;
    T& operator[](int i) const {
        if (i < 0 || i >= extent) {
            throw EmulationError("index " + std::to_string(i) + " of " + std::to_string(extent) + " values of shared memory");
        }
        return first[i];
    }
};

/// Throws where [p, p + bytes) is not inside of one allocation, or p no multiple of `bytes`.
void require_global(const void* p, std::size_t bytes, const char* what);

class EmulatedLane {
  public:
    EmulatedLane(EmulatedBlock& block, int thread) : block_(&block), thread_(thread) {}

    [[nodiscard]] int thread() const { return thread_; }
    [[nodiscard]] int threads() const;
    [[nodiscard]] cuda::Index block() const;
    [[nodiscard]] cuda::Index blocks() const;
    [[nodiscard]] int lane() const { return thread_ % cuda::warp_lanes; }
    [[nodiscard]] int warp() const { return thread_ / cuda::warp_lanes; }

    void sync();
    void sync_warp() { meet("sync_warp", {}); }
    template <class T>
    T shuffle_xor(T value, int mask) {
        static_assert(sizeof(T) <= 8);
        WarpSlot mine;
        std::memcpy(mine.words.data(), &value, sizeof(T));
        const auto& slots = meet("shuffle_xor", mine);
        T other;
        std::memcpy(&other, slots[static_cast<std::size_t>(lane() ^ mask)].words.data(), sizeof(T));
        return other;
    }
    template <class T>
    EmulatedShared<T> shared(int first_byte, int extent) {
        return {reinterpret_cast<T*>(shared_bytes(first_byte, static_cast<std::size_t>(extent) * sizeof(T))), extent};
    }

    template <class P>
    P load(const P* p) {
        require_global(p, sizeof(P), "loads");
        return *p;
    }
    template <class P>
    P load_again(const P* p) {
        return load(p);
    }
    template <class P>
    void store(P* p, const P& value) {
        require_global(p, sizeof(P), "stores");
        *p = value;
    }
    void add_atomically(float* p, float value) {
        require_global(p, sizeof(float), "adds");
        *p += value;
    }

    static float exp(float x) { return std::exp(x); }
    static float exp2(float x) { return std::exp2(x); }
    static float log(float x) { return std::log(x); }
    static float rsqrt(float x) { return 1.0F / std::sqrt(x); }
    static float sqrt(float x) { return std::sqrt(x); }
    static cuda::Bf16 narrow(float x);
    static cuda::Half narrow_half(float x);
    static std::uint32_t pack(float low, float high) {
        return static_cast<std::uint32_t>(narrow(low).bits) | (static_cast<std::uint32_t>(narrow(high).bits) << 16);
    }

    void mma(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2]) { multiply("mma", &bf16_half, d, a, b); }
    void mma_half(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2]) { multiply("mma of fp16", &fp16_half, d, a, b); }
    template <int part>
    void mma_sparse(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[4], std::uint32_t kept) {
        multiply_sparse("mma.sp", &bf16_half, part, d, a, b, kept);
    }
    template <int part>
    void mma_sparse_half(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[4], std::uint32_t kept) {
        multiply_sparse("mma.sp of fp16", &fp16_half, part, d, a, b, kept);
    }
    void load_matrices(std::uint32_t (&r)[4], const void* shared_row);
    void load_matrices_transposed(std::uint32_t (&r)[4], const void* shared_row);
    void copy_later(void* to, const void* from, bool wanted);
    void commit_copies();
    template <int pending>
    void wait_copies() {
        land_copies(pending);
    }

  private:
    struct Copy {
        void* to;
        std::array<std::byte, cuda::vector_bytes> bytes;
        int group;
    };

    // Value 0 or 1 of a word of two.
    using HalfOf = float (*)(std::uint32_t word, int half);
    static float bf16_half(std::uint32_t word, int half);
    static float fp16_half(std::uint32_t word, int half);
    void multiply(const char* what, HalfOf value, float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2]);
    void multiply_sparse(const char* what, HalfOf value, int part, float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[4], std::uint32_t kept);
    const std::array<WarpSlot, cuda::warp_lanes>& meet(const char* what, const WarpSlot& mine);
    std::byte* shared_bytes(int first_byte, std::size_t bytes);
    void require_shared(const void* p, std::size_t bytes) const;
    void land_copies(int pending);

    EmulatedBlock* block_;
    int thread_;
    std::vector<Copy> copies_;
    int groups_ = 0;
};

/// The interface of cuda::Gpu.
struct EmulatedGpu {
    static std::shared_ptr<void> allocate(std::size_t bytes);
    static void write(void* to, const void* from, std::size_t bytes);
    static void read(void* to, const void* from, std::size_t bytes);
    static void finish() {}
    static std::shared_ptr<void> allocate_pinned(std::size_t bytes) { return allocate(bytes); }
    static void copy_in(void* to, const void* from, std::size_t bytes) { write(to, from, bytes); }
    static void copy_out(void* to, const void* from, std::size_t bytes) { read(to, from, bytes); }
    static int processors() { return 3; }
    static int shared_most() { return 227 * 1024; }   // of an H100 (CUDA C++ Programming Guide, table of 9.0)
    /// In the place of a library: plain loops over what the call says, sums in float64.
    static cuda::PlannedProduct plan_product(const cuda::ProductCall& call, const void* left, const void* right, void* out);
    template <class Kernel>
    static void launch(const cuda::Grid& grid, const Kernel& kernel) {
        if (grid.threads > Kernel::threads_most) throw EmulationError("more threads in a block than the kernel was compiled for");
        run(grid, [&kernel](EmulatedLane& lane) { kernel(lane); });
    }
    /// Order of threads and blocks of all later launches: 0 as they come, 1 backwards, others shuffled. With an odd seed
    /// each warp runs on until it waits for another, with an even one all threads keep together. Copies that a thread does not
    /// wait for land at once with seeds 2 and 3, as late as they can with 0 and 1.
    static void set_order(std::uint64_t seed);
    /// By loads and stores of global memory since the program began, whatever a cache would have kept.
    static std::uint64_t bytes_moved();

  private:
    static void run(const cuda::Grid& grid, const std::function<void(EmulatedLane&)>& body);
};

}  // namespace orrery::testing
