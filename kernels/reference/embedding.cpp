// Embedding look-up and its gradient.
#include "kernels/reference/entries.hpp"
#include "kernels/reference/operators.hpp"
#include "kernels/reference/stores.hpp"
#include "kernels/reference/streaming_kernel.hpp"
#include "kernels/reference/team.hpp"

#include <cstring>

namespace orrery {
namespace {

ORRERY_CLONES void add_row(float* y, const float* x, Index extent) {
    for (Index i = 0; i < extent; ++i) y[i] += x[i];
}

Gather gather_work(const KernelCase& c, bool scatter) {
    return {c.sizes[0], Bytes::from_si(4.0 * static_cast<double>(c.sizes[1])),
            Bytes::from_si(4.0 * static_cast<double>(c.sizes[1] * c.sizes[2])), scatter};
}

}  // namespace

void gather_rows(const float* table, const std::int32_t* picks, float* y, Index rows, Index columns) {
    deal_out(rows, 16, [&](Index begin, Index end) {
        for (Index r = begin; r < end; ++r) {
            const float* row = table + picks[r] * columns;
            if (rows * columns >= around_least) {
                store_around(row, y + r * columns, columns);
            } else {
                std::memcpy(y + r * columns, row, static_cast<std::size_t>(columns) * sizeof(float));
            }
        }
        finish_stores();
    });
}

void scatter_add(float* table, const std::int32_t* picks, const float* x, Index rows, Index columns) {
    deal_out(columns, 64, [&](Index begin, Index end) {
        for (Index r = 0; r < rows; ++r) add_row(table + picks[r] * columns + begin, x + r * columns + begin, end - begin);
    });
}

// Copies differ in what they pick from one table: as large as tables are, it does not stay in the caches.
PreparedKernel prepare_gather(const KernelCase& c, int copies, Rng& rng) {
    const Index rows = c.sizes[0];
    const Index columns = c.sizes[1];
    const auto table = random_floats(1, c.sizes[2] * columns, rng);
    const auto picks = random_indices(copies, rows, c.sizes[2], rng);
    const auto y = zeros<float>(copies, rows * columns);
    PreparedKernel kernel = streaming_kernel(
        copies, 8.0 * static_cast<double>(rows * columns), 0.0, y,
        [=](int i) { gather_rows((*table)[0], (*picks)[i], (*y)[i], rows, columns); },
        [=] {
            std::vector<double> want;
            for (Index r = 0; r < rows; ++r) {
                for (Index i = 0; i < columns; ++i) want.push_back((*table)[0][(*picks)[0][r] * columns + i]);
            }
            return want;
        });
    kernel.work = gather_work(c, false);
    return kernel;
}

PreparedKernel prepare_scatter_add(const KernelCase& c, int copies, Rng& rng) {
    const Index rows = c.sizes[0];
    const Index columns = c.sizes[1];
    const auto table = random_floats(1, c.sizes[2] * columns, rng);
    const auto picks = random_indices(copies, rows, c.sizes[2], rng);
    const auto x = random_floats(copies, rows * columns, rng);
    PreparedKernel kernel = streaming_kernel(
        copies, 12.0 * static_cast<double>(rows * columns), static_cast<double>(rows * columns), table,
        [=](int i) { scatter_add((*table)[0], (*picks)[i], (*x)[i], rows, columns); }, [] { return std::vector<double>{}; });
    kernel.work = gather_work(c, true);
    kernel.check = [=, run = kernel.run] {
        std::vector<double> want(table->values().begin(), table->values().end());
        for (Index r = 0; r < rows; ++r) {
            for (Index i = 0; i < columns; ++i) {
                want[static_cast<std::size_t>((*picks)[0][r] * columns + i)] += static_cast<double>((*x)[0][r * columns + i]);
            }
        }
        run(0);
        return relative_error(table->values(), want);
    };
    return kernel;
}

}  // namespace orrery
