// Layer and RMS norms, forward and backward.
#include "kernels/reference/entries.hpp"
#include "kernels/reference/gradient.hpp"
#include "kernels/reference/operators.hpp"
#include "kernels/reference/stores.hpp"
#include "kernels/reference/streaming_kernel.hpp"
#include "kernels/reference/team.hpp"

#include <cmath>
#include <vector>

namespace orrery {
namespace {

constexpr Index norm_grain = 8;   // rows that are not worth a second thread

ORRERY_CLONES void layer_norm_rows(const float* __restrict x, const float* __restrict gain, const float* __restrict shift,
                                   float* __restrict y, Index begin, Index end, Index columns, bool around) {
    const float inverse = 1.0F / static_cast<float>(columns);
    RowMoments rows[row_slots];
    alignas(64) float results[strip];
    walk_rows(
        begin, end, columns,
        [&](Index row, Index first, Index last) ORRERY_INLINE_BODY {
            const float* from = x + row * columns;
            fetch(from + first, last - first);
            keep_moments(from, rows[row_slot(row)], first, last, 1.0F);
        },
        [&](Index row, Index first, Index last) ORRERY_INLINE_BODY {
            const float* from = x + row * columns;
            float* const to = y + row * columns + first;
            float* const out = around ? results : to;
            if (!around) fetch(to, last - first);
            const float mean = rows[row_slot(row)].sum * inverse;
            const float scale = 1.0F / std::sqrt(rows[row_slot(row)].squares * inverse + norm_epsilon);
            for (Index i = first; i < last; ++i) out[i - first] = (from[i] - mean) * scale * gain[i] + shift[i];
            if (around) store_strip(results, 1.0F, to, last - first);
        });
    if (around) finish_stores();
}

ORRERY_CLONES void rms_norm_rows(const float* __restrict x, const float* __restrict gain, float* __restrict y, Index begin,
                                 Index end, Index columns, bool around) {
    const float inverse = 1.0F / static_cast<float>(columns);
    float squares[row_slots];
    alignas(64) float results[strip];
    walk_rows(
        begin, end, columns,
        [&](Index row, Index first, Index last) ORRERY_INLINE_BODY {
            const float* from = x + row * columns;
            fetch(from + first, last - first);
            float sum = 0.0F;
            for (Index i = first; i < last; ++i) sum += from[i] * from[i];
            keep_sum(squares, row, first, sum);
        },
        [&](Index row, Index first, Index last) ORRERY_INLINE_BODY {
            const float* from = x + row * columns;
            float* const to = y + row * columns + first;
            float* const out = around ? results : to;
            if (!around) fetch(to, last - first);
            const float scale = 1.0F / std::sqrt(squares[row_slot(row)] * inverse + norm_epsilon);
            for (Index i = first; i < last; ++i) out[i - first] = from[i] * scale * gain[i];
            if (around) store_strip(results, 1.0F, to, last - first);
        });
    if (around) finish_stores();
}

/// What the gradients of a row need of it.
struct RowSums {
    RowMoments values;
    float gradients;    // sum of dy gain
    float products;     // sum of dy gain x: about the mean it follows from these
};

// With centred = 1 the mean is removed (layer norm), with 0 it is not (RMS norm).
ORRERY_CLONES void norm_backward_rows(const float* __restrict x, const float* __restrict gain, const float* __restrict dy,
                                      float* __restrict dx, float* __restrict dgain, float* __restrict dshift, Index begin,
                                      Index end, Index columns, float centred, bool around) {
    const float inverse = 1.0F / static_cast<float>(columns);
    RowSums rows[row_slots];
    alignas(64) float results[strip];
    walk_rows(
        begin, end, columns,
        [&](Index row, Index first, Index last) ORRERY_INLINE_BODY {
            const float* from = x + row * columns;
            const float* slope = dy + row * columns;
            fetch(from + first, last - first);
            fetch(slope + first, last - first);
            float gradients = 0.0F;
            float products = 0.0F;
            for (Index i = first; i < last; ++i) {
                const float g = slope[i] * gain[i];
                gradients += g;
                products += g * from[i];
            }
            RowSums& sums = rows[row_slot(row)];
            if (first == 0) sums.gradients = sums.products = 0.0F;
            sums.gradients += gradients;
            sums.products += products;
            keep_moments(from, sums.values, first, last, centred);
        },
        [&](Index row, Index first, Index last) ORRERY_INLINE_BODY {
            const float* from = x + row * columns;
            const float* slope = dy + row * columns;
            const RowSums& sums = rows[row_slot(row)];
            float* const to = dx + row * columns + first;
            float* const out = around ? results : to;
            if (!around) fetch(to, last - first);
            const float mean = centred * sums.values.sum * inverse;
            const float scale = 1.0F / std::sqrt(sums.values.squares * inverse + norm_epsilon);
            const float shift_all = centred * sums.gradients * inverse;
            const float along_all = (sums.products - mean * sums.gradients) * scale * inverse;
            for (Index i = first; i < last; ++i) {
                const float normal = (from[i] - mean) * scale;
                out[i - first] = scale * (slope[i] * gain[i] - shift_all - normal * along_all);
                dgain[i] += slope[i] * normal;
            }
            if (centred > 0.0F) {
                for (Index i = first; i < last; ++i) dshift[i] += slope[i];
            }
            if (around) store_strip(results, 1.0F, to, last - first);
        });
    if (around) finish_stores();
}

void norm_backward(const float* x, const float* gain, const float* dy, float* dx, float* dgain, float* dshift, Index rows,
                   Index columns, float centred) {
    std::vector<std::vector<float>> sums(static_cast<std::size_t>(omp_get_max_threads()));
    deal_out(rows, norm_grain, [&](Index begin, Index end) {
        std::vector<float>& mine = sums[static_cast<std::size_t>(omp_get_thread_num())];
        mine.assign(static_cast<std::size_t>(2 * columns), 0.0F);
        norm_backward_rows(x, gain, dy, dx, mine.data(), mine.data() + columns, begin, end, columns, centred, rows * columns >= around_least);
    });
    for (Index i = 0; i < columns; ++i) {
        float gain_sum = 0.0F;
        float shift_sum = 0.0F;
        for (const std::vector<float>& mine : sums) {
            if (mine.empty()) continue;
            gain_sum += mine[static_cast<std::size_t>(i)];
            shift_sum += mine[static_cast<std::size_t>(columns + i)];
        }
        dgain[i] = gain_sum;
        if (dshift != nullptr) dshift[i] = shift_sum;
    }
}

// The oracle of one row, in float64 and in the plainest way.
std::vector<double> norm_row(std::span<const double> x, const float* gain, const float* shift, bool centred) {
    const auto n = static_cast<double>(x.size());
    double mean = 0.0;
    for (const double value : x) mean += value / n;
    if (!centred) mean = 0.0;
    double variance = 0.0;
    for (const double value : x) variance += (value - mean) * (value - mean) / n;
    std::vector<double> y;
    for (std::size_t i = 0; i < x.size(); ++i) {
        const double normal = (x[i] - mean) / std::sqrt(variance + static_cast<double>(norm_epsilon));
        y.push_back(normal * static_cast<double>(gain[i]) + (shift == nullptr ? 0.0 : static_cast<double>(shift[i])));
    }
    return y;
}

PreparedKernel norm_forward(const KernelCase& c, int copies, Rng& rng, bool centred) {
    const Index rows = c.sizes[0];
    const Index columns = c.sizes[1];
    const auto x = random_floats(copies, rows * columns, rng);
    const auto gain = random_floats(1, columns, rng);
    const auto shift = random_floats(1, columns, rng);
    const auto y = zeros<float>(copies, rows * columns);
    const auto run = [=](int i) {
        centred ? layer_norm((*x)[i], (*gain)[0], (*shift)[0], (*y)[i], rows, columns)
                : rms_norm((*x)[i], (*gain)[0], (*y)[i], rows, columns);
    };
    const auto oracle = [=] {
        std::vector<double> want;
        for (Index r = 0; r < rows; ++r) {
            const std::vector<double> row((*x)[0] + r * columns, (*x)[0] + (r + 1) * columns);
            const auto result = norm_row(row, (*gain)[0], centred ? (*shift)[0] : nullptr, centred);
            want.insert(want.end(), result.begin(), result.end());
        }
        return want;
    };
    return streaming_kernel(copies, 8.0 * static_cast<double>(rows * columns),
                            (centred ? 8.0 : 5.0) * static_cast<double>(rows * columns), y, run, oracle);
}

PreparedKernel norm_gradient(const KernelCase& c, int copies, Rng& rng, bool centred) {
    const Index rows = c.sizes[0];
    const Index columns = c.sizes[1];
    const auto x = random_floats(copies, rows * columns, rng);
    const auto dy = random_floats(copies, rows * columns, rng);
    const auto gain = random_floats(1, columns, rng);
    const auto dx = zeros<float>(copies, rows * columns);
    const auto sums = zeros<float>(copies, 2 * columns);
    PreparedKernel kernel;
    kernel.work = Streaming{Bytes::from_si(12.0 * static_cast<double>(rows * columns)), 1,
                            Flop::from_si(16.0 * static_cast<double>(rows * columns))};
    kernel.flop = flop_of(*kernel.work);
    kernel.bytes = bytes_of(*kernel.work);
    kernel.copies = copies;
    kernel.run = [=](int i) {
        centred ? layer_norm_backward((*x)[i], (*gain)[0], (*dy)[i], (*dx)[i], (*sums)[i], (*sums)[i] + columns, rows, columns)
                : rms_norm_backward((*x)[i], (*gain)[0], (*dy)[i], (*dx)[i], (*sums)[i], rows, columns);
    };
    kernel.check = [=, run = kernel.run] {
        poison(dx->values());
        poison({(*sums)[0], static_cast<std::size_t>(centred ? 2 * columns : columns)});
        run(0);
        const auto loss_of_row = [&](Index row, std::span<const double> values) {
            const auto y = norm_row(values, (*gain)[0], nullptr, centred);
            double loss = 0.0;
            for (Index i = 0; i < columns; ++i) {
                loss += y[static_cast<std::size_t>(i)] * static_cast<double>((*dy)[0][row * columns + i]);
            }
            return loss;
        };
        const double input = row_gradient_error(dx->values(), x->values(), rows, columns, loss_of_row);
        std::vector<double> want(static_cast<std::size_t>(centred ? 2 * columns : columns), 0.0);
        const std::vector<float> ones(static_cast<std::size_t>(columns), 1.0F);
        for (Index r = 0; r < rows; ++r) {
            const std::vector<double> row((*x)[0] + r * columns, (*x)[0] + (r + 1) * columns);
            const auto normal = norm_row(row, ones.data(), nullptr, centred);
            for (Index i = 0; i < columns; ++i) {
                const auto g = static_cast<double>((*dy)[0][r * columns + i]);
                want[static_cast<std::size_t>(i)] += g * normal[static_cast<std::size_t>(i)];
                if (centred) want[static_cast<std::size_t>(columns + i)] += g;
            }
        }
        return std::max(input, relative_error({(*sums)[0], want.size()}, want));
    };
    return kernel;
}

}  // namespace

void layer_norm(const float* x, const float* gain, const float* shift, float* y, Index rows, Index columns) {
    deal_out(rows, norm_grain, [&](Index begin, Index end) {
        layer_norm_rows(x, gain, shift, y, begin, end, columns, rows * columns >= around_least);
    });
}

void layer_norm_backward(const float* x, const float* gain, const float* dy, float* dx, float* dgain, float* dshift,
                         Index rows, Index columns) {
    norm_backward(x, gain, dy, dx, dgain, dshift, rows, columns, 1.0F);
}

void rms_norm(const float* x, const float* gain, float* y, Index rows, Index columns) {
    deal_out(rows, norm_grain, [&](Index begin, Index end) {
        rms_norm_rows(x, gain, y, begin, end, columns, rows * columns >= around_least);
    });
}

void rms_norm_backward(const float* x, const float* gain, const float* dy, float* dx, float* dgain, Index rows,
                       Index columns) {
    norm_backward(x, gain, dy, dx, dgain, nullptr, rows, columns, 0.0F);
}

PreparedKernel prepare_layer_norm(const KernelCase& c, int copies, Rng& rng) { return norm_forward(c, copies, rng, true); }
PreparedKernel prepare_rms_norm(const KernelCase& c, int copies, Rng& rng) { return norm_forward(c, copies, rng, false); }
PreparedKernel prepare_layer_norm_backward(const KernelCase& c, int copies, Rng& rng) {
    return norm_gradient(c, copies, rng, true);
}
PreparedKernel prepare_rms_norm_backward(const KernelCase& c, int copies, Rng& rng) {
    return norm_gradient(c, copies, rng, false);
}

}  // namespace orrery
