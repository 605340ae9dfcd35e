// What memory itself can do: copy, STREAM triad, a residual add, and the latency of dependent reads.
#include "kernels/reference/entries.hpp"
#include "kernels/reference/operators.hpp"
#include "kernels/reference/stores.hpp"
#include "kernels/reference/streaming_kernel.hpp"
#include "kernels/reference/team.hpp"

#include <numeric>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace orrery {
namespace {

constexpr Index memory_grain = 16384;   // elements
constexpr float triad_scale = 3.0F;     // of STREAM (McCalpin, 1995)

// Non-temporal stores, so that the lines written are not read first; the head up to a line goes the plain way.
void triad_range(const float* x, const float* y, float* z, Index extent, float scale) {
    Index i = 0;
#if defined(__x86_64__)
    for (; i < extent && (reinterpret_cast<std::uintptr_t>(z + i) & 15U) != 0; ++i) z[i] = x[i] + scale * y[i];
    const __m128 factor = _mm_set1_ps(scale);
    for (; i + 16 <= extent; i += 16) {
        for (Index j = 0; j < 16; j += 4) {
            _mm_stream_ps(z + i + j, _mm_add_ps(_mm_loadu_ps(x + i + j), _mm_mul_ps(factor, _mm_loadu_ps(y + i + j))));
        }
    }
    _mm_sfence();
#endif
    for (; i < extent; ++i) z[i] = x[i] + scale * y[i];
}

ORRERY_CLONES void add_range(float* y, const float* x, Index extent) {
    for (Index i = 0; i < extent; ++i) y[i] += x[i];
}

}  // namespace

void add_into(float* y, const float* x, Index elements) {
    deal_out(elements, memory_grain, [&](Index begin, Index end) { add_range(y + begin, x + begin, end - begin); });
}

PreparedKernel prepare_copy(const KernelCase& c, int copies, Rng& rng) {
    const Index extent = c.sizes[0];
    const auto x = random_floats(copies, extent, rng);
    const auto y = zeros<float>(copies, extent);
    return without_fetches(streaming_kernel(
        copies, 8.0 * static_cast<double>(extent), 0.0, y,
        [=](int i) {
            deal_out(extent, memory_grain,
                     [&](Index begin, Index end) {
                         store_around((*x)[i] + begin, (*y)[i] + begin, end - begin);
                         finish_stores();
                     });
        },
        [=] { return std::vector<double>(x->values().begin(), x->values().end()); }));
}

PreparedKernel prepare_triad(const KernelCase& c, int copies, Rng& rng) {
    const Index extent = c.sizes[0];
    const auto x = random_floats(copies, extent, rng);
    const auto y = random_floats(copies, extent, rng);
    const auto z = zeros<float>(copies, extent);
    return without_fetches(streaming_kernel(
        copies, 12.0 * static_cast<double>(extent), 2.0 * static_cast<double>(extent), z,
        [=](int i) {
            deal_out(extent, memory_grain, [&](Index begin, Index end) {
                triad_range((*x)[i] + begin, (*y)[i] + begin, (*z)[i] + begin, end - begin, triad_scale);
            });
        },
        [=] {
            std::vector<double> want;
            for (Index i = 0; i < extent; ++i) {
                want.push_back(static_cast<double>((*x)[0][i]) + static_cast<double>(triad_scale) * static_cast<double>((*y)[0][i]));
            }
            return want;
        }));
}

PreparedKernel prepare_add(const KernelCase& c, int copies, Rng& rng) {
    const Index extent = c.sizes[0];
    const auto x = random_floats(copies, extent, rng, 1e-3F);
    const auto y = random_floats(copies, extent, rng);
    PreparedKernel kernel = without_fetches(streaming_kernel(
        copies, 12.0 * static_cast<double>(extent), static_cast<double>(extent), y,
        [=](int i) { add_into((*y)[i], (*x)[i], extent); }, [] { return std::vector<double>{}; }));
    kernel.check = [=, run = kernel.run] {
        std::vector<double> want;
        for (Index i = 0; i < extent; ++i) want.push_back(static_cast<double>((*y)[0][i]) + static_cast<double>((*x)[0][i]));
        run(0);
        return relative_error(y->values(), want);
    };
    return kernel;
}

// One random cycle through all cache lines (Sattolo, Information Processing Letters 22, 1986): no hardware guesses it.
PreparedKernel prepare_pointer_chase(const KernelCase& c, int, Rng& rng) {
    constexpr Index line = 16;   // values of 4 bytes in 64 bytes
    const Index lines = std::max<Index>(c.sizes[0] / 64, 1);
    const Index hops = c.sizes[1];
    std::vector<std::int32_t> order(static_cast<std::size_t>(lines));
    std::iota(order.begin(), order.end(), 0);
    for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[rng.below(i - 1)]);
    const auto next = zeros<std::int32_t>(1, lines * line);
    for (Index i = 0; i < lines; ++i) (*next)[0][i * line] = order[static_cast<std::size_t>(i)];
    const auto at = zeros<std::int32_t>(1, 1);
    PreparedKernel kernel;
    kernel.bytes = Bytes::from_si(64.0 * static_cast<double>(hops));
    kernel.error_max = 0.0;
    kernel.run = [=](int) {
        std::int32_t here = (*at)[0][0];
        for (Index i = 0; i < hops; ++i) here = (*next)[0][here * line];
        (*at)[0][0] = here;
    };
    // A single cycle: exactly after `lines` hops the walk is back, and never before.
    kernel.check = [=] {
        std::int32_t here = 0;
        Index seen = 0;
        do {
            here = (*next)[0][here * line];
            ++seen;
        } while (here != 0 && seen <= lines);
        return seen == lines ? 0.0 : 1.0;
    };
    return kernel;
}

}  // namespace orrery
