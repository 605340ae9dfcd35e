// All-reduce (mean) between the threads of one process: each averages its share of all arrays, then hands it round.
#include "kernels/reference/entries.hpp"
#include "kernels/reference/streaming_kernel.hpp"
#include "kernels/reference/team.hpp"

namespace orrery {
namespace {

ORRERY_CLONES void accumulate_range(float* y, const float* x, Index extent) {
    for (Index i = 0; i < extent; ++i) y[i] += x[i];
}

ORRERY_CLONES void scale_range(float* y, float factor, Index extent) {
    for (Index i = 0; i < extent; ++i) y[i] *= factor;
}

// Reduce-scatter, then all-gather (Rabenseifner, ICCS 2004), through shared memory.
void reduce_between(const std::vector<float*>& arrays, Index extent) {
    const auto ranks = static_cast<Index>(arrays.size());
#pragma omp parallel num_threads(static_cast<int>(ranks))
    {
        const Index rank = omp_get_thread_num();
        const Index share = (extent + ranks - 1) / ranks;
        const Index begin = std::min(extent, share * rank);
        const Index length = std::max<Index>(std::min(share, extent - begin), 0);
        float* mine = arrays[static_cast<std::size_t>(rank)] + begin;
        for (Index other = 0; other < ranks; ++other) {
            if (other != rank) accumulate_range(mine, arrays[static_cast<std::size_t>(other)] + begin, length);
        }
        scale_range(mine, 1.0F / static_cast<float>(ranks), length);
#pragma omp barrier
        for (Index other = 0; other < ranks; ++other) {
            if (other != rank) std::copy_n(mine, length, arrays[static_cast<std::size_t>(other)] + begin);
        }
    }
}

}  // namespace

PreparedKernel prepare_all_reduce(const KernelCase& c, int copies, Rng& rng) {
    const Index extent = c.sizes[0];
    const Index ranks = omp_get_max_threads();
    const auto data = random_floats(copies, ranks * extent, rng);
    const auto run = [=](int copy) {
        std::vector<float*> arrays;
        for (Index r = 0; r < ranks; ++r) arrays.push_back((*data)[copy] + r * extent);
        reduce_between(arrays, extent);
    };
    PreparedKernel kernel;
    kernel.bytes = Bytes::from_si(4.0 * static_cast<double>(extent * (3 * ranks - 2)));
    kernel.flop = Flop::from_si(static_cast<double>(extent * (ranks - 1)));
    kernel.copies = copies;
    kernel.run = run;
    kernel.check = [=] {
        std::vector<double> want(static_cast<std::size_t>(ranks * extent), 0.0);
        for (Index i = 0; i < extent; ++i) {
            double sum = 0.0;
            for (Index r = 0; r < ranks; ++r) sum += static_cast<double>((*data)[0][r * extent + i]);
            for (Index r = 0; r < ranks; ++r) want[static_cast<std::size_t>(r * extent + i)] = sum / static_cast<double>(ranks);
        }
        run(0);
        return relative_error(data->values(), want);
    };
    return kernel;
}

}  // namespace orrery
