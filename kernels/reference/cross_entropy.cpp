// Cross entropy of targets under logits, with the gradient written over the logits.
#include "kernels/reference/buffer.hpp"
#include "kernels/reference/entries.hpp"
#include "kernels/reference/gradient.hpp"
#include "kernels/reference/operators.hpp"
#include "kernels/reference/stores.hpp"
#include "kernels/reference/team.hpp"

#include <cmath>

namespace orrery {
namespace {

ORRERY_CLONES void cross_entropy_rows(float* x, const std::int32_t* targets, float* losses, Index begin, Index end, Index vocabulary,
                                      float scale) {
    float tops[row_slots];
    float sums[row_slots];
    walk_rows(
        begin, end, vocabulary,
        [&](Index row, Index first, Index last) ORRERY_INLINE_BODY {
            keep_top(x + row * vocabulary, tops, row, first, last);
        },
        [&](Index row, Index first, Index last) ORRERY_INLINE_BODY {
            float* const at = x + row * vocabulary;
            const float top = tops[row_slot(row)];
            if (first == 0) losses[row] = top - at[targets[row]];
            float sum = 0.0F;
            for (Index i = first; i < last; ++i) {
                const float e = vector_exp(at[i] - top);
                at[i] = e;
                sum += e;
            }
            keep_sum(sums, row, first, sum);
        },
        [&](Index row, Index first, Index last) ORRERY_INLINE_BODY {
            float* const at = x + row * vocabulary;
            const float factor = scale / sums[row_slot(row)];
            for (Index i = first; i < last; ++i) at[i] *= factor;
            if (last < vocabulary) return;
            at[targets[row]] -= scale;
            losses[row] += std::log(sums[row_slot(row)]);
        });
}

}  // namespace

double cross_entropy(float* logits, const std::int32_t* targets, Index rows, Index vocabulary) {
    std::vector<float> losses(static_cast<std::size_t>(rows));
    deal_out(rows, 2, [&](Index begin, Index end) {
        cross_entropy_rows(logits, targets, losses.data(), begin, end, vocabulary, 1.0F / static_cast<float>(rows));
    });
    double loss = 0.0;
    for (const float one : losses) loss += static_cast<double>(one) / static_cast<double>(rows);
    return loss;
}

PreparedKernel prepare_cross_entropy(const KernelCase& c, int copies, Rng& rng) {
    const Index rows = c.sizes[0];
    const Index vocabulary = c.sizes[1];
    const Index extent = rows * vocabulary;
    const auto before = random_floats(1, extent, rng, 4.0F);
    const auto targets = random_indices(1, rows, vocabulary, rng);
    const auto x = zeros<float>(copies, extent);
    for (int i = 0; i < copies; ++i) std::copy_n((*before)[0], extent, (*x)[i]);
    PreparedKernel kernel;
    kernel.work = Streaming{Bytes::from_si(8.0 * static_cast<double>(extent)), 1, Flop::from_si((5.0 + exp_flop) * static_cast<double>(extent)), 0.0};
    kernel.flop = flop_of(*kernel.work);
    kernel.bytes = bytes_of(*kernel.work);
    kernel.copies = copies;
    kernel.run = [=](int i) { cross_entropy((*x)[i], (*targets)[0], rows, vocabulary); };
    kernel.check = [=] {
        std::copy_n((*before)[0], extent, (*x)[0]);
        const double got = cross_entropy((*x)[0], (*targets)[0], rows, vocabulary);
        const auto loss_of_row = [&](Index row, std::span<const double> at) {
            double sum = 0.0;
            for (const double value : at) sum += std::exp(value);
            return (std::log(sum) - at[static_cast<std::size_t>((*targets)[0][row])]) / static_cast<double>(rows);
        };
        double want = 0.0;
        for (Index r = 0; r < rows; ++r) {
            want += loss_of_row(r, std::vector<double>((*before)[0] + r * vocabulary, (*before)[0] + (r + 1) * vocabulary));
        }
        const double loss_error = std::abs(got - want) / std::max(want, 1e-6);   // one class: no loss but rounding
        return std::max(loss_error, row_gradient_error(x->values(), before->values(), rows, vocabulary, loss_of_row));
    };
    return kernel;
}

}  // namespace orrery
