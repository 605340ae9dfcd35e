// Optimizer steps: SGD, AdamW, LAMB, Adafactor, Muon.
#include "kernels/reference/buffer.hpp"
#include "kernels/reference/entries.hpp"
#include "kernels/reference/operators.hpp"
#include "kernels/reference/team.hpp"

#include <array>
#include <cmath>

namespace orrery {
namespace {

constexpr Index optimizer_grain = 8192;
constexpr float sgd_momentum = 0.9F;
constexpr float optimizer_rate = 1e-3F;
constexpr double adafactor_decay = 0.99;      // of the second moments
constexpr double adafactor_floor = 1e-30;     // Shazeer and Stern, arXiv 1804.04235, algorithm 4
constexpr double muon_momentum = 0.95;        // Jordan et al., "Muon", 2024
constexpr std::array<double, 3> muon_polynomial{3.4445, -4.7750, 2.0315};
constexpr int muon_steps = 5;

ORRERY_CLONES void sgd_range(float* w, const float* g, float* momentum, Index extent) {
    for (Index i = 0; i < extent; ++i) {
        momentum[i] = sgd_momentum * momentum[i] + g[i];
        w[i] -= optimizer_rate * momentum[i];
    }
}

ORRERY_CLONES void adam_range(float* w, const float* g, float* mean, float* square, Index extent, float first, float second,
                              float rate_first, float scale_second, float epsilon, float decay) {
    for (Index i = 0; i < extent; ++i) {
        mean[i] = first * mean[i] + (1.0F - first) * g[i];
        square[i] = second * square[i] + (1.0F - second) * g[i] * g[i];
        w[i] -= decay * w[i] + rate_first * mean[i] / (std::sqrt(square[i] * scale_second) + epsilon);
    }
}

// The update of LAMB before its trust ratio; adds up the squares of weights and update.
ORRERY_CLONES void lamb_range(const float* w, const float* g, float* mean, float* square, float* update, Index extent,
                              float scale_first, float scale_second, float decay, double* squares) {
    float weights = 0.0F;
    float updates = 0.0F;
    for (Index i = 0; i < extent; ++i) {
        mean[i] = 0.9F * mean[i] + 0.1F * g[i];
        square[i] = 0.999F * square[i] + 0.001F * g[i] * g[i];
        const float u = mean[i] * scale_first / (std::sqrt(square[i] * scale_second) + 1e-6F) + decay * w[i];
        update[i] = u;
        weights += w[i] * w[i];
        updates += u * u;
    }
    squares[0] += static_cast<double>(weights);
    squares[1] += static_cast<double>(updates);
}

ORRERY_CLONES void subtract_scaled(float* w, const float* u, float factor, Index extent) {
    for (Index i = 0; i < extent; ++i) w[i] -= factor * u[i];
}

ORRERY_CLONES float square_sum(const float* x, Index extent) {
    float sum = 0.0F;
    for (Index i = 0; i < extent; ++i) sum += x[i] * x[i];
    return sum;
}

ORRERY_CLONES void adafactor_row(float* w, const float* g, const float* columns, float row, float rate, Index extent) {
    for (Index i = 0; i < extent; ++i) w[i] -= rate * g[i] / std::sqrt(row * columns[i]);
}

ORRERY_CLONES void add_squares(const float* g, float* columns, Index extent) {
    for (Index i = 0; i < extent; ++i) columns[i] += g[i] * g[i];
}

void lamb(float* w, const float* g, float* mean, float* square, float* update, Index extent) {
    const auto threads = static_cast<std::size_t>(omp_get_max_threads());
    std::vector<std::array<double, 8>> squares(threads, std::array<double, 8>{});
    constexpr Index block = 1024;   // short fp32 sums, long ones in float64
    deal_out(extent, optimizer_grain, [&](Index begin, Index end) {
        for (Index i = begin; i < end; i += block) {
            lamb_range(w + i, g + i, mean + i, square + i, update + i, std::min(block, end - i), 10.0F, 1000.0F, 0.01F,
                       squares[static_cast<std::size_t>(omp_get_thread_num())].data());
        }
    });
    double weights = 0.0;
    double updates = 0.0;
    for (const auto& one : squares) {
        weights += one[0];
        updates += one[1];
    }
    const double trust = updates > 0.0 && weights > 0.0 ? std::sqrt(weights / updates) : 1.0;
    deal_out(extent, optimizer_grain, [&](Index begin, Index end) {
        subtract_scaled(w + begin, update + begin, optimizer_rate * static_cast<float>(trust), end - begin);
    });
}

// Second moments as one row and one column: v[i][j] = r[i] c[j] / sum(r).
void adafactor(float* w, const float* g, float* row_moment, float* column_moment, Index rows, Index columns) {
    const auto threads = static_cast<std::size_t>(omp_get_max_threads());
    std::vector<std::vector<float>> sums(threads);
    deal_out(rows, 8, [&](Index begin, Index end) {
        std::vector<float>& mine = sums[static_cast<std::size_t>(omp_get_thread_num())];
        mine.assign(static_cast<std::size_t>(columns), 0.0F);
        for (Index r = begin; r < end; ++r) {
            const double mean = static_cast<double>(square_sum(g + r * columns, columns)) / static_cast<double>(columns);
            row_moment[r] = static_cast<float>(adafactor_decay * static_cast<double>(row_moment[r]) +
                                               (1.0 - adafactor_decay) * (mean + adafactor_floor));
            add_squares(g + r * columns, mine.data(), columns);
        }
    });
    double row_mean = 0.0;
    for (Index r = 0; r < rows; ++r) row_mean += static_cast<double>(row_moment[r]) / static_cast<double>(rows);
    for (Index i = 0; i < columns; ++i) {
        double sum = 0.0;
        for (const auto& mine : sums) sum += mine.empty() ? 0.0 : static_cast<double>(mine[static_cast<std::size_t>(i)]);
        column_moment[i] = static_cast<float>(adafactor_decay * static_cast<double>(column_moment[i]) +
                                              (1.0 - adafactor_decay) * (sum / static_cast<double>(rows) + adafactor_floor));
    }
    deal_out(rows, 8, [&](Index begin, Index end) {
        for (Index r = begin; r < end; ++r) {
            adafactor_row(w + r * columns, g + r * columns, column_moment,
                          static_cast<float>(static_cast<double>(row_moment[r]) / row_mean), optimizer_rate, columns);
        }
    });
}

struct MuonSpace {
    std::vector<float> x, next, square, fourth;
};

// Five steps of X <- a X + (b A + c A^2) X with A = X X^T pull the singular values to one.
void muon(float* w, const float* g, float* momentum, Index rows, Index columns, MuonSpace& space) {
    const auto extent = static_cast<std::size_t>(rows * columns);
    const bool tall = rows > columns;   // the smaller side is multiplied out
    const Index small = std::min(rows, columns);
    space.x.resize(extent);
    space.next.resize(extent);
    space.square.resize(static_cast<std::size_t>(small * small));
    space.fourth.resize(space.square.size());
    double squares = 0.0;
    for (std::size_t i = 0; i < extent; ++i) {
        momentum[i] = static_cast<float>(muon_momentum) * momentum[i] + g[i];
        squares += static_cast<double>(momentum[i]) * static_cast<double>(momentum[i]);
    }
    const auto scale = static_cast<float>(1.0 / (std::sqrt(squares) + 1e-7));
    for (std::size_t i = 0; i < extent; ++i) space.x[i] = momentum[i] * scale;
    for (int step = 0; step < muon_steps; ++step) {
        float* x = space.x.data();
        float* a = space.square.data();
        tall ? sgemm(true, false, small, small, rows, x, columns, x, columns, 0.0F, a, small)
             : sgemm(false, true, small, small, columns, x, columns, x, columns, 0.0F, a, small);
        sgemm(false, false, small, small, small, a, small, a, small, 0.0F, space.fourth.data(), small);
        for (std::size_t i = 0; i < space.square.size(); ++i) {
            space.fourth[i] = static_cast<float>(muon_polynomial[1]) * a[i] + static_cast<float>(muon_polynomial[2]) * space.fourth[i];
        }
        tall ? sgemm(false, false, rows, small, small, x, columns, space.fourth.data(), small, 0.0F, space.next.data(), columns)
             : sgemm(false, false, small, columns, small, space.fourth.data(), small, x, columns, 0.0F, space.next.data(), columns);
        for (std::size_t i = 0; i < extent; ++i) x[i] = static_cast<float>(muon_polynomial[0]) * x[i] + space.next[i];
    }
    for (std::size_t i = 0; i < extent; ++i) w[i] -= optimizer_rate * space.x[i];
}

// Frame: state arrays are started afresh for the check, whose oracle makes one step in float64 and tells the weights.
template <class Step, class Oracle>
PreparedKernel optimizer_kernel(int copies, Index extent, double bytes_each, double flop_each, Index state, Rng& rng, Step step,
                                Oracle oracle) {
    const auto start = random_floats(1, extent, rng);
    const auto w = zeros<float>(copies, extent);
    for (int i = 0; i < copies; ++i) std::copy_n((*start)[0], extent, (*w)[i]);
    const auto g = random_floats(copies, extent, rng);
    const auto states = zeros<float>(copies, state);
    PreparedKernel kernel;
    kernel.work = Streaming{Bytes::from_si(bytes_each * static_cast<double>(extent)), 1,
                            Flop::from_si(flop_each * static_cast<double>(extent)), 0.0};
    kernel.flop = flop_of(*kernel.work);
    kernel.bytes = bytes_of(*kernel.work);
    kernel.copies = copies;
    kernel.run = [=](int i) { step((*w)[i], (*g)[i], (*states)[i]); };
    kernel.check = [=] {
        std::copy_n((*start)[0], extent, (*w)[0]);
        std::fill_n((*states)[0], state, 0.0F);
        step((*w)[0], (*g)[0], (*states)[0]);
        // The step itself is compared, not the weights that it changes little.
        std::vector<float> got;
        for (Index i = 0; i < extent; ++i) got.push_back((*w)[0][i] - (*start)[0][i]);
        return relative_error(got, oracle((*start)[0], (*g)[0]));
    };
    // The difference of two weights keeps 13 bits of a step of 1e-3; of a few steps all may be small.
    kernel.error_max = extent < 16 ? 5e-3 : 2e-4;
    return kernel;
}

}  // namespace

void adam(float* weights, const float* gradient, float* mean, float* square, Index elements, int step,
          const AdamSettings& s) {
    const float rate = s.rate / (1.0F - std::pow(s.first, static_cast<float>(step)));
    const float second = 1.0F / (1.0F - std::pow(s.second, static_cast<float>(step)));
    deal_out(elements, optimizer_grain, [&](Index begin, Index end) {
        adam_range(weights + begin, gradient + begin, mean + begin, square + begin, end - begin, s.first, s.second, rate,
                   second, s.epsilon, s.rate * s.decay);
    });
}

PreparedKernel prepare_sgd(const KernelCase& c, int copies, Rng& rng) {
    const Index extent = c.sizes[0];
    return optimizer_kernel(
        copies, extent, 20.0, 4.0, extent, rng,
        [=](float* w, const float* g, float* state) {
            deal_out(extent, optimizer_grain,
                     [&](Index begin, Index end) { sgd_range(w + begin, g + begin, state + begin, end - begin); });
        },
        [=](const float*, const float* g) {
            std::vector<double> want;
            for (Index i = 0; i < extent; ++i) want.push_back(-static_cast<double>(optimizer_rate) * static_cast<double>(g[i]));
            return want;
        });
}

PreparedKernel prepare_adam(const KernelCase& c, int copies, Rng& rng) {
    const Index extent = c.sizes[0];
    return optimizer_kernel(
        copies, extent, 28.0, 12.0, 2 * extent, rng,
        [=](float* w, const float* g, float* state) { adam(w, g, state, state + extent, extent, 1, {}); },
        [=](const float* w, const float* g) {   // the first step: both moments are the gradient's own
            std::vector<double> want;
            for (Index i = 0; i < extent; ++i) {
                const auto gradient = static_cast<double>(g[i]);
                want.push_back(-1e-3 * (gradient / (std::abs(gradient) + 1e-8) + 0.1 * static_cast<double>(w[i])));
            }
            return want;
        });
}

PreparedKernel prepare_lamb(const KernelCase& c, int copies, Rng& rng) {
    const Index extent = c.sizes[0];
    return optimizer_kernel(
        copies, extent, 44.0, 18.0, 3 * extent, rng,
        [=](float* w, const float* g, float* state) { lamb(w, g, state, state + extent, state + 2 * extent, extent); },
        [=](const float* w, const float* g) {   // You et al., arXiv 1904.00962, algorithm 2
            std::vector<double> want;
            double weights = 0.0;
            double updates = 0.0;
            for (Index i = 0; i < extent; ++i) {
                const auto gradient = static_cast<double>(g[i]);
                const auto weight = static_cast<double>(w[i]);
                const double update = gradient / (std::abs(gradient) + 1e-6) + 0.01 * weight;
                weights += weight * weight;
                updates += update * update;
                want.push_back(update);
            }
            for (double& update : want) update *= -1e-3 * std::sqrt(weights / updates);
            return want;
        });
}

PreparedKernel prepare_adafactor(const KernelCase& c, int copies, Rng& rng) {
    const Index rows = c.sizes[0];
    const Index columns = c.sizes[1];
    return optimizer_kernel(
        copies, rows * columns, 20.0, 6.0, rows + columns, rng,
        [=](float* w, const float* g, float* state) { adafactor(w, g, state, state + rows, rows, columns); },
        [=](const float*, const float* g) {
            std::vector<double> row(static_cast<std::size_t>(rows), 0.0);
            std::vector<double> column(static_cast<std::size_t>(columns), 0.0);
            double mean = 0.0;
            for (Index i = 0; i < rows * columns; ++i) {
                const double square = static_cast<double>(g[i]) * static_cast<double>(g[i]) * (1.0 - adafactor_decay);
                row[static_cast<std::size_t>(i / columns)] += square / static_cast<double>(columns);
                column[static_cast<std::size_t>(i % columns)] += square / static_cast<double>(rows);
                mean += square / static_cast<double>(rows * columns);
            }
            std::vector<double> want;
            for (Index i = 0; i < rows * columns; ++i) {
                want.push_back(-1e-3 * static_cast<double>(g[i]) /
                               std::sqrt(row[static_cast<std::size_t>(i / columns)] * column[static_cast<std::size_t>(i % columns)] / mean));
            }
            return want;
        });
}

PreparedKernel prepare_muon(const KernelCase& c, int copies, Rng& rng) {
    const Index rows = c.sizes[0];
    const Index columns = c.sizes[1];
    const auto space = std::make_shared<MuonSpace>();
    PreparedKernel kernel = optimizer_kernel(
        copies, rows * columns, 20.0, 4.0, rows * columns, rng,
        [=](float* w, const float* g, float* state) { muon(w, g, state, rows, columns, *space); },
        [=](const float*, const float* g) {   // the same polynomial by plain loops in float64, row by row of A = X X^T
            const auto n = static_cast<std::size_t>(rows);
            const auto m = static_cast<std::size_t>(columns);
            std::vector<double> x(g, g + rows * columns);
            double squares = 0.0;
            for (const double value : x) squares += value * value;
            for (double& value : x) value /= std::sqrt(squares) + 1e-7;
            for (int step = 0; step < muon_steps; ++step) {
                std::vector<double> a(n * n, 0.0);
                for (std::size_t i = 0; i < n; ++i) {
                    for (std::size_t j = 0; j < n; ++j) {
                        for (std::size_t k = 0; k < m; ++k) a[i * n + j] += x[i * m + k] * x[j * m + k];
                    }
                }
                std::vector<double> polynomial(n * n, 0.0);
                for (std::size_t i = 0; i < n; ++i) {
                    for (std::size_t j = 0; j < n; ++j) {
                        double square = 0.0;
                        for (std::size_t k = 0; k < n; ++k) square += a[i * n + k] * a[k * n + j];
                        polynomial[i * n + j] = muon_polynomial[1] * a[i * n + j] + muon_polynomial[2] * square +
                                                (i == j ? muon_polynomial[0] : 0.0);
                    }
                }
                std::vector<double> next(n * m, 0.0);
                for (std::size_t i = 0; i < n; ++i) {
                    for (std::size_t k = 0; k < n; ++k) {
                        for (std::size_t j = 0; j < m; ++j) next[i * m + j] += polynomial[i * n + k] * x[k * m + j];
                    }
                }
                x = next;
            }
            for (double& value : x) value *= -1e-3;
            return x;
        });
    // The products carry the cost: per step 2 s^2 (l + s) + 2 s^2 l, s the smaller side and l the larger.
    const auto small = static_cast<double>(std::min(rows, columns));
    const auto large = static_cast<double>(std::max(rows, columns));
    kernel.flop = Flop::from_si(muon_steps * (4.0 * small * small * large + 2.0 * small * small * small));
    kernel.work.reset();   // ten products and some streaming: several pieces of work
    kernel.error_max = 1e-2;   // a step of 1e-3 / sqrt(columns) on weights of order one
    return kernel;
}

}  // namespace orrery
