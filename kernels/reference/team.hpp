// How reference kernels deal out work to the threads of the team.
#pragma once

#include "kernels/reference/leaves.hpp"
#include "kernels/reference/operators.hpp"

#include <omp.h>

#include <algorithm>

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
