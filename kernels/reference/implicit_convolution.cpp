// Convolution as an implicit matrix product: patches are gathered into panels that the second level of cache holds, and
// multiplied by the packed filters at once (Chetlur et al., "cuDNN: Efficient Primitives for Deep Learning", arXiv
// 1410.0759, section 3). Channels lie side by side, so that a row of a patch is one piece of memory.
#include "kernels/reference/buffer.hpp"
#include "kernels/reference/convolution_oracle.hpp"
#include "kernels/reference/entries.hpp"
#include "kernels/reference/packed_product.hpp"
#include "kernels/reference/team.hpp"

#include <cstring>

namespace orrery {
namespace {

constexpr Index panel_bytes_of_thread = 1 << 20;   // half of a second level of 2 MB; packed filters want the other half
constexpr Index panel_pixels_least = 64;           // fewer rows would read the filters too often
constexpr Index panel_pixels_most = 8192;
constexpr Index gather_grain = 64;                 // pixels of a patch that are worth another thread

float implicit_value(float value, float) { return value; }
std::uint16_t implicit_value(float value, std::uint16_t) { return to_bf16(value); }

// One group's part of the convolution as a product of panels.
template <class T>
struct ImplicitPlan {
    Convolution work;
    Index own_channels = 0, own_filters = 0, depth = 0;
    Index pixels = 0;         // of a panel
    bool in_place = false;    // a pixel is its own patch: the image is the panel
    PackedProduct whole, rest;
    std::vector<OwnedMemory> whole_filters, rest_filters;   // of each group
    Shared<T> panel;

