// Quantising to int8 and fp8 with a scale per row, to int4 and fp4 with a scale per group; and back.
#pragma once

#include "kernels/cuda/rows.hpp"

namespace orrery::cuda {

/// How a byte stands for a value of a row whose largest size becomes `top`.
struct Int8Code {
    static constexpr float top = 127.0F;
    ORRERY_BOTH static std::uint8_t code(float value) { return static_cast<std::uint8_t>(static_cast<std::int8_t>(to_whole(value))); }
    ORRERY_BOTH static float value(std::uint8_t code) { return static_cast<float>(static_cast<std::int8_t>(code)); }
};
struct Fp8Code {
    static constexpr float top = 448.0F;
    ORRERY_BOTH static std::uint8_t code(float value) { return to_fp8(value); }
    ORRERY_BOTH static float value(std::uint8_t code) { return from_fp8(code); }
};

/// Input in[0]; `codes` gets a byte for each value, `scales` what each row's bytes must be multiplied by.
template <class T, class Code>
struct QuantiseRow {
    using Element = T;
    using RowSums = Sums<1>;
    static constexpr int inputs = 1;
    const T* in[1];
    std::uint8_t* codes;
    float* scales;
    ORRERY_DEVICE RowSums none() const { return {{0.0F}}; }
    template <class Lane, int n>
    ORRERY_DEVICE RowSums of(Lane&, Index, Index, const float (&x)[1][n]) const {
        float top = 0.0F;
        ORRERY_UNROLL
        for (int j = 0; j < n; ++j) {
            const float size = x[0][j] < 0.0F ? -x[0][j] : x[0][j];
            top = size > top ? size : top;
        }
        return {{top}};
    }
    template <class Lane>
    ORRERY_DEVICE RowSums merged(Lane&, const RowSums& a, const RowSums& b) const {
        return a.values[0] > b.values[0] ? a : b;
    }
    template <class Lane>
    ORRERY_DEVICE RowSums finished(Lane& lane, Index row, Index, const RowSums& sums, bool leads) const {
        if (leads) lane.store(scales + row, sums.values[0] / Code::top);
        return {{sums.values[0] > 0.0F ? Code::top / sums.values[0] : 0.0F}};
    }
    template <class Lane>
    ORRERY_DEVICE float result(Lane&, Index, Index, const RowSums& sums, const float (&x)[1]) const {
        return x[0] * sums.values[0];
    }
    template <class Lane, int n>
    ORRERY_DEVICE void write(Lane& lane, Index at, const float (&y)[n]) const {
        Pack<std::uint8_t, n> pack;
        ORRERY_UNROLL
        for (int j = 0; j < n; ++j) pack.values[j] = Code::code(y[j]);
        lane.store(reinterpret_cast<Pack<std::uint8_t, n>*>(codes + at), pack);
    }
};

/// Sixteen values for each thread; rows are `columns` long.
template <class T, class Code>
struct DequantiseRows {
    static constexpr int threads_most = 256;
    static constexpr int values_of_thread = 16;
    const std::uint8_t* codes;
    const float* scales;
    T* out;
    Index rows;
    Index columns;

    [[nodiscard]] Grid grid() const { return {ceil_div(rows * columns, threads_most * values_of_thread), threads_most, 0}; }

