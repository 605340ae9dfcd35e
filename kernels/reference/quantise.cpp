// Quantising to int8 with a scale per row and to int4 in groups, and back, with what the rounding costs.
#include "kernels/reference/buffer.hpp"
#include "kernels/reference/entries.hpp"
#include "kernels/reference/stores.hpp"
#include "kernels/reference/team.hpp"

#include <algorithm>
#include <cmath>

namespace orrery {
namespace {

constexpr Index int4_group = 32;   // values that share a scale (GGUF Q4_0; llama.cpp)
constexpr Index quantise_grain = 8;

ORRERY_CLONES void round_int8_rows(const float* __restrict x, std::int8_t* __restrict q, float* __restrict scales, Index begin,
                                   Index end, Index columns) {
    float tops[row_slots];
    walk_rows(
        begin, end, columns,
        [&](Index row, Index first, Index last) ORRERY_INLINE_BODY {
            const float* from = x + row * columns;
            fetch(from + first, last - first);
            float top = first == 0 ? 0.0F : tops[row_slot(row)];
            for (Index i = first; i < last; ++i) top = std::abs(from[i]) > top ? std::abs(from[i]) : top;
            tops[row_slot(row)] = top;
        },
        [&](Index row, Index first, Index last) ORRERY_INLINE_BODY {
            const float* from = x + row * columns;
            std::int8_t* const to = q + row * columns;
            const float top = tops[row_slot(row)];
            const float inverse = top > 0.0F ? 127.0F / top : 0.0F;
            if (first == 0) scales[row] = top / 127.0F;
            for (Index i = first; i < last; ++i) to[i] = static_cast<std::int8_t>(static_cast<std::int32_t>(std::nearbyint(from[i] * inverse)));
        });
}

ORRERY_CLONES void widen_int8_rows(const std::int8_t* __restrict q, const float* __restrict scales, float* __restrict y, Index begin,
                                   Index end, Index columns, bool around) {
    for (Index row = begin; row < end; ++row) {
        const std::int8_t* from = q + row * columns;
        const float scale = scales[row];
        write_strips({}, y + row * columns, columns, around, [&](Index first, Index last, float* out) ORRERY_INLINE_BODY {
            fetch(from + first, last - first);
            for (Index i = first; i < last; ++i) out[i - first] = scale * static_cast<float>(from[i]);
        });
    }
}

// Value i of a group in the low half of byte i, value i + 16 in the high half; 8 is zero.
ORRERY_CLONES void round_int4(const float* __restrict x, std::uint8_t* __restrict q, float* __restrict scales, Index groups) {
    constexpr Index half = int4_group / 2;
    constexpr Index block = 32;   // groups: the divisions of their scales run side by side
    float inverses[block];
    for (Index first = 0; first < groups; first += block) {
        const Index width = groups - first < block ? groups - first : block;
        for (Index g = 0; g < width; ++g) {
            const float* from = x + (first + g) * int4_group;
            float top = 0.0F;
            for (Index i = 0; i < int4_group; ++i) top = std::abs(from[i]) > top ? std::abs(from[i]) : top;
            scales[first + g] = top;
        }
        for (Index g = 0; g < width; ++g) {
            const float top = scales[first + g];
            inverses[g] = top > 0.0F ? 7.0F / top : 0.0F;
            scales[first + g] = top / 7.0F;
        }
        for (Index g = 0; g < width; ++g) {
            const float* from = x + (first + g) * int4_group;
            std::uint8_t* to = q + (first + g) * half;
            // Adding 8.5 and cutting off rounds to nearest, since no step is below -7.
            for (Index i = 0; i < half; ++i) {
                const auto low = static_cast<std::int32_t>(from[i] * inverses[g] + 8.5F);
                const auto high = static_cast<std::int32_t>(from[i + half] * inverses[g] + 8.5F);
                to[i] = static_cast<std::uint8_t>(low | (high << 4));
            }
        }
    }
}

ORRERY_CLONES void widen_int4(const std::uint8_t* __restrict q, float* __restrict y, const float* __restrict scales, Index groups, bool around) {
    constexpr Index half = int4_group / 2;
    write_strips({}, y, groups * int4_group, around, [&](Index first, Index last, float* out) ORRERY_INLINE_BODY {
        fetch(q + first / 2, (last - first) / 2);
        for (Index i = first; i < last; i += int4_group, out += int4_group) {   // strips are whole groups
            const std::uint8_t* from = q + i / 2;
            const float scale = scales[i / int4_group];
            for (Index k = 0; k < half; ++k) {
                out[k] = scale * static_cast<float>(static_cast<std::int32_t>(from[k] & 15U) - 8);
                out[k + half] = scale * static_cast<float>(static_cast<std::int32_t>(from[k] >> 4) - 8);
            }
        }
    });
}

void quantise_int8(const float* x, std::int8_t* q, float* scales, Index rows, Index columns) {
    deal_out(rows, quantise_grain, [&](Index begin, Index end) {
        round_int8_rows(x, q, scales, begin, end, columns);
    });
}

void dequantise_int8(const std::int8_t* q, const float* scales, float* y, Index rows, Index columns) {
    deal_out(rows, quantise_grain, [&](Index begin, Index end) {
        widen_int8_rows(q, scales, y, begin, end, columns, rows * columns >= around_least);
    });
}

void quantise_int4(const float* x, std::uint8_t* q, float* scales, Index groups) {
    deal_out(groups, 256, [&](Index begin, Index end) {
        round_int4(x + begin * int4_group, q + begin * int4_group / 2, scales + begin, end - begin);
    });
}

void dequantise_int4(const std::uint8_t* q, const float* scales, float* y, Index groups) {
    deal_out(groups, 256, [&](Index begin, Index end) {
        widen_int4(q + begin * int4_group / 2, y + begin * int4_group, scales + begin, end - begin, groups * int4_group >= around_least);
    });
}

struct Quantised {
    Shared<float> x, y, scales;
    std::shared_ptr<Copies<std::int8_t>> bytes;
    std::shared_ptr<Copies<std::uint8_t>> nibbles;
    Index rows, columns;   // of int4: a row is one group
};

Quantised quantised_data(const KernelCase& c, int copies, Rng& rng, bool nibbles) {
    Quantised d;
    d.columns = nibbles ? int4_group : c.sizes[1];
    d.rows = nibbles ? c.sizes[0] * ((c.sizes[1] + int4_group - 1) / int4_group) : c.sizes[0];   // padded to whole groups
    const Index extent = d.rows * d.columns;
    d.x = random_floats(copies, extent, rng);
    d.y = zeros<float>(copies, extent);
    d.scales = zeros<float>(copies, d.rows);
    if (nibbles) d.nibbles = zeros<std::uint8_t>(copies, extent / 2);
    if (!nibbles) d.bytes = zeros<std::int8_t>(copies, extent);
    return d;
}

void quantise_copy(const Quantised& d, int i) {
    d.bytes ? quantise_int8((*d.x)[i], (*d.bytes)[i], (*d.scales)[i], d.rows, d.columns)
            : quantise_int4((*d.x)[i], (*d.nibbles)[i], (*d.scales)[i], d.rows);
}

void dequantise_copy(const Quantised& d, int i) {
    d.bytes ? dequantise_int8((*d.bytes)[i], (*d.scales)[i], (*d.y)[i], d.rows, d.columns)
            : dequantise_int4((*d.nibbles)[i], (*d.scales)[i], (*d.y)[i], d.rows);
}

// What quantising must give, in float64: scale * nearest step.
std::vector<double> stepped(const Quantised& d) {
    const double steps = d.bytes ? 127.0 : 7.0;
    std::vector<double> want;
    for (Index r = 0; r < d.rows; ++r) {
        double top = 0.0;
        for (Index i = 0; i < d.columns; ++i) top = std::max(top, std::abs(static_cast<double>((*d.x)[0][r * d.columns + i])));
        for (Index i = 0; i < d.columns; ++i) {
            const auto value = static_cast<double>((*d.x)[0][r * d.columns + i]);
            want.push_back(top > 0.0 ? std::nearbyint(value * steps / top) * top / steps : 0.0);
        }
    }
    return want;
}

PreparedKernel quantise_kernel(const KernelCase& c, int copies, Rng& rng, bool nibbles, bool back) {
    const Quantised d = quantised_data(c, copies, rng, nibbles);
    for (int i = 0; i < copies; ++i) quantise_copy(d, i);
    const auto extent = static_cast<double>(d.rows * d.columns);
    PreparedKernel kernel;
    const double each = nibbles ? 4.5 : 5.0;   // bytes of a value, both forms together
    kernel.work = Streaming{Bytes::from_si(extent * each + 4.0 * static_cast<double>(d.rows)), 1,
                            Flop::from_si((back ? 1.0 : 3.0) * extent), back ? 4.0 / each : (each - 4.0) / each};
    kernel.flop = flop_of(*kernel.work);
    kernel.bytes = bytes_of(*kernel.work);
    kernel.copies = copies;
    // A value just between two steps may fall either way: one in ten thousand, each by a step.
    kernel.error_max = nibbles ? 2e-3 : 2e-4;
    kernel.run = [=](int i) { back ? dequantise_copy(d, i) : quantise_copy(d, i); };
    kernel.check = [=] {
        poison(d.scales->values());
        poison(d.y->values());
        quantise_copy(d, 0);
        dequantise_copy(d, 0);
        return relative_error(d.y->values(), stepped(d));
    };
    kernel.accuracy_loss = [=] {
        quantise_copy(d, 0);
        dequantise_copy(d, 0);
        return relative_error(d.y->values(), std::vector<double>(d.x->values().begin(), d.x->values().end()));
    };
    return kernel;
}

}  // namespace

PreparedKernel prepare_quantise_int8(const KernelCase& c, int copies, Rng& rng) {
    return quantise_kernel(c, copies, rng, false, false);
}
PreparedKernel prepare_dequantise_int8(const KernelCase& c, int copies, Rng& rng) {
    return quantise_kernel(c, copies, rng, false, true);
}
PreparedKernel prepare_quantise_int4(const KernelCase& c, int copies, Rng& rng) {
    return quantise_kernel(c, copies, rng, true, false);
}
PreparedKernel prepare_dequantise_int4(const KernelCase& c, int copies, Rng& rng) {
    return quantise_kernel(c, copies, rng, true, true);
}

}  // namespace orrery
