// Starts kernels on the GPU; included by the .cu files that compile them. For nvcc only.
#pragma once

#include "kernels/cuda/gpu.hpp"
#include "kernels/cuda/gpu_lane.hpp"

namespace orrery::cuda {

constexpr int shared_bytes_plain = 48 * 1024;   // above, a kernel must ask (CUDA C++ Programming Guide, 10.26)

template <class Kernel>
__global__ void __launch_bounds__(Kernel::threads_most) run_on_gpu(const Kernel kernel) {
    GpuLane lane;
    kernel(lane);
}

/// Throws GpuError with `what` where `status` is not success.
void require_success(cudaError_t status, const char* what);

// Kept whole even where the compiler would inline every call: files without nvcc call it by name.
template <class Kernel>
__attribute__((noinline, used)) void Gpu::launch(const Grid& grid, const Kernel& kernel) {
    if (grid.blocks <= 0) return;
    if (grid.shared_bytes > shared_bytes_plain) {
        require_success(cudaFuncSetAttribute(run_on_gpu<Kernel>, cudaFuncAttributeMaxDynamicSharedMemorySize, grid.shared_bytes),
                        "asking for shared memory");
    }
    run_on_gpu<Kernel><<<static_cast<unsigned>(grid.blocks), static_cast<unsigned>(grid.threads),
                         static_cast<std::size_t>(grid.shared_bytes)>>>(kernel);
    require_success(cudaGetLastError(), "starting a kernel");
}

}  // namespace orrery::cuda