    template <class Lane>
    ORRERY_DEVICE void operator()(Lane& lane) const {
        const Index first = (lane.block() * threads_most + lane.thread()) * values_of_thread;
        if (columns % values_of_thread == 0 && first < rows * columns) {
            const float scale = lane.load_again(scales + first / columns);
            const auto pack = lane.load(reinterpret_cast<const Pack<std::uint8_t, values_of_thread>*>(codes + first));
            constexpr int width = values_in_vector<T>;
            ORRERY_UNROLL
            for (int i = 0; i < values_of_thread; i += width) {
                float y[width];
                ORRERY_UNROLL
                for (int j = 0; j < width; ++j) y[j] = scale * Code::value(pack.values[i + j]);
                store_narrow(lane, out + first + i, y);
            }
            return;
        }
        for (Index at = first; at < first + values_of_thread && at < rows * columns; ++at) {
            T value;
            narrow_to(lane, lane.load_again(scales + at / columns) * Code::value(lane.load(codes + at)), value);
            lane.store(out + at, value);
        }
    }
};

/// Four bits for each value. A group's scale is stored as it is (int4: GGUF's Q4_0, llama.cpp) or in E4M3, under one
/// factor for the whole tensor (fp4: NVIDIA's NVFP4).
struct Int4Code {
    static constexpr int group = 32;
    static constexpr float top = 7.0F;
    using Scale = float;
    ORRERY_BOTH static Scale scale_code(float scale) { return scale; }
    ORRERY_BOTH static float scale_value(Scale scale) { return scale; }
    ORRERY_BOTH static std::uint32_t code(float value) { return static_cast<std::uint32_t>(static_cast<std::int32_t>(to_whole(value)) + 8); }
    ORRERY_BOTH static float value(std::uint32_t code) { return static_cast<float>(static_cast<std::int32_t>(code) - 8); }
};
struct Fp4Code {
    static constexpr int group = 16;
    static constexpr float top = 6.0F;
    using Scale = std::uint8_t;
    ORRERY_BOTH static Scale scale_code(float scale) { return to_fp8(scale); }
    ORRERY_BOTH static float scale_value(Scale scale) { return from_fp8(scale); }
    ORRERY_BOTH static std::uint32_t code(float value) { return to_fp4(value); }
    ORRERY_BOTH static float value(std::uint32_t code) { return from_fp4(code); }
};

constexpr int nibbles_of_thread = 8;

/// Whole groups. Eight values for each thread; the threads of a group are neighbours.
template <class T, class Code>
struct QuantiseGroups {
    static constexpr int threads_most = 256;
    static constexpr int threads_of_group = Code::group / nibbles_of_thread;
    const T* in;
    std::uint32_t* codes;                 // value 8 i + j in bits 4 j of word i
    typename Code::Scale* scales;
    Index elements;                       // a multiple of the group
    float tensor_scale;                   // of all scales

    [[nodiscard]] Grid grid() const { return {ceil_div(elements, threads_most * nibbles_of_thread), threads_most, 0}; }

    template <class Lane>
    ORRERY_DEVICE void operator()(Lane& lane) const {
        const Index word = lane.block() * threads_most + lane.thread();
        const bool here = word * nibbles_of_thread < elements;   // whole groups: all threads of one or none
        float x[nibbles_of_thread] = {};
        if (here) {
            constexpr int width = values_in_vector<T>;
            ORRERY_UNROLL
            for (int i = 0; i < nibbles_of_thread; i += width) {
                float part[width];
                load_wide(lane, in + word * nibbles_of_thread + i, part);
                ORRERY_UNROLL
                for (int j = 0; j < width; ++j) x[i + j] = part[j];
            }
        }
        float top = 0.0F;
        ORRERY_UNROLL
        for (int i = 0; i < nibbles_of_thread; ++i) {
            const float size = x[i] < 0.0F ? -x[i] : x[i];
            top = size > top ? size : top;
        }
        ORRERY_UNROLL
        for (int mask = threads_of_group / 2; mask > 0; mask /= 2) {
            const float other = lane.shuffle_xor(top, mask);
            top = other > top ? other : top;
        }
        if (!here) return;
        const typename Code::Scale scale = Code::scale_code(top / (Code::top * tensor_scale));
        const float steps = Code::scale_value(scale) * tensor_scale;
        const float inverse = steps > 0.0F ? 1.0F / steps : 0.0F;
        std::uint32_t packed = 0;
        ORRERY_UNROLL
        for (int i = 0; i < nibbles_of_thread; ++i) packed |= Code::code(x[i] * inverse) << (4 * i);
        lane.store(codes + word, packed);
        if (word % threads_of_group == 0) lane.store(scales + word / threads_of_group, scale);
    }
};

template <class T, class Code>
struct DequantiseGroups {
    static constexpr int threads_most = 256;
    const std::uint32_t* codes;
    const typename Code::Scale* scales;
    T* out;
    Index elements;
    float tensor_scale;

    [[nodiscard]] Grid grid() const { return {ceil_div(elements, threads_most * nibbles_of_thread), threads_most, 0}; }

    template <class Lane>
    ORRERY_DEVICE void operator()(Lane& lane) const {
        const Index word = lane.block() * threads_most + lane.thread();
        if (word * nibbles_of_thread >= elements) return;
        const std::uint32_t packed = lane.load(codes + word);
        const float scale = Code::scale_value(lane.load_again(scales + word * nibbles_of_thread / Code::group)) * tensor_scale;
        constexpr int width = values_in_vector<T>;
        ORRERY_UNROLL
        for (int i = 0; i < nibbles_of_thread; i += width) {
            float y[width];
            ORRERY_UNROLL
            for (int j = 0; j < width; ++j) y[j] = scale * Code::value((packed >> (4 * (i + j))) & 15U);
            store_narrow(lane, out + word * nibbles_of_thread + i, y);
        }
    }
};

}  // namespace orrery::cuda
