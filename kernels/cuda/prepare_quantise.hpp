// Quantising and back as entries of the table of a device, judged in float64 by the nearest value that a code can name.
#pragma once

#include "kernels/cuda/device_array.hpp"
#include "kernels/cuda/quantise.hpp"

#include <cmath>
#include <tuple>

namespace orrery::cuda {

/// All finite values of a code up to its top, found by trying its 2^bits codes.
template <class Code>
std::vector<double> values_of_code(int bits) {
    std::vector<double> values;
    for (std::uint32_t code = 0; code < (1U << bits); ++code) {
        double value = 0.0;
        if constexpr (requires { Code::group; }) {
            value = static_cast<double>(Code::value(code));
        } else {
            value = static_cast<double>(Code::value(static_cast<std::uint8_t>(code)));
        }
        if (std::abs(value) <= static_cast<double>(Code::top)) values.push_back(value);
    }
    std::sort(values.begin(), values.end());
    return values;
}

/// The one of `values` nearest to `wanted`; where two are equally near but for rounding, the one nearer to `got`.
inline double nearest_of(const std::vector<double>& values, double wanted, double got) {
    constexpr double rounding = 1e-5;
    const auto above = std::lower_bound(values.begin(), values.end(), wanted);
    if (above == values.begin()) return values.front();
    if (above == values.end()) return values.back();
    const double low = *(above - 1);
    const double high = *above;
    const double off = (high - wanted) - (wanted - low);   // above zero: low is nearer
    if (std::abs(off) <= rounding * std::max(1.0, std::abs(wanted))) return std::abs(got - low) < std::abs(got - high) ? low : high;
    return off > 0.0 ? low : high;
}

/// The check and the loss of a kernel that gives each `span` values that follow each other one scale, `scale_of(the largest
/// size of them)`. `arrays` are codes, scales and what comes back; `both` quantises to them and back.
template <class Code, class T, class Arrays, class Both, class ScaleOf>
void judge_by_codes(PreparedKernel& kernel, int bits, Index span, const std::vector<T>& values, const Arrays& arrays, Both both, ScaleOf scale_of) {
    kernel.check = [=] {
        std::apply([](const auto&... array) { (array.poison(), ...); }, arrays);
        both();
        const std::vector<float> got = floats_of(std::get<2>(arrays).read());
        const std::vector<double> steps = values_of_code<Code>(bits);
        std::vector<double> want;
        while (want.size() < values.size()) {
            const auto first = values.begin() + static_cast<std::ptrdiff_t>(want.size());
            double top = 0.0;
            for (Index i = 0; i < span; ++i) top = std::max(top, std::abs(static_cast<double>(value_of(first[i]))));
            const double scale = scale_of(top);
            for (Index i = 0; i < span; ++i) {
                const double wanted = static_cast<double>(value_of(first[i]));
                want.push_back(scale > 0.0 ? scale * nearest_of(steps, wanted / scale, static_cast<double>(got[want.size()]) / scale) : 0.0);
            }
        }
        return relative_error(got, want);
    };
    kernel.accuracy_loss = [=] {
        both();
        return relative_error(floats_of(std::get<2>(arrays).read()), doubles_of(values));
    };
}

template <class Device, class T, class Code, bool back>
PreparedKernel quantise_rows_kernel(const KernelCase& c, int copies, Rng& rng) {
    const Index rows = c.sizes[0];
    const Index columns = c.sizes[1];
    const auto values = random_values<T>(rows * columns, rng);
    const DeviceArray<Device, T> x(copies, values);
    const DeviceArray<Device, T> y(copies, rows * columns);
    const DeviceArray<Device, std::uint8_t> codes(copies, rows * columns);
    const DeviceArray<Device, float> scales(copies, rows);
    const auto quantise = [=](int i) { launch_rows<Device>(QuantiseRow<T, Code>{{x[i]}, codes[i], scales[i]}, rows, columns); };
    const auto dequantise = [=](int i) {
        const DequantiseRows<T, Code> kernel{codes[i], scales[i], y[i], rows, columns};
        Device::launch(kernel.grid(), kernel);
    };
    for (int i = 0; i < copies; ++i) quantise(i);
    const auto elements = static_cast<double>(rows * columns);
    PreparedKernel kernel = streaming_frame<Device>(copies, (1.0 + sizeof(T)) * elements + 4.0 * static_cast<double>(rows), (back ? 1.0 : 3.0) * elements);
    kernel.run = [=](int i) { back ? dequantise(i) : quantise(i); };
    kernel.error_max = error_allowed<T>;
    judge_by_codes<Code>(kernel, 8, columns, values, std::tuple(codes, scales, y),
                         [=] {
                             quantise(0);
                             dequantise(0);
                         },
                         [](double top) { return top / static_cast<double>(Code::top); });
    return kernel;
}

/// Rows are padded to whole groups, as the processor's kernel does.
template <class Device, class T, class Code, bool back>
PreparedKernel quantise_groups_kernel(const KernelCase& c, int copies, Rng& rng) {
    const Index elements = c.sizes[0] * ceil_div(c.sizes[1], Code::group) * Code::group;
    const auto values = random_values<T>(elements, rng);
    const float tensor_scale = 1.0F / (Code::top * (sizeof(typename Code::Scale) == 1 ? 448.0F : 1.0F));   // values are below one
    const DeviceArray<Device, T> x(copies, values);
    const DeviceArray<Device, T> y(copies, elements);
    const DeviceArray<Device, std::uint32_t> codes(copies, elements / nibbles_of_thread);
    const DeviceArray<Device, typename Code::Scale> scales(copies, elements / Code::group);
    const auto launch = [](const auto& kernel) { Device::launch(kernel.grid(), kernel); };
    const auto quantise = [=](int i) { launch(QuantiseGroups<T, Code>{x[i], codes[i], scales[i], elements, tensor_scale}); };
    const auto dequantise = [=](int i) { launch(DequantiseGroups<T, Code>{codes[i], scales[i], y[i], elements, tensor_scale}); };
    for (int i = 0; i < copies; ++i) quantise(i);
    const auto number = static_cast<double>(elements);
    PreparedKernel kernel = streaming_frame<Device>(copies, (0.5 + sizeof(T) + static_cast<double>(sizeof(typename Code::Scale)) / Code::group) * number,
                                                    (back ? 1.0 : 3.0) * number);
    kernel.run = [=](int i) { back ? dequantise(i) : quantise(i); };
    kernel.error_max = error_allowed<T>;
    judge_by_codes<Code>(kernel, 4, Code::group, values, std::tuple(codes, scales, y),
                         [=] {
                             quantise(0);
                             dequantise(0);
                         },
                         [=](double top) {
                             const float wanted = static_cast<float>(top) / (Code::top * tensor_scale);
                             return static_cast<double>(Code::scale_value(Code::scale_code(wanted))) * static_cast<double>(tensor_scale);
                         });
    return kernel;
}

}  // namespace orrery::cuda
