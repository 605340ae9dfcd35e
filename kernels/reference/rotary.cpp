// Rotary position embedding, in place.
#include "kernels/reference/entries.hpp"
#include "kernels/reference/operators.hpp"
#include "kernels/reference/streaming_kernel.hpp"
#include "kernels/reference/team.hpp"

#include <cmath>

namespace orrery {
namespace {

constexpr Index rotary_grain = 8;

ORRERY_CLONES void turn_token(float* x, const float* cosine, const float* sine, Index heads, Index half) {
    for (Index h = 0; h < heads; ++h, x += 2 * half) {
        for (Index i = 0; i < half; ++i) {
            const float a = x[i];
            const float b = x[half + i];
            x[i] = a * cosine[i] - b * sine[i];
            x[half + i] = a * sine[i] + b * cosine[i];
        }
    }
}

// Cosines, then sines, of all positions: as frameworks keep them.
std::vector<float> rotary_table(Index sequence, Index half, float direction) {
    std::vector<float> table(static_cast<std::size_t>(2 * sequence * half));
    for (Index i = 0; i < half; ++i) {
        const double frequency = std::pow(rotary_base, -static_cast<double>(i) / static_cast<double>(half));
        for (Index t = 0; t < sequence; ++t) {
            const double angle = static_cast<double>(t) * frequency;
            table[static_cast<std::size_t>(t * half + i)] = static_cast<float>(std::cos(angle));
            table[static_cast<std::size_t>((sequence + t) * half + i)] = direction * static_cast<float>(std::sin(angle));
        }
    }
    return table;
}

void turn_all(float* x, const std::vector<float>& table, Index tokens, Index heads, Index half, Index sequence) {
    deal_out(tokens, rotary_grain, [&](Index begin, Index end) {
        for (Index t = begin; t < end; ++t) {
            const float* cosine = table.data() + (t % sequence) * half;
            turn_token(x + t * heads * 2 * half, cosine, cosine + sequence * half, heads, half);
        }
    });
}

}  // namespace

RotaryTable make_rotary(Index head, Index sequence, float direction) {
    return {head, sequence, rotary_table(sequence, head / 2, direction)};
}

void rotary(float* x, Index tokens, Index heads, const RotaryTable& table) {
    turn_all(x, table.values, tokens, heads, table.head / 2, table.sequence);
}

PreparedKernel prepare_rotary(const KernelCase& c, int copies, Rng& rng) {
    const Index tokens = c.sizes[0];
    const Index heads = c.sizes[1];
    const Index head = c.sizes[2];
    const Index extent = tokens * heads * head;
    const auto before = random_floats(1, extent, rng);
    const auto x = zeros<float>(copies, extent);
    for (int i = 0; i < copies; ++i) std::copy_n((*before)[0], extent, (*x)[i]);
    const RotaryTable table = make_rotary(head, std::max<Index>(tokens, 1), 1.0F);
    PreparedKernel kernel = without_fetches(streaming_kernel(
        copies, 8.0 * static_cast<double>(extent), 3.0 * static_cast<double>(extent), x,
        [=](int i) { rotary((*x)[i], tokens, heads, table); }, [] { return std::vector<double>{}; }));
    kernel.check = [=, run = kernel.run] {
        std::copy_n((*before)[0], extent, (*x)[0]);
        run(0);
        std::vector<double> want(static_cast<std::size_t>(extent));
        for (Index t = 0; t < tokens; ++t) {
            for (Index h = 0; h < heads; ++h) {
                const Index at = (t * heads + h) * head;
                for (Index i = 0; i < head / 2; ++i) {
                    const double angle = static_cast<double>(t) *
                                         std::pow(rotary_base, -2.0 * static_cast<double>(i) / static_cast<double>(head));
                    const auto a = static_cast<double>((*before)[0][at + i]);
                    const auto b = static_cast<double>((*before)[0][at + head / 2 + i]);
                    want[static_cast<std::size_t>(at + i)] = a * std::cos(angle) - b * std::sin(angle);
                    want[static_cast<std::size_t>(at + head / 2 + i)] = a * std::sin(angle) + b * std::cos(angle);
                }
            }
        }
        return relative_error(x->values(), want);
    };
    return kernel;
}

}  // namespace orrery
