// Number formats, their sizes, and how many bytes an element of each takes.
#pragma once

#include "hardware/fields.hpp"
#include "hardware/units.hpp"

#include <array>
#include <cstddef>
#include <cstdint>

namespace orrery {

enum class DataType : std::uint8_t { fp64, fp32, tf32, fp16, bf16, fp8, int8, fp4, int4, int32 };
inline constexpr std::size_t data_type_count = 10;

template <>
struct EnumTable<DataType> {
    static constexpr std::array<EnumName<DataType>, data_type_count> names{{
        {DataType::fp64, "fp64", "IEEE binary64"},
        {DataType::fp32, "fp32", "IEEE binary32"},
        {DataType::tf32, "tf32", "fp32 storage, 10-bit mantissa in the matrix unit"},
        {DataType::fp16, "fp16", "IEEE binary16"},
        {DataType::bf16, "bf16", "bfloat16"},
        {DataType::fp8, "fp8", "8-bit float (E4M3 or E5M2)"},
        {DataType::int8, "int8", "8-bit integer"},
        {DataType::fp4, "fp4", "4-bit float with block scales (NVFP4, MXFP4)"},
        {DataType::int4, "int4", "4-bit integer with group scales"},
        {DataType::int32, "int32", "32-bit integer"},
    }};
};

/// Bytes of one element as stored; block scales of fp4 (one fp8 scale per 16) are counted.
constexpr double element_bytes(DataType type) {
    constexpr std::array<double, data_type_count> size{8.0, 4.0, 4.0, 2.0, 2.0, 1.0, 1.0, 0.5625, 0.5, 4.0};
    return size[static_cast<std::size_t>(type)];
}

/// One value per number format.
template <class T>
struct PerDataType {
    std::array<T, data_type_count> values{};
    constexpr T& operator[](DataType type) { return values[static_cast<std::size_t>(type)]; }
    constexpr const T& operator[](DataType type) const { return values[static_cast<std::size_t>(type)]; }
    bool operator==(const PerDataType&) const = default;
};

}  // namespace orrery
