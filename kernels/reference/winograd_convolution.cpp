// Convolution by Winograd's transforms: tiles of the image become points, products of all points go to oneDNN, and come
// back as tiles of the result. Channels lie side by side; filters are transformed once, as where weights stay.
#include "kernels/reference/buffer.hpp"
#include "kernels/reference/convolution_oracle.hpp"
#include "kernels/reference/entries.hpp"
#include "kernels/reference/packed_product.hpp"
#include "kernels/reference/team.hpp"
#include "kernels/reference/winograd.hpp"

#include <array>

namespace orrery {
namespace {

constexpr Index winograd_bytes = 6 << 20;      // transformed tiles of one round, beside the filters in the caches
constexpr Index winograd_tiles_least = 192;    // of a round: fewer rows would read the filters too often
constexpr Index winograd_grain = 8;            // tiles that are worth another thread

constexpr double winograd_four_error_max = 2e-5;   // five times what 512 channels of random values lost

// Leaves that are compiled for each generation of processors.
ORRERY_CLONES void input_of_two(const float* const* from, Index channels, float* to, Index step) { winograd_input_tile<WinogradTwo>(from, channels, to, step); }
ORRERY_CLONES void input_of_four(const float* const* from, Index channels, float* to, Index step) { winograd_input_tile<WinogradFour>(from, channels, to, step); }
ORRERY_CLONES void output_of_two(const float* from, Index step, Index filters, float* const* to) { winograd_output_tile<WinogradTwo>(from, step, filters, to); }
ORRERY_CLONES void output_of_four(const float* from, Index step, Index filters, float* const* to) { winograd_output_tile<WinogradFour>(from, step, filters, to); }

template <class Form>
struct WinogradPlan {
    static constexpr int points = Form::tile * Form::tile;
    Convolution work;
    Index tile_rows = 0, tile_columns = 0, tiles = 0;
    Index round = 0;   // tiles of one
    PackedProduct whole, rest;
    std::vector<OwnedMemory> whole_filters, rest_filters;   // of each point
    Shared<float> values, products;                         // [point, tile of the round, channel or filter]
    Shared<float> nothing;                                  // the channels of a pixel outside of the image

    void transform_in(const float* x, Index first, Index count) const;
    void transform_out(float* y, Index first, Index count) const;
    void run(const float* x, float* y) const;

