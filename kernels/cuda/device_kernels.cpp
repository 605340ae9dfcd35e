// What is the same with and without CUDA: names of devices and the look-up of kernels.
#include "kernels/cuda/device_kernels.hpp"

namespace orrery {

bool names_gpu(const std::string& device) {
    if (device == "cuda") return true;
    if (device.rfind("cuda:", 0) != 0 || device.size() == 5 || device.size() > 7) return false;
    return device.find_first_not_of("0123456789", 5) == std::string::npos;
}

const std::vector<GpuName>& gpu_names() {
    static const std::vector<GpuName> names{
        {"NVIDIA A2", "a2"},
        {"NVIDIA A10", "a10"},
        {"NVIDIA A10G", "a10g"},
        {"NVIDIA A30", "a30"},
        {"NVIDIA A40", "a40"},
        {"NVIDIA A100-PCIE-40GB", "a100-pcie-40"},
        {"NVIDIA A100-PCIE-80GB", "a100-pcie-80"},
        {"NVIDIA A100 80GB PCIe", "a100-pcie-80"},
        {"NVIDIA A100-SXM4-40GB", "a100-sxm-40"},
        {"NVIDIA A100-SXM4-80GB", "a100-sxm-80"},
        {"NVIDIA A800-SXM4-80GB", "a800-sxm-80"},
        {"NVIDIA B200", "b200-sxm"},
        {"NVIDIA GB200", "gb200"},
        {"NVIDIA GB300", "gb300"},
        {"NVIDIA GH200 480GB", "gh200-96"},
        {"NVIDIA GH200 144G HBM3e", "gh200-141"},
        {"NVIDIA GeForce RTX 3070", "rtx-3070"},
        {"NVIDIA GeForce RTX 3080", "rtx-3080"},
        {"NVIDIA GeForce RTX 3080 Ti", "rtx-3080-ti"},
        {"NVIDIA GeForce RTX 3090", "rtx-3090"},
        {"NVIDIA GeForce RTX 4070 Ti", "rtx-4070-ti"},
        {"NVIDIA GeForce RTX 4080", "rtx-4080"},
        {"NVIDIA GeForce RTX 4090", "rtx-4090"},
        {"NVIDIA GeForce RTX 5090", "rtx-5090"},
        {"NVIDIA H20", "h20"},
        {"NVIDIA H100 80GB HBM3", "h100-sxm"},
        {"NVIDIA H100 NVL", "h100-nvl"},
        {"NVIDIA H100 PCIe", "h100-pcie"},
        {"NVIDIA H200", "h200-sxm"},
        {"NVIDIA H200 NVL", "h200-nvl"},
        {"NVIDIA H800", "h800-sxm"},
        {"NVIDIA L4", "l4"},
        {"NVIDIA L40", "l40"},
        {"NVIDIA L40S", "l40s"},
        {"NVIDIA RTX 4000 Ada Generation", "rtx-4000-ada"},
        {"NVIDIA RTX 5000 Ada Generation", "rtx-5000-ada"},
        {"NVIDIA RTX 6000 Ada Generation", "rtx-6000-ada"},
        {"NVIDIA RTX A6000", "rtx-a6000"},
        {"NVIDIA RTX PRO 6000 Blackwell Server Edition", "rtx-pro-6000"},
        {"NVIDIA RTX PRO 6000 Blackwell Workstation Edition", "rtx-pro-6000"},
    };
    return names;
}

Result<std::string> device_of_gpu(const std::string& place, const std::string& driver_name) {
    for (const GpuName& name : gpu_names()) {
        if (name.driver == driver_name) return std::string(name.device);
    }
    return Problem{place, "is a \"" + driver_name + "\", of which the catalogue has no peaks to measure against",
                   "describe it in hardware/catalog/devices/ and add its name to kernels/cuda/device_kernels.cpp"};
}

const KernelEntry* find_device_kernel(std::string_view name) {
    for (const KernelEntry& entry : device_kernels()) {
        if (entry.name == name) return &entry;
    }
    return nullptr;
}

}  // namespace orrery
