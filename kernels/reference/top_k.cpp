// The router of a mixture of experts: softmax over the experts, the k best, their weights brought to a sum of one.
#include "kernels/reference/buffer.hpp"
#include "kernels/reference/entries.hpp"
#include "kernels/reference/team.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace orrery {
namespace {

ORRERY_CLONES float exp_sum(const float* x, float* e, Index extent) {
    float top = -3e38F;
    for (Index i = 0; i < extent; ++i) top = x[i] > top ? x[i] : top;
    float sum = 0.0F;
    for (Index i = 0; i < extent; ++i) {
        e[i] = std::exp(x[i] - top);
        sum += e[i];
    }
    return sum;
}

// k passes over a short row; equal scores go to the lower index.
void top_k_rows(const float* x, std::int32_t* picks, float* weights, Index rows, Index experts, Index k) {
    std::vector<float> e(static_cast<std::size_t>(experts));
    for (Index r = 0; r < rows; ++r) {
        exp_sum(x + r * experts, e.data(), experts);
        float total = 0.0F;
        for (Index j = 0; j < k; ++j) {
            const auto best = std::max_element(e.begin(), e.end());
            picks[r * k + j] = static_cast<std::int32_t>(best - e.begin());
            weights[r * k + j] = *best;
            total += *best;
            *best = -1.0F;
        }
        for (Index j = 0; j < k; ++j) weights[r * k + j] /= total;
    }
}

}  // namespace

PreparedKernel prepare_top_k(const KernelCase& c, int copies, Rng& rng) {
    const Index rows = c.sizes[0];
    const Index experts = c.sizes[1];
    const Index k = std::min(c.sizes[2], experts);
    const auto x = random_floats(copies, rows * experts, rng, 3.0F);
    const auto picks = zeros<std::int32_t>(copies, rows * k);
    const auto weights = zeros<float>(copies, rows * k);
    PreparedKernel kernel;
    kernel.work = Streaming{Bytes::from_si(static_cast<double>(rows) * (4.0 * static_cast<double>(experts) + 8.0 * static_cast<double>(k))),
                            1, Flop::from_si(static_cast<double>(rows * experts * (4 + k)))};
    kernel.flop = flop_of(*kernel.work);
    kernel.bytes = bytes_of(*kernel.work);
    kernel.copies = copies;
    kernel.run = [=](int i) {
        deal_out(rows, 64, [&](Index begin, Index end) {
            top_k_rows((*x)[i] + begin * experts, (*picks)[i] + begin * k, (*weights)[i] + begin * k, end - begin, experts, k);
        });
    };
    kernel.check = [=, run = kernel.run] {
        poison(weights->values());
        for (std::int32_t& pick : picks->values()) pick = -1;
        run(0);
        std::vector<double> want;
        for (Index r = 0; r < rows; ++r) {
            const float* row = (*x)[0] + r * experts;
            std::vector<std::int32_t> order(static_cast<std::size_t>(experts));
            std::iota(order.begin(), order.end(), 0);
            std::stable_sort(order.begin(), order.end(), [&](std::int32_t a, std::int32_t b) { return row[a] > row[b]; });
            double total = 0.0;
            for (Index j = 0; j < k; ++j) {
                if ((*picks)[0][r * k + j] != order[static_cast<std::size_t>(j)]) return 1.0;
                total += std::exp(static_cast<double>(row[order[static_cast<std::size_t>(j)]]));
            }
            for (Index j = 0; j < k; ++j) want.push_back(std::exp(static_cast<double>(row[order[static_cast<std::size_t>(j)]])) / total);
        }
        return relative_error(weights->values(), want);
    };
    return kernel;
}

}  // namespace orrery
