// Dropout whose mask comes from a counter, so that the backward pass can make it again.
#include "kernels/reference/entries.hpp"
#include "kernels/reference/stores.hpp"
#include "kernels/reference/streaming_kernel.hpp"
#include "kernels/reference/team.hpp"

namespace orrery {
namespace {

constexpr std::uint32_t dropped_below = 0x1999999aU;   // 0.1 of 2^32
constexpr float kept_scale = 1.0F / 0.9F;

// A 32-bit mixer (Wellons, "Prospecting for hash functions", 2018: lowbias32).
ORRERY_INLINE std::uint32_t mixed(std::uint32_t x) {
    x = (x ^ (x >> 16)) * 0x7feb352dU;
    x = (x ^ (x >> 15)) * 0x846ca68bU;
    return x ^ (x >> 16);
}

ORRERY_CLONES void dropout_range(const float* __restrict x, float* __restrict y, std::uint32_t start, Index extent, bool around) {
    write_strips({x}, y, extent, around, [&](Index first, Index last, float* out) ORRERY_INLINE_BODY {
        for (Index i = first; i < last; ++i) {
            out[i - first] = mixed(start + static_cast<std::uint32_t>(i)) < dropped_below ? 0.0F : x[i] * kept_scale;
        }
    });
}

}  // namespace

PreparedKernel prepare_dropout(const KernelCase& c, int copies, Rng& rng) {
    const Index extent = c.sizes[0];
    const auto x = random_floats(copies, extent, rng);
    const auto y = zeros<float>(copies, extent);
    PreparedKernel kernel = streaming_kernel(
        copies, 8.0 * static_cast<double>(extent), 10.0 * static_cast<double>(extent), y,
        [=](int i) {
            deal_out(extent, 16384, [&](Index begin, Index end) {
                dropout_range((*x)[i] + begin, (*y)[i] + begin, static_cast<std::uint32_t>(begin), end - begin, extent >= around_least);
            });
        },
        [=] {
            std::vector<double> want;
            for (Index i = 0; i < extent; ++i) {
                const bool dropped = mixed(static_cast<std::uint32_t>(i)) < dropped_below;
                want.push_back(dropped ? 0.0 : static_cast<double>((*x)[0][i]) / 0.9);
            }
            return want;
        });
    // Beyond the values: as many as the rate says are dropped, within five standard deviations.
    kernel.check = [=, values = kernel.check] {
        const double error = values();
        Index zero_count = 0;
        for (const float value : y->values()) zero_count += value == 0.0F ? 1 : 0;
        const auto n = static_cast<double>(extent);
        const double off = static_cast<double>(zero_count) - 0.1 * n;
        return off * off > 25.0 * 0.09 * n + 25.0 ? 1.0 : error;
    };
    return kernel;
}

}  // namespace orrery
