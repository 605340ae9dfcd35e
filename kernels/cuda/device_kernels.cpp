// What is the same with and without CUDA: names of devices and the look-up of kernels.
#include "kernels/cuda/device_kernels.hpp"

namespace orrery {

bool names_gpu(const std::string& device) {
    if (device == "cuda") return true;
    if (device.rfind("cuda:", 0) != 0 || device.size() == 5 || device.size() > 7) return false;
    return device.find_first_not_of("0123456789", 5) == std::string::npos;
}

const KernelEntry* find_device_kernel(std::string_view name) {
    for (const KernelEntry& entry : device_kernels()) {
        if (entry.name == name) return &entry;
    }
    return nullptr;
}

}  // namespace orrery
