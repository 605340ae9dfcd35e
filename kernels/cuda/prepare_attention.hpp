// Prefill and decode attention as entries of the table of a device, judged by the textbook formula in float64.
#pragma once

#include "hardware/result.hpp"
#include "kernels/cuda/attention_plain.hpp"
#include "kernels/cuda/decode.hpp"
#include "kernels/cuda/device_array.hpp"
#include "kernels/reference/attention_oracle.hpp"

#include <cmath>
#include <limits>
#include <string>
#include <type_traits>

namespace orrery::cuda {

/// Calls use(width) with the narrowest tile of `widths` that holds a head, as a constant; the widest where none does.
template <int width, int... wider, class Use>
void with_head_tile(Index head, const Use& use) {
    if constexpr (sizeof...(wider) > 0) {
        if (head > width) return with_head_tile<wider...>(head, use);
    }
    use(std::integral_constant<int, width>{});
}

/// Why a block cannot hold a head of this many values; empty: it can.
inline std::string head_refused(const KernelCase& c, Index head, Index head_most, int shared_wanted, int shared_most) {
    const std::string words = words_of(c) + ": heads of " + std::to_string(head) + " values ";
    if (head > head_most) return words + "are too long: this kernel holds up to " + std::to_string(head_most);
    if (shared_wanted <= shared_most) return {};
    return words + "take " + std::to_string(shared_wanted / 1024) + " KiB of shared memory; a block of this GPU has " + std::to_string(shared_most / 1024);
}

inline float score_scale(Index head) { return log2_of_e / std::sqrt(static_cast<float>(head)); }

template <class T>
std::vector<float> values_or_infinity(const std::vector<T>& values, bool& written) {
    std::vector<float> wide = floats_of(values);
    for (const float value : wide) written = written && value - value == 0.0F;
    return wide;
}

inline PreparedKernel attention_frame(const Attention& work, int copies) {
    PreparedKernel kernel;
    kernel.work = work;
    kernel.flop = flop_of(*kernel.work);
    kernel.bytes = bytes_of(*kernel.work);
    kernel.copies = copies;
    kernel.error_max = work.type == DataType::fp32 ? 1e-5 : 1e-2;
    return kernel;
}

/// Sums of exp are wanted for gradients; null: not.
template <class Device>
void launch_prefill(const PrefillShape& s, const Bf16* q, const Bf16* k, const Bf16* v, Bf16* y, float* sums) {
    with_head_tile<64, 128, 192, 256>(s.head, [&](auto width) {
        const PrefillTiles<width()> tiles{s, q, k, v, y, score_scale(s.head), sums};
        Device::launch(tiles.grid(), tiles);
    });
}
template <class Device>
void launch_prefill(const PrefillShape& s, const float* q, const float* k, const float* v, float* y, float* sums) {
    with_head_tile<64, 128, 256>(s.head, [&](auto width) {
        const PlainPrefill<width()> tiles{s, q, k, v, y, score_scale(s.head), sums};
        Device::launch(tiles.grid(), tiles);
    });
}
template <class Device, class T>
std::string prefill_refused(const KernelCase& c, Index head) {
    int shared = 0;
    if constexpr (std::is_same_v<T, float>) {
        with_head_tile<64, 128, 256>(head, [&](auto width) { shared = PlainPrefill<width()>::shared_bytes; });
    } else {
        with_head_tile<64, 128, 192, 256>(head, [&](auto width) { shared = PrefillTiles<width()>::shared_bytes; });
    }
    return head_refused(c, head, 256, shared, Device::shared_most());
}

inline AttentionShape attention_shape(const KernelCase& c) {
    return {c.sizes[0], c.sizes[1], c.sizes[2], c.sizes[3], c.sizes[4], c.sizes[5], c.sizes[6], c.sizes[7] != 0};
}
inline PrefillShape prefill_shape(const AttentionShape& s) {
    return {s.batch, s.heads, s.kv_heads, s.head, s.queries, s.keys, s.window, s.causal};
}

template <class Device, class T>
PreparedKernel attention_prefill_kernel(const KernelCase& c, int copies, Rng& rng) {
    const AttentionShape shape = attention_shape(c);
    const PrefillShape s = prefill_shape(shape);
    PreparedKernel refused;
    refused.refused = prefill_refused<Device, T>(c, s.head);
    if (!refused.refused.empty()) return refused;
    const auto query_values = random_values<T>(s.batch * s.queries * s.heads * s.head, rng);
    const auto key_values = random_values<T>(s.batch * s.keys * s.kv_heads * s.head, rng);
    const auto value_values = random_values<T>(s.batch * s.keys * s.kv_heads * s.head, rng);
    const DeviceArray<Device, T> q(copies, query_values);
    const DeviceArray<Device, T> k(copies, key_values);
    const DeviceArray<Device, T> v(copies, value_values);
    const DeviceArray<Device, T> y(copies, q.extent());
    PreparedKernel kernel = attention_frame(work_of(shape, c.type), copies);
    kernel.finish = [] { Device::finish(); };
    kernel.run = [=](int i) { launch_prefill<Device>(s, q[i], k[i], v[i], y[i], nullptr); };
    kernel.check = [=, run = kernel.run] {
        y.poison();
        run(0);
        bool written = true;
        const std::vector<float> all = values_or_infinity(y.read(), written);
        if (!written) return std::numeric_limits<double>::infinity();
        const std::vector<float> queries = floats_of(query_values);
        const auto of = [](const std::vector<T>& values) { return [&values](Index i) { return static_cast<double>(value_of(values[static_cast<std::size_t>(i)])); }; };
        std::vector<float> got;
        std::vector<double> want;
        const Index lanes = s.batch * s.heads;
        for (Index lane = 0; lane < lanes; lane += std::max<Index>(lanes / 3, 1)) {
            for (Index row = 0; row < s.queries; row += std::max<Index>(s.queries / 24, 1)) {
                const auto one = attention_row(shape, lane / s.heads, lane % s.heads, row, queries.data(), of(key_values), of(value_values));
                want.insert(want.end(), one.begin(), one.end());
                const auto out = all.begin() + ((lane / s.heads) * s.queries + row) * s.heads * s.head + (lane % s.heads) * s.head;
                got.insert(got.end(), out, out + s.head);
            }
        }
        return relative_error(got, want);
    };
    return kernel;
}

template <class Device>
PreparedKernel prepare_attention_decode(const KernelCase& c, int copies, Rng& rng) {
    const DecodeShape s{c.sizes[0], c.sizes[1], c.sizes[2], c.sizes[3], c.sizes[4], c.sizes[5]};
    const AttentionShape shape{s.batch, s.heads, s.kv_heads, s.head, 1, s.keys, s.window, true};
    int shared = 0;
    with_head_tile<64, 128, 192, 256>(s.head, [&](auto width) { shared = DecodePages<width()>::shared_bytes; });
    PreparedKernel refused;
    refused.refused = head_refused(c, s.head, 256, shared, Device::shared_most());
    if (!refused.refused.empty()) return refused;
    const Index extent = s.batch * s.pages() * page_of_tokens * s.kv_heads * s.head;
    const auto query_values = random_values<Bf16>(s.batch * s.heads * s.head, rng);
    const auto key_values = random_values<Bf16>(extent, rng);
    const auto value_values = random_values<Bf16>(extent, rng);
    std::vector<std::int32_t> page_table(static_cast<std::size_t>(s.batch * s.pages()));
    for (std::size_t i = 0; i < page_table.size(); ++i) page_table[i] = static_cast<std::int32_t>(i);
    for (std::size_t i = page_table.size(); i > 1; --i) std::swap(page_table[i - 1], page_table[rng.below(i)]);   // as they fell free
    const Index splits = decode_splits(s, Device::processors());
    const DeviceArray<Device, Bf16> q(copies, query_values);
    const DeviceArray<Device, Bf16> keys(copies, key_values);
    const DeviceArray<Device, Bf16> values(copies, value_values);
    const DeviceArray<Device, Bf16> y(copies, q.extent());
    const DeviceArray<Device, std::int32_t> pages(1, page_table);
    const Index part_rows = s.lanes() * splits * queries_of_warp;
    const DeviceArray<Device, float> part_values(1, part_rows * s.head);
    const DeviceArray<Device, float> part_sums(2, part_rows);
    PreparedKernel kernel = attention_frame(work_of(shape, DataType::bf16), copies);
    kernel.finish = [] { Device::finish(); };
    kernel.run = [=](int i) {
        const DecodeParts parts{part_values[0], part_sums[0], part_sums[1]};
        const auto launch = [](const auto& tiles) { Device::launch(tiles.grid(), tiles); };
        with_head_tile<64, 128, 192, 256>(s.head, [&](auto width) {
            launch(DecodePages<width()>{s, q[i], keys[i], values[i], pages[0], y[i], parts, splits, score_scale(s.head)});
        });
        if (splits > 1) launch(CombineSplits{s, parts, y[i], splits});
    };
    kernel.check = [=, run = kernel.run] {
        y.poison();
        run(0);
        bool written = true;
        const std::vector<float> got = values_or_infinity(y.read(), written);
        if (!written) return std::numeric_limits<double>::infinity();
        const auto of = [&](const std::vector<Bf16>& array) {
            return [&](Index i) {   // from [batch, key, kv_head, head] to the page
                const Index key = i / (s.head * s.kv_heads) % s.keys;
                const Index page = page_table[static_cast<std::size_t>(i / (s.head * s.kv_heads * s.keys) * s.pages() + key / page_of_tokens)];
                const Index at = ((page * s.kv_heads + i / s.head % s.kv_heads) * page_of_tokens + key % page_of_tokens) * s.head + i % s.head;
                return static_cast<double>(widen(array[static_cast<std::size_t>(at)]));
            };
        };
        const std::vector<float> queries = floats_of(query_values);
        std::vector<double> want;
        for (Index b = 0; b < s.batch; ++b) {
            for (Index h = 0; h < s.heads; ++h) {
                const auto row = attention_row(shape, b, h, 0, queries.data(), of(key_values), of(value_values));
                want.insert(want.end(), row.begin(), row.end());
            }
        }
        return relative_error(got, want);
    };
    return kernel;
}

}  // namespace orrery::cuda
