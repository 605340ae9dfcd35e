// Softmax of rows, forward and backward.
#include "kernels/reference/entries.hpp"
#include "kernels/reference/gradient.hpp"
#include "kernels/reference/operators.hpp"
#include "kernels/reference/stores.hpp"
#include "kernels/reference/streaming_kernel.hpp"
#include "kernels/reference/team.hpp"

#include <cmath>

namespace orrery {
namespace {

constexpr Index softmax_grain = 8;

ORRERY_CLONES void softmax_row_to(const float* __restrict x, float* __restrict y, Index columns) {
    float top = -3e38F;
    for (Index i = 0; i < columns; ++i) top = x[i] > top ? x[i] : top;
    float sum = 0.0F;
    for (Index i = 0; i < columns; ++i) {
        const float e = vector_exp(x[i] - top);
        y[i] = e;
        sum += e;
    }
    const float scale = 1.0F / sum;
    for (Index i = 0; i < columns; ++i) y[i] *= scale;
}

ORRERY_CLONES void softmax_backward_row(const float* __restrict y, const float* __restrict dy, float* __restrict dx, Index columns) {
    float dot = 0.0F;
    for (Index i = 0; i < columns; ++i) dot += y[i] * dy[i];
    for (Index i = 0; i < columns; ++i) dx[i] = y[i] * (dy[i] - dot);
}

std::vector<double> softmax_row(std::span<const double> x) {
    double top = -1e300;
    for (const double value : x) top = std::max(top, value);
    double sum = 0.0;
    std::vector<double> y;
    for (const double value : x) sum += std::exp(value - top);
    for (const double value : x) y.push_back(std::exp(value - top) / sum);
    return y;
}

}  // namespace

void softmax(const float* x, float* y, Index rows, Index columns) {
    deal_out(rows, softmax_grain, [&](Index begin, Index end) {
        write_rows(y, begin, end, columns, rows * columns >= around_least,
                   [&](Index r, float* out) { softmax_row_to(x + r * columns, out, columns); },
                   [&](Index r) { return Inputs{x + r * columns}; });
    });
}

void softmax_backward(const float* y, const float* dy, float* dx, Index rows, Index columns) {
    deal_out(rows, softmax_grain, [&](Index begin, Index end) {
        write_rows(
            dx, begin, end, columns, rows * columns >= around_least,
            [&](Index r, float* out) { softmax_backward_row(y + r * columns, dy + r * columns, out, columns); },
            [&](Index r) { return Inputs{y + r * columns, dy + r * columns}; });
    });
}

PreparedKernel prepare_softmax(const KernelCase& c, int copies, Rng& rng) {
    const Index rows = c.sizes[0];
    const Index columns = c.sizes[1];
    const auto x = random_floats(copies, rows * columns, rng, 4.0F);
    const auto y = zeros<float>(copies, rows * columns);
    const auto oracle = [=] {
        std::vector<double> want;
        for (Index r = 0; r < rows; ++r) {
            const auto row = softmax_row(std::vector<double>((*x)[0] + r * columns, (*x)[0] + (r + 1) * columns));
            want.insert(want.end(), row.begin(), row.end());
        }
        return want;
    };
    const auto elements = static_cast<double>(rows * columns);
    return streaming_kernel(copies, 8.0 * elements, (4.0 + exp_flop) * elements, y,
                            [=](int i) { softmax((*x)[i], (*y)[i], rows, columns); }, oracle);
}

PreparedKernel prepare_softmax_backward(const KernelCase& c, int copies, Rng& rng) {
    const Index rows = c.sizes[0];
    const Index columns = c.sizes[1];
    const auto x = random_floats(1, rows * columns, rng, 2.0F);
    const auto dy = random_floats(copies, rows * columns, rng);
    const auto y = zeros<float>(copies, rows * columns);
    const auto dx = zeros<float>(copies, rows * columns);
    for (int i = 0; i < copies; ++i) softmax((*x)[0], (*y)[i], rows, columns);
    const auto elements = static_cast<double>(rows * columns);
    PreparedKernel kernel = streaming_kernel(
        copies, 12.0 * elements, 4.0 * elements, dx,
        [=](int i) { softmax_backward((*y)[i], (*dy)[i], (*dx)[i], rows, columns); }, [] { return std::vector<double>{}; });
    kernel.check = [=, run = kernel.run] {
        poison(dx->values());
        run(0);
        return row_gradient_error(dx->values(), x->values(), rows, columns, [&](Index row, std::span<const double> at) {
            const auto out = softmax_row(at);
            double loss = 0.0;
            for (Index i = 0; i < columns; ++i) {
                loss += out[static_cast<std::size_t>(i)] * static_cast<double>((*dy)[0][row * columns + i]);
            }
            return loss;
        });
    };
    return kernel;
}

}  // namespace orrery
