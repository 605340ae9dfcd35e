// Convolution by its definition, in float64.
#include "kernels/reference/convolution_oracle.hpp"

#include <cmath>
#include <vector>

namespace orrery {
namespace {

constexpr Index judged_pixels = 2000;

struct OutputPlace {
    Index image, filter, row, column;
};

double convolved(const Convolution& work, std::span<const float> x, std::span<const float> w, const OutputPlace& at) {
    const Index own = work.channels / work.groups;
    const Index first = at.filter / (work.filters / work.groups) * own;
    const Index above = padding_before(work.height, work.kernel_height, work.stride);
    const Index left = padding_before(work.width, work.kernel_width, work.stride);
    double sum = 0.0;
    for (Index channel = 0; channel < own; ++channel) {
        for (Index i = 0; i < work.kernel_height; ++i) {
            for (Index j = 0; j < work.kernel_width; ++j) {
                const Index row = at.row * work.stride + i - above;
                const Index column = at.column * work.stride + j - left;
                if (row < 0 || row >= work.height || column < 0 || column >= work.width) continue;
                const Index from = ((at.image * work.channels + first + channel) * work.height + row) * work.width + column;
                const Index weight = ((at.filter * own + channel) * work.kernel_height + i) * work.kernel_width + j;
                sum += static_cast<double>(x[static_cast<std::size_t>(from)]) * static_cast<double>(w[static_cast<std::size_t>(weight)]);
            }
        }
    }
    return sum;
}

}  // namespace

Convolution convolution_of(const KernelCase& c) {
    Convolution work;
    work.batch = c.sizes[0];
    work.channels = c.sizes[1];
    work.height = c.sizes[2];
    work.width = c.sizes[3];
    work.filters = c.sizes[4];
    work.kernel_height = work.kernel_width = c.sizes[5];
    work.stride = c.sizes[6];
    work.groups = c.sizes.size() > 7 ? c.sizes[7] : 1;
    work.type = c.type;
    return work;
}

double convolution_error(const Convolution& work, std::span<const float> x, std::span<const float> w, std::span<const float> y, ImageLayout layout) {
    for (const float& value : y) {
        if (!std::isfinite(value)) return relative_error({&value, 1}, std::vector<double>{0.0});
    }
    const Index rows = convolved_side(work.height, work.stride);
    const Index columns = convolved_side(work.width, work.stride);
    const auto extent = static_cast<Index>(y.size());
    // An odd step, so that all filters and places are met.
    const Index step = std::max<Index>(extent / judged_pixels, 1) | 1;
    std::vector<float> got;
    std::vector<double> want;
    for (Index i = 0; i < extent; i += step) {
        const OutputPlace at = layout == ImageLayout::channels_first
                                   ? OutputPlace{i / (work.filters * rows * columns), i / (rows * columns) % work.filters, i / columns % rows, i % columns}
                                   : OutputPlace{i / (work.filters * rows * columns), i % work.filters, i / (work.filters * columns) % rows,
                                                 i / work.filters % columns};
        got.push_back(y[static_cast<std::size_t>(i)]);
        want.push_back(convolved(work, x, w, at));
    }
    return relative_error(got, want);
}

PreparedKernel convolution_beside(const Convolution& work, int copies, const Shared<float>& x, const Shared<float>& w, const Shared<float>& y,
                                  double error_max, std::function<void(int)> run) {
    PreparedKernel kernel;
    kernel.flop = flop_of(work);
    kernel.bytes = bytes_of(work);
    kernel.copies = copies;
    kernel.error_max = error_max;
    kernel.run = run;
    kernel.check = [=] {
        poison(y->values());
        run(0);
        return convolution_error(work, x->values(), w->values(), y->values(), ImageLayout::channels_last);
    };
    return kernel;
}

}  // namespace orrery
