// The CUDA kernels for callers that know nothing of CUDA: which GPU is there, and what runs on it.
#pragma once

#include "hardware/result.hpp"
#include "hardware/units.hpp"
#include "kernels/reference/kernel.hpp"

#include <string>
#include <vector>

namespace orrery {

/// A GPU of this machine as its driver describes it.
struct GpuDescription {
    int number = 0;
    std::string name;                // "NVIDIA H100 80GB HBM3"
    std::string pci;
    int major = 0;                   // compute capability
    int minor = 0;
    int processors = 0;              // streaming multiprocessors
    Bytes memory;
    Bytes memory_free;
    Bytes cache;                     // second level
    std::string libraries;           // "CUDA 13.0 (driver 13.0), cuBLASLt 13.1"
};

/// True for "cuda" and "cuda:N".
bool names_gpu(const std::string& device);

/// The GPU that "cuda" or "cuda:N" names, chosen for all that follows. Problems say what is missing: CUDA in this build,
/// the driver, the GPU, or an architecture that the kernels were compiled for.
Result<GpuDescription> open_gpu(const std::string& device);

/// Which file of hardware/catalog/devices a GPU is, by the name that its driver gives it.
struct GpuName {
    std::string_view driver;         // "NVIDIA H100 80GB HBM3", as nvidia-smi prints it
    std::string_view device;         // "h100-sxm"
};
/// NVIDIA, "Supported Chips" of the driver's README (580), in the spelling of nvidia-smi.
const std::vector<GpuName>& gpu_names();
/// A problem for names that the table does not hold.
Result<std::string> device_of_gpu(const std::string& place, const std::string& driver_name);

/// The kernels that run on a GPU, in the form of reference_kernels(); empty where this build has none.
const std::vector<KernelEntry>& device_kernels();

/// Null where there is no kernel of that name.
const KernelEntry* find_device_kernel(std::string_view name);

}  // namespace orrery