    // Row and column of the first pixel of the result in a tile, and its image.
    struct Place {
        Index image, row, column;
    };
    [[nodiscard]] Place place_of(Index tile) const {
        return {tile / (tile_rows * tile_columns), tile / tile_columns % tile_rows * Form::out, tile % tile_columns * Form::out};
    }
};

template <class Form>
void WinogradPlan<Form>::transform_in(const float* x, Index first, Index count) const {
    deal_out(count, winograd_grain, [&](Index from, Index to) {
        for (Index t = from; t < to; ++t) {
            const Place place = place_of(first + t);
            std::array<const float*, points> pixels{};
            for (int i = 0; i < points; ++i) {
                const Index row = place.row + i / Form::tile - 1;
                const Index column = place.column + i % Form::tile - 1;
                const bool inside = row >= 0 && row < work.height && column >= 0 && column < work.width;
                pixels[static_cast<std::size_t>(i)] = inside ? x + ((place.image * work.height + row) * work.width + column) * work.channels : (*nothing)[0];
            }
            float* out = (*values)[0] + t * work.channels;
            Form::out == 2 ? input_of_two(pixels.data(), work.channels, out, count * work.channels)
                           : input_of_four(pixels.data(), work.channels, out, count * work.channels);
        }
    });
}

template <class Form>
void WinogradPlan<Form>::transform_out(float* y, Index first, Index count) const {
    deal_out(count, winograd_grain, [&](Index from, Index to) {
        for (Index t = from; t < to; ++t) {
            const Place place = place_of(first + t);
            std::array<float*, Form::out * Form::out> pixels{};
            for (int i = 0; i < Form::out * Form::out; ++i) {
                const Index row = place.row + i / Form::out;
                const Index column = place.column + i % Form::out;
                if (row >= work.height || column >= work.width) continue;
                pixels[static_cast<std::size_t>(i)] = y + ((place.image * work.height + row) * work.width + column) * work.filters;
            }
            const float* in = (*products)[0] + t * work.filters;
            Form::out == 2 ? output_of_two(in, count * work.filters, work.filters, pixels.data())
                           : output_of_four(in, count * work.filters, work.filters, pixels.data());
        }
    });
}

template <class Form>
void WinogradPlan<Form>::run(const float* x, float* y) const {
    for (Index first = 0; first < tiles; first += round) {
        const Index count = std::min(round, tiles - first);
        transform_in(x, first, count);
        const PackedProduct& product = count == round ? whole : rest;
        const std::vector<OwnedMemory>& filters = count == round ? whole_filters : rest_filters;
        for (int point = 0; point < points; ++point) {
            product.run((*values)[0] + point * count * work.channels, filters[static_cast<std::size_t>(point)], (*products)[0] + point * count * work.filters);
        }
        transform_out(y, first, count);
    }
}

// G g G^T of each pair of filter and channel in float64: value [channel, filter] of one point.
template <class Form>
void transform_filters(const Convolution& work, const float* w, int point, float* to) {
    const auto& rows = Form::filter[point / Form::tile];
    const auto& columns = Form::filter[point % Form::tile];
    for (Index filter = 0; filter < work.filters; ++filter) {
        for (Index channel = 0; channel < work.channels; ++channel) {
            const float* g = w + (filter * work.channels + channel) * 9;
            double sum = 0.0;
            for (int i = 0; i < 9; ++i) sum += static_cast<double>(rows[i / 3]) * static_cast<double>(columns[i % 3]) * static_cast<double>(g[i]);
            to[channel * work.filters + filter] = static_cast<float>(sum);
        }
    }
}

template <class Form>
WinogradPlan<Form> winograd_plan(const Convolution& work, const float* w) {
    WinogradPlan<Form> plan;
    plan.work = work;
    plan.tile_rows = (work.height + Form::out - 1) / Form::out;
    plan.tile_columns = (work.width + Form::out - 1) / Form::out;
    plan.tiles = work.batch * plan.tile_rows * plan.tile_columns;
    if (plan.tiles * work.channels * work.filters == 0) {
        plan.tiles = 0;
        return plan;
    }
    const Index bytes_of_tile = plan.points * (work.channels + work.filters) * static_cast<Index>(sizeof(float));
    plan.round = std::min(std::max(winograd_bytes / bytes_of_tile, winograd_tiles_least), plan.tiles);
    plan.values = zeros<float>(1, plan.points * plan.round * work.channels);
    plan.products = zeros<float>(1, plan.points * plan.round * work.filters);
    plan.nothing = zeros<float>(1, work.channels);
    plan.whole = PackedProduct(plan.round, work.filters, work.channels, work.filters, work.type);
    const Index rest = plan.tiles % plan.round;
    if (rest > 0) plan.rest = PackedProduct(rest, work.filters, work.channels, work.filters, work.type);
    const auto filters = zeros<float>(1, work.channels * work.filters);
    for (int point = 0; point < plan.points; ++point) {
        transform_filters<Form>(work, w, point, (*filters)[0]);
        plan.whole_filters.push_back(plan.whole.packed((*filters)[0]));
        if (rest > 0) plan.rest_filters.push_back(plan.rest.packed((*filters)[0]));
    }
    return plan;
}

template <class Form>
PreparedKernel winograd_kernel(const KernelCase& c, int copies, Rng& rng) {
    const Convolution work = convolution_of(c);
    if (work.kernel_height != 3 || work.stride != 1) {
        PreparedKernel kernel;
        kernel.refused = words_of(c) + ": transforms are of 3 x 3 kernels at stride 1, not of " + std::to_string(work.kernel_height) + " x " +
                         std::to_string(work.kernel_width) + " at stride " + std::to_string(work.stride);
        return kernel;
    }
    const auto x = random_floats(1, work.input_pixels() * work.channels, rng);
    const auto w = random_floats(1, work.weights(), rng);
    const auto pixels = zeros<float>(copies, x->extent());
    for (int copy = 0; copy < copies; ++copy) channels_side_by_side(work, (*x)[0], [&](Index to, float value) { (*pixels)[copy][to] = value; });
    const auto y = zeros<float>(copies, work.output_pixels() * work.filters);
    const auto plan = std::make_shared<WinogradPlan<Form>>(winograd_plan<Form>(work, (*w)[0]));
    return convolution_beside(work, copies, x, w, y, Form::out == 2 ? 1e-5 : winograd_four_error_max,
                              [=](int i) { plan->run((*pixels)[i], (*y)[i]); });
}

}  // namespace

PreparedKernel prepare_winograd_convolution(const KernelCase& c, int copies, Rng& rng) {
    return c.kernel == "winograd-2-convolution" ? winograd_kernel<WinogradTwo>(c, copies, rng) : winograd_kernel<WinogradFour>(c, copies, rng);
}

}  // namespace orrery