    [[nodiscard]] bool empty() const { return work.output_pixels() * work.filters * depth == 0; }
    void gather(const T* x, Index first, Index end, Index group) const;
    void run(const T* x, float* y) const;
};

// Patches of output pixels [first, end), counted over all images: depth [kernel row, kernel column, channel].
template <class T>
void ImplicitPlan<T>::gather(const T* x, Index first, Index end, Index group) const {
    const Index rows = convolved_side(work.height, work.stride);
    const Index columns = convolved_side(work.width, work.stride);
    const Index above = padding_before(work.height, work.kernel_height, work.stride);
    const Index left = padding_before(work.width, work.kernel_width, work.stride);
    const auto bytes = [](Index values) { return static_cast<std::size_t>(values) * sizeof(T); };
    deal_out(end - first, gather_grain, [&](Index from, Index to) {
        for (Index p = from; p < to; ++p) {
            const Index pixel = first + p;
            T* patch = (*panel)[0] + p * depth;
            const Index row = pixel / columns % rows * work.stride - above;
            const Index column = pixel % columns * work.stride - left;
            const Index seen_from = std::clamp<Index>(-column, 0, work.kernel_width);
            const Index seen_to = std::clamp<Index>(work.width - column, seen_from, work.kernel_width);
            for (Index i = 0; i < work.kernel_height; ++i, patch += work.kernel_width * own_channels) {
                if (row + i < 0 || row + i >= work.height) {
                    std::memset(patch, 0, bytes(work.kernel_width * own_channels));
                    continue;
                }
                const T* line = x + (pixel / (rows * columns) * work.height + row + i) * work.width * work.channels + group * own_channels;
                std::memset(patch, 0, bytes(seen_from * own_channels));
                std::memset(patch + seen_to * own_channels, 0, bytes((work.kernel_width - seen_to) * own_channels));
                if (work.groups == 1) {
                    std::memcpy(patch + seen_from * own_channels, line + (column + seen_from) * work.channels, bytes((seen_to - seen_from) * own_channels));
                    continue;
                }
                for (Index j = seen_from; j < seen_to; ++j) std::memcpy(patch + j * own_channels, line + (column + j) * work.channels, bytes(own_channels));
            }
        }
    });
}

template <class T>
void ImplicitPlan<T>::run(const T* x, float* y) const {
    const Index all = work.output_pixels();
    if (depth == 0) std::fill_n(y, all * work.filters, 0.0F);   // the empty sum
    if (empty()) return;
    for (Index first = 0; first < all; first += pixels) {
        const Index end = std::min(all, first + pixels);
        for (Index group = 0; group < work.groups; ++group) {
            if (!in_place) gather(x, first, end, group);
            const T* left = in_place ? x + first * work.channels : (*panel)[0];
            const auto g = static_cast<std::size_t>(group);
            float* out = y + first * work.filters + group * own_filters;
            end - first == pixels ? whole.run(left, whole_filters[g], out) : rest.run(left, rest_filters[g], out);
        }
    }
}

// `w` is [filters, channels of a group, kernel row, kernel column].
template <class T>
ImplicitPlan<T> implicit_plan(const Convolution& work, const float* w) {
    ImplicitPlan<T> plan;
    plan.work = work;
    plan.own_channels = work.channels / work.groups;
    plan.own_filters = work.filters / work.groups;
    plan.depth = work.kernel_points() * plan.own_channels;
    plan.in_place = work.kernel_points() == 1 && work.stride == 1 && work.groups == 1;
    if (plan.empty()) return plan;
    const Index fitting = omp_get_max_threads() * panel_bytes_of_thread / (plan.depth * static_cast<Index>(sizeof(T)));
    plan.pixels = std::min(std::clamp(fitting, panel_pixels_least, panel_pixels_most), work.output_pixels());
    if (!plan.in_place) plan.panel = zeros<T>(1, plan.pixels * plan.depth);
    plan.whole = PackedProduct(plan.pixels, plan.own_filters, plan.depth, work.filters, work.type);
    const Index rest = work.output_pixels() % plan.pixels;
    if (rest > 0) plan.rest = PackedProduct(rest, plan.own_filters, plan.depth, work.filters, work.type);
    const auto by_depth = zeros<float>(1, plan.depth * plan.own_filters);
    for (Index group = 0; group < work.groups; ++group) {
        const float* own = w + group * plan.own_filters * plan.depth;
        for (Index filter = 0; filter < plan.own_filters; ++filter) {
            for (Index channel = 0; channel < plan.own_channels; ++channel) {
                for (Index point = 0; point < work.kernel_points(); ++point) {
                    (*by_depth)[0][(point * plan.own_channels + channel) * plan.own_filters + filter] =
                        own[(filter * plan.own_channels + channel) * work.kernel_points() + point];
                }
            }
        }
        plan.whole_filters.push_back(plan.whole.packed((*by_depth)[0]));
        if (rest > 0) plan.rest_filters.push_back(plan.rest.packed((*by_depth)[0]));
    }
    return plan;
}

template <class T>
PreparedKernel implicit_kernel(const KernelCase& c, int copies, Rng& rng) {
    const Convolution work = convolution_of(c);
    const auto x = random_floats(1, work.input_pixels() * work.channels, rng);
    const auto w = random_floats(1, work.weights(), rng);
    for (float& value : x->values()) value = from_bf16(to_bf16(value));   // both formats have one oracle
    for (float& value : w->values()) value = from_bf16(to_bf16(value));
    const auto pixels = zeros<T>(copies, x->extent());
    for (int copy = 0; copy < copies; ++copy) {
        channels_side_by_side(work, (*x)[0], [&](Index to, float value) { (*pixels)[copy][to] = implicit_value(value, T{}); });
    }
    const auto y = zeros<float>(copies, work.output_pixels() * work.filters);
    const auto plan = std::make_shared<ImplicitPlan<T>>(implicit_plan<T>(work, (*w)[0]));
    return convolution_beside(work, copies, x, w, y, c.type == DataType::bf16 ? 1e-2 : 1e-5, [=](int i) { plan->run((*pixels)[i], (*y)[i]); });
}

}  // namespace

PreparedKernel prepare_implicit_convolution(const KernelCase& c, int copies, Rng& rng) {
    return c.type == DataType::bf16 ? implicit_kernel<std::uint16_t>(c, copies, rng) : implicit_kernel<float>(c, copies, rng);
}

}  // namespace orrery
