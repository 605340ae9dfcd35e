// Takes the place of with_cuda.cpp in builds without CUDA: no kernels, and a refusal that says why.
#include "kernels/cuda/device_suite.hpp"

namespace orrery {

const std::vector<KernelEntry>& device_kernels() {
    static const std::vector<KernelEntry> none;
    return none;
}

DeviceBench gpu_bench(const GpuDescription&) {
    DeviceBench none;
    none.kernels = &device_kernels();
    return none;
}

namespace {

Problem no_cuda(const std::string& place) {
    return {place, "cannot be measured: this build has no CUDA kernels, since nvcc was not found (or was not wanted) when it was made",
            "install the CUDA toolkit (12 or newer), configure again with -DORRERY_CUDA=ON and build"};
}

}  // namespace

Result<MeasuredStep> run_gpu_step(const StepShape&, int, std::uint64_t) { return no_cuda("a training step on a GPU"); }

Result<GpuDescription> open_gpu(const std::string& device) { return no_cuda("--device " + device); }

}  // namespace orrery
