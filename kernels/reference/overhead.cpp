// What it costs to start work on all threads and to meet again: the launch of a kernel on a processor.
#include "kernels/reference/buffer.hpp"
#include "kernels/reference/entries.hpp"
#include "kernels/reference/team.hpp"

namespace orrery {

PreparedKernel prepare_launch(const KernelCase& c, int, Rng&) {
    const Index regions = c.sizes[0];
    const auto counts = zeros<std::int64_t>(1, 8 * static_cast<Index>(omp_get_max_threads()));   // a cache line each
    PreparedKernel kernel;
    kernel.error_max = 0.0;
    const auto run = [=] {
        for (Index i = 0; i < regions; ++i) {
#pragma omp parallel
            { (*counts)[0][8 * omp_get_thread_num()] += 1; }
        }
    };
    kernel.run = [=](int) { run(); };
    kernel.check = [=] {
        for (std::int64_t& extent : counts->values()) extent = 0;
        run();
        for (Index i = 0; i < counts->extent(); i += 8) {
            if (counts->values()[static_cast<std::size_t>(i)] != regions) return 1.0;
        }
        return 0.0;
    };
    return kernel;
}

}  // namespace orrery
