// Copies between host and device as entries of the table of a device.
#pragma once

#include "kernels/cuda/device_array.hpp"

#include <algorithm>

namespace orrery::cuda {

/// Bytes over the host's link, from or to pinned memory.
template <class Device, bool to_device>
PreparedKernel prepare_host_copy(const KernelCase& c, int copies, Rng& rng) {
    const Index bytes = c.sizes[0];
    std::vector<std::uint8_t> pattern(static_cast<std::size_t>(bytes));
    for (std::uint8_t& value : pattern) value = static_cast<std::uint8_t>(rng.next() >> 56);
    const std::shared_ptr<void> host = Device::allocate_pinned(static_cast<std::size_t>(bytes));
    const DeviceArray<Device, std::uint8_t> device(copies, pattern);
    auto* const there = static_cast<std::uint8_t*>(host.get());
    std::copy(pattern.begin(), pattern.end(), there);
    PreparedKernel kernel;
    kernel.bytes = Bytes::from_si(static_cast<double>(bytes));
    kernel.copies = copies;
    kernel.error_max = 0.0;
    kernel.finish = [] { Device::finish(); };
    kernel.run = [=](int i) {
        to_device ? Device::copy_in(device[i], host.get(), static_cast<std::size_t>(bytes)) : Device::copy_out(host.get(), device[i], static_cast<std::size_t>(bytes));
    };
    kernel.check = [=, run = kernel.run] {
        std::copy(pattern.begin(), pattern.end(), there);
        if (to_device) {
            device.poison();
        } else {
            device.write(0, pattern);
            std::fill_n(there, pattern.size(), std::uint8_t{0x7f});
        }
        run(0);
        Device::finish();
        const std::vector<std::uint8_t> got = device.read();
        const bool right = got == pattern && std::equal(pattern.begin(), pattern.end(), there);
        return right ? 0.0 : 1.0;
    };
    return kernel;
}

}  // namespace orrery::cuda
