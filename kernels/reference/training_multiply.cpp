// A product of a training step by the library's BLAS call: forward (form 0), input gradient (1) or weight gradient (2).
// They read their operands as they lie in memory, so two of the three are transposed.
#include "kernels/reference/buffer.hpp"
#include "kernels/reference/entries.hpp"
#include "kernels/reference/operators.hpp"

#include <algorithm>
#include <iterator>

namespace orrery {
namespace {

struct Form {
    bool transpose_a;
    bool transpose_b;
    Transposed transposed;
};
constexpr Form forms[] = {{false, false, Transposed::none}, {false, true, Transposed::right}, {true, false, Transposed::left}};

}  // namespace

PreparedKernel prepare_training_multiply(const KernelCase& c, int copies, Rng& rng) {
    const Index batch = c.sizes[0];
    const Index m = c.sizes[1];
    const Index n = c.sizes[2];
    const Index k = c.sizes[3];
    const auto a = random_floats(copies, batch * m * k, rng);
    const auto b = random_floats(copies, batch * k * n, rng);
    const auto y = zeros<float>(copies, batch * m * n);
    const Form form = forms[std::min<std::size_t>(static_cast<std::size_t>(c.sizes[4]), std::size(forms) - 1)];
    const auto multiply = [=](int i) {
        for (Index z = 0; z < batch; ++z) {
            sgemm(form.transpose_a, form.transpose_b, m, n, k, (*a)[i] + z * m * k, form.transpose_a ? m : k, (*b)[i] + z * k * n,
                  form.transpose_b ? k : n, 0.0F, (*y)[i] + z * m * n, n);
        }
    };
    PreparedKernel kernel;
    kernel.work = MatrixMultiply{m, n, k, batch, DataType::fp32, 4.0, form.transposed};
    kernel.flop = flop_of(*kernel.work);
    kernel.bytes = bytes_of(*kernel.work);
    kernel.copies = copies;
    kernel.run = multiply;
    kernel.check = [=] {
        poison(y->values());
        multiply(0);
        std::vector<double> want;
        for (Index z = 0; z < batch; ++z) {
            for (Index row = 0; row < m; ++row) {
                for (Index column = 0; column < n; ++column) {
                    double sum = 0.0;
                    for (Index i = 0; i < k; ++i) {
                        sum += static_cast<double>((*a)[0][z * m * k + (form.transpose_a ? i * m + row : row * k + i)]) *
                               static_cast<double>((*b)[0][z * k * n + (form.transpose_b ? column * k + i : i * n + column)]);
                    }
                    want.push_back(sum);
                }
            }
        }
        return relative_error(y->values(), want);
    };
    return kernel;
}

}  // namespace orrery
