// Stores of whole lines around the caches, picked by what the processor has.
#include "kernels/reference/stores.hpp"

namespace orrery {
namespace {

void store_quarters(const float* x, float factor, float* y, Index extent) {
    alignas(64) float results[strip];
    for (Index i = 0; i < extent; ++i) results[i] = factor * x[i];
    store_around(results, y, extent);
}

#if defined(__x86_64__)
__attribute__((target("avx512f"))) void store_lines(const float* x, float factor, float* y, Index extent) {
    if ((reinterpret_cast<std::uintptr_t>(y) & 63U) != 0 || extent % 16 != 0) {
        store_quarters(x, factor, y, extent);
        return;
    }
    const __m512 factors = _mm512_set1_ps(factor);
    for (Index i = 0; i < extent; i += 16) _mm512_stream_ps(y + i, _mm512_mul_ps(factors, _mm512_loadu_ps(x + i)));
}
#endif

auto* pick_store() {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f")) return &store_lines;
#endif
    return &store_quarters;
}

}  // namespace

void (*const store_strip)(const float* x, float factor, float* y, Index extent) = pick_store();

}  // namespace orrery
