// LAMB and Adafactor as entries of the table of a device, judged by their first step in float64.
#pragma once

#include "kernels/cuda/norm_backward.hpp"
#include "kernels/cuda/optimizers.hpp"
#include "kernels/cuda/prepare_elementwise.hpp"

namespace orrery::cuda {

template <class Device>
PreparedKernel prepare_lamb(const KernelCase& c, int copies, Rng& rng) {
    const Index extent = c.sizes[0];
    const Index each = ceil_div(extent, 4) * 4;   // arrays of a state, aligned
    const Index blocks = 4 * Index{Device::processors()};
    const DeviceArray<Device, float> update(1, extent);
    const DeviceArray<Device, float> partial(1, 2 * blocks + 1);
    return optimizer_on<Device>(
        copies, extent, 40.0, 18.0, 2 * each, rng,
        [=](float* w, const float* g, float* state) {
            const LambUpdate first{w, g, state, state + each, update[0], partial[0], extent, blocks};
            Device::launch(first.grid(), first);
            if (extent == 0) return;
            float* trust = partial[0] + 2 * blocks;
            Device::launch({1, LambTrust::threads_most, sums_bytes<PlainSums<2>>}, LambTrust{partial[0], trust, first.block_count()});
            launch_elements<Device>(LambApply{{{w, update[0]}, {w}}, trust}, extent);
        },
        [](const std::vector<float>& w, const std::vector<float>& g) {   // You et al., arXiv 1904.00962, algorithm 2
            std::vector<double> want;
            double weights = 0.0;
            double updates = 0.0;
            for (std::size_t i = 0; i < w.size(); ++i) {
                const auto slope = static_cast<double>(g[i]);
                want.push_back(slope / (std::abs(slope) + 1e-6) + 0.01 * static_cast<double>(w[i]));
                weights += static_cast<double>(w[i]) * static_cast<double>(w[i]);
                updates += want.back() * want.back();
            }
            for (double& value : want) value *= -1e-3 * std::sqrt(weights / updates);
            return want;
        });
}

template <class Device>
PreparedKernel prepare_adafactor(const KernelCase& c, int copies, Rng& rng) {
    const Index rows = c.sizes[0];
    const Index columns = c.sizes[1];
    const Index blocks = 4 * Index{Device::processors()};
    const DeviceArray<Device, float> sums(1, columns + 1);   // and the mean of the rows' moments
    const auto launch = [](const auto& kernel) { Device::launch(kernel.grid(), kernel); };
    return optimizer_on<Device>(
        copies, rows * columns, 20.0, 6.0, rows + columns, rng,
        [=](float* w, const float* g, float* state) {
            if (rows * columns == 0) return;
            float* column_moment = state + rows;
            float* row_mean = sums[0] + columns;
            launch(ClearValues{sums[0], columns});
            launch(AdafactorSums{g, state, sums[0], rows, columns, blocks});
            launch(AdafactorMoments{sums[0], column_moment, state, row_mean, rows, columns});
            columns % 4 == 0 ? launch(AdafactorApply<4>{w, g, state, row_mean, column_moment, rows, columns})
                             : launch(AdafactorApply<1>{w, g, state, row_mean, column_moment, rows, columns});
        },
        [=](const std::vector<float>&, const std::vector<float>& g) {   // Shazeer and Stern, arXiv 1804.04235, algorithm 4
            std::vector<double> row(static_cast<std::size_t>(rows), 0.0);
            std::vector<double> column(static_cast<std::size_t>(columns), 0.0);
            double mean = 0.0;
            const auto count = static_cast<std::size_t>(columns);
            for (std::size_t i = 0; i < g.size(); ++i) {
                const double square = static_cast<double>(g[i]) * static_cast<double>(g[i]) * 0.01;
                row[i / count] += square / static_cast<double>(columns);
                column[i % count] += square / static_cast<double>(rows);
                mean += square / static_cast<double>(rows * columns);
            }
            std::vector<double> want;
            for (std::size_t i = 0; i < g.size(); ++i) want.push_back(-1e-3 * static_cast<double>(g[i]) / std::sqrt(row[i / count] * column[i % count] / mean));
            return want;
        });
}

}  // namespace orrery::cuda
