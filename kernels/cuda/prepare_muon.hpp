// Muon on one matrix as an entry of the table of a device, judged by its first step in float64.
#pragma once

#include "kernels/cuda/muon.hpp"
#include "kernels/cuda/prepare_elementwise.hpp"
#include "kernels/cuda/product_call.hpp"

#include <array>

namespace orrery::cuda {

/// A matrix [small, large], row by row: the smaller side is multiplied out. Products are of the library, which stores column
/// by column: there X is X^T, and all of A, A A and the polynomial are symmetric.
template <class Device>
struct MuonSteps {
    Index rows, columns, blocks;
    DeviceArray<Device, float> x, next, square, fourth, partial;
    PlannedProduct squares, fourths, advances;

    MuonSteps(Index matrix_rows, Index matrix_columns)
        : rows(matrix_rows), columns(matrix_columns), blocks(4 * Index{Device::processors()}), x(1, rows * columns), next(1, rows * columns),
          square(1, small() * small()), fourth(1, small() * small()), partial(1, blocks + 1) {
        if (rows * columns == 0) return;
        squares = Device::plan_product({ProductForm::fp32, true, small(), small(), large(), 1}, x[0], x[0], square[0]);
        fourths = Device::plan_product({ProductForm::fp32, false, small(), small(), small(), 1}, square[0], square[0], fourth[0]);
        advances = Device::plan_product({ProductForm::fp32, false, large(), small(), small(), 1}, x[0], square[0], next[0]);
    }
    [[nodiscard]] Index small() const { return std::min(rows, columns); }
    [[nodiscard]] Index large() const { return std::max(rows, columns); }

    void run(float* w, const float* g, float* momentum) const {
        if (rows * columns == 0) return;
        const auto launch = [](const auto& kernel) { Device::launch(kernel.grid(), kernel); };
        const bool tall = rows > columns;
        const MuonMomentum first{g, momentum, partial[0], rows * columns, blocks};
        launch(first);
        float* inverse = partial[0] + blocks;
        Device::launch({1, MuonNorm::threads_most, sums_bytes<PlainSums<1>>}, MuonNorm{partial[0], inverse, first.block_count()});
        tall ? launch(MuonTurned{momentum, x[0], inverse, rows, columns}) : launch_elements<Device>(MuonScale{{{momentum}, {x[0]}}, inverse}, rows * columns);
        std::array<float*, 2> turns{x[0], next[0]};
        for (int step = 0; step < muon_rounds; ++step) {
            squares(turns[0], turns[0], square[0]);
            fourths(square[0], square[0], fourth[0]);
            launch_elements<Device>(MuonPolynomial{{{square[0], fourth[0]}, {square[0]}}, small()}, square.extent());
            advances(turns[0], square[0], turns[1]);
            std::swap(turns[0], turns[1]);
        }
        tall ? launch(MuonTurned{turns[0], w, nullptr, columns, rows}) : launch_elements<Device>(MuonApply{{{w, turns[0]}, {w}}}, rows * columns);
    }
};

/// The polynomial by plain loops, row by row of A = X X^T.
inline std::vector<double> muon_in_float64(const std::vector<float>& g, Index rows, Index columns) {
    const auto n = static_cast<std::size_t>(rows);
    const auto m = static_cast<std::size_t>(columns);
    std::vector<double> x(g.begin(), g.end());
    double squares = 0.0;
    for (const double value : x) squares += value * value;
    for (double& value : x) value /= std::sqrt(squares) + 1e-7;
    const auto product = [](const std::vector<double>& a, const std::vector<double>& b, std::size_t mid, std::size_t wide) {
        std::vector<double> c(a.size() / mid * wide, 0.0);
        for (std::size_t i = 0; i < a.size(); ++i) {
            for (std::size_t j = 0; j < wide; ++j) c[i / mid * wide + j] += a[i] * b[i % mid * wide + j];
        }
        return c;
    };
    for (int step = 0; step < muon_rounds; ++step) {
        std::vector<double> turned(n * m);
        for (std::size_t i = 0; i < n * m; ++i) turned[i % m * n + i / m] = x[i];
        const std::vector<double> a = product(x, turned, m, n);
        std::vector<double> polynomial = product(a, a, n, n);
        for (std::size_t i = 0; i < polynomial.size(); ++i) polynomial[i] = 2.0315 * polynomial[i] - 4.7750 * a[i] + (i % (n + 1) == 0 ? 3.4445 : 0.0);
        x = product(polynomial, x, n, m);
    }
    for (double& value : x) value *= -1e-3;
    return x;
}

template <class Device>
PreparedKernel prepare_muon(const KernelCase& c, int copies, Rng& rng) {
    const Index rows = c.sizes[0];
    const Index columns = c.sizes[1];
    const auto steps = std::make_shared<MuonSteps<Device>>(rows, columns);
    PreparedKernel kernel = optimizer_on<Device>(
        copies, rows * columns, 20.0, 4.0, rows * columns, rng, [=](float* w, const float* g, float* momentum) { steps->run(w, g, momentum); },
        [=](const std::vector<float>&, const std::vector<float>& g) { return rows * columns == 0 ? std::vector<double>{} : muon_in_float64(g, rows, columns); });
    // Products carry the cost: per round 2 s^2 (l + s) + 2 s^2 l, s the smaller side and l the larger.
    const auto small = static_cast<double>(steps->small());
    const auto large = static_cast<double>(steps->large());
    kernel.flop = Flop::from_si(muon_rounds * (4.0 * small * small * large + 2.0 * small * small * small));
    kernel.work.reset();   // fifteen products and some streaming: several pieces of work
    kernel.error_max = 1e-2;   // a step of 1e-3 / sqrt(columns) on weights of order one
    return kernel;
}

}  // namespace orrery::cuda
