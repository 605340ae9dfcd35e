// Softmax of rows, forward and backward.
#include "kernels/reference/entries.hpp"
#include "kernels/reference/gradient.hpp"
#include "kernels/reference/onednn.hpp"
#include "kernels/reference/operators.hpp"
#include "kernels/reference/stores.hpp"
#include "kernels/reference/streaming_kernel.hpp"
#include "kernels/reference/team.hpp"

#include <cmath>
#include <functional>
#include <vector>

namespace orrery {
namespace {

constexpr Index softmax_grain = 8;

/// Turns sums of strips, each about its own largest value, into what their powers are multiplied by.
ORRERY_INLINE void join_strips(const float* tops, float* sums, Index strips) {
    float top = tops[0];
    for (Index i = 1; i < strips; ++i) top = tops[i] > top ? tops[i] : top;
    float whole = 0.0F;
    for (Index i = 0; i < strips; ++i) whole += sums[i] * vector_exp(tops[i] - top);
    const float scale = 1.0F / whole;
    for (Index i = 0; i < strips; ++i) sums[i] = vector_exp(tops[i] - top) * scale;
}

ORRERY_CLONES void softmax_rows(const float* __restrict x, float* __restrict y, Index begin, Index end, Index columns, bool around) {
    // Of the row that is computed and of the one that is written, lying neither as each other nor as pages do.
    constexpr Index apart = 272;
    std::vector<float> powers(static_cast<std::size_t>(2 * (columns + 2 * apart)));
    float* const rows_of[2] = {powers.data() + apart, powers.data() + columns + 3 * apart};
    // Each strip's powers are of what lies below its own largest value, so that it is read once (Milakov and Gimelshein,
    // "Online normalizer calculation for softmax", arXiv 1805.02867); its factor makes up for that.
    const Index strips = (columns + strip - 1) / strip;
    std::vector<float> tops(static_cast<std::size_t>(2 * strips));
    std::vector<float> factors(static_cast<std::size_t>(2 * strips));   // sums, until the row is known
    walk_rows(
        begin, end, columns,
        [&](Index row, Index first, Index last) ORRERY_INLINE_BODY {
            const float* from = x + row * columns;
            float* const to = rows_of[row & 1];
            fetch(from + first, last - first);
            float top = -3e38F;   // above minus infinity, of strips that are masked out
            for (Index i = first; i < last; ++i) top = from[i] > top ? from[i] : top;
            float sum = 0.0F;
            for (Index i = first; i < last; ++i) {
                const float e = vector_exp(from[i] - top);
                to[i] = e;
                sum += e;
            }
            const Index slot = (row & 1) * strips + first / strip;
            tops[static_cast<std::size_t>(slot)] = top;
            factors[static_cast<std::size_t>(slot)] = sum;
            if (last == columns) join_strips(tops.data() + (row & 1) * strips, factors.data() + (row & 1) * strips, strips);
        },
        [&](Index row, Index first, Index last) ORRERY_INLINE_BODY {
            const float* from = rows_of[row & 1];
            float* const to = y + row * columns + first;
            const float scale = factors[static_cast<std::size_t>((row & 1) * strips + first / strip)];
            if (around) {
                store_strip(from + first, scale, to, last - first);
            } else {
                fetch(to, last - first);
                for (Index i = first; i < last; ++i) to[i - first] = from[i] * scale;
            }
        });
    if (around) finish_stores();
}

ORRERY_CLONES void softmax_backward_rows(const float* __restrict y, const float* __restrict dy, float* __restrict dx, Index begin,
                                         Index end, Index columns, bool around) {
    float dots[row_slots];
    alignas(64) float results[strip];
    walk_rows(
        begin, end, columns,
        [&](Index row, Index first, Index last) ORRERY_INLINE_BODY {
            const Index at = row * columns;
            fetch(y + at + first, last - first);
            fetch(dy + at + first, last - first);
            float dot = 0.0F;
            for (Index i = at + first; i < at + last; ++i) dot += y[i] * dy[i];
            keep_sum(dots, row, first, dot);
        },
        [&](Index row, Index first, Index last) ORRERY_INLINE_BODY {
            const Index at = row * columns + first;
            const float dot = dots[row_slot(row)];
            float* const out = around ? results : dx + at;
            if (!around) fetch(dx + at, last - first);
            for (Index i = 0; i < last - first; ++i) out[i] = y[at + i] * (dy[at + i] - dot);
            if (around) store_strip(results, 1.0F, dx + at, last - first);
        });
    if (around) finish_stores();
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

// oneDNN's own, to be compared with ours.
std::function<void(int)> library_softmax(const Shared<float>& x, const Shared<float>& y, Index rows, Index columns) {
    if (rows * columns == 0) return [](int) {};
    const OneDnn library;
    const dnnl::memory::desc shape({rows, columns}, dnnl::memory::data_type::f32, dnnl::memory::format_tag::ab);
    const dnnl::softmax_forward primitive(
        dnnl::softmax_forward::primitive_desc({dnnl::prop_kind::forward_inference, shape, 1}, library.engine));
    return [=](int i) {
        library.run(primitive, {{DNNL_ARG_SRC, library.over(shape, (*x)[i])}, {DNNL_ARG_DST, library.over(shape, (*y)[i])}});
    };
}

}  // namespace

void softmax(const float* x, float* y, Index rows, Index columns) {
    deal_out(rows, softmax_grain, [&](Index begin, Index end) { softmax_rows(x, y, begin, end, columns, rows * columns >= around_least); });
}

void softmax_backward(const float* y, const float* dy, float* dx, Index rows, Index columns) {
    deal_out(rows, softmax_grain, [&](Index begin, Index end) {
        softmax_backward_rows(y, dy, dx, begin, end, columns, rows * columns >= around_least);
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
    std::function<void(int)> run = [=](int i) { softmax((*x)[i], (*y)[i], rows, columns); };
    if (c.kernel == "library-softmax") run = library_softmax(x, y, rows, columns);
    const auto elements = static_cast<double>(rows * columns);
    return streaming_kernel(copies, 8.0 * elements, (4.0 + exp_flop) * elements, y, run, oracle);
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
