// Products by the device's library in all number formats as an entry of the table of a device.
#pragma once

#include "kernels/cuda/device_array.hpp"
#include "kernels/cuda/prepare_multiply.hpp"
#include "kernels/cuda/product_call.hpp"

#include <cmath>
#include <limits>

namespace orrery::cuda {

/// IEEE binary16, to nearest even; values below its smallest normal one become zero, larger than it holds do not occur.
inline std::uint16_t half_from(float value) {
    const auto bits = __builtin_bit_cast(std::uint32_t, value);
    const std::uint32_t sign = (bits >> 16) & 0x8000U;
    const std::uint32_t size = (bits & 0x7fffffffU) + 0xfffU + ((bits >> 13) & 1U);
    if (size < 0x38800000U) return static_cast<std::uint16_t>(sign);   // 2^-14
    return static_cast<std::uint16_t>(sign | ((size - 0x38000000U) >> 13));
}
inline double value_of_half(std::uint16_t half) {
    const int exponent = (half >> 10) & 31;
    const double mantissa = half & 0x3ff;
    const double size = exponent == 0 ? std::ldexp(mantissa, -24) : exponent == 31 ? std::numeric_limits<double>::infinity() : std::ldexp(1024.0 + mantissa, exponent - 25);
    return (half & 0x8000U) != 0 ? -size : size;
}

/// How elements of a form are made and read on the host.
template <ProductForm form>
struct FormOnHost {
    using In = float;
    using Out = float;
    static In make(float value) { return value; }
    static double read(In value) { return static_cast<double>(value); }
    static double result(Out value) { return static_cast<double>(value); }
};
template <>
struct FormOnHost<ProductForm::bf16> {
    using In = Bf16;
    using Out = Bf16;
    static In make(float value) { return element_from<Bf16>(value); }
    static double read(In value) { return static_cast<double>(widen(value)); }
    static double result(Out value) { return static_cast<double>(widen(value)); }
};
template <>
struct FormOnHost<ProductForm::fp16> {
    using In = std::uint16_t;
    using Out = std::uint16_t;
    static In make(float value) { return half_from(value); }
    static double read(In value) { return value_of_half(value); }
    static double result(Out value) { return (value & 0x7c00U) == 0x7c00U ? std::numeric_limits<double>::infinity() : value_of_half(value); }
};
template <>
struct FormOnHost<ProductForm::fp8> {
    using In = std::uint8_t;
    using Out = Bf16;
    static In make(float value) { return to_fp8(value); }
    static double read(In value) { return static_cast<double>(from_fp8(value)); }
    static double result(Out value) { return static_cast<double>(widen(value)); }
};
template <>
struct FormOnHost<ProductForm::int8> {
    using In = std::int8_t;
    using Out = std::int32_t;
    static In make(float value) { return static_cast<std::int8_t>(127.0F * value); }
    static double read(In value) { return static_cast<double>(value); }
    static double result(Out value) { return static_cast<double>(value); }
};

/// Rows, columns and depth in memory. Libraries take 8-bit formats in whole vectors of 16 only, with the right side
/// stored column by column: odd sizes are filled up with zeros.
struct ProductMemory {
    Index m, n, k;
    bool by_columns;   // the right side is [n, k]
};
inline ProductMemory memory_of_product(ProductForm form, Index m, Index n, Index k) {
    if (form != ProductForm::fp8 && form != ProductForm::int8) return {m, n, k, false};
    const auto whole = [](Index size) { return ceil_div(size, 16) * 16; };
    return {whole(m), whole(n), whole(k), true};
}

/// Row-by-row C = A B is column-by-column C^T = B^T A^T: the library's left side is our right one.
inline ProductCall call_of(ProductForm form, const ProductMemory& s, Index batch) { return {form, s.by_columns, s.n, s.m, s.k, batch}; }

template <ProductForm form>
double library_product_error(const ProductMemory& s, Index batch, const KernelCase& c, const std::vector<typename FormOnHost<form>::In>& a,
                             const std::vector<typename FormOnHost<form>::In>& b, const std::vector<typename FormOnHost<form>::Out>& out) {
    using Host = FormOnHost<form>;
    const auto at = [](Index i) { return static_cast<std::size_t>(i); };
    const Index m = c.sizes[1];
    std::vector<float> got;
    std::vector<double> want;
    double wrong = 0.0;
    for (Index z = 0; z < batch; ++z) {
        const Index judged = std::min(m, judged_product_rows);
        for (Index i = 0; i < judged; ++i) {
            const Index row = m <= judged_product_rows ? i : i * (m - 1) / (judged_product_rows - 1);
            for (Index column = 0; column < c.sizes[2]; ++column) {
                double sum = 0.0;
                for (Index j = 0; j < c.sizes[3]; ++j) {
                    const Index right = s.by_columns ? (z * s.n + column) * s.k + j : (z * s.k + j) * s.n + column;
                    sum += Host::read(a[at((z * s.m + row) * s.k + j)]) * Host::read(b[at(right)]);
                }
                want.push_back(sum);
                const double result = Host::result(out[at((z * s.m + row) * s.n + column)]);
                got.push_back(static_cast<float>(result));
                wrong += form == ProductForm::int8 && result != sum ? 1.0 : 0.0;
            }
        }
    }
    return form == ProductForm::int8 ? wrong : relative_error(got, want);
}

template <class Device, ProductForm form>
PreparedKernel library_product(const KernelCase& c, int copies, Rng& rng) {
    using Host = FormOnHost<form>;
    using In = typename Host::In;
    using Out = typename Host::Out;
    const Index batch = c.sizes[0];
    const ProductMemory s = memory_of_product(form, c.sizes[1], c.sizes[2], c.sizes[3]);
    // What lies beyond the operands in memory is zero.
    const auto filled = [&](Index major, Index minor, Index major_used, Index minor_used) {
        const std::vector<float> drawn = random_values<float>(std::min(batch * major * minor, drawn_most), rng);
        std::vector<In> values(static_cast<std::size_t>(batch * major * minor), Host::make(0.0F));
        std::size_t next = 0;
        for (Index i = 0; i < batch * major; ++i) {
            for (Index j = 0; i % major < major_used && j < minor_used; ++j) {
                values[static_cast<std::size_t>(i * minor + j)] = Host::make(drawn[next]);
                next = next + 1 < drawn.size() ? next + 1 : 0;
            }
        }
        return values;
    };
    const auto left = filled(s.m, s.k, c.sizes[1], c.sizes[3]);
    const auto right = s.by_columns ? filled(s.n, s.k, c.sizes[2], c.sizes[3]) : filled(s.k, s.n, c.sizes[3], c.sizes[2]);
    const DeviceArray<Device, In> a(copies, left);
    const DeviceArray<Device, In> b(copies, right);
    const DeviceArray<Device, Out> out(copies, batch * s.m * s.n);
    const bool empty = batch * s.m * s.n * s.k == 0;
    const PlannedProduct product = empty ? PlannedProduct{} : Device::plan_product(call_of(form, s, batch), b[0], a[0], out[0]);
    const std::vector<Out> nothing(static_cast<std::size_t>(batch * s.m * s.n), Out{});
    PreparedKernel kernel;
    kernel.work = MatrixMultiply{c.sizes[1], c.sizes[2], c.sizes[3], batch, c.type, static_cast<double>(sizeof(Out))};
    kernel.flop = flop_of(*kernel.work);
    kernel.bytes = bytes_of(*kernel.work);
    kernel.copies = copies;
    kernel.finish = [] { Device::finish(); };
    kernel.error_max = form == ProductForm::int8 ? 0.0 : form == ProductForm::fp32 ? 1e-5 : form == ProductForm::tf32 ? 3e-4 : form == ProductForm::fp16 ? 2e-3 : 1e-2;
    kernel.run = [=](int i) { empty ? out.write(i, nothing) : product(b[i], a[i], out[i]); };   // the empty sum
    kernel.check = [=, run = kernel.run]() -> double {
        out.poison();
        run(0);
        return library_product_error<form>(s, batch, c, left, right, out.read());
    };
    return kernel;
}

template <class Device>
PreparedKernel prepare_library_multiply(const KernelCase& c, int copies, Rng& rng) {
    switch (c.type) {
        case DataType::tf32: return library_product<Device, ProductForm::tf32>(c, copies, rng);
        case DataType::bf16: return library_product<Device, ProductForm::bf16>(c, copies, rng);
        case DataType::fp16: return library_product<Device, ProductForm::fp16>(c, copies, rng);
        case DataType::fp8: return library_product<Device, ProductForm::fp8>(c, copies, rng);
        case DataType::int8: return library_product<Device, ProductForm::int8>(c, copies, rng);
        default: return library_product<Device, ProductForm::fp32>(c, copies, rng);
    }
}

}  // namespace orrery::cuda
