// The table of kernels on a real GPU, and what stands in the way of using one.
#include "kernels/cuda/device_kernels.hpp"
#include "kernels/cuda/gpu.hpp"
#include "kernels/cuda/table.hpp"

namespace orrery {
namespace {

constexpr int oldest_architecture = 80;   // of the PTX that the .cu files are compiled to

std::string cuda_version_text(int version) { return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10); }

GpuDescription described(int number, const cuda::GpuFacts& facts) {
    GpuDescription gpu;
    gpu.number = number;
    gpu.name = facts.name;
    gpu.pci = facts.pci;
    gpu.major = facts.major;
    gpu.minor = facts.minor;
    gpu.processors = facts.processors;
    gpu.memory = Bytes::from_si(static_cast<double>(facts.memory));
    gpu.memory_free = Bytes::from_si(static_cast<double>(facts.memory_free));
    gpu.cache = Bytes::from_si(static_cast<double>(facts.cache));
    gpu.libraries = "CUDA " + cuda_version_text(facts.runtime) + " (driver " + cuda_version_text(facts.driver) + ")";
    return gpu;
}

}  // namespace

const std::vector<KernelEntry>& device_kernels() { return cuda::device_table<cuda::Gpu>(); }

Result<GpuDescription> open_gpu(const std::string& device) {
    const std::string place = "--device " + device;
    const int number = device.size() > 5 ? std::stoi(device.substr(5)) : 0;
    if (cuda::driver_version() == 0) {
        return Problem{place, "cannot be measured: this machine has no NVIDIA driver (libcuda.so.1)",
                       "run it on a machine with a GPU and its driver, or leave --device out to measure the processor"};
    }
    try {
        const int shown = cuda::gpu_count();
        if (shown == 0) {
            return Problem{place, "cannot be measured: the NVIDIA driver shows no GPU",
                           "see what nvidia-smi says and whether CUDA_VISIBLE_DEVICES hides it"};
        }
        if (number >= shown) {
            return Problem{place, "is not there: this machine shows " + std::to_string(shown) + (shown == 1 ? " GPU" : " GPUs"),
                           "write cuda:0" + (shown > 1 ? " to cuda:" + std::to_string(shown - 1) : std::string())};
        }
        const cuda::GpuFacts facts = cuda::gpu_facts(number);
        if (10 * facts.major + facts.minor < oldest_architecture) {
            return Problem{place, "is a " + facts.name + " of compute capability " + std::to_string(facts.major) + "." + std::to_string(facts.minor) +
                                      "; the kernels need 8.0 (Ampere) or newer",
                           "choose a newer GPU"};
        }
        return described(number, facts);
    } catch (const cuda::GpuError& error) {
        return Problem{place, std::string("cannot be used: ") + error.what(), "see what nvidia-smi says; a driver older than the program's CUDA must be renewed"};
    }
}

}  // namespace orrery
