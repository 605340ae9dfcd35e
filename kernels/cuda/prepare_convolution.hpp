// Convolution as an entry of the table of a device, judged by the definition in float64.
#pragma once

#include "kernels/cuda/convolution.hpp"
#include "kernels/cuda/prepare_library_multiply.hpp"
#include "kernels/reference/convolution_oracle.hpp"

namespace orrery::cuda {

inline ConvolutionShape shape_of_convolution(const Convolution& work) {
    const auto narrow = [](std::int64_t size) { return static_cast<int>(size); };
    return {narrow(work.batch),   narrow(work.height),        narrow(work.width),
            narrow(work.channels), narrow(work.filters),       narrow(work.kernel_height),
            narrow(work.stride),  narrow(convolved_side(work.height, work.stride)), narrow(convolved_side(work.width, work.stride)),
            narrow(padding_before(work.height, work.kernel_height, work.stride)), narrow(padding_before(work.width, work.kernel_width, work.stride))};
}

/// How values of a type are made and read on the host.
template <class T>
struct ValueOnHost {
    static T make(float value) { return element_from<T>(value); }
    static float read(T value) { return value_of(value); }
};
template <>
struct ValueOnHost<Half> {
    static Half make(float value) { return {half_from(value)}; }
    static float read(Half value) { return static_cast<float>((value.bits & 0x7c00U) == 0x7c00U ? std::numeric_limits<double>::infinity() : value_of_half(value.bits)); }
};

template <class Device, class T>
PreparedKernel convolution_kernel(const KernelCase& c, int copies, Rng& rng) {
    using Host = ValueOnHost<T>;
    const Convolution work = convolution_of(c);
    const ConvolutionShape s = shape_of_convolution(work);
    std::vector<float> images = random_values<float>(work.input_pixels() * work.channels, rng);   // channels first, as the judge reads
    std::vector<float> filters = random_values<float>(work.weights(), rng);
    for (float& value : images) value = Host::read(Host::make(value));
    for (float& value : filters) value = Host::read(Host::make(value));
    std::vector<T> image_values(images.size());
    channels_side_by_side(work, images.data(), [&](Index to, float value) { image_values[static_cast<std::size_t>(to)] = Host::make(value); });
    std::vector<T> weight_values(filters.size());
    for (Index i = 0; i < work.weights(); ++i) {   // from [filter, channel, point] to [point, channel, filter]
        const Index points = work.kernel_points();
        const Index to = (i % points * work.channels + i / points % work.channels) * work.filters + i / (points * work.channels);
        weight_values[static_cast<std::size_t>(to)] = Host::make(filters[static_cast<std::size_t>(i)]);
    }
    const DeviceArray<Device, T> x(copies, image_values);
    const DeviceArray<Device, T> w(copies, weight_values);
    const DeviceArray<Device, T> y(copies, work.output_pixels() * work.filters);
    PreparedKernel kernel;
    kernel.work = work;
    kernel.flop = flop_of(*kernel.work);
    kernel.bytes = bytes_of(*kernel.work);
    kernel.copies = copies;
    kernel.finish = [] { Device::finish(); };
    kernel.error_max = std::is_same_v<T, Half> ? 2e-3 : error_allowed<T>;
    kernel.run = [=](int i) {
        const auto launch = [](const auto& tiles) { Device::launch(tiles.grid(), tiles); };
        if constexpr (std::is_same_v<T, float>) {
            launch(PlainConvolution{s, x[i], w[i], y[i]});
        } else {
            launch(ConvolutionTiles<T>(s, x[i], w[i], y[i]));
        }
    };
    kernel.check = [=, run = kernel.run] {
        y.poison();
        run(0);
        std::vector<float> got;
        for (const T value : y.read()) got.push_back(Host::read(value));
        return convolution_error(work, images, filters, got, ImageLayout::channels_last);
    };
    return kernel;
}

template <class Device>
PreparedKernel prepare_convolution(const KernelCase& c, int copies, Rng& rng) {
    switch (c.type) {
        case DataType::bf16: return convolution_kernel<Device, Bf16>(c, copies, rng);
        case DataType::fp16: return convolution_kernel<Device, Half>(c, copies, rng);
        default: return convolution_kernel<Device, float>(c, copies, rng);
    }
}

}  // namespace orrery::cuda
