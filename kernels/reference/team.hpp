// How reference kernels deal out work to the threads of the team, and compile their leaves.
#pragma once

#include "kernels/reference/operators.hpp"

#include <omp.h>

#include <algorithm>

/// A leaf with a loop that is worth compiling for AVX-512, AVX2 and any x86-64; the loader picks.
#if defined(__x86_64__)
#define ORRERY_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define ORRERY_CLONES
#endif
/// A part of such leaves, compiled with each of them.
#define ORRERY_INLINE inline __attribute__((always_inline))
/// The same for a lambda, behind its parameters.
#define ORRERY_INLINE_BODY __attribute__((always_inline))

namespace orrery {

/// Calls body(begin, end) on contiguous shares of [0, count), one per thread; on the caller alone below `grain`.
template <class Body>
void deal_out(Index extent, Index grain, const Body& body) {
    if (extent <= grain || omp_get_max_threads() == 1) {
        if (extent > 0) body(Index{0}, extent);
        return;
    }
#pragma omp parallel
    {
        const Index threads = omp_get_num_threads();
        const Index share = (extent + threads - 1) / threads;
        const Index begin = std::min(extent, share * omp_get_thread_num());
        const Index end = std::min(extent, begin + share);
        if (begin < end) body(begin, end);
    }
}

}  // namespace orrery
