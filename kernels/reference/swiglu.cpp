// SwiGLU, forward and backward.
#include "kernels/reference/entries.hpp"
#include "kernels/reference/gradient.hpp"
#include "kernels/reference/operators.hpp"
#include "kernels/reference/stores.hpp"
#include "kernels/reference/streaming_kernel.hpp"
#include "kernels/reference/team.hpp"

#include <cmath>

namespace orrery {
namespace {

constexpr Index swiglu_grain = 8192;   // elements

ORRERY_CLONES void swiglu_range(const float* __restrict gate, const float* __restrict up, float* __restrict y, Index extent, bool around) {
    write_strips({gate, up}, y, extent, around, [&](Index first, Index last, float* out) ORRERY_INLINE_BODY {
        for (Index i = first; i < last; ++i) out[i - first] = gate[i] / (1.0F + vector_exp(-gate[i])) * up[i];
    });
}

ORRERY_CLONES void swiglu_backward_range(const float* __restrict gate, const float* __restrict up, const float* __restrict dy,
                                         float* __restrict dgate, float* __restrict dup, Index extent, bool around) {
    alignas(64) float results[strip];
    write_strips({gate, up, dy}, dgate, extent, around, [&](Index first, Index last, float* out) ORRERY_INLINE_BODY {
        float* const other = around ? results : dup + first;
        for (Index i = first; i < last; ++i) {
            const float sigmoid = 1.0F / (1.0F + vector_exp(-gate[i]));
            const float silu = gate[i] * sigmoid;
            other[i - first] = dy[i] * silu;
            out[i - first] = dy[i] * up[i] * (sigmoid + silu * (1.0F - sigmoid));
        }
        if (around) store_strip(results, 1.0F, dup + first, last - first);
    });
}

}  // namespace

void swiglu(const float* gate, const float* up, float* y, Index elements) {
    deal_out(elements, swiglu_grain, [&](Index begin, Index end) {
        swiglu_range(gate + begin, up + begin, y + begin, end - begin, elements >= around_least);
    });
}

void swiglu_backward(const float* gate, const float* up, const float* dy, float* dgate, float* dup, Index elements) {
    deal_out(elements, swiglu_grain, [&](Index begin, Index end) {
        swiglu_backward_range(gate + begin, up + begin, dy + begin, dgate + begin, dup + begin, end - begin, elements >= around_least);
    });
}

PreparedKernel prepare_swiglu(const KernelCase& c, int copies, Rng& rng) {
    const Index extent = c.sizes[0] * c.sizes[1];
    const auto gate = random_floats(copies, extent, rng, 4.0F);
    const auto up = random_floats(copies, extent, rng);
    const auto y = zeros<float>(copies, extent);
    const auto oracle = [=] {
        std::vector<double> want;
        for (Index i = 0; i < extent; ++i) {
            const auto g = static_cast<double>((*gate)[0][i]);
            want.push_back(g / (1.0 + std::exp(-g)) * static_cast<double>((*up)[0][i]));
        }
        return want;
    };
    return streaming_kernel(copies, 12.0 * static_cast<double>(extent), (4.0 + exp_flop) * static_cast<double>(extent), y,
                            [=](int i) { swiglu((*gate)[i], (*up)[i], (*y)[i], extent); }, oracle);
}

PreparedKernel prepare_swiglu_backward(const KernelCase& c, int copies, Rng& rng) {
    const Index rows = c.sizes[0];
    const Index columns = c.sizes[1];
    const Index extent = rows * columns;
    const auto gate = random_floats(copies, extent, rng, 4.0F);
    const auto up = random_floats(copies, extent, rng);
    const auto dy = random_floats(copies, extent, rng);
    const auto dgate = zeros<float>(copies, extent);
    const auto dup = zeros<float>(copies, extent);
    PreparedKernel kernel = streaming_kernel(
        copies, 20.0 * static_cast<double>(extent), (9.0 + exp_flop) * static_cast<double>(extent), dgate,
        [=](int i) { swiglu_backward((*gate)[i], (*up)[i], (*dy)[i], (*dgate)[i], (*dup)[i], extent); },
        [] { return std::vector<double>{}; });
    std::get<Streaming>(*kernel.work).fresh_share = 0.4;   // two of five arrays
    kernel.check = [=, run = kernel.run] {
        poison(dgate->values());
        poison(dup->values());
        run(0);
        const auto loss_at = [&](Index row, std::span<const double> g, std::span<const double> u) {
            double loss = 0.0;
            for (Index i = 0; i < columns; ++i) {
                const auto at = static_cast<std::size_t>(i);
                loss += g[at] / (1.0 + std::exp(-g[at])) * u[at] * static_cast<double>((*dy)[0][row * columns + i]);
            }
            return loss;
        };
        const auto row_of = [&](const Shared<float>& values, Index row) {
            return std::vector<double>((*values)[0] + row * columns, (*values)[0] + (row + 1) * columns);
        };
        return std::max(row_gradient_error(dgate->values(), gate->values(), rows, columns,
                                           [&](Index row, std::span<const double> at) { return loss_at(row, at, row_of(up, row)); }),
                        row_gradient_error(dup->values(), up->values(), rows, columns, [&](Index row, std::span<const double> at) {
                            return loss_at(row, row_of(gate, row), at);
                        }));
    };
    return kernel;
}

}  // namespace orrery
